use serde_json::{Value, json};

use super::*;
use crate::jwk::Jwk;
use crate::signing_key::SigningKey;
use crate::{ClientId, base64url};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const ISSUER: &str = "https://issuer.example";
const ENDPOINT: &str = "https://issuer.example/oauth2/token";

fn policy() -> AssertionPolicy {
    AssertionPolicy {
        issuer: ISSUER.into(),
        token_endpoint: ENDPOINT.into(),
        max_life: Duration::from_secs(300),
        leeway: Duration::from_secs(10),
    }
}

fn claims() -> Value {
    json!({"iss": "c", "sub": "c", "aud": ISSUER, "jti": "1", "exp": NOW.as_secs() + 60})
}

/// What `header` and `claims` say, signed with `key`.
fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    let text = format!("{}.{}", part(header), part(claims));
    let signature = base64url::encode(&key.sign(text.as_bytes()).unwrap());
    format!("{text}.{signature}")
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

fn read(claims: &Value) -> Result<AssertionAudience, AssertionError> {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let text = signed(&key, &json!({"alg": "EdDSA"}), claims);
    UnverifiedAssertion::parse(&text, &policy(), NOW).map(|read| read.audience)
}

#[test]
fn what_the_signer_makes_verifies_by_its_public_key_and_by_no_other() {
    for algorithm in Algorithm::EVERY {
        let signer = AssertionSigner::generate(algorithm).unwrap();
        let client: ClientId = "c".parse().unwrap();
        let minute = Duration::from_secs(60);
        let made = signer.sign(&client, ISSUER, NOW, minute).unwrap();
        let verify = |key: Jwk, algorithms| {
            let read = UnverifiedAssertion::parse(made.expose(), &policy(), NOW).unwrap();
            assert_eq!(read.unverified_subject(), "c");
            read.verify(&JwkSet::new([key]), algorithms)
        };
        let verified = verify(signer.public_jwk(), Algorithms::ALL).unwrap();
        assert_eq!(verified.subject, "c");
        assert_eq!(verified.audience, AssertionAudience::Issuer);
        assert_eq!(verified.expires_at, NOW.saturating_add(minute));
        let token = |error| Err(AssertionError::Token(error));
        let others = Algorithms::from_iter(
            Algorithm::EVERY
                .into_iter()
                .filter(|other| *other != algorithm),
        );
        assert_eq!(
            verify(signer.public_jwk(), others),
            token(VerifyError::AlgorithmNotAllowed)
        );
        let other = AssertionSigner::generate(algorithm).unwrap();
        assert_eq!(
            verify(other.public_jwk(), Algorithms::ALL),
            token(VerifyError::UnknownKey)
        );
        let renamed = other.with_key_id(signer.public_jwk().key_id().unwrap().clone());
        assert_eq!(
            verify(renamed.public_jwk(), Algorithms::ALL),
            token(VerifyError::Signature)
        );
    }
}

#[test]
fn each_has_another_jti_and_none_is_shown() {
    let signer = AssertionSigner::generate(Algorithm::Es256).unwrap();
    let client = "c".parse().unwrap();
    let one = || {
        signer
            .sign(&client, ISSUER, NOW, Duration::from_secs(60))
            .unwrap()
    };
    let id = |made: &ClientAssertion| {
        let read = UnverifiedAssertion::parse(made.expose(), &policy(), NOW).unwrap();
        read.token_id
    };
    let (one, other) = (one(), one());
    assert_ne!(id(&one), id(&other));
    let shown = format!("{one:?} {signer:?}");
    assert!(
        !shown.contains(one.expose()) && shown.len() < 200,
        "{shown}"
    );
}

#[test]
fn only_one_audience_counts_and_it_is_told_how_it_was_named() {
    let audience = |value: Value| read(&with("aud", value));
    assert_eq!(audience(json!(ISSUER)), Ok(AssertionAudience::Issuer));
    assert_eq!(
        audience(json!([ISSUER])),
        Ok(AssertionAudience::IssuerInList)
    );
    for named in [json!(ENDPOINT), json!([ENDPOINT])] {
        assert_eq!(audience(named), Ok(AssertionAudience::TokenEndpoint));
    }
    for other in [
        json!([ISSUER, ENDPOINT]),
        json!([ISSUER, "https://other.example"]),
        json!([ISSUER, ISSUER]),
        json!("https://issuer.example/"),
        json!("HTTPS://issuer.example"),
        json!("https://other.example"),
    ] {
        assert_eq!(
            audience(other.clone()),
            Err(AssertionError::Audience),
            "{other}"
        );
    }
    assert_eq!(
        audience(Value::Null),
        Err(AssertionError::Token(VerifyError::MissingClaim {
            claim: "aud"
        }))
    );
}

#[test]
fn issuer_and_subject_are_the_client_and_a_jti_is_demanded() {
    assert_eq!(read(&claims()), Ok(AssertionAudience::Issuer));
    for name in ["iss", "sub"] {
        let other = read(&with(name, json!("d")));
        assert_eq!(other, Err(AssertionError::NotSelfIssued), "{name}");
        let missing = read(&with(name, Value::Null));
        let expected = VerifyError::MissingClaim {
            claim: if name == "iss" { "iss" } else { "sub" },
        };
        assert_eq!(missing, Err(AssertionError::Token(expected)));
    }
    assert_eq!(
        read(&with("jti", Value::Null)),
        Err(AssertionError::NoTokenId)
    );
    let empty = read(&with("jti", json!("")));
    assert!(matches!(empty, Err(AssertionError::Token(_))), "{empty:?}");
}

#[test]
fn its_life_is_short_and_now() {
    let at =
        |name: &str, seconds: i64| read(&with(name, json!(1_800_000_000 + seconds))).map(|_| ());
    for (name, seconds, expected) in [
        ("exp", -9, Ok(())),
        ("exp", -10, Err(AssertionError::Expired)),
        ("exp", 310, Ok(())),
        ("exp", 311, Err(AssertionError::TooLong)),
        ("exp", i64::from(u32::MAX), Err(AssertionError::TooLong)),
        ("nbf", 10, Ok(())),
        ("nbf", 11, Err(AssertionError::NotYetValid)),
        ("nbf", -3_600, Ok(())),
        ("iat", 10, Ok(())),
        ("iat", 11, Err(AssertionError::NotYetValid)),
    ] {
        assert_eq!(at(name, seconds), expected, "{name} {seconds}");
    }
    assert!(read(&with("exp", Value::Null)).is_err());
}

#[test]
fn a_token_of_another_type_is_no_assertion() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let typed = |header: Value| {
        let text = signed(&key, &header, &claims());
        UnverifiedAssertion::parse(&text, &policy(), NOW).map(|_| ())
    };
    for typ in [
        "JWT",
        "client-authentication+jwt",
        "application/Client-Authentication+JWT",
    ] {
        assert_eq!(typed(json!({"alg": "EdDSA", "typ": typ})), Ok(()), "{typ}");
    }
    for typ in ["at+jwt", "dpop+jwt", "oauth-authz-req+jwt", ""] {
        assert_eq!(
            typed(json!({"alg": "EdDSA", "typ": typ})),
            Err(AssertionError::Token(VerifyError::Type)),
            "{typ}"
        );
    }
    for alg in ["none", "HS256", "RS512"] {
        assert_eq!(
            typed(json!({"alg": alg})),
            Err(AssertionError::Token(VerifyError::AlgorithmUnsupported))
        );
    }
}

#[test]
fn an_assertion_is_no_access_token() {
    let signer = AssertionSigner::generate(Algorithm::Es256).unwrap();
    let (client, audience) = (
        "internal".parse().unwrap(),
        "order-service".parse().unwrap(),
    );
    let made = signer
        .sign(&client, "order-service", NOW, Duration::from_secs(60))
        .unwrap();
    let keys = JwkSet::new([signer.public_jwk()]);
    let policy = crate::VerifyPolicy::new("internal".parse().unwrap(), audience);
    for policy in [policy.clone(), policy.dangerous_accept_untyped()] {
        let verified = crate::verify(made.expose(), &keys, &policy, NOW);
        assert_eq!(verified.map(|_| ()), Err(VerifyError::Type));
    }
}

#[test]
fn a_key_written_as_pem_is_the_same_key_and_derives_the_same_secrets() {
    for algorithm in Algorithm::EVERY {
        let signer = AssertionSigner::generate(algorithm).unwrap();
        let pem = signer.to_pem().unwrap();
        assert!(pem.lines().all(|line| line.len() <= 64));
        let again = AssertionSigner::from_pem(&pem).unwrap();
        assert_eq!(again.public_jwk(), signer.public_jwk());
        let derived = |signer: &AssertionSigner, purpose| signer.derive_secret(purpose).unwrap();
        assert_eq!(derived(&again, "a"), derived(&signer, "a"));
        assert_ne!(derived(&again, "a"), derived(&signer, "b"));
        let other = AssertionSigner::generate(algorithm).unwrap();
        assert_ne!(derived(&other, "a"), derived(&signer, "a"));
    }
}
