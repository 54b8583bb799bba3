//! h2spec, which holds a server of HTTP/2 against each sentence of RFC 9113 and RFC 7541, and the listener that all our roles have. It is
//! built by Go from `tests/clients/h2spec`; its report stays in the build's own folder (`target/tmp/h2spec`). Each test is skipped, with
//! a line that says so, where Go or its packages cannot be had.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail loudly too"
)]

#[cfg(test)]
#[path = "../e2e/built.rs"]
mod built;
#[cfg(test)]
#[path = "../attacks/gateway.rs"]
#[expect(dead_code, reason = "the attacks use all of it")]
mod gateway;
#[path = "../clients/tools.rs"]
#[expect(
    dead_code,
    reason = "the tests with other people's clients use all of it"
)]
mod tools;

use std::convert::Infallible;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use hallpass::clock::SystemClock;
use hallpass::tls::{ClientAuth, ServerTls, ServerTlsSettings, TestAuthority, TlsMetrics};
use hallpass_listen::{HttpServer, RunningServer};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::gateway::{Gateway, How};
use crate::tools::Tools;

const PACKAGE: &str = "github.com/summerwind/h2spec/cmd/h2spec";
/// All that h2spec 2.2.1 has, the strict ones among them.
const TESTS: usize = 146;
/// The response must not fit into the windows that some of its tests open.
const BODY: &[u8] = &[b'x'; 4_096];

/// What is otherwise on a plain socket: there HTTP/1.1 is spoken too, so what does not begin with the preface of HTTP/2 is a bad request of
/// HTTP/1.1, and its sender is told so (400) before the connection ends. Over TLS, where ALPN has said HTTP/2, nothing is otherwise.
const ON_PLAIN_SOCKETS: [&str; 1] = ["Sends invalid connection preface"];

/// A listener as services have it.
async fn server() -> HttpServer {
    HttpServer::new(TcpListener::bind("127.0.0.1:0").await.unwrap())
}

/// It serves until it is dropped.
fn serve(server: HttpServer) -> RunningServer {
    let running = server.serve(|_peer| {
        tower::service_fn(|request: Request<Incoming>| async {
            let _body = request.into_body().collect().await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(BODY))))
        })
    });
    running.unwrap()
}

/// Holds who listens at this port against h2spec, which is called with these arguments too: all of its tests pass but those named, and
/// those do not.
async fn judged((name, port): (&str, u16), arguments: &[&str], otherwise: &[&str]) {
    let Some(program) = Tools::of_tests().built_by_go("h2spec", PACKAGE) else {
        return;
    };
    let report = report(&program, name, port, arguments).await;
    let cases: Vec<&str> = report.split("<testcase ").skip(1).collect();
    assert_eq!(cases.len(), TESTS, "{report}");
    let is_wrong = |case: &&&str| {
        let is_otherwise = otherwise.iter().any(|name| case.contains(name));
        let has_passed = !["<failure>", "<error>", "<skipped>"]
            .iter()
            .any(|mark| case.contains(mark));
        has_passed == is_otherwise
    };
    let wrong: Vec<&str> = cases.iter().filter(is_wrong).copied().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn report(program: &Path, name: &str, port: u16, arguments: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("h2spec");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{name}.xml"));
    let _none_yet = std::fs::remove_file(&file);
    let mut command = Command::new(program);
    command
        .args(["--strict", "--timeout", "5", "--port", &port.to_string()])
        .arg("--junit-report")
        .arg(&file)
        .args(arguments);
    let run = tokio::task::spawn_blocking(move || command.output());
    let run = run.await.unwrap().unwrap();
    match std::fs::read_to_string(file) {
        Ok(report) => report,
        Err(_none) => panic!("h2spec says {run:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listener_passes_h2spec_on_a_plain_socket() {
    let running = serve(server().await);
    let port = running.local_addr().port();
    judged(("plain", port), &[], &ON_PLAIN_SOCKETS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_listener_passes_h2spec_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = TestAuthority::new("Estate CA").certificate(&["127.0.0.1"]);
    let settings = ServerTlsSettings {
        key_pair: certificate.write(folder.path(), "server"),
        client_auth: ClientAuth::None,
    };
    let clock = Arc::new(SystemClock::new());
    let tls = ServerTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
    let running = serve(server().await.tls(tls));
    let port = running.local_addr().port();
    judged(("tls", port), &["--tls", "--insecure"], &[]).await;
}

/// Before a service that speaks HTTP/1.1, as most do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_passes_h2spec() {
    let upstream = serve(server().await);
    let gateway = Gateway::start(OPEN, upstream.local_addr()).await;
    let port = gateway.address().port();
    judged(("gateway", port), &[], &ON_PLAIN_SOCKETS).await;
    assert_eq!(gateway.panics(), 0);
}

/// As it stands at the edge.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_passes_h2spec_over_tls() {
    let upstream = serve(server().await);
    let folder = tempfile::tempdir().unwrap();
    let certificate = TestAuthority::new("Estate CA").certificate(&["127.0.0.1"]);
    let how = How {
        tls: Some(certificate.write(folder.path(), "edge")),
        ..How::default()
    };
    let gateway = Gateway::start_by(how, OPEN, upstream.local_addr()).await;
    let port = gateway.address().port();
    let arguments = ["--tls", "--insecure"];
    judged(("gateway-tls", port), &arguments, &[]).await;
    assert_eq!(gateway.panics(), 0);
}

/// Nobody has to say who calls; a file of keys has to be named all the same.
const OPEN: &str = "  security:
    internal-jwt:
      issuer: internal
      jwks-url: 'http://127.0.0.1:9/oauth2/jwks'
      revocations-url: none
      routes: [{ path: '/**', rule: anonymous }]
";

/// The sources of other people's programs.
fn sources() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients"))
}
