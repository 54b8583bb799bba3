//! What becomes of clients of the store: set, given another secret, disabled, enabled and deleted, beside a running issuer.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_issuer::{
    ClientChangeRequest, ClientChanged, ClientFault, Error, IssuerSettings, Revision,
    SecretRotation, StoredClient, add_client, change_client, first_client, stored_client,
};
use hallpass_token::{Algorithm, AssertionSigner, JwkSet};

use crate::harness::{Harness, NOW, Response, SECRET, settings, test_clock};

const FORM: &str = "grant_type=client_credentials";
const BATCH: &str = "client-id: batch, audiences: logistics, scopes: read";

fn yaml(entry: &str) -> String {
    format!("hallpass: {{ issuer: {{ clients: [{{ {entry} }}] }} }}")
}

fn clock(harness: &Harness) -> Arc<dyn Clock> {
    harness.clock.clone()
}

async fn add(harness: &Harness, entry: &str) -> String {
    let text = yaml(entry);
    let clock = clock(harness);
    let added = add_client(
        &harness.settings,
        &clock,
        ("client.yaml", &text),
        |_| Ok(()),
    );
    let secret = added.await.unwrap().client_secret;
    secret.map_or_else(String::new, |secret| secret.expose().to_owned())
}

async fn change(
    harness: &Harness,
    request: ClientChangeRequest<'_>,
    expected: Option<Revision>,
) -> Result<ClientChanged, Error> {
    let clock = clock(harness);
    change_client(&harness.settings, &clock, request, expected, |_| Ok(())).await
}

async fn set(harness: &Harness, entry: &str) -> Result<ClientChanged, Error> {
    let text = yaml(entry);
    let text = ("client.yaml", text.as_str());
    change(harness, ClientChangeRequest::Set { text }, None).await
}

fn rotate(client_id: &str, old_lives_for: u64) -> ClientChangeRequest<'_> {
    let rotation = SecretRotation {
        old_lives_for: Duration::from_secs(old_lives_for),
        end_previous: false,
    };
    ClientChangeRequest::RotateSecret {
        client_id,
        rotation,
    }
}

pub(crate) async fn remove(settings: &IssuerSettings, client_id: &str) -> Result<(), Error> {
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    let request = ClientChangeRequest::Delete {
        client_id,
        keeps_tokens: false,
    };
    let removed = change_client(settings, &clock, request, None, |_| Ok(())).await;
    removed.map(|_| ())
}

pub(crate) async fn stored_clients(settings: &IssuerSettings) -> Result<Vec<StoredClient>, Error> {
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    hallpass_issuer::stored_clients(settings, &clock).await
}

async fn shown(harness: &Harness, client_id: &str) -> StoredClient {
    let clock = clock(harness);
    stored_client(&harness.settings, &clock, client_id)
        .await
        .unwrap()
}

fn fault(changed: Result<ClientChanged, Error>) -> ClientFault {
    match changed {
        Err(Error::Client { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

fn new_secret(changed: Result<ClientChanged, Error>) -> String {
    let secret = changed.unwrap().client_secret.unwrap();
    secret.expose().to_owned()
}

/// What the client is told once the running issuer has followed its store.
async fn until(harness: &Harness, secret: &str, status: u16) -> Response {
    let ask = || harness.ask_as("batch", secret, FORM);
    harness.until_told(|told| told == status, ask).await
}

#[tokio::test]
async fn a_client_that_is_set_keeps_its_secret_and_has_nothing_of_before() {
    let harness = Harness::start().await;
    let secret = add(&harness, &format!("{BATCH}, token-life-seconds: 60")).await;
    let before = shown(&harness, "batch").await;
    let changed = set(
        &harness,
        "client-id: batch, audiences: [billing, logistics], scopes: 'write read'",
    );
    let changed = changed.await.unwrap();
    assert!(changed.client_secret.is_none() && !changed.is_nothing);
    let keys: Vec<_> = changed.keys.iter().map(|key| key.key.as_str()).collect();
    assert_eq!(keys, ["audiences", "scopes", "token-life-seconds"]);
    let after = shown(&harness, "batch").await;
    assert_ne!(before.revision, after.revision);
    assert_eq!(before.secrets, after.secrets);
    assert_eq!(after.created_at, NOW);
    let form = format!("{FORM}&audience=billing&scope=write");
    let asked = harness
        .until_told(
            |told| told == 200,
            || harness.ask_as("batch", &secret, &form),
        )
        .await;
    assert_eq!(asked.json()["expires_in"], 600, "no longer a minute");
    // The same once more is no change.
    let again = set(
        &harness,
        "client-id: batch, scopes: [read, write], audiences: 'logistics, billing'",
    );
    assert!(again.await.unwrap().is_nothing);
    assert_eq!(shown(&harness, "batch").await.revision, after.revision);
}

#[tokio::test]
async fn a_client_that_comes_to_have_a_key_loses_its_secrets_and_gets_a_new_one_when_it_comes_back()
{
    let harness = Harness::start().await;
    let first = add(&harness, BATCH).await;
    let signer = AssertionSigner::generate(Algorithm::EdDsa).unwrap();
    let keys = JwkSet::new([signer.public_jwk()]).to_json();
    let by_key = format!("{BATCH}, token-endpoint-auth-method: private_key_jwt, jwks: '{keys}'");
    assert!(
        set(&harness, &by_key)
            .await
            .unwrap()
            .client_secret
            .is_none()
    );
    assert_eq!(shown(&harness, "batch").await.secrets, []);
    let refused = fault(change(&harness, rotate("batch", 60), None).await);
    assert_eq!(refused, ClientFault::NoSecret);
    let second = new_secret(set(&harness, BATCH).await);
    assert_ne!(first, second);
    until(&harness, &second, 200).await;
    assert_eq!(harness.ask_as("batch", &first, FORM).await.status, 401);
}

#[tokio::test]
async fn a_secret_that_is_rotated_counts_until_its_end_and_two_are_the_most() {
    let harness = Harness::start().await;
    let old = add(&harness, BATCH).await;
    let new = new_secret(change(&harness, rotate("batch", 3_600), None).await);
    until(&harness, &new, 200).await;
    harness.ask_as("batch", &old, FORM).await.token();
    let until_when = hallpass_token::UnixTime::from_secs(NOW + 3_600);
    let third = fault(change(&harness, rotate("batch", 3_600), None).await);
    assert_eq!(third, ClientFault::TwoSecrets { until: until_when });
    let ends: Vec<_> = shown(&harness, "batch").await.secrets;
    let ends: Vec<_> = ends.iter().map(|secret| secret.until).collect();
    assert_eq!(ends, [None, Some(NOW + 3_600)]);

    harness.clock.advance(Duration::from_secs(3_600));
    assert_eq!(harness.ask_as("batch", &old, FORM).await.status, 401);
    // What has ended is not in the way of another one.
    let newest = new_secret(change(&harness, rotate("batch", 3_600), None).await);
    until(&harness, &newest, 200).await;
    harness.ask_as("batch", &new, FORM).await.token();
    // Who cannot wait ends the one before, and without an overlap the present one too.
    let rotation = SecretRotation {
        old_lives_for: Duration::ZERO,
        end_previous: true,
    };
    let request = ClientChangeRequest::RotateSecret {
        client_id: "batch",
        rotation,
    };
    let last = new_secret(change(&harness, request, None).await);
    until(&harness, &last, 200).await;
    for ended in [&new, &newest] {
        assert_eq!(harness.ask_as("batch", ended, FORM).await.status, 401);
    }
}

#[tokio::test]
async fn a_disabled_client_is_refused_as_an_unknown_one_and_what_it_has_ends() {
    let harness = Harness::start().await;
    let grants = "grant-types: [client_credentials, refresh_token]";
    let secret = add(&harness, &format!("{BATCH}, {grants}")).await;
    let asked = until(&harness, &secret, 200).await;
    let refresh = asked.json()["refresh_token"].as_str().unwrap().to_owned();
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    let disable = ClientChangeRequest::Disable {
        client_id: "batch",
        keeps_tokens: false,
    };
    assert!(shown(&harness, "batch").await.is_enabled());
    change(&harness, disable, None).await.unwrap();
    assert!(!shown(&harness, "batch").await.is_enabled());
    let refused = until(&harness, &secret, 401).await;
    let unknown = harness.ask_as("nobody", &secret, FORM).await;
    assert_eq!(refused.snapshot(), unknown.snapshot());
    assert_eq!(harness.ask_as("batch", &secret, &form).await.status, 401);
    // Its grants do not come back with it.
    harness.clock.advance(Duration::from_secs(6));
    let enable = ClientChangeRequest::Enable { client_id: "batch" };
    change(&harness, enable, None).await.unwrap();
    until(&harness, &secret, 200).await;
    let refused = harness.ask_as("batch", &secret, &form).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
    // Enabled once more it is what it is.
    assert!(change(&harness, enable, None).await.unwrap().is_nothing);
}

#[tokio::test]
async fn a_client_that_is_deleted_and_registered_anew_does_not_go_on_with_what_it_had() {
    let harness = Harness::start().await;
    let entry = format!("{BATCH}, grant-types: [client_credentials, refresh_token]");
    let secret = add(&harness, &entry).await;
    let asked = until(&harness, &secret, 200).await;
    let refresh = asked.json()["refresh_token"].as_str().unwrap().to_owned();
    let delete = ClientChangeRequest::Delete {
        client_id: "batch",
        keeps_tokens: false,
    };
    change(&harness, delete, None).await.unwrap();
    assert_eq!(
        fault(change(&harness, delete, None).await),
        ClientFault::Unknown
    );
    harness.clock.advance(Duration::from_secs(6));
    let secret = add(&harness, &entry).await;
    until(&harness, &secret, 200).await;
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    let refused = harness.ask_as("batch", &secret, &form).await;
    assert_eq!(refused.refusal(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn a_change_of_a_state_that_is_gone_is_refused_and_changes_nothing() {
    let harness = Harness::start().await;
    add(&harness, BATCH).await;
    let seen = shown(&harness, "batch").await.revision;
    change(&harness, rotate("batch", 60), Some(seen))
        .await
        .unwrap();
    let now = shown(&harness, "batch").await;
    assert_ne!(now.revision, seen);
    let disable = ClientChangeRequest::Disable {
        client_id: "batch",
        keeps_tokens: true,
    };
    let delete = ClientChangeRequest::Delete {
        client_id: "batch",
        keeps_tokens: true,
    };
    for request in [disable, delete, rotate("batch", 60)] {
        let refused = fault(change(&harness, request, Some(seen)).await);
        assert_eq!(refused, ClientFault::Changed);
    }
    assert_eq!(shown(&harness, "batch").await.revision, now.revision);
    change(&harness, disable, Some(now.revision)).await.unwrap();
}

#[tokio::test]
async fn a_client_of_the_configuration_is_changed_by_no_command_and_the_error_says_where_it_stands()
{
    let harness = Harness::with(|settings| {
        settings.clients[0].written_at = "issuer.yaml:7:9".to_owned();
    })
    .await;
    let delete = ClientChangeRequest::Delete {
        client_id: "c",
        keeps_tokens: true,
    };
    for request in [delete, rotate("c", 60)] {
        let error = change(&harness, request, None).await.unwrap_err();
        assert!(matches!(
            error,
            Error::StoreMissing { .. } | Error::Client { .. }
        ));
        let said = error.to_string();
        assert!(
            said.contains("at issuer.yaml:7:9: change it there"),
            "{said}"
        );
    }
    let said = set(&harness, "client-id: c").await.unwrap_err().to_string();
    assert!(said.contains("at issuer.yaml:7:9"), "{said}");
    harness.ask_as("c", SECRET, FORM).await.token();
}

#[tokio::test]
async fn the_first_client_is_changed_like_any_other_and_keeps_its_secret() {
    let folder = tempfile::tempdir().unwrap();
    let settings: IssuerSettings = settings(&folder);
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    let first = first_client(&settings, &clock, |_| Ok(())).await.unwrap();
    let first = first.unwrap();
    let id = first.client_id.as_str();
    let before = stored_client(&settings, &clock, id).await.unwrap();
    assert!(before.is_first && before.problem.is_none(), "{before:?}");
    let document = before.document.unwrap();
    assert_eq!(document.get("scopes").unwrap()[0], "internal-service");
    assert_eq!(document.get("audiences").unwrap()[0], "service-system");
    let changed = change_client(
        &settings,
        &clock,
        rotate(id, 60),
        Some(before.revision),
        |_| Ok(()),
    );
    let new = changed.await.unwrap().client_secret.unwrap();
    let issuer = hallpass_issuer::IssuerServer::start(&settings, clock).await;
    let issuer = issuer.unwrap();
    for secret in [first.client_secret.expose(), new.expose()] {
        let line = crate::harness::basic(id, secret);
        let lines = [
            "Content-Type: application/x-www-form-urlencoded".to_owned(),
            line,
        ];
        let form = format!("{FORM}&scope=internal-service");
        let request = crate::harness::request("POST /oauth2/token", &lines, form.as_bytes());
        crate::harness::send(issuer.local_addr(), &request)
            .await
            .token();
    }
    issuer.shutdown().await.unwrap();
}

#[tokio::test]
async fn when_each_secret_was_used_last_outlives_the_process_and_the_old_one_is_told_from_the_new()
{
    let harness = Harness::start().await;
    let old = add(&harness, BATCH).await;
    until(&harness, &old, 200).await;
    let new = new_secret(change(&harness, rotate("batch", 3_600), None).await);
    until(&harness, &new, 200).await;
    harness.clock.advance(Duration::from_secs(120));
    harness.ask_as("batch", &old, FORM).await.token();
    harness.clock.advance(Duration::from_secs(30));
    // Of one that ends each minute counts, and no token writes anything.
    let queries = harness.issuer.store_queries();
    harness.ask_as("batch", &old, FORM).await.token();
    harness.ask_as("batch", &new, FORM).await.token();
    assert_eq!(harness.issuer.store_queries(), queries);
    let harness = harness.restart().await;
    let secrets = shown(&harness, "batch").await.secrets;
    let used: Vec<_> = secrets.iter().map(|secret| secret.last_used).collect();
    assert_eq!(used, [Some(NOW), Some(NOW + 120)]);
    // A wrong one is no use.
    let third = "hallpass_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(harness.ask_as("batch", third, FORM).await.status, 401);
    harness.clock.advance(Duration::from_secs(86_400));
    harness.ask_as("batch", &new, FORM).await.token();
    let harness = harness.restart().await;
    let secrets = shown(&harness, "batch").await.secrets;
    let used: Vec<_> = secrets.iter().map(|secret| secret.last_used).collect();
    assert_eq!(used[0], Some(NOW + 150 + 86_400));
}
