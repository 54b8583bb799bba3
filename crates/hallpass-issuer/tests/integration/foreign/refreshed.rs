//! Refresh tokens that came with the exchange of another issuer's token: names of that issuer never stand for somebody here.

use std::time::Duration;

use hallpass_issuer::{GrantType, IssuerSettings, RevocationTarget, SubjectKind};
use hallpass_token::{Actor, Algorithm, SigningKey, TokenType, UnixTime};
use serde_json::Value;

use super::Estate;
use super::authority::OPENID;
use crate::harness::{NOW, Response, SECRET, basic, request};
use crate::revocation::operator;

async fn start() -> Estate {
    Estate::with(|settings| {
        for client in &mut settings.clients {
            client.grant_types = [GrantType::TokenExchange, GrantType::RefreshToken]
                .into_iter()
                .collect();
        }
    })
    .await
}

fn refresh_token(response: &Response) -> String {
    let json = response.json();
    json["refresh_token"].as_str().unwrap().to_owned()
}

async fn refresh(estate: &Estate, token: &str) -> Response {
    let form = format!("grant_type=refresh_token&refresh_token={token}");
    estate.harness.ask_as("order", SECRET, &form).await
}

async fn introspect(estate: &Estate, token: &str) -> Value {
    let lines = [
        "Content-Type: application/x-www-form-urlencoded".to_owned(),
        basic("order", SECRET),
    ];
    let form = format!("token={token}");
    let request = request("POST /oauth2/introspect", &lines, form.as_bytes());
    estate.harness.send(&request).await.json()
}

async fn revoke(estate: &Estate, target: RevocationTarget) {
    operator(&estate.harness, target).await.unwrap();
    let harness = &estate.harness;
    harness.issuer.apply(&harness.settings).await.unwrap();
}

fn subject(name: &str) -> RevocationTarget {
    RevocationTarget::Subject {
        name: name.to_owned(),
        only_issued: false,
    }
}

#[tokio::test]
async fn a_refresh_token_is_about_a_foreign_subject_as_it_is_called_here() {
    let estate = start().await;
    // Another issuer calls somebody as a client here is called.
    let token = estate.signed(|claims| claims.subject = "logistics".parse().unwrap());
    let first = refresh_token(&estate.exchange("order", &token, "").await);
    let told = introspect(&estate, &first).await;
    assert_eq!(told["sub"], "login|logistics", "{told}");

    revoke(&estate, subject("logistics")).await;
    let second = refresh(&estate, &first).await;
    assert_eq!(second.status, 200, "somebody else was revoked: {second:?}");
    let second = refresh_token(&second);
    assert_eq!(introspect(&estate, &second).await["active"], true);

    revoke(&estate, subject("login|logistics")).await;
    assert_eq!(introspect(&estate, &second).await["active"], false);
    let third = refresh(&estate, &second).await;
    assert_eq!(third.refusal(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn whom_a_foreign_token_names_as_its_actor_is_nobody_here_at_a_refresh_either() {
    let estate = start().await;
    for actor in ["nobody", "logistics"] {
        let token = estate.signed(|claims| {
            claims.actor = Some(Actor::new(actor.parse().unwrap()));
        });
        let first = estate.exchange("order", &token, "").await;
        let second = refresh(&estate, &refresh_token(&first)).await;
        assert_eq!(second.status, 200, "{actor}: {second:?}");
    }
}

#[tokio::test]
async fn who_introspects_a_refresh_token_learns_that_the_exchanged_token_was_revoked() {
    let estate = start().await;
    let foreign = estate.signed(|_| {});
    let first = estate.exchange("order", &foreign, "").await;
    let ours = first.token();
    let jti = estate.claims(&first, "logistics").await["jti"].clone();
    let form = format!(
        "{}&subject_token={ours}&subject_token_type={}",
        super::GRANT,
        super::ACCESS_TOKEN
    );
    let next = estate.harness.ask_as("logistics", SECRET, &form).await;
    let token = refresh_token(&next);
    let told = async || {
        let lines = [
            "Content-Type: application/x-www-form-urlencoded".to_owned(),
            basic("logistics", SECRET),
        ];
        let form = format!("token={token}");
        let request = request("POST /oauth2/introspect", &lines, form.as_bytes());
        estate.harness.send(&request).await.json()["active"].clone()
    };
    assert_eq!(told().await, true);
    let jti = jti.as_str().unwrap().to_owned();
    revoke(&estate, RevocationTarget::Token(jti)).await;
    assert_eq!(told().await, false);
}

/// Refreshes `token`, and takes the next one when there is one.
async fn go_on(estate: &Estate, token: &mut String) -> (u16, String) {
    let response = refresh(estate, token).await;
    if response.status == 200 {
        *token = refresh_token(&response);
        return (200, String::new());
    }
    response.refusal()
}

/// Alice's token, which lives for a while, and its refresh token.
async fn of_alice(estate: &Estate) -> String {
    let token = estate.signed(|claims| claims.expires_at = UnixTime::from_secs(NOW + 3_600));
    refresh_token(&estate.exchange("order", &token, "").await)
}

fn not_any_more() -> (u16, String) {
    (400, "invalid_grant".to_owned())
}

#[tokio::test]
async fn a_refresh_ends_with_the_key_that_signed_what_was_exchanged() {
    let estate = start().await;
    let mut token = of_alice(&estate).await;
    let own = estate.login.key.public_jwk().to_json();
    // Another key of the same name is another key.
    let other = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let same_name = other.with_key_id(estate.login.key.key_id().clone());
    let other = SigningKey::generate(Algorithm::EdDsa).unwrap();
    for key in [same_name, other] {
        estate.login.put_keys(&[key.public_jwk().to_json()]);
        estate.harness.clock.advance(Duration::from_secs(301));
        assert_eq!(go_on(&estate, &mut token).await, not_any_more());
        assert_eq!(introspect(&estate, &token).await["active"], false);
        estate.login.put_keys(std::slice::from_ref(&own));
        estate.harness.clock.advance(Duration::from_secs(301));
        let again = go_on(&estate, &mut token).await;
        assert_eq!(again.0, 200, "nothing was used up: {again:?}");
    }
}

#[tokio::test]
async fn while_the_keys_of_its_issuer_cannot_be_had_a_refresh_token_waits() {
    let mut estate = start().await;
    let mut token = of_alice(&estate).await;
    estate.login.fail();
    estate.harness = estate.harness.restart().await;
    let (status, _) = go_on(&estate, &mut token).await;
    assert_eq!(status, 503);
    let told = introspect(&estate, &token).await;
    assert_eq!(told["active"], Value::Null, "nobody can say: {told}");
    estate.login.put(OPENID, &estate.login.document());
    estate
        .login
        .put_keys(&[estate.login.key.public_jwk().to_json()]);
    estate.harness.clock.advance(Duration::from_secs(31));
    assert_eq!(go_on(&estate, &mut token).await.0, 200);
}

#[tokio::test]
async fn a_refresh_asks_again_for_what_an_exchange_would_be_refused() {
    let mut estate = start().await;
    let login = estate.login.issuer();
    let mut token = of_alice(&estate).await;
    let good = estate.harness.settings.clone();
    let changes: [fn(&mut IssuerSettings); 5] = [
        |it| it.trusted_issuers[0].algorithms = Algorithm::Rs256.into(),
        |it| it.clients[0].exchange[0].subject_kinds = vec![SubjectKind::Service],
        // Alice is told from a service by something that is not in her token.
        |it| {
            let callers = it.trusted_issuers[0].callers.clone();
            it.trusted_issuers[0].callers = callers.with_user_marks(["amr".parse().unwrap()]);
        },
        |it| it.trusted_issuers[0].max_age = Some(Duration::from_secs(0)),
        |it| it.trusted_issuers[0].audiences = vec!["elsewhere".parse().unwrap()],
    ];
    let no_rule = |it: &mut IssuerSettings| {
        let rule = &mut it.clients[0].exchange[0];
        assert_eq!(rule.subject_issuer.take(), Some(login.clone()));
    };
    let changes = changes.map(|change| Box::new(change) as Box<dyn Fn(&mut IssuerSettings)>);
    for (index, change) in changes
        .iter()
        .chain([&(Box::new(no_rule) as _)])
        .enumerate()
    {
        change(&mut estate.harness.settings);
        estate.harness.clock.advance(Duration::from_secs(20));
        let harness = &estate.harness;
        harness.issuer.apply(&harness.settings).await.unwrap();
        let refused = go_on(&estate, &mut token).await;
        assert_eq!(refused, not_any_more(), "{index}");
        estate.harness.settings = good.clone();
        let harness = &estate.harness;
        harness.issuer.apply(&harness.settings).await.unwrap();
        assert_eq!(go_on(&estate, &mut token).await.0, 200, "{index}");
    }
}

#[tokio::test]
async fn a_token_that_need_not_say_what_it_is_counts_only_while_none_of_its_issuer_needs() {
    let mut estate = Estate::with(|settings| {
        settings.trusted_issuers[0].dangerous_accept_untyped = true;
        for client in &mut settings.clients {
            client.grant_types = [GrantType::TokenExchange, GrantType::RefreshToken]
                .into_iter()
                .collect();
        }
    })
    .await;
    let untyped = estate.login.sign(&estate.alice(), TokenType::Jwt);
    let mut untyped = refresh_token(&estate.exchange("order", &untyped, "").await);
    let mut typed = of_alice(&estate).await;
    assert_eq!(go_on(&estate, &mut untyped).await.0, 200);
    estate.harness.settings.trusted_issuers[0].dangerous_accept_untyped = false;
    let harness = &estate.harness;
    harness.issuer.apply(&harness.settings).await.unwrap();
    assert_eq!(go_on(&estate, &mut untyped).await, not_any_more());
    assert_eq!(go_on(&estate, &mut typed).await.0, 200);
}
