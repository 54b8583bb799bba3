use serde_json::{Value, json};

use super::read::{parse, parse_issuer, parse_naming};
use super::{Actor, Confirmation, Thumbprint, TokenClaims};
use crate::name::Issuer;
use crate::{Scope, UnixTime, VerifyError};

fn read(change: &Value) -> Result<TokenClaims, VerifyError> {
    let mut claims = json!({"iss": "internal", "sub": "a", "aud": "b", "exp": 9});
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    parse(claims.to_string().as_bytes())
}

fn scope(change: &Value) -> String {
    read(change).unwrap().scope.to_string()
}

#[test]
fn all_claims_are_written_as_they_are_read() {
    let wire = json!({
        "iss": "internal", "sub": "alice", "aud": "logistics-service", "client_id": "shop", "scope": "a b",
        "iat": 1, "nbf": 2, "exp": 3, "jti": "id",
        "act": {"sub": "gateway", "client_id": "gw", "act": {"sub": "order-service", "iss": "other"}},
        "cnf": {"x5t#S256": "A".repeat(43), "jkt": "B".repeat(42) + "A"},
        "roles": ["admin"], "tenant": {"id": 7}
    });
    let claims = parse(wire.to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::to_value(&claims).unwrap(), wire);
    let actor = claims.actor.unwrap();
    assert_eq!((actor.depth(), actor.subject.as_str()), (2, "gateway"));
    assert_eq!(
        claims.confirmation.unwrap().x5t_s256,
        Some(Thumbprint([0; 32]))
    );
}

#[test]
fn what_is_absent_is_not_written() {
    let claims = read(&json!({})).unwrap();
    let wire = json!({"iss": "internal", "sub": "a", "aud": "b", "exp": 9});
    assert_eq!(serde_json::to_value(&claims).unwrap(), wire);
    let names = ["internal", "a", "b"];
    let made = TokenClaims::new(
        names[0].parse().unwrap(),
        names[1].parse().unwrap(),
        names[2].parse().unwrap(),
        UnixTime::from_secs(9),
    );
    assert_eq!(claims, made);
}

#[test]
fn several_audiences_are_a_list_and_one_is_a_text() {
    let one = read(&json!({"aud": ["b"]})).unwrap();
    assert_eq!(serde_json::to_value(&one).unwrap()["aud"], "b");
    let two = read(&json!({"aud": ["b", "c"]})).unwrap();
    assert_eq!(
        serde_json::to_value(&two).unwrap()["aud"],
        json!(["b", "c"])
    );
}

#[test]
fn scope_is_read_in_the_forms_of_other_issuers_too() {
    assert_eq!(scope(&json!({"scope": "b a"})), "a b");
    assert_eq!(scope(&json!({"scope": ["b", "a"]})), "a b");
    assert_eq!(scope(&json!({"scp": "b a"})), "a b");
    assert_eq!(scope(&json!({"scp": ["b", "a"]})), "a b");
    assert_eq!(scope(&json!({"scope": ""})), "");
    assert_eq!(scope(&json!({"scope": []})), "");
    assert_eq!(scope(&json!({})), "");
}

#[test]
fn scp_does_not_widen_a_scope_that_is_there() {
    let claims = read(&json!({"scope": "a", "scp": ["admin"]})).unwrap();
    assert_eq!(claims.scope, "a".parse::<Scope>().unwrap());
    assert_eq!(claims.extra["scp"], json!(["admin"]));
}

#[test]
fn an_empty_scope_stays_empty_beside_scp() {
    let claims = read(&json!({"scope": "", "scp": ["admin"]})).unwrap();
    assert!(claims.scope.is_empty());
    let again = parse(serde_json::to_string(&claims).unwrap().as_bytes());
    assert_eq!(again, Ok(claims));
}

#[test]
fn a_binding_that_we_do_not_know_is_still_a_binding() {
    let claims = read(&json!({"cnf": {"kid": "somewhere"}})).unwrap();
    let others = json!({"kid": "somewhere"}).as_object().cloned().unwrap();
    let expected = Confirmation {
        others,
        ..Confirmation::default()
    };
    assert_eq!(claims.confirmation, Some(expected));
    assert_eq!(
        json!(claims)["cnf"]["kid"],
        "somewhere",
        "it is written again"
    );
    let empty = read(&json!({"cnf": {}})).unwrap();
    assert_eq!(empty.confirmation, Some(Confirmation::default()));
}

#[test]
fn other_members_of_an_actor_say_nothing_about_who_acts() {
    let claims = read(&json!({"act": {"sub": "gateway", "exp": "never"}})).unwrap();
    assert_eq!(claims.actor, Some(Actor::new("gateway".parse().unwrap())));
}

#[test]
fn an_error_names_its_claim() {
    assert_eq!(
        read(&json!({"nbf": "1"})),
        Err(VerifyError::ClaimType { claim: "nbf" })
    );
    assert_eq!(
        read(&json!({"sub": ""})),
        Err(VerifyError::ClaimValue { claim: "sub" })
    );
    assert_eq!(
        read(&json!({"act": {"sub": 1}})),
        Err(VerifyError::ClaimType { claim: "act" })
    );
    assert_eq!(
        read(&json!({"scp": 1})),
        Err(VerifyError::ClaimType { claim: "scp" })
    );
    assert_eq!(
        parse(br#"{"iss":"a","sub":"b","exp":1}"#),
        Err(VerifyError::MissingClaim { claim: "aud" })
    );
}

#[test]
fn a_moment_may_have_a_fraction_and_an_exponent() {
    let text =
        br#"{"iss":"a","sub":"b","aud":"c","exp":1.7000000005e9,"nbf":1600000000.25,"iat":1.6e9}"#;
    let claims = parse(text).unwrap();
    assert_eq!(claims.expires_at.as_secs(), 1_700_000_000);
    assert_eq!(claims.not_before, Some(UnixTime::from_secs(1_600_000_001)));
    assert_eq!(claims.issued_at, Some(UnixTime::from_secs(1_600_000_000)));
    let absurd = br#"{"iss":"a","sub":"b","aud":"c","exp":1e400}"#;
    assert_eq!(parse(absurd), Err(VerifyError::ClaimValue { claim: "exp" }));
}

#[test]
fn a_token_without_sub_is_read_where_another_claim_is_to_name_its_subject() {
    let text = br#"{"iss":"a","aud":"c","exp":9,"azp":"svc","client_id":"own"}"#;
    let missing = Err(VerifyError::MissingClaim { claim: "sub" });
    assert_eq!(parse(text), missing);
    let subject = |names: &[&str]| {
        let names: Vec<Box<str>> = names.iter().map(|name| Box::from(*name)).collect();
        parse_naming(text, &names, None)
            .map(|read| (read.claims.subject.to_string(), read.states_subject))
    };
    assert_eq!(subject(&["absent", "azp"]), Ok(("svc".to_owned(), false)));
    assert_eq!(subject(&["client_id"]), Ok(("own".to_owned(), false)));
    assert_eq!(subject(&["absent", "exp"]).map(drop), missing.map(drop));
    let stated = parse_naming(
        br#"{"iss":"a","sub":"b","aud":"c","exp":9,"azp":"svc"}"#,
        &["azp".into()],
        None,
    );
    assert!(stated.is_ok_and(|read| read.states_subject && read.claims.subject == "b"));
    let empty = parse_naming(
        br#"{"iss":"a","aud":"c","exp":9,"azp":""}"#,
        &["azp".into()],
        None,
    );
    assert_eq!(
        empty.map(drop),
        Err(VerifyError::ClaimValue { claim: "sub" })
    );
}

#[test]
fn the_issuer_alone_is_read_from_claims_that_are_otherwise_wrong() {
    assert_eq!(
        parse_issuer(br#"{"exp":"x","iss":"a\/b","y":[{"iss":"c"}]}"#).as_deref(),
        Some("a/b")
    );
    for claims in [
        "{}",
        "[]",
        "",
        r#"{"iss":7}"#,
        r#"{"iss":["a"]}"#,
        r#"{"iss":"a""#,
    ] {
        assert_eq!(parse_issuer(claims.as_bytes()), None, "{claims}");
    }
}

#[test]
fn an_issuer_that_the_keys_tell_stands_in_the_place_of_whatever_iss_there_is() {
    let issuer: Issuer = "spiffe://prod.example".parse().unwrap();
    for iss in [
        "",
        r#""iss":"https://other.example","#,
        r#""iss":"spiffe://prod.example","#,
    ] {
        let text = format!(r#"{{{iss}"sub":"a","aud":"b","exp":9}}"#);
        let read = parse_naming(text.as_bytes(), &[], Some(&issuer)).unwrap();
        assert_eq!(read.claims.issuer, issuer);
    }
    let broken = br#"{"iss":7,"sub":"a","aud":"b","exp":9}"#;
    assert!(parse_naming(broken, &[], Some(&issuer)).is_err());
    let missing = parse_naming(br#"{"sub":"a","aud":"b","exp":9}"#, &[], None);
    assert_eq!(
        missing.err(),
        Some(VerifyError::MissingClaim { claim: "iss" })
    );
}
