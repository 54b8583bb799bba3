//! What goes beside the identity through three services.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::Request as AxumRequest;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use hallpass::Settings;
use hallpass::clock::{Clock, SystemClock};
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::token::{TokenClaims, UnixTime};
use hallpass::upstream::{Body, HttpTransport, TraceContext};
use hallpass_testkit::{TestIdentityProvider, TestServer, Upstream};
use http::{HeaderMap, Request, StatusCode};
use tower::ServiceExt;

use super::rig::{Echo, FeignEcho, outcome};

/// The sender of the first request.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Three services in a row, of which the second and the last remember what they were sent.
struct Chain {
    users: TestIdentityProvider,
    first: TestServer,
    second: TestServer,
    to_second: Seen,
    last: Upstream,
}

/// The headers of requests.
type Seen = Arc<Mutex<Vec<HeaderMap>>>;

impl Chain {
    async fn start() -> Self {
        let users = TestIdentityProvider::start().await.unwrap();
        let last = Upstream::start(|_| Json("fine").into_response())
            .await
            .unwrap();
        let (second, to_second) = service(&users, last.address()).await;
        let (first, _) = service(&users, second.address()).await;
        Self {
            users,
            first,
            second,
            to_second,
            last,
        }
    }

    /// What the second and the last service were sent, once each.
    fn seen(&self) -> [HeaderMap; 2] {
        let [to_second] = &self.to_second.lock().unwrap()[..] else {
            panic!("not one request came to {}", self.second.address());
        };
        let [to_last] = &self.last.seen()[..] else {
            panic!("not one request came to the last service");
        };
        [to_second.clone(), to_last.headers.clone()]
    }

    async fn call(&self, headers: &[(&str, &str)]) -> StatusCode {
        call(&self.users, &self.first, headers).await
    }
}

/// Alice of the tenant north calls a service with these headers.
async fn call(
    users: &TestIdentityProvider,
    service: &TestServer,
    headers: &[(&str, &str)],
) -> StatusCode {
    let now = UnixTime::from(SystemClock::new().now());
    let mut claims = TokenClaims::new(
        TestIdentityProvider::ISSUER.parse().unwrap(),
        "alice".parse().unwrap(),
        TestIdentityProvider::AUDIENCE.parse().unwrap(),
        now.saturating_add(std::time::Duration::from_secs(600)),
    );
    claims.client_id = Some("browser".parse().unwrap());
    claims.extra.insert("tenant".to_owned(), "north".into());
    let token = users.sign(&claims, now).unwrap();
    let mut request = Request::get(service.url("/whoami"))
        .header("authorization", format!("Bearer {}", token.expose()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let transport = HttpTransport::new().unwrap();
    transport.oneshot(request).await.unwrap().status()
}

/// A service that calls the next one for its caller.
async fn service(users: &TestIdentityProvider, next: SocketAddr) -> (TestServer, Seen) {
    service_of(users, &format!("\"{next}\"")).await
}

/// The same, which knows these instances of the next one.
async fn service_of(users: &TestIdentityProvider, instances: &str) -> (TestServer, Seen) {
    let yaml = format!(
        r#"
hallpass:
  service: {{ name: service }}
  context:
    headers: [X-Tenant-Id, TX_XID, Accept-Language, X-Gray-Tag]
    tenant: {{ header: X-Tenant-Id }}
    gray-header: X-Gray-Tag
  discovery: {{ gray-metadata: version, static: {{ upstream: [{instances}] }} }}
  security:
    internal-jwt:
      issuers:
        - {{ name: users, issuer: "{issuer}", audience: {audience}, jwks-url: "{jwks}" }}
"#,
        issuer = TestIdentityProvider::ISSUER,
        audience = TestIdentityProvider::AUDIENCE,
        jwks = users.jwks_url(),
    );
    let settings = Loader::new("hallpass").text("chain", yaml);
    let settings = settings.load::<Settings>().unwrap().into_settings();
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let guard = hallpass
        .resource_server()
        .route_any("/whoami", Rule::Authenticated)
        .build()
        .unwrap();
    let echo = FeignEcho::new(hallpass.feign()).unwrap();
    let handler = get(async move || match echo.whoami().await {
        Ok(answer) => Json(answer).into_response(),
        failed => outcome(failed),
    });
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let note = from_fn(move |request: AxumRequest, next: Next| {
        notes.lock().unwrap().push(request.headers().clone());
        next.run(request)
    });
    let router = Router::new().route("/whoami", handler);
    let router = router.layer(guard.layer()).layer(note);
    (TestServer::start(router).await.unwrap(), seen)
}

/// The one value of a header; an empty text where there is none.
fn one(headers: &HeaderMap, name: &str) -> String {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    assert!(values.next().is_none(), "{name} is there twice");
    value.map_or_else(String::new, |it| it.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn carried_headers_go_through_three_services_and_no_other_does() {
    let chain = Chain::start().await;
    let headers = [
        ("X-Tenant-Id", "north"),
        ("TX_XID", "192.0.2.7:8091:42"),
        ("Accept-Language", "de-AT"),
        ("X-Debug", "stops at the first hop"),
    ];
    assert_eq!(chain.call(&headers).await, StatusCode::OK);
    for seen in chain.seen() {
        assert!(one(&seen, "authorization").starts_with("Bearer "));
        assert_eq!(one(&seen, "x-tenant-id"), "north");
        assert_eq!(one(&seen, "tx_xid"), "192.0.2.7:8091:42");
        assert_eq!(one(&seen, "accept-language"), "de-AT");
        assert_eq!(one(&seen, "x-debug"), "");
    }
}

#[tokio::test]
async fn a_trace_goes_through_three_services_each_call_a_span_below_the_one_before() {
    let chain = Chain::start().await;
    let headers = [("traceparent", TRACEPARENT), ("tracestate", "vendor=1")];
    assert_eq!(chain.call(&headers).await, StatusCode::OK);
    let [between, last] = chain.seen().map(|seen| {
        assert_eq!(one(&seen, "tracestate"), "vendor=1");
        TraceContext::of(&seen).unwrap()
    });
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    for trace in [&between, &last] {
        assert_eq!(trace.trace_id().to_string(), trace_id);
        assert!(trace.is_sampled());
    }
    assert_ne!(between.span_id(), last.span_id());
    assert!(!TRACEPARENT.contains(&between.span_id().to_string()));
}

#[tokio::test]
async fn a_tenant_that_is_not_the_users_is_stopped_at_the_first_service() {
    let chain = Chain::start().await;
    let refused = chain.call(&[("X-Tenant-Id", "south")]).await;
    assert_eq!(refused, StatusCode::FORBIDDEN);
    assert_eq!(chain.to_second.lock().unwrap().len(), 0);
    // Nobody's token makes a tenant of one that it does not name.
    let spelt = chain.call(&[("X_Tenant_Id", "south")]).await;
    assert_eq!(spelt, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_gray_call_finds_its_tag_and_else_the_untagged() {
    let users = TestIdentityProvider::start().await.unwrap();
    let start = || Upstream::start(|_| Json("fine").into_response());
    let (plain, gray) = (start().await.unwrap(), start().await.unwrap());
    let (plain_at, gray_at) = (plain.address(), gray.address());
    let instances = format!("\"{plain_at}\", \"{gray_at} tag.version=v2\"");
    let (service, _) = service_of(&users, &instances).await;
    for (tag, expected) in [(Some("v2"), (0, 5)), (None, (5, 5)), (Some("v3"), (10, 5))] {
        for _call in 0..5 {
            let headers: Vec<_> = tag.iter().map(|tag| ("X-Gray-Tag", *tag)).collect();
            assert_eq!(call(&users, &service, &headers).await, StatusCode::OK);
        }
        let seen = (plain.seen().len(), gray.seen().len());
        assert_eq!(seen, expected, "{tag:?}");
    }
    // It goes on with the call, so that the next service finds its own.
    let tags = gray
        .seen()
        .into_iter()
        .map(|it| one(&it.headers, "x-gray-tag"));
    assert!(tags.eq(std::iter::repeat_n("v2".to_owned(), 5)));
}
