//! Documents of a real Nacos server.

use std::path::PathBuf;
use std::sync::Arc;

use hallpass::clock::{Clock, SystemClock};
use hallpass::nacos::{
    DocumentSettings, NacosConfiguration, NacosDocuments, NacosError, NacosParts, NacosSettings,
};
use hallpass::tls::{ClientTls, ClientTlsSettings, TestAuthority, TlsMetrics};

use super::{NacosServer, PATIENCE, parts, until};

const GROUP: &str = "DEFAULT_GROUP";

pub(super) async fn publish(documents: &NacosDocuments, data_id: &str, text: &str) {
    publish_in(documents, GROUP, data_id, text).await;
}

pub(super) async fn publish_in(documents: &NacosDocuments, group: &str, data_id: &str, text: &str) {
    documents.publish(data_id, group, text).await.unwrap();
    until("what was published is read back", async || {
        let read = documents.get(data_id, group).await.unwrap();
        read.is_some_and(|read| read.expose() == text)
    })
    .await;
}

fn following(settings: NacosSettings, data_ids: &[&str]) -> NacosSettings {
    let mut settings = settings;
    settings.config.documents = data_ids
        .iter()
        .map(|&id| DocumentSettings::new(id))
        .collect();
    settings
}

fn texts(configuration: &mut NacosConfiguration) -> Vec<String> {
    let texts = configuration.texts().into_iter();
    texts.map(|(_, text)| text.expose().to_owned()).collect()
}

async fn wait_for(configuration: &mut NacosConfiguration, expected: &[&str]) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while texts(configuration) != expected {
            configuration.changed().await;
        }
    });
    let arrived = waited.await.is_ok();
    assert!(arrived, "{:?} is not {expected:?}", texts(configuration));
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_read_in_their_order_and_a_change_arrives_by_itself() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    publish(&documents, "order-1.yaml", "a: 1\n").await;
    publish(&documents, "order-2.properties", "b=2\n").await;
    let mut settings = following(server.settings(), &["order-1.yaml", "order-2.properties"]);
    // Longer than the test: what arrives was pushed.
    settings.config.pull = std::time::Duration::from_secs(3_600);
    let mut configuration = NacosConfiguration::start(&parts(settings)).await.unwrap();
    assert_eq!(texts(&mut configuration), ["a: 1\n", "\"b\": \"2\"\n"]);
    assert_eq!(
        configuration.texts()[0].0,
        "nacos DEFAULT_GROUP/order-1.yaml"
    );
    for round in ["a: 2\n", "a: 3\n"] {
        publish(&documents, "order-1.yaml", round).await;
        wait_for(&mut configuration, &[round, "\"b\": \"2\"\n"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_has_to_be_there_and_is_deleted_stays_in_effect() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    let settings = following(server.settings(), &["gone-1.yaml", "gone-2.yaml"]);
    let absent = NacosConfiguration::start(&parts(settings.clone())).await;
    assert!(
        matches!(absent, Err(NacosError::NoDocument { .. })),
        "{absent:?}"
    );
    publish(&documents, "gone-1.yaml", "a: 1\n").await;
    publish(&documents, "gone-2.yaml", "b: 1\n").await;
    let parts = parts(settings);
    let mut configuration = NacosConfiguration::start(&parts).await.unwrap();
    documents.remove("gone-1.yaml", GROUP).await.unwrap();
    until("the refusal is counted", async || {
        count(
            &parts,
            "hallpass_nacos_config_pulls_total{result=\"refused\"}",
        ) > 0
    })
    .await;
    // Nor is anything else taken in part.
    publish(&documents, "gone-2.yaml", "b: 2\n").await;
    assert_eq!(texts(&mut configuration), ["a: 1\n", "b: 1\n"]);
    publish(&documents, "gone-1.yaml", "a: 2\n").await;
    wait_for(&mut configuration, &["a: 2\n", "b: 2\n"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_a_server_goes_by_the_snapshot_until_one_is_there() {
    let Some(mut server) = NacosServer::start(&[]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = following(server.settings(), &["snapshot.yaml"]);
    settings.snapshot_directory = Some(folder.path().join("nacos"));
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    publish(&documents, "snapshot.yaml", "a: 1\n").await;
    let mut running = NacosConfiguration::start(&parts(settings.clone()))
        .await
        .unwrap();
    running.keep().await;
    server.kill();
    assert_eq!(
        texts(&mut running),
        ["a: 1\n"],
        "an outage takes nothing away"
    );

    let later = parts(settings.clone());
    let mut started = NacosConfiguration::start(&later).await.unwrap();
    assert_eq!(texts(&mut started), ["a: 1\n"]);
    assert_eq!(count(&later, "hallpass_nacos_config_from_snapshot"), 1);
    let other = following(settings, &["another.yaml"]);
    let refused = NacosConfiguration::start(&parts(other)).await;
    assert!(
        matches!(refused, Err(NacosError::NoSnapshot { .. })),
        "{refused:?}"
    );

    assert!(server.start_again());
    until("the server is asked again", async || {
        count(&later, "hallpass_nacos_config_from_snapshot") == 0
    })
    .await;
    publish(&documents, "snapshot.yaml", "a: 2\n").await;
    wait_for(&mut started, &["a: 2\n"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_logs_in_and_a_wrong_password_is_said_to_be_one() {
    let Some(server) = NacosServer::start(&["nacos.core.auth.enabled=true"]) else {
        return;
    };
    let set = format!(
        "http://{}/nacos/v3/auth/user/admin?password=TheTestsSecret1",
        server.address()
    );
    let request = http::Request::post(set)
        .body(hallpass::upstream::Body::empty())
        .unwrap();
    assert!(crate::send(request).await.status.is_success());
    let with = |password: &str| {
        let mut settings = server.settings();
        settings.credential = hallpass::nacos::Credential::Password {
            username: "nacos".to_owned(),
            password: password.into(),
        };
        NacosDocuments::connect(&parts(settings)).unwrap()
    };
    let documents = with("TheTestsSecret1");
    // A new user counts after some seconds.
    until("the login works", async || {
        documents.publish("auth.yaml", GROUP, "a: 1").await.is_ok()
    })
    .await;
    super::doctor::names_the_password(&server, "TheTestsSecret1");
    let wrong = with("another").get("auth.yaml", GROUP).await.unwrap_err();
    assert!(matches!(wrong, NacosError::Denied { .. }), "{wrong}");
    let nobody = NacosDocuments::connect(&server.parts()).unwrap();
    let nobody = nobody.get("auth.yaml", GROUP).await.unwrap_err();
    assert!(matches!(nobody, NacosError::Denied { .. }), "{nobody}");
}

fn count(parts: &NacosParts, name: &str) -> u64 {
    let mut registry = prometheus_client::registry::Registry::default();
    parts.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_on_which_nothing_happens_lasts() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let parts = server.parts();
    let documents = NacosDocuments::connect(&parts).unwrap();
    documents.get("nothing.yaml", GROUP).await.unwrap();
    let began = count(
        &parts,
        "hallpass_nacos_connections_total{module=\"config\"}",
    );
    // Four signs of life: a server that minds them ends the connection at the third.
    tokio::time::sleep(std::time::Duration::from_secs(22)).await;
    documents.get("nothing.yaml", GROUP).await.unwrap();
    let now = count(
        &parts,
        "hallpass_nacos_connections_total{module=\"config\"}",
    );
    assert_eq!((began, now), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_only_the_server_that_is_trusted_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new("Estate CA");
    let files = authority
        .certificate(&["localhost"])
        .write(folder.path(), "server");
    let tls = "nacos.remote.server.rpc.tls";
    let properties = [
        format!("{tls}.enableTls=true"),
        format!(
            "{tls}.certChainFile=file:{}",
            files.certificate_file.display()
        ),
        format!(
            "{tls}.certPrivateKey=file:{}",
            files.private_key_file.display()
        ),
    ];
    let properties: Vec<_> = properties.iter().map(String::as_str).collect();
    let Some(server) = NacosServer::start(&properties) else {
        return;
    };
    let (port, ca_file) = (server.port(), folder.path().join("ca.pem"));
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let connect = |host: &str, ca_file: Option<PathBuf>| {
        let settings = NacosSettings::new([format!("https://{host}:{port}").parse().unwrap()]);
        let trust = ClientTlsSettings {
            ca_file,
            ..ClientTlsSettings::default()
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let tls = ClientTls::load(&trust, Arc::clone(&clock), &TlsMetrics::default());
        let parts = NacosParts::new(settings, Some(tls.unwrap()), clock);
        NacosDocuments::connect(&parts).unwrap()
    };
    let trusted = connect("localhost", Some(ca_file.clone()));
    publish(&trusted, "tls.yaml", "a: 1\n").await;
    for (host, ca_file) in [("127.0.0.1", Some(ca_file)), ("localhost", None)] {
        let error = connect(host, ca_file).get("tls.yaml", GROUP).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{host}: {error}");
    }
}
