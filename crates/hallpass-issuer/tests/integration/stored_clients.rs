//! Clients that are registered in the store have all that those of the configuration have, and nothing that somebody else writes there.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_issuer::{
    AddedClient, Error, IssuerSettings, SecretDigest, TrustedIssuerSettings, add_client,
};
use hallpass_token::{Algorithm, AssertionSigner, JwkSet, UnixTime};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::audit::Log;
use crate::client_changes::{remove, stored_clients};
use crate::harness::{Harness, NOW, Response, SECRET, client, test_clock};

/// As it would stand in the configuration.
fn yaml(entry: &str) -> String {
    format!("hallpass: {{ issuer: {{ clients: [{{ {entry} }}] }} }}")
}

async fn add(settings: &IssuerSettings, entry: &str) -> Result<AddedClient, Error> {
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    add_client(settings, &clock, ("client.yaml", &yaml(entry)), |_| Ok(())).await
}

fn problem(added: Result<AddedClient, Error>) -> String {
    added.unwrap_err().to_string()
}

/// What the client is told once the running issuer has followed its store.
async fn until_known(harness: &Harness, id: &str, secret: &str, form: &str) -> Response {
    let ask = || harness.ask_as(id, secret, form);
    harness
        .until_told(|told| ![401, 429].contains(&told), ask)
        .await
}

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

#[tokio::test]
async fn a_stored_client_exchanges_refreshes_and_must_prove_its_key_as_it_is_registered() {
    let harness = Harness::start().await;
    let entry = format!(
        "client-id: order, grant-types: ['{EXCHANGE}', refresh_token], refresh-token-life-seconds: 1h, \
         exchange: [{{ subject-kinds: service, subject-audiences: service-system, targets: logistics, scopes: read }}]"
    );
    let added = add(&harness.settings, &entry);
    let secret = added.await.unwrap().client_secret.unwrap();
    assert!(secret.expose().starts_with("hallpass_"));
    let subject = harness
        .ask("grant_type=client_credentials&scope=read")
        .await
        .token();
    let form = format!(
        "grant_type={EXCHANGE}&subject_token={subject}&subject_token_type=urn:ietf:params:oauth:token-type:access_token"
    );
    let exchanged = until_known(&harness, "order", secret.expose(), &form).await;
    let claims = harness
        .verify(&exchanged.token(), "logistics")
        .await
        .unwrap();
    assert_eq!(claims.subject.as_str(), "c");
    assert_eq!(claims.actor.as_ref().unwrap().subject.as_str(), "order");
    let refresh = exchanged.json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    let refreshed = harness.ask_as("order", secret.expose(), &form).await;
    assert!(refreshed.json()["refresh_token"].is_string());

    let bound = "client-id: bound, audiences: logistics, dpop-bound-access-tokens: true";
    let secret = add(&harness.settings, bound)
        .await
        .unwrap()
        .client_secret
        .unwrap();
    let form = "grant_type=client_credentials";
    let refused = until_known(&harness, "bound", secret.expose(), form).await;
    assert_eq!(refused.refusal(), (400, "invalid_request".to_owned()));
    assert!(refused.body.contains("DPoP"), "{refused:?}");

    // All of it outlives the process.
    let harness = harness.restart().await;
    let refused = harness.ask_as("bound", secret.expose(), form).await;
    assert_eq!(refused.refusal(), (400, "invalid_request".to_owned()));
    assert!(refused.body.contains("DPoP"), "{refused:?}");
    let file = std::fs::read(&harness.settings.store).unwrap();
    let has = |text: &str| file.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(
        has("dpop-bound-access-tokens") && !has(secret.expose()),
        "a digest alone"
    );
}

#[tokio::test]
async fn a_stored_client_may_have_a_key_in_place_of_a_secret() {
    let harness = Harness::start().await;
    let signer = AssertionSigner::generate(Algorithm::EdDsa).unwrap();
    let keys = JwkSet::new([signer.public_jwk()]).to_json();
    let entry = format!(
        "client-id: signs, audiences: logistics, token-endpoint-auth-method: private_key_jwt, jwks: '{keys}'"
    );
    let added = add(&harness.settings, &entry).await.unwrap();
    assert!(added.client_secret.is_none());
    let harness = harness.restart().await;
    let (id, now) = ("signs".parse().unwrap(), UnixTime::from_secs(NOW));
    let life = std::time::Duration::from_secs(60);
    let made = signer
        .sign(&id, harness.issuer.issuer_name(), now, life)
        .unwrap();
    let form = format!(
        "grant_type=client_credentials&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={}",
        made.expose()
    );
    harness.post(&[], form.as_bytes()).await.token();
    // It has no secret, so none gets in.
    let by_secret = harness
        .ask_as("signs", SECRET, "grant_type=client_credentials")
        .await;
    assert_eq!(by_secret.refusal(), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn what_the_parser_of_the_configuration_refuses_is_refused_and_nothing_is_stored() {
    let harness = Harness::start().await;
    let settings = &harness.settings;
    for (entry, said) in [
        (
            "client-id: a, grant-types: refresh_token",
            "no other grant would ever bring",
        ),
        ("client-id: a, audiance: b", "audiance"),
        (
            "client-id: a, client-secret: hunter2hunter2",
            "not stored in clear",
        ),
        ("client-id: a, client-secret: '${HOME}'", "HOME"),
        (
            "client-id: a, token-endpoint-auth-method: private_key_jwt, jwks-file: /k",
            "a file stays outside the store",
        ),
        (
            "client-id: a, grant-types: 'urn:ietf:params:oauth:grant-type:token-exchange', exchange: [{ \
             subject-issuer: 'https://evil.example', subject-kinds: user, targets: b }]",
            "https://evil.example is neither the `name` of this issuer",
        ),
        (
            "client-id: c",
            "a client of this name stands in the configuration",
        ),
    ] {
        let problem = problem(add(settings, entry).await);
        assert!(problem.contains(said), "{entry}: {problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    let (_, digest) = SecretDigest::generate().unwrap();
    let two = format!("client-secret-digest: '{digest}', client-id");
    let two = yaml(&format!("{two}: a }}, {{ {two}: b"));
    let refused = add_client(settings, &clock, ("two", &two), |_| Ok(())).await;
    assert!(problem(refused).contains("must have one client"));
    let unseen = |_: &AddedClient| Err(std::io::Error::other("nobody looks"));
    let one = yaml("client-id: a");
    let refused = add_client(settings, &clock, ("one", &one), unseen).await;
    assert!(matches!(refused, Err(Error::FirstClientNotShown { .. })));
    assert!(stored_clients(settings).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_stored_client_whose_issuer_is_not_trusted_any_more_is_left_out_and_the_others_stay() {
    let mut harness = Harness::with(|settings| {
        let login = "https://login.example".parse().unwrap();
        settings.trusted_issuers = vec![TrustedIssuerSettings::new("login", login)];
    })
    .await;
    let of_login = format!(
        "client-id: order, grant-types: [client_credentials, '{EXCHANGE}'], audiences: logistics, exchange: [{{ \
         subject-issuer: 'https://login.example', subject-kinds: user, targets: logistics }}]"
    );
    let order = add(&harness.settings, &of_login)
        .await
        .unwrap()
        .client_secret
        .unwrap();
    let plain = add(&harness.settings, "client-id: plain, audiences: logistics")
        .await
        .unwrap();
    let plain = plain.client_secret.unwrap();
    let named = add(&harness.settings, "client-id: 'login|alice'").await;
    assert!(problem(named).contains("subjects of the trusted issuer `login`"));
    let form = "grant_type=client_credentials";
    until_known(&harness, "order", order.expose(), form)
        .await
        .token();

    harness.settings.trusted_issuers.clear();
    harness.issuer.apply(&harness.settings).await.unwrap();
    let refused = harness.ask_as("order", order.expose(), form).await;
    assert_eq!(refused.refusal(), (401, "invalid_client".to_owned()));
    harness.ask_as("plain", plain.expose(), form).await.token();
    let listed = stored_clients(&harness.settings).await.unwrap();
    let problems: Vec<_> = listed
        .iter()
        .map(|it| (it.client_id.as_str(), it.problem.is_some()))
        .collect();
    assert_eq!(problems, [("order", true), ("plain", false)]);
    // One of the configuration goes before one of the store.
    let twin = client("plain", SECRET, &[], &["logistics"]);
    harness.settings.clients.push(twin);
    harness.issuer.apply(&harness.settings).await.unwrap();
    harness.ask_as("plain", SECRET, form).await.token();
    let refused = harness.ask_as("plain", plain.expose(), form).await;
    assert_eq!(refused.status, 401);
}

/// A client that is held to FAPI 2.0, as far as it says itself.
fn held(id: &str) -> String {
    let signer = AssertionSigner::generate(Algorithm::EdDsa).unwrap();
    let keys = JwkSet::new([signer.public_jwk()]).to_json();
    format!(
        "client-id: {id}, audiences: logistics, profile: fapi2, dpop-bound-access-tokens: true, \
         token-endpoint-auth-method: private_key_jwt, jwks: '{keys}'"
    )
}

#[tokio::test]
async fn a_client_that_contradicts_its_profile_or_the_listener_is_not_stored() {
    let harness = Harness::start().await;
    let settings = &harness.settings;
    for (entry, said) in [
        (
            "client-id: a, audiences: logistics, profile: fapi2, dpop-bound-access-tokens: true",
            "must be `private_key_jwt`",
        ),
        (
            "client-id: a, audiences: logistics, tls-client-certificate-bound-access-tokens: true",
            "needs `issuer.tls.client-auth`",
        ),
        (
            "client-id: a, audiences: logistics, token-endpoint-auth-method: tls_client_auth, \
             tls-client-auth-san-dns: a.example",
            "with a `client-ca-file`",
        ),
        (
            "client-id: a, grant-types: 'urn:ietf:params:oauth:grant-type:jwt-bearer', exchange: [{ grant: jwt-bearer, \
             subject-issuer: internal, subject-kinds: user, targets: b }]",
            "is this issuer itself",
        ),
    ] {
        let problem = problem(add(settings, entry).await);
        assert!(problem.contains(said), "{entry}: {problem}");
    }
    assert!(stored_clients(settings).await.unwrap().is_empty());
    add(settings, &held("good")).await.unwrap();
}

#[tokio::test]
async fn a_stored_client_that_comes_to_contradict_its_profile_stops_neither_a_start_nor_what_is_read_of_the_store()
 {
    let (log, _guard) = Log::begin();
    let mut harness = Harness::start().await;
    add(&harness.settings, &held("held")).await.unwrap();
    harness.settings.algorithm = Algorithm::Rs256;
    for _ in 0..3 {
        harness.issuer.apply(&harness.settings).await.unwrap();
    }
    let said = log
        .text()
        .matches("a client of the store is left out")
        .count();
    assert_eq!(said, 1, "not with each change of the store");
    let listed = stored_clients(&harness.settings).await.unwrap();
    let problem = listed[0].problem.as_ref().unwrap();
    assert!(problem.contains("signed with RS256"), "{problem}");
    // What an operator writes into the store beside it counts.
    let added = add(&harness.settings, "client-id: batch, audiences: logistics").await;
    let secret = added.unwrap().client_secret.unwrap();
    let form = "grant_type=client_credentials";
    until_known(&harness, "batch", secret.expose(), form)
        .await
        .token();
    let mut harness = harness.restart().await;
    harness.ask_as("batch", secret.expose(), form).await.token();
    harness.settings.algorithm = Algorithm::Es256;
    harness.issuer.apply(&harness.settings).await.unwrap();
    let listed = stored_clients(&harness.settings).await.unwrap();
    assert!(listed.iter().all(|client| client.problem.is_none()));
}

#[tokio::test]
async fn nothing_but_the_client_comes_into_the_store_whatever_stands_beside_it_in_the_file() {
    let harness = Harness::start().await;
    let clock: Arc<dyn Clock> = Arc::new(test_clock());
    let settings = &harness.settings;
    let client = yaml("client-id: batch, audiences: [logistics]");
    let add =
        async |text: &str| add_client(settings, &clock, ("client.yaml", text), |_| Ok(())).await;
    for (beside, said) in [
        ("spring: { datasource: { password: hunter2 } }", "spring"),
        (
            "---\nspring: { config.activate.on-profile: dev, datasource.password: hunter2 }",
            "must be one YAML document",
        ),
    ] {
        let refused = problem(add(&format!("{client}\n{beside}\n")).await);
        assert!(refused.contains(said), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    let redis = client.replace("hallpass: {", "hallpass: { redis: { password: hunter2 },");
    let refused = problem(add(&redis).await);
    assert!(refused.contains("hallpass.redis"), "{refused}");
    assert!(stored_clients(settings).await.unwrap().is_empty());
    let noted = format!("# client-secret: hunter2\n{client} # before: hunter2\n");
    let secret = add(&noted).await.unwrap().client_secret.unwrap();
    let form = "grant_type=client_credentials";
    until_known(&harness, "batch", secret.expose(), form)
        .await
        .token();
    let store = settings.store.clone();
    harness.issuer.shutdown().await.unwrap();
    let file = std::fs::read(&store).unwrap();
    let has = |text: &str| file.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(has("logistics") && !has("hunter2"));
}

#[tokio::test]
async fn a_removed_client_gets_no_token_and_leaves_nothing_behind() {
    let harness = Harness::start().await;
    let added = add(&harness.settings, "client-id: batch, audiences: logistics").await;
    let secret = added.unwrap().client_secret.unwrap();
    let form = "grant_type=client_credentials";
    until_known(&harness, "batch", secret.expose(), form)
        .await
        .token();
    remove(&harness.settings, "batch").await.unwrap();
    let again = remove(&harness.settings, "batch").await;
    assert!(matches!(again, Err(Error::Client { .. })), "{again:?}");
    let harness = harness.restart().await;
    let refused = harness.ask_as("batch", secret.expose(), form).await;
    assert_eq!(refused.refusal(), (401, "invalid_client".to_owned()));
    // Its name is free.
    add(&harness.settings, "client-id: batch").await.unwrap();
}

/// Opens the file as anybody can who may write it.
async fn intruder(settings: &IssuerSettings) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(&settings.store);
    options.foreign_keys(false).connect().await.unwrap()
}

#[tokio::test]
async fn a_registration_that_somebody_writes_into_the_file_is_never_believed() {
    let evil = yaml("client-id: batch, audiences: [logistics, billing]").replace('\'', "''");
    for (sql, is_noticed) in [
        (
            format!("update client_registrations set settings = '{evil}'"),
            true,
        ),
        (
            "update client_registrations set secret_digest = null".to_owned(),
            true,
        ),
        ("delete from client_registrations".to_owned(), true),
        (
            format!("insert into client_registrations values ('nobody', '{evil}', null)"),
            false,
        ),
    ] {
        let harness = Harness::start().await;
        add(&harness.settings, "client-id: batch, audiences: logistics")
            .await
            .unwrap();
        let settings = harness.settings.clone();
        harness.issuer.shutdown().await.unwrap();
        let mut file = intruder(&settings).await;
        let statement = sqlx::AssertSqlSafe(sql.clone());
        sqlx::query(statement).execute(&mut file).await.unwrap();
        sqlx::Connection::close(file).await.unwrap();
        let listed = stored_clients(&settings).await;
        match is_noticed {
            true => assert!(matches!(listed, Err(Error::StoreDamaged { .. })), "{sql}"),
            // It belongs to no client, so nobody looks at it.
            false => assert_eq!(listed.unwrap().len(), 1, "{sql}"),
        }
    }
}
