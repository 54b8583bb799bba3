//! Refresh tokens that came with the exchange of another issuer's token: names of that issuer never stand for somebody here.

use hallpass_issuer::{GrantType, RevocationTarget};
use hallpass_token::Actor;
use serde_json::Value;

use super::Estate;
use crate::harness::{Response, SECRET, basic, request};
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
