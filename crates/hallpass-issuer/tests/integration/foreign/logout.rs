//! Somebody logs out: tokens of a trusted issuer are taken back here, by those who may, and by nobody else.

use std::time::Duration;

use hallpass_issuer::{GrantType, RevocationTarget, TrustedIssuerSettings};
use hallpass_token::{
    Revocation, RevocationKind, RevocationList, RevocationMarks, TokenClaims, TokenType, UnixTime,
};
use serde_json::{Value, json};

use super::{Authority, Estate};
use crate::harness::{NOW, Response, SECRET, basic, client, request};
use crate::revocation::{entries, operator, wait_for_entries};

/// As ever, and `gate`, where users of `login` log out.
async fn start() -> Estate {
    Estate::with(|settings| settings.clients.push(gate())).await
}

fn gate() -> hallpass_issuer::ClientSettings {
    let mut gate = client("gate", SECRET, &[], &["logistics"]);
    gate.may_revoke = vec!["login".to_owned()];
    gate
}

impl Estate {
    async fn form(&self, path: &str, id: &str, token: &str) -> Response {
        let lines = [
            "Content-Type: application/x-www-form-urlencoded".to_owned(),
            basic(id, SECRET),
        ];
        let form = format!("token={token}");
        let request = request(&format!("POST {path}"), &lines, form.as_bytes());
        self.harness.send(&request).await
    }

    async fn log_out(&self, id: &str, token: &str) -> Response {
        self.form("/oauth2/revoke", id, token).await
    }

    async fn is_active(&self, token: &str) -> Value {
        let told = self.form("/oauth2/introspect", "logistics", token).await;
        told.json()["active"].clone()
    }

    /// The deny-list as a service reads it that trusts `login` itself.
    async fn denies(&self, claims: &TokenClaims) -> Option<RevocationKind> {
        let mut list = RevocationList::default();
        for entry in entries(&self.harness).await {
            list.put(&serde_json::from_value::<Revocation>(entry).unwrap());
        }
        list.denies(&RevocationMarks::of(claims, None), UnixTime::from_secs(NOW))
    }

    fn asked(&self, result: &str) -> u64 {
        self.harness.metric(&format!(
            "hallpass_token_questions_total{{endpoint=\"revoke\",result=\"{result}\"}}"
        ))
    }
}

fn with_id(claims: &mut TokenClaims, id: &str) {
    claims.token_id = Some(id.parse().unwrap());
}

fn nothing(response: &Response, case: &str) {
    let said = (response.status, response.body.as_str());
    assert_eq!(said, (200, ""), "{case}");
}

#[tokio::test]
async fn who_logs_out_has_no_token_any_more_at_services_nor_for_an_exchange() {
    let estate = start().await;
    let token = estate.signed(|claims| with_id(claims, "session-1"));
    let other = estate.signed(|claims| with_id(claims, "session-2"));
    estate.exchange("order", &token, "").await.token();
    for again in ["once", "and again"] {
        nothing(&estate.log_out("gate", &token).await, again);
    }
    let mut claims = estate.alice();
    with_id(&mut claims, "session-1");
    assert_eq!(estate.denies(&claims).await, Some(RevocationKind::Token));
    let listed = entries(&estate.harness).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["ends_at"], NOW + 300 + 300, "after the token");
    estate
        .refused("order", &token, "revoked_subject_token")
        .await;
    with_id(&mut claims, "session-2");
    assert_eq!(estate.denies(&claims).await, None, "another session");
    estate.exchange("order", &other, "").await.token();
}

#[tokio::test]
async fn without_an_id_all_ends_that_the_subject_has_got_so_far() {
    let estate = start().await;
    let token = estate.signed(|_| {});
    let bob = estate.signed(|claims| claims.subject = "bob".parse().unwrap());
    let (ours, of_bob) = (
        estate.exchange("order", &token, "").await.token(),
        estate.exchange("order", &bob, "").await.token(),
    );
    nothing(&estate.log_out("gate", &token).await, "alice");
    let mut claims = estate.alice();
    with_id(&mut claims, "another of before");
    assert_eq!(estate.denies(&claims).await, Some(RevocationKind::Subject));
    claims.issued_at = Some(UnixTime::from_secs(NOW + 1));
    assert_eq!(estate.denies(&claims).await, None, "she logs in again");
    estate
        .refused("order", &token, "revoked_subject_token")
        .await;
    assert_eq!(estate.is_active(&ours).await, false, "login|alice here");
    assert_eq!(estate.is_active(&of_bob).await, true);
    estate.harness.clock.advance(Duration::from_secs(1));
    let later = estate.signed(|claims| {
        claims.issued_at = Some(UnixTime::from_secs(NOW + 1));
    });
    let ours = estate.exchange("order", &later, "").await.token();
    assert_eq!(estate.is_active(&ours).await, true);
}

/// With another signature.
fn tampered(token: &str) -> String {
    let (head, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    format!("{head}.{other}{}", &signature[1..])
}

/// A token of ours.
async fn of_batch(estate: &Estate) -> String {
    let form = "grant_type=client_credentials&audience=logistics";
    estate.harness.ask_as("batch", SECRET, form).await.token()
}

#[tokio::test]
async fn nothing_is_said_and_nothing_done_for_a_foreign_token_that_is_not_the_clients_to_end() {
    let (third, stranger) = (Authority::start().await, Authority::start().await);
    let trusted = TrustedIssuerSettings::new("third", third.issuer());
    let estate = Estate::with(|settings| {
        settings.trusted_issuers.push(trusted);
        settings.clients.push(gate());
    })
    .await;
    let good = estate.signed(|claims| with_id(claims, "1"));
    let of = |authority: &Authority| {
        let mut claims = estate.alice();
        with_id(&mut claims, "1");
        claims.issuer = authority.issuer();
        authority.sign(&claims, TokenType::AccessToken)
    };
    let mut claims = estate.alice();
    with_id(&mut claims, "1");
    let (forged, untyped) = (
        stranger.sign(&claims, TokenType::AccessToken),
        estate.login.sign(&claims, TokenType::Jwt),
    );
    let tampered = tampered(&good);
    let changed = |change: fn(&mut TokenClaims)| {
        estate.signed(|claims| {
            with_id(claims, "1");
            change(claims);
        })
    };
    let ours = of_batch(&estate).await;
    for (case, id, token) in [
        ("a client that may not", "order", good.clone()),
        ("a third issuer's", "gate", of(&third)),
        ("a stranger's", "gate", of(&stranger)),
        ("by keys of another", "gate", forged),
        ("changed", "gate", tampered),
        ("no access token", "gate", untyped),
        (
            "ended, and not a moment ago",
            "gate",
            changed(|it| it.expires_at = UnixTime::from_secs(NOW - 120)),
        ),
        (
            "for others",
            "gate",
            changed(|it| it.audience = vec!["shop".parse().unwrap()]),
        ),
        (
            "of the future",
            "gate",
            changed(|it| it.issued_at = Some(UnixTime::from_secs(NOW + 60))),
        ),
        (
            "of a login",
            "gate",
            changed(|it| drop(it.extra.insert("nonce".into(), "1".into()))),
        ),
        ("another client's of ours", "gate", ours.clone()),
        ("none", "gate", "nonsense".to_owned()),
    ] {
        nothing(&estate.log_out(id, &token).await, case);
        assert_eq!(entries(&estate.harness).await, [] as [Value; 0], "{case}");
    }
    assert_eq!(third.asked() + stranger.asked(), 0, "no keys are fetched");
    assert_eq!(estate.is_active(&ours).await, true);
    estate.exchange("order", &good, "").await.token();
    // What was refused for the client's sake alone is good for the one who may.
    nothing(&estate.log_out("gate", &good).await, "at last");
    assert_eq!(entries(&estate.harness).await.len(), 1);
}

#[tokio::test]
async fn no_subject_ends_that_is_called_like_a_client_or_a_subject_here() {
    let estate = start().await;
    let own = "grant_type=client_credentials&audience=logistics";
    let own = estate.harness.ask_as("order", SECRET, own).await.token();
    for subject in ["order", "login|alice"] {
        let named = estate.signed(|claims| claims.subject = subject.parse().unwrap());
        let refused = estate.log_out("gate", &named).await;
        assert_eq!(
            refused.refusal(),
            (400, "invalid_request".into()),
            "{subject}"
        );
    }
    let line = "hallpass_token_requests_refused_total{reason=\"subject_named_like_client\"}";
    assert_eq!(estate.harness.metric(line), 2);
    assert_eq!(entries(&estate.harness).await, [] as [Value; 0]);
    assert_eq!(estate.is_active(&own).await, true, "a service goes on");
    let named = estate.signed(|claims| {
        claims.subject = "order".parse().unwrap();
        with_id(claims, "7");
    });
    nothing(&estate.log_out("gate", &named).await, "by its id");
    assert_eq!(entries(&estate.harness).await.len(), 1);
    assert_eq!(estate.is_active(&own).await, true);
}

#[tokio::test]
async fn while_keys_of_its_issuer_cannot_be_had_a_logout_is_to_come_again() {
    let estate = start().await;
    estate.login.fail();
    let token = estate.signed(|claims| with_id(claims, "1"));
    let response = estate.log_out("gate", &token).await;
    assert_eq!(response.status, 503, "{response:?}");
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(entries(&estate.harness).await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_client_that_an_operator_revokes_ends_no_login_of_others() {
    let estate = start().await;
    let token = estate.signed(|claims| with_id(claims, "1"));
    let target = RevocationTarget::Client {
        id: "gate".into(),
        only_issued: false,
    };
    operator(&estate.harness, target).await.unwrap();
    wait_for_entries(&estate.harness, 1).await;
    let refused = estate.log_out("gate", &token).await;
    assert_eq!(refused.refusal(), (400, "unauthorized_client".into()));
    assert_eq!(entries(&estate.harness).await.len(), 1);
}

#[tokio::test]
async fn logouts_have_the_rate_of_every_revocation() {
    let estate = Estate::with(|settings| {
        settings.revocations_per_client_per_second = 1.try_into().unwrap();
        settings.clients.push(gate());
    })
    .await;
    let token = estate.signed(|claims| with_id(claims, "1"));
    for _within in 0..10 {
        nothing(&estate.log_out("gate", &token).await, "ten at once");
    }
    let refused = estate.log_out("gate", &token).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!((estate.asked("revoked"), estate.asked("nothing")), (1, 9));
}

#[tokio::test]
async fn a_token_for_the_front_door_ends_by_who_exchanges_it() {
    let estate = Estate::with(|settings| {
        let order = &mut settings.clients[0];
        order.may_revoke = vec!["login".to_owned()];
        order.exchange[0].subject_audiences = vec!["shop".parse().unwrap()];
        settings.clients.push(gate());
    })
    .await;
    let token = estate.signed(|claims| {
        claims.audience = vec!["shop".parse().unwrap()];
        with_id(claims, "1");
    });
    nothing(&estate.log_out("gate", &token).await, "has no rule");
    assert_eq!(entries(&estate.harness).await, [] as [Value; 0]);
    nothing(&estate.log_out("order", &token).await, "exchanges it");
    assert_eq!(entries(&estate.harness).await.len(), 1);
}

#[tokio::test]
async fn what_was_exchanged_for_who_logged_out_is_not_refreshed() {
    let estate = Estate::with(|settings| {
        settings.clients[0].grant_types = [GrantType::TokenExchange, GrantType::RefreshToken]
            .into_iter()
            .collect();
        settings.clients.push(gate());
    })
    .await;
    let token = estate.signed(|claims| with_id(claims, "session-1"));
    let refresh = async |response: &Response| {
        let token = response.json()["refresh_token"]
            .as_str()
            .unwrap()
            .to_owned();
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        estate.harness.ask_as("order", SECRET, &form).await
    };
    let first = estate.exchange("order", &token, "").await;
    let second = refresh(&first).await;
    assert_eq!(second.status, 200, "{second:?}");
    nothing(&estate.log_out("gate", &token).await, "once");
    let third = refresh(&second).await;
    assert_eq!(third.refusal(), (400, "invalid_grant".into()));
}

#[tokio::test]
async fn a_logout_is_in_the_audit_log_with_who_and_whose() {
    let (log, guard) = crate::audit::Log::begin();
    let estate = start().await;
    let token = estate.signed(|claims| with_id(claims, "session-1"));
    nothing(&estate.log_out("gate", &token).await, "once");
    estate.harness.issuer.shutdown().await.unwrap();
    drop(guard);
    let events = log.events();
    let event = events
        .iter()
        .find(|it| it["fields"]["event"] == "token_revoked")
        .unwrap();
    let fields = &event["fields"];
    let expected = json!({
        "client_id": "gate", "jti": "session-1", "subject": "alice",
        "subject_issuer": estate.login.issuer(), "expires_at": NOW + 300,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&fields[name], value, "{name}");
    }
    assert!(!log.text().contains(&token));
}
