//! Token exchange (RFC 8693) over the wire, as clients and attackers try it.
//!
//! User tokens are signed with a key that was imported into the issuer: that of the authorization server whose place it takes.

mod issued;
mod refused;

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_issuer::{
    ExchangeRule, GrantType, IssuerServer, IssuerSettings, RevocationTarget, SubjectKind,
    import_keys,
};
use hallpass_token::{Issuer, SigningKey, TokenClaims, TokenType, UnixTime, sign_as};
use serde_json::Value;

use crate::harness::{Harness, NOW, Response, SECRET, client, settings, test_clock};
use crate::revocation::{operator, wait_for_entries};

const USER_KEY: &str = include_str!("data/ec-p256.pem");
const GRANT: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// `order` may act for users at `logistics` (read, write) and `billing` (read); `logistics` for users and services at
/// `billing`; `batch` has the grant for its own services only; `stranger` has no rule of its own.
pub(crate) fn estate(settings: &mut IssuerSettings) {
    let mut clients = ["order", "logistics", "batch", "stranger"].map(|id| {
        let mut client = client(id, SECRET, &["read"], &["logistics", "billing", "order"]);
        client.grant_types = [GrantType::ClientCredentials, GrantType::TokenExchange]
            .into_iter()
            .collect();
        client
    });
    let [order, logistics, batch, _stranger] = &mut clients;
    let (user, service) = (SubjectKind::User, SubjectKind::Service);
    order.exchange = vec![
        rule(&[user], &["logistics"], "read write"),
        rule(&[user], &["billing"], "read"),
    ];
    logistics.exchange = vec![rule(&[user, service], &["billing"], "read write")];
    batch.exchange = vec![ExchangeRule {
        subject_audiences: vec!["order".parse().unwrap()],
        ..rule(&[service], &["billing"], "read")
    }];
    settings.clients = clients.to_vec();
    settings
        .clients
        .push(client("c", SECRET, &[], &["logistics"]));
}

pub(crate) fn rule(kinds: &[SubjectKind], targets: &[&str], scope: &str) -> ExchangeRule {
    let targets = targets.iter().map(|target| target.parse().unwrap());
    ExchangeRule {
        subject_kinds: kinds.to_vec(),
        targets: targets.collect(),
        scope: scope.parse().unwrap(),
        ..ExchangeRule::new()
    }
}

async fn start() -> Harness {
    start_with(estate).await
}

pub(crate) async fn start_with(change: impl FnOnce(&mut IssuerSettings)) -> Harness {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder);
    change(&mut settings);
    let clock = Arc::new(test_clock());
    let for_import: Arc<dyn Clock> = clock.clone();
    import_keys(&settings, &for_import, USER_KEY).await.unwrap();
    let issuer = IssuerServer::start(&settings, clock.clone()).await.unwrap();
    Harness {
        issuer,
        clock,
        settings,
        folder,
    }
}

fn user_key() -> SigningKey {
    SigningKey::from_pem(USER_KEY).unwrap()
}

/// Alice's token for `order`, issued to `web`, good for 300 s.
pub(crate) fn alice() -> TokenClaims {
    let end = UnixTime::from_secs(NOW + 300);
    let (subject, audience) = ("alice".parse().unwrap(), "order".parse().unwrap());
    let mut claims = TokenClaims::new(Issuer::internal(), subject, audience, end);
    claims.client_id = Some("web".parse().unwrap());
    claims.scope = "openid read write".parse().unwrap();
    claims
}

pub(crate) fn signed(claims: &TokenClaims) -> String {
    sign(claims, &user_key(), TokenType::AccessToken)
}

fn sign(claims: &TokenClaims, key: &SigningKey, typ: TokenType) -> String {
    let token = sign_as(claims, key, typ, UnixTime::from_secs(NOW)).unwrap();
    token.expose().to_owned()
}

/// The form of an exchange.
pub(crate) fn form(token: &str, audience: &str) -> String {
    format!("{GRANT}&subject_token={token}&subject_token_type={ACCESS_TOKEN}&audience={audience}")
}

pub(crate) async fn exchange(
    harness: &Harness,
    client: &str,
    token: &str,
    query: &str,
) -> Response {
    let form = format!("{GRANT}&subject_token={token}&subject_token_type={ACCESS_TOKEN}{query}");
    harness.ask_as(client, SECRET, &form).await
}

async fn claims(harness: &Harness, response: &Response, audience: &str) -> Value {
    let claims = harness.verify(&response.token(), audience).await.unwrap();
    serde_json::to_value(&claims).unwrap()
}

/// The reason of the one refusal, which the response does not show.
async fn refused(harness: &Harness, client: &str, token: &str, query: &str, reason: &str) {
    let line = format!("hallpass_token_requests_refused_total{{reason=\"{reason}\"}}");
    let before = harness.metric(&line);
    let response = exchange(harness, client, token, query).await;
    assert_eq!(response.status, 400, "{reason}: {response:?}");
    assert_eq!(harness.metric(&line), before + 1, "{reason}: {response:?}");
}

#[tokio::test]
async fn a_revoked_subject_token_is_exchanged_for_nothing() {
    let harness = start().await;
    let token = signed(&alice());
    let target = RevocationTarget::Subject {
        name: "alice".into(),
        only_issued: true,
    };
    operator(&harness, target).await.unwrap();
    wait_for_entries(&harness, 1).await;
    refused(&harness, "order", &token, "", "revoked_subject_token").await;
}
