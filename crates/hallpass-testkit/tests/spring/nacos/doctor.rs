//! `hallpass doctor` beside a real Nacos server: what it says when something of it is wrong.

use std::path::Path;

use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::nacos::{Nacos, NacosDocuments};
use hallpass_testkit::TestIssuer;
use serde_json::Value;
use tokio::net::TcpListener;

use super::config::publish;
use super::export::hallpass;
use super::{NacosServer, until};

/// What the file of a service says of Nacos; the rest is in the document.
fn bootstrap(server: &NacosServer, name: &str, more: &str) -> String {
    format!(
        "hallpass:\n  service: {{ name: {name}, listen: '127.0.0.1:1' }}\n  nacos: {{ server-addr: '{}', {more} }}\n",
        server.address()
    )
}

/// The document of a service whose issuer this is.
fn document(issuer: &TestIssuer) -> String {
    format!(
        "hallpass:\n  internal-token: {{ client-id: {}, client-secret: '{}', token-url: '{}', audience: {} }}\n  \
         security: {{ internal-jwt: {{ issuer: internal, jwks-url: '{}' }} }}\n",
        TestIssuer::CLIENT_ID,
        TestIssuer::CLIENT_SECRET,
        issuer.token_url(),
        TestIssuer::AUDIENCE,
        issuer.jwks_url(),
    )
}

/// The checks that are not as they should be, with all that they say, and the exit code.
fn diagnosis(yaml: &str) -> (i32, Vec<(String, String)>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("service.yaml");
    std::fs::write(&file, yaml).unwrap();
    let output = hallpass(&["doctor", "--json", "--config", path(&file)]);
    let text = String::from_utf8(output.stdout).unwrap();
    for secret in [TestIssuer::CLIENT_SECRET, "TheTestsSecret1", "eyJ"] {
        assert!(!text.contains(secret), "{text}");
    }
    let said: Value = serde_json::from_str(&text).unwrap();
    let checks = said.get("checks").and_then(Value::as_array).unwrap();
    let is_bad = |it: &&Value| ["failure", "warning"].contains(&text_of(it, "outcome"));
    let named = |it: &Value| (text_of(it, "name").to_owned(), it["findings"].to_string());
    let bad = checks.iter().filter(is_bad).map(named).collect();
    (output.status.code().unwrap(), bad, said)
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

fn text_of<'a>(value: &'a Value, member: &str) -> &'a str {
    value
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// One cause is named, and nothing else.
#[track_caller]
fn names(yaml: &str, code: i32, check: &str, part: &str) {
    let (exit, bad, said) = diagnosis(yaml);
    let [(name, findings)] = &bad[..] else {
        panic!("{said}");
    };
    assert_eq!((name.as_str(), exit), (check, code), "{said}");
    assert!(findings.contains(part), "{findings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_and_namespaces_that_are_not_there_or_broken_are_named() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let issuer = TestIssuer::start().await.unwrap();
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    publish(&documents, "doctor.yaml", &document(&issuer)).await;
    let good = "config: { data-ids: [doctor.yaml] }";
    let yaml = |more: &str| bootstrap(server, "doctored", more);
    let (exit, bad, said) = diagnosis(&yaml(good));
    assert_eq!((exit, bad), (0, Vec::new()), "{said}");

    let absent = "config: { data-ids: [doctor.yaml, absent.yaml] }";
    let part = "DEFAULT_GROUP/absent.yaml is not in the public namespace";
    names(&yaml(absent), 65, "nacos-documents", part);
    let elsewhere = format!("namespace: no-such-namespace, {good}");
    let part = "DEFAULT_GROUP/doctor.yaml is not in the namespace `no-such-namespace`";
    names(&yaml(&elsewhere), 65, "nacos-documents", part);
    publish(&documents, "broken.yaml", "hallpass: { security: [\n").await;
    let broken = "config: { data-ids: [broken.yaml] }";
    names(
        &yaml(broken),
        64,
        "configuration",
        "nacos DEFAULT_GROUP/broken.yaml",
    );
    publish(&documents, "unknown.yaml", "hallpass: { securiti: {} }\n").await;
    let unknown = "config: { data-ids: [unknown.yaml] }";
    names(
        &yaml(unknown),
        64,
        "configuration",
        "did you mean `security`",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_runs_and_is_not_registered_is_named() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let yaml = bootstrap(server, "seldom-registered", "timeout-ms: 3000");
    let yaml = yaml.replace("127.0.0.1:1'", &format!("{address}'"));
    let yaml = format!("{yaml}  discovery: {{ nacos: true }}\n");
    let part = "names no healthy instance of `seldom-registered` there";
    names(&yaml, 65, "registration", part);

    let loader = Loader::new("hallpass").text("file", &yaml);
    let nacos = Nacos::start(loader.clone()).await.unwrap();
    let settings = loader.load::<Settings>().unwrap().into_settings();
    let registration = nacos.register(&settings, address.port()).await.unwrap();
    until("the doctor finds it", async || diagnosis(&yaml).0 == 0).await;
    registration.unwrap().withdraw().await;
    drop(listener);
    let (exit, bad, said) = diagnosis(&yaml);
    assert_eq!(
        (exit, bad),
        (0, Vec::new()),
        "a service that does not run: {said}"
    );
}

/// Of a server that wants a user named `nacos`.
pub(super) fn names_the_password(server: &NacosServer, good: &str) {
    let yaml = |password: &str| {
        let user =
            format!("username: nacos, password: {password}, config: {{ data-ids: [auth.yaml] }}");
        bootstrap(server, "doctored", &user)
    };
    let (exit, bad, said) = diagnosis(&yaml(good));
    assert_eq!((exit, bad), (0, Vec::new()), "{said}");
    names(
        &yaml("another"),
        65,
        "nacos",
        "Nacos refuses the credential",
    );
}
