//! Certificates of a running issuer: for programs that read files, by `hallpass ca request`, and of a gateway and a sidecar that get theirs
//! by themselves.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;

use hallpass::clock::SystemClock;
use hallpass::tls::{ClientTls, ClientTlsSettings, IssuedFiles, TlsMetrics};
use hallpass::upstream::{Body, HttpTransport};
use hallpass_tls::TestAuthority;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::authz::{Authz, get};
use crate::gateway::Service;
use crate::issuer::Running;
use crate::process::{command, run, signal, spawn};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

struct Estate {
    folder: TempDir,
    issuer: Running,
}

impl Estate {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Server CA");
        fs::write(folder.path().join("server-ca.crt"), authority.pem()).unwrap();
        let certificate = authority.certificate(&["127.0.0.1"]);
        let _settings = certificate.write(folder.path(), "issuer");
        let client = |id: &str, certificate: &str| {
            format!(
                "      - {{ client-id: {id}, client-secret: {SECRET}, secret-kind: generated, audiences: [orders]{certificate} }}\n"
            )
        };
        let named = |id: &str| {
            let certificate = format!(
                ", certificate: {{ spiffe-id: 'spiffe://shop.example/{id}', dns-names: [localhost] }}"
            );
            client(id, &certificate)
        };
        let clients = [
            named("edge"),
            named("orders"),
            named("caller"),
            client("nobody", ""),
        ]
        .concat();
        let issuer = format!(
            "
hallpass:
  issuer:
    tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, client-auth: any }}
    ca: {{ trust-domain: shop.example }}
    clients:
{clients}"
        );
        fs::write(folder.path().join("issuer.yaml"), issuer).unwrap();
        let issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
        Self { folder, issuer }
    }

    /// The configuration of a client, with further sections.
    fn write(&self, id: &str, further: &str) -> String {
        let yaml = format!(
            "
hallpass:
  service: {{ name: {id} }}
  certificates: {{ from: '{}', folder: {id}, start-limit-seconds: 0 }}
  tls: {{ ca-file: server-ca.crt, system-roots: false }}
  internal-token: {{ client-id: {id}, client-secret: {SECRET}, token-url: '{}' }}
{further}",
            self.issuer.url("/ca/v1/certificate"),
            self.issuer.url("/oauth2/token"),
        );
        let file = self.folder.path().join(format!("{id}.yaml"));
        fs::write(&file, yaml).unwrap();
        file.display().to_string()
    }

    fn files(&self, id: &str) -> IssuedFiles {
        IssuedFiles::below(&self.folder.path().join(id))
    }
}

/// Status and body for somebody who shows the certificate of these files, or none, and trusts their authorities alone.
#[tokio::main(flavor = "current_thread")]
async fn call(address: SocketAddr, files: &IssuedFiles, shows: bool) -> Result<(u16, String), ()> {
    let settings = ClientTlsSettings {
        system_roots: false,
        ca_file: Some(files.ca_file.clone()),
        key_pair: shows.then(|| files.key_pair.clone()),
    };
    let clock = Arc::new(SystemClock::new());
    let tls = ClientTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
    let transport = HttpTransport::builder().followed_tls(tls).build().unwrap();
    let request = http::Request::get(format!("https://localhost:{}/", address.port()));
    let request = request.body(Body::empty()).unwrap();
    let response = transport.oneshot(request).await.map_err(|_| ())?;
    let status = response.status().as_u16();
    let body = response.into_body().collect_within(10_000).await;
    let body = body.map_err(|_| ())?;
    Ok((status, String::from_utf8(body.to_vec()).unwrap()))
}

/// `hallpass sidecar`, killed at the end.
struct Sidecar {
    child: Child,
    inbound: SocketAddr,
}

impl Sidecar {
    fn start(config: &str) -> Self {
        let mut child = spawn(&mut command(&["sidecar", "--config", config]));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let inbound =
            lines.find_map(|line| Some(line.unwrap().strip_prefix("inbound  ")?.to_owned()));
        let Some(inbound) = inbound else {
            panic!("{:?}", child.wait_with_output());
        };
        let inbound = inbound.parse().unwrap();
        Self { child, inbound }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn a_gateway_and_a_sidecar_speak_with_certificates_that_they_get_by_themselves() {
    let (estate, service) = (Estate::start(), Service::start());
    let sidecar = estate.write(
        "orders",
        &format!(
            "  security: {{ internal-jwt: {{ jwks-url: '{}', routes: [ {{ path: /**, rule: authenticated, peers: 'spiffe://shop.example/edge' }} ] }} }}
  sidecar:
    management: {{ listen: '127.0.0.1:0' }}
    inbound: {{ listen: '127.0.0.1:0', forward-to: 'http://{}', tls: {{ client-auth: need }} }}
",
            estate.issuer.url("/oauth2/jwks"),
            service.address
        ),
    );
    let sidecar = Sidecar::start(&sidecar);
    let gateway = estate.write(
        "edge",
        &format!(
            "  security: {{ internal-jwt: {{ jwks-url: '{}' }} }}
  gateway:
    drain-delay-seconds: 0
    tls: {{ client-auth: need }}
    routes: [ {{ name: one, path: /**, to: 'https://localhost:{}', identity: service, audience: orders, rule: anonymous }} ]
",
            estate.issuer.url("/oauth2/jwks"),
            sidecar.inbound.port()
        ),
    );
    let gateway = Authz::start_by(&mut command(&[
        "gateway",
        "--listen=127.0.0.1:0",
        "--management-listen=127.0.0.1:0",
        "--watch-seconds=3600",
        &format!("--config={gateway}"),
    ]));
    let caller = estate.write("caller", "");
    let outcome = run(&["ca", "request", "--config", &caller]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let files = estate.files("caller");
    let through = Ok((200, "service".to_owned()));
    assert_eq!(call(gateway.address, &files, true), through);
    assert!(call(gateway.address, &files, false).is_err(), "shows none");
    let past = call(sidecar.inbound, &files, true).unwrap();
    assert_eq!(past.0, 401, "a certificate is no token: {past:?}");
    // A load of the same settings leaves all that as it is.
    gateway.reload("ok");
    assert_eq!(call(gateway.address, &files, true), through);
    let shown = get(gateway.management, "/metrics");
    for line in [
        "hallpass_certificates_renewals_total{result=\"by_credential\"} 1",
        "hallpass_tls_certificate_expiry_timestamp_seconds{used_for=\"client\"}",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(estate.issuer.stop(), 0);
    assert_eq!(call(gateway.address, &files, true), through);
}

#[test]
fn a_program_that_reads_files_gets_them_and_whoever_follows_goes_on_until_a_signal() {
    let estate = Estate::start();
    let caller = estate.write("caller", "");
    let elsewhere = estate.folder.path().join("elsewhere");
    let arguments = [
        "ca",
        "request",
        "--config",
        &caller,
        "--folder",
        elsewhere.to_str().unwrap(),
        "--follow",
    ];
    let mut child = spawn(&mut command(&arguments));
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let named: Vec<_> = lines.take(3).map(Result::unwrap).collect();
    for file in &named {
        let file = Path::new(file);
        assert!(file.starts_with(&elsewhere), "{named:?}");
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{named:?}");
    }
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let refused = estate.write("nobody", "");
    let refused = run(&["ca", "request", "--config", &refused]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("403"), "{refused:?}");
    let unknown = run(&["ca", "request"]);
    assert_eq!(unknown.code, 64, "{unknown:?}");
    assert!(unknown.stderr.contains("--from"), "{unknown:?}");
    assert_eq!(estate.issuer.stop(), 0);
}

#[test]
fn without_a_certificate_nothing_listens() {
    let estate = Estate::start();
    let gateway = estate.write("nobody", "  gateway: { tls: { client-auth: need } }\n");
    let outcome = run(&["gateway", "--listen=127.0.0.1:0", "--config", &gateway]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.stderr.contains("certificates"), "{outcome:?}");
    assert_eq!(outcome.stdout, "");
    assert_eq!(estate.issuer.stop(), 0);
}
