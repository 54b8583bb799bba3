//! Token, keys and call by `lb://`, found in a real name server as YAML says.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, routing::get};
use hallpass::clock::SystemClock;
use hallpass::config::{Configuration, Loader};
use hallpass::listen::RunningServer;
use hallpass::prelude::*;
use hallpass::tls::TestAuthority;
use hallpass::{Error, Settings};
use hallpass_issuer::{IssuerServer, IssuerSettings, RunningIssuer};
use hallpass_testkit::{TestIssuer, TestServer};
use tempfile::TempDir;

use crate::service::{BoxSystem, FeignSystem, System};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A process of dnsmasq for the zone `shop.test`, killed at the end.
struct NameServer {
    child: Child,
    address: SocketAddr,
}

impl NameServer {
    /// `None`, which is said loudly, where it is not installed.
    fn start(records: &[String]) -> Option<Self> {
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = datagrams.local_addr().unwrap().port();
        drop(datagrams);
        // It needs the port for TCP too, and again after a restart: at an address of its own no other test takes it meanwhile.
        let [high, low] = port.to_be_bytes();
        let address = SocketAddr::from(([127, 53, high, low], port));
        match spawn(address, records) {
            Ok(child) => Some(Self { child, address }),
            Err(_) => {
                use std::io::Write as _;
                let line =
                    b"\n!! SKIPPED, a test with a real name server: dnsmasq is not installed\n";
                let _unheard = std::io::stderr().write_all(line);
                None
            }
        }
    }

    /// Serves other records from now on.
    fn restart(&mut self, records: &[String]) {
        self.kill();
        self.child = spawn(self.address, records).unwrap();
    }

    fn kill(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(address: SocketAddr, records: &[String]) -> std::io::Result<Child> {
    let program = match Path::new("/usr/sbin/dnsmasq").exists() {
        true => "/usr/sbin/dnsmasq",
        false => "dnsmasq",
    };
    let mut command = Command::new(program);
    command.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv"]);
    command.args(["--no-hosts", "--bind-interfaces"]);
    command.arg(format!("--listen-address={}", address.ip()));
    command.arg(format!("--port={}", address.port()));
    command.arg("--local=/shop.test/").args(records);
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null()).spawn()
}

/// `service` over TLS at `port` of `host`.
fn secure(service: &str, host: &str, port: u16) -> [String; 2] {
    [
        format!("--srv-host=_https._tcp.{service}.shop.test,{host}.shop.test,{port},0,1"),
        format!("--host-record={host}.shop.test,127.0.0.1,1"),
    ]
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(20), wait).await;
    assert!(outcome.is_ok(), "{what}: not within 20 s");
}

/// Settings in a file of `folder`, so that names of files are seen from there.
fn load<T: Configuration>(folder: &Path, yaml: &str) -> T {
    let file = folder.join("settings.yaml");
    std::fs::write(&file, yaml).unwrap();
    let loaded = Loader::new("hallpass").file(file).load();
    loaded.unwrap().into_settings()
}

/// An authority, and certificates of it that name a host in `shop.test` each.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new("Shop CA");
    std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    for name in ["issuer", "callee"] {
        let certificate = authority.certificate(&[&format!("{name}.shop.test")]);
        let _settings = certificate.write(folder.path(), name);
    }
    folder
}

async fn issuer(folder: &Path) -> RunningIssuer {
    let yaml = format!(
        r#"
hallpass:
  issuer:
    listen: 127.0.0.1:0
    store: issuer.db
    tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key }}
    clients:
      - {{ client-id: order-service, client-secret: {SECRET}, secret-kind: generated, scopes: [internal-service], audiences: [service-system] }}
"#
    );
    let settings: IssuerSettings = load(folder, &yaml);
    let clock = Arc::new(SystemClock::new());
    IssuerServer::start(&settings, clock).await.unwrap()
}

/// It fetches its keys from `lb://service-auth`.
async fn callee(folder: &Path, names: SocketAddr) -> RunningServer {
    let yaml = format!(
        r#"
hallpass:
  service: {{ name: service-system, tls: {{ certificate-file: callee.crt, private-key-file: callee.key }} }}
  tls: {{ ca-file: ca.crt }}
  discovery: {{ dns: {{ records: srv, suffix: shop.test, servers: ["{names}"] }} }}
  security:
    internal-jwt:
      issuer: internal
      jwks-url: lb://service-auth/oauth2/jwks
      internal-only: {{ paths: [/internal/**] }}
"#
    );
    let settings: Settings = load(folder, &yaml);
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    let router = guarded(&guard);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = hallpass.http_server(listener);
    server.serve(move |_peer| router.clone()).unwrap()
}

fn guarded(guard: &ResourceServer) -> Router {
    let report = async |caller: Caller| axum::Json(caller.subject().to_string());
    Router::new()
        .route("/internal/report", get(report))
        .layer(guard.layer())
}

fn caller(yaml: &str, folder: &Path) -> (Hallpass, BoxSystem) {
    let settings: Settings = load(folder, yaml);
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let system = BoxSystem::new(FeignSystem::new(hallpass.feign()).unwrap());
    (hallpass, system)
}

fn caller_yaml(names: SocketAddr) -> String {
    format!(
        r#"
hallpass:
  service: {{ name: order-service }}
  tls: {{ ca-file: ca.crt }}
  discovery: {{ dns: {{ records: srv, suffix: shop.test, servers: ["{names}"] }} }}
  internal-token: {{ client-id: order-service, client-secret: {SECRET}, scope: internal-service, token-url: "lb://service-auth/oauth2/token" }}
"#
    )
}

#[tokio::test]
async fn token_keys_and_call_go_over_tls_to_the_targets_of_srv_records() {
    let folder = folder();
    let issuer = issuer(folder.path()).await;
    let auth = secure("service-auth", "issuer", issuer.local_addr().port());
    let Some(mut names) = NameServer::start(&auth) else {
        return;
    };
    let first = callee(folder.path(), names.address).await;
    let at = |callee: &RunningServer, host: &str| {
        let system = secure("service-system", host, callee.local_addr().port());
        [&auth[..], &system].concat()
    };
    names.restart(&at(&first, "callee"));
    let (hallpass, system) = caller(&caller_yaml(names.address), folder.path());
    let is_answered = async || {
        system
            .report()
            .await
            .is_ok_and(|text| text == "order-service")
    };
    until("a call", is_answered).await;
    assert!(
        hallpass
            .metrics()
            .text()
            .contains("hallpass_dns_look_ups_total{result=\"found\"}")
    );

    // The service moves to another port, and the record with it.
    let second = callee(folder.path(), names.address).await;
    let _drained = first.shutdown_within(Duration::from_secs(1)).await;
    names.restart(&at(&second, "callee"));
    until("a call to the other port", is_answered).await;

    // The name server is gone: calls go on, over new connections as well.
    names.kill();
    hallpass
        .tokens()
        .evict(
            &TestIssuer::AUDIENCE.parse().unwrap(),
            &TestIssuer::SCOPE.parse().unwrap(),
        )
        .await;
    let tokens = issuer.tokens_issued();
    let began = tokio::time::Instant::now();
    while began.elapsed() < Duration::from_secs(6) {
        assert_eq!(system.report().await.unwrap(), "order-service");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(issuer.tokens_issued() > tokens);
}

#[tokio::test]
async fn a_host_that_its_certificate_does_not_name_is_not_spoken_to() {
    let folder = folder();
    let issuer = issuer(folder.path()).await;
    let records = secure("service-auth", "forged", issuer.local_addr().port());
    let Some(names) = NameServer::start(&records) else {
        return;
    };
    let (hallpass, _system) = caller(&caller_yaml(names.address), folder.path());
    let (audience, scope) = (
        TestIssuer::AUDIENCE.parse().unwrap(),
        TestIssuer::SCOPE.parse().unwrap(),
    );
    let is_refused = async || {
        let error = hallpass
            .tokens()
            .service_token(&audience, &scope)
            .await
            .unwrap_err();
        let texts = std::iter::successors(Some(&error as &dyn std::error::Error), |it| it.source());
        let text: Vec<_> = texts.map(ToString::to_string).collect();
        text.join(" <- ").contains("certificate")
    };
    until("the certificate is refused", is_refused).await;
    assert_eq!(issuer.tokens_issued(), 0);
}

#[tokio::test]
async fn addresses_are_found_as_well_and_what_is_listed_comes_first() {
    let issuer = TestIssuer::start().await.unwrap();
    let records = ["--host-record=service-auth.shop.test,127.0.0.1,1".to_owned()];
    let Some(names) = NameServer::start(&records) else {
        return;
    };
    let dns = |port: u16| {
        let names = names.address;
        format!("dns: {{ scheme: http, port: {port}, suffix: shop.test, servers: ['{names}'] }}")
    };
    let folder = tempfile::tempdir().unwrap();
    let port = issuer.address().port();
    let settings: Settings = load(
        folder.path(),
        &format!(
            "hallpass:\n  service: {{ name: service-system }}\n  discovery: {{ {} }}\n  security: {{ internal-jwt: {{ issuer: internal, jwks-url: 'lb://service-auth/oauth2/jwks', internal-only: {{ paths: [/internal/**] }} }} }}\n",
            dns(port)
        ),
    );
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    let callee = TestServer::start(guarded(&guard)).await.unwrap();
    let yaml = format!(
        "hallpass:\n  service: {{ name: order-service }}\n  discovery: {{ static: {{ service-system: ['{}'] }}, {} }}\n  internal-token: {{ client-id: {}, client-secret: '{}', scope: {}, token-url: 'lb://service-auth/oauth2/token' }}\n",
        callee.address(),
        dns(port),
        TestIssuer::CLIENT_ID,
        TestIssuer::CLIENT_SECRET,
        TestIssuer::SCOPE,
    );
    let (_hallpass, system) = caller(&yaml, folder.path());
    let is_answered = async || system.report().await.is_ok();
    until("a call", is_answered).await;
    assert_eq!(issuer.tokens_issued(), 1);
}

#[tokio::test]
async fn the_section_needs_no_name_server_to_be_there_at_the_start() {
    let closed: SocketAddr = {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        free.local_addr().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let yaml = format!("hallpass: {{ discovery: {{ dns: {{ servers: ['{closed}'] }} }} }}");
    let settings: Settings = load(folder.path(), &yaml);
    let built: Result<Hallpass, Error> = Hallpass::from_settings(&settings);
    let hallpass = built.unwrap();
    let error = hallpass.discovery().instances("orders").await.unwrap_err();
    assert!(
        error.to_string().contains("could not be looked up"),
        "{error}"
    );
}
