//! Spans of `hallpass issuer` at a collector.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};
use hallpass::upstream::{Body, HttpTransport};
use http::StatusCode;
use tower::ServiceExt;

use crate::issuer::Running;
use crate::process::command;

/// Longer than a message takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A collector that hands on the bodies that it was sent; `answers` or hangs.
fn collector(answers: bool) -> (SocketAddr, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, bodies) = channel();
    thread::spawn(move || serve(&listener, &sender, answers));
    (address, bodies)
}

fn serve(listener: &TcpListener, bodies: &Sender<Vec<u8>>, answers: bool) {
    for stream in listener.incoming() {
        let mut stream = BufReader::new(stream.unwrap());
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).unwrap_or(0) <= 2 {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            if length == 0 || stream.read_exact(&mut body).is_err() || bodies.send(body).is_err() {
                break;
            }
            if answers {
                let response = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                stream.get_mut().write_all(response).unwrap();
            }
        }
    }
}

fn start(folder: &std::path::Path, collector: SocketAddr) -> Running {
    start_sampling(folder, collector, 100)
}

fn start_sampling(folder: &std::path::Path, collector: SocketAddr, percent: u8) -> Running {
    let arguments = ["issuer", "--listen", "127.0.0.1:0"];
    let mut command = command(&arguments);
    command
        .current_dir(folder)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"))
        .env("OTEL_SERVICE_NAME", "the-issuer-of-this-test")
        .env("HALLPASS_TELEMETRY_OTLP_INTERVAL_MS", "10")
        .env("HALLPASS_TRACE_SAMPLE_PERCENT", percent.to_string());
    Running::start_by(&mut command)
}

fn ask_for_a_token(issuer: &Running, secret: &str) -> StatusCode {
    ask_by("POST", issuer, secret)
}

#[tokio::main(flavor = "current_thread")]
async fn ask_by(method: &str, issuer: &Running, secret: &str) -> StatusCode {
    let form = format!(
        "grant_type=client_credentials&client_id=internal-service-client&client_secret={secret}"
    );
    let request = http::Request::builder()
        .method(method)
        .uri(issuer.url("/oauth2/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header(
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        )
        .body(Body::from(form))
        .unwrap();
    let transport = HttpTransport::new().unwrap();
    transport.oneshot(request).await.unwrap().status()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|it| it == part)
}

#[test]
fn a_token_request_is_a_span_in_the_trace_of_its_sender_without_the_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (address, bodies) = collector(true);
    let issuer = start(folder.path(), address);
    let secret = issuer.shown("client secret").unwrap().to_owned();
    assert!(ask_for_a_token(&issuer, &secret).is_success());
    let body = bodies.recv_timeout(PATIENCE).unwrap();
    let trace_id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
    let sender = 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();
    for part in [
        b"POST /oauth2/token",
        &b"the-issuer-of-this-test"[..],
        &trace_id,
        &sender,
    ] {
        assert!(holds(&body, part), "{}", String::from_utf8_lossy(&body));
    }
    for part in [&secret, "internal-service-client"] {
        assert!(!holds(&body, part.as_bytes()), "{part}");
    }
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn at_the_issuer_too_no_stranger_decides_what_is_exported_or_names_a_span() {
    let folder = tempfile::tempdir().unwrap();
    let (address, bodies) = collector(true);
    let issuer = start_sampling(folder.path(), address, 0);
    let secret = issuer.shown("client secret").unwrap().to_owned();
    assert!(ask_by("S3CRET", &issuer, &secret).is_client_error());
    assert!(ask_for_a_token(&issuer, "not the secret").is_client_error());
    assert!(ask_for_a_token(&issuer, &secret).is_success());
    assert_eq!(issuer.stop(), 0);
    let all: Vec<_> = bodies.try_iter().flatten().collect();
    let name = b"POST /oauth2/token";
    let spans = all.windows(name.len()).filter(|it| it == name).count();
    assert_eq!(spans, 1, "{}", String::from_utf8_lossy(&all));
    assert!(!holds(&all, b"HTTP") && !holds(&all, b"S3CRET"));
}

#[test]
fn a_collector_that_hangs_delays_no_token_and_hardly_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (address, bodies) = collector(false);
    let issuer = start(folder.path(), address);
    let secret = issuer.shown("client secret").unwrap().to_owned();
    assert!(ask_for_a_token(&issuer, &secret).is_success());
    bodies.recv_timeout(PATIENCE).unwrap();
    assert!(ask_for_a_token(&issuer, &secret).is_success());
    let clock = SystemClock::new();
    let began = clock.monotonic();
    assert_eq!(issuer.stop(), 0);
    // Two seconds are the drain delay, one is for the last spans.
    let took = clock.monotonic() - began;
    assert!(took < Duration::from_secs(6), "{took:?}");
}
