//! Large tokens (OpenDataCapture#1534, aspnetcore#25271): what the settings allow arrives, over the listener of the service too.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::token::{JwkSet, UnixTime};
use hallpass::{Hallpass, Settings};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::case::with_token;
use crate::forge::Forge;

/// A service that takes tokens of so many bytes, or of as many as by default.
async fn service(forge: &Forge, max_token_bytes: Option<usize>) -> SocketAddr {
    let keys = tempfile::NamedTempFile::new().unwrap();
    let set = JwkSet::new([forge.key.public_jwk()]).to_json();
    std::fs::write(keys.path(), set.to_string()).unwrap();
    let limit = max_token_bytes.map_or_else(String::new, |it| format!("max-token-bytes: {it}, "));
    let yaml = format!(
        "hallpass: {{ service: {{ name: service-system }}, security: {{ {limit}internal-jwt: {{ issuer: internal, \
         jwks-file: '{}', routes: [{{ path: '/**', rule: authenticated }}] }} }} }}",
        keys.path().display()
    );
    let settings: Settings = Loader::new("hallpass")
        .text("large", yaml)
        .load()
        .unwrap()
        .into_settings();
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    guard.load_keys().await.unwrap();
    let router = Router::new().fallback(get(async || "handled"));
    let router = router.layer(guard.layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = hallpass.http_server(listener);
    let running = server.serve(move |_peer| router.clone()).unwrap();
    // Until the test's runtime ends.
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(running);
    });
    address
}

/// A token of a person with so many groups, which are named by 36 characters each.
fn in_groups(forge: &Forge, groups: usize) -> String {
    let names: Vec<_> = (0..groups).map(|number| format!("{number:036}")).collect();
    forge.with_claim("groups", Some(json!(names)))
}

async fn answer(address: SocketAddr, token: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server may answer before it has read everything.
    let _sent = stream.write_all(&with_token("GET /orders/7", token)).await;
    let mut answer = Vec::new();
    let _read = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_token_as_long_as_the_settings_allow_arrives_and_a_longer_one_is_told_what_is_wrong() {
    let forge = Forge::new(UnixTime::from(SystemClock::new().now()).as_secs());
    let by_default = service(&forge, None).await;
    let at_most = service(&forge, Some(65_536)).await;
    let (small, medium, large) = (
        in_groups(&forge, 100),
        in_groups(&forge, 431),
        in_groups(&forge, 1_200),
    );
    assert!(
        small.len() < 8_192 && medium.len() > 16 * 1024,
        "{}",
        medium.len()
    );
    assert!((60_000..65_536).contains(&large.len()), "{}", large.len());
    let too_large = "\"code\":\"token_too_large\"";
    assert!(answer(by_default, &small).await.ends_with("handled"));
    for token in [&small, &medium, &large] {
        let answer = answer(at_most, token).await;
        assert!(answer.ends_with("handled"), "{}: {answer}", token.len());
    }
    let longer = in_groups(&forge, 1_300);
    let answer = answer(at_most, &longer).await;
    assert!(
        answer.starts_with("HTTP/1.1 431") && answer.contains(too_large),
        "{}: {answer}",
        longer.len()
    );
}
