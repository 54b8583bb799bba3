//! Tokens that are good for services, and make nobody an administrator.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_issuer::{GrantType, IssuerServer, SubjectKind, import_keys};
use hallpass_token::{Issuer, SigningKey, TokenClaims, TokenType, UnixTime, sign_as};
use serde_json::{Value, json};

use super::{AUDIENCE, READ, Rig, WRITE, administered, problem, refused};
use crate::harness::{Harness, NOW, SECRET, client, settings, test_clock};
use crate::token_exchange::{form, rule};

const KEYS: &str = "/admin/v1/keys";
const ROTATION: &str = "/admin/v1/keys/rotation";
const USER_KEY: &str = include_str!("../data/ec-p256.pem");
const PRIVATE_SET: &str = include_str!("../data/private-set.json");

/// A running issuer with a key that another server signs with too.
async fn with_imported_key() -> (Rig, SigningKey) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder);
    administered(&mut settings);
    let mut acting = client("acting", SECRET, &[READ, WRITE], &[AUDIENCE]);
    acting.grant_types = [GrantType::ClientCredentials, GrantType::TokenExchange]
        .into_iter()
        .collect();
    let kinds = [SubjectKind::User, SubjectKind::Service];
    acting.exchange = vec![rule(&kinds, &[AUDIENCE], &format!("{READ} {WRITE}"))];
    settings.clients.push(acting);
    let clock = Arc::new(test_clock());
    let for_import: Arc<dyn Clock> = clock.clone();
    let key = SigningKey::from_pem(USER_KEY).unwrap();
    let mut set: Value = serde_json::from_str(PRIVATE_SET).unwrap();
    let keys = set["keys"].as_array_mut().unwrap();
    keys.push(key.public_jwk().to_json());
    let imported = import_keys(&settings, &for_import, &set.to_string()).await;
    let published = imported.unwrap().published;
    let kid = key.public_jwk().key_id().cloned();
    assert!(published.iter().any(|it| Some(&it.key_id) == kid.as_ref()));
    let issuer = IssuerServer::start(&settings, clock.clone()).await.unwrap();
    let harness = Harness {
        issuer,
        clock,
        settings,
        folder,
    };
    (Rig { harness }, key)
}

/// What a token of `ops` says.
fn of_ops() -> TokenClaims {
    let end = UnixTime::from_secs(NOW + 300);
    let (subject, audience) = ("ops".parse().unwrap(), AUDIENCE.parse().unwrap());
    let mut claims = TokenClaims::new(Issuer::internal(), subject, audience, end);
    claims.client_id = Some("ops".parse().unwrap());
    claims.scope = format!("{READ} {WRITE}").parse().unwrap();
    claims.token_id = Some("forged".parse().unwrap());
    claims
}

fn signed(claims: &TokenClaims, key: &SigningKey) -> String {
    let now = UnixTime::from_secs(NOW);
    let token = sign_as(claims, key, TokenType::AccessToken, now).unwrap();
    token.expose().to_owned()
}

#[tokio::test]
async fn a_key_that_was_imported_to_be_published_makes_nobody_an_administrator() {
    let (rig, key) = with_imported_key().await;
    let token = signed(&of_ops(), &key);
    // It is a good token of this issuer as far as services can tell.
    let verified = rig.harness.verify(&token, AUDIENCE).await;
    assert!(verified.is_ok(), "{verified:?}");
    let response = rig.get(KEYS, &token).await;
    assert_eq!(problem(&response), refused(401, "invalid_token"));
    let own = SigningKey::generate(hallpass_token::Algorithm::Es256).unwrap();
    let response = rig.get(KEYS, &signed(&of_ops(), &own)).await;
    assert_eq!(problem(&response), refused(401, "invalid_token"));
}

#[tokio::test]
async fn a_token_for_somebody_else_lets_nobody_in_whatever_its_scope() {
    let (rig, key) = with_imported_key().await;
    let mut alice = of_ops();
    alice.subject = "alice".parse().unwrap();
    alice.client_id = Some("web".parse().unwrap());
    alice.audience = vec!["acting".parse().unwrap()];
    let of_user = signed(&alice, &key);
    let own_form =
        format!("grant_type=client_credentials&audience={AUDIENCE}&scope={READ} {WRITE}");
    let own = rig
        .harness
        .ask_as("acting", SECRET, &own_form)
        .await
        .token();
    assert_eq!(
        rig.get(KEYS, &own).await.status,
        200,
        "it is an administrator"
    );
    let exchange = format!("{}&scope={READ} {WRITE}", form(&of_user, AUDIENCE));
    let exchanged = rig
        .harness
        .ask_as("acting", SECRET, &exchange)
        .await
        .token();
    let claims = rig.harness.verify(&exchanged, AUDIENCE).await.unwrap();
    assert!(
        claims.actor.is_some() && claims.scope.contains(WRITE),
        "{claims:?}"
    );
    let response = rig.get(KEYS, &exchanged).await;
    assert_eq!(problem(&response), refused(401, "invalid_token"));
    let response = rig.post(ROTATION, &exchanged, &json!({})).await;
    assert_eq!(problem(&response), refused(401, "invalid_token"));
}
