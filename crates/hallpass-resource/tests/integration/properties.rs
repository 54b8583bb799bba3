//! Whatever is sent, nothing gets through that should not, and nothing panics.

use axum::body::Body;
use hallpass_clock::ManualClock;
use hallpass_resource::ResourceServer;
use http::{HeaderName, HeaderValue, Request};
use proptest::prelude::*;
use std::convert::Infallible;
use std::sync::Arc;
use tower::{Layer, ServiceExt};

use crate::support::{AppBuilder, Forge, test_clock};

fn server() -> (ResourceServer, Forge) {
    let clock: Arc<ManualClock> = test_clock();
    let forge = Forge::new("internal", &clock);
    (
        AppBuilder::new(&clock)
            .trusting_fixed(&forge)
            .server
            .build()
            .unwrap(),
        forge,
    )
}

/// Sends a request through the layer to a handler that gives a 200 to everything.
fn status(server: &ResourceServer, request: Request<Body>) -> u16 {
    let handler = tower::service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(http::Response::new(Body::empty()))
    });
    let call = server.layer().layer(handler).oneshot(request);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(call).unwrap().status().as_u16()
}

fn request(path: &str, headers: &[(&str, Vec<u8>)]) -> Option<Request<Body>> {
    let mut request = Request::get(path).body(Body::empty()).ok()?;
    for (name, value) in headers {
        let name = HeaderName::try_from(*name).ok()?;
        request
            .headers_mut()
            .append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(request)
}

/// Parts of which near misses of a good header are made.
fn authorization(good: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let parts: Vec<String> = good.split('.').map(str::to_owned).collect();
    let piece = prop_oneof![
        prop::sample::select(parts),
        Just("Bearer ".to_owned()),
        Just("bearer".to_owned()),
        Just(".".to_owned()),
        Just("=".to_owned()),
        Just(" ".to_owned()),
        Just("eyJhbGciOiJub25lIn0".to_owned()),
        "[ -~]{0,12}",
        "[A-Za-z0-9_-]{0,40}",
    ];
    let pieces = prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat().into_bytes());
    let raw = prop::collection::vec(any::<u8>(), 0..200);
    let bearer = "[!-~]{1,60}".prop_map(|token| format!("Bearer {token}").into_bytes());
    prop_oneof![4 => pieces, 1 => raw, 2 => bearer]
}

#[test]
fn no_random_authorization_header_is_ever_let_in() {
    let (server, forge) = server();
    let good = forge.user("orders");
    let accepted = format!("bearer {good}");
    let strategy = prop::collection::vec(authorization(&good), 1..3);
    proptest!(ProptestConfig::with_cases(512), |(values in strategy)| {
        let is_good = |value: &[u8]| value.to_ascii_lowercase() == accepted.to_ascii_lowercase().into_bytes();
        prop_assume!(!(values.len() == 1 && is_good(&values[0])));
        let headers: Vec<_> = values.iter().map(|value| ("authorization", value.clone())).collect();
        if let Some(request) = request("/whoami", &headers) {
            let status = status(&server, request);
            prop_assert!(matches!(status, 400 | 401), "{status} for {values:?}");
        }
    });
    // The near misses were near: the header itself does pass.
    let good = request(
        "/whoami",
        &[("authorization", format!("Bearer {good}").into_bytes())],
    )
    .unwrap();
    assert_eq!(status(&server, good), 200);
}

#[test]
fn changing_any_character_of_a_token_makes_it_worthless() {
    let (server, forge) = server();
    let good = forge.user("orders");
    let length = good.len();
    proptest!(ProptestConfig::with_cases(512), |(at in 0..length, with in "[A-Za-z0-9_.=+/~-]")| {
        prop_assume!(good.get(at..=at) != Some(with.as_str()));
        let mut changed = good.clone();
        changed.replace_range(at..=at, &with);
        let value = format!("Bearer {changed}").into_bytes();
        let request = request("/whoami", &[("authorization", value)]).unwrap();
        let status = status(&server, request);
        prop_assert!(matches!(status, 400 | 401), "{status} at {at} with {with}");
    });
}

#[test]
fn no_random_path_opens_more_than_the_open_routes() {
    let (server, _) = server();
    let segment = prop_oneof![
        prop::sample::select(vec![
            "health", "internal", "jobs", "orders", "whoami", "..", ".", "%2e%2e", "%2F", ";", ""
        ]),
        Just("%68ealth"),
        Just("health%00"),
    ];
    let path = prop::collection::vec(segment, 0..6)
        .prop_map(|segments| format!("/{}", segments.join("/")));
    let path = prop_oneof![path, "/[!-~]{0,30}"];
    proptest!(ProptestConfig::with_cases(1024), |(path in path)| {
        let Some(request) = request(&path, &[]) else { return Ok(()) };
        let open = ["/health", "/maybe", "/headers"].contains(&request.uri().path());
        let status = status(&server, request);
        prop_assert_eq!(status == 200, open, "{} {}", status, path);
    });
}
