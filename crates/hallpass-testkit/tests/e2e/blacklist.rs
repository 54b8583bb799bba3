//! Tokens that a real Redis lists as logged out, as the YAML of a service says.

use std::convert::Infallible;
use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use hallpass::config::Loader;
use hallpass::resource::Rule;
use hallpass::upstream::HttpTransport;
use hallpass::{Hallpass, Settings};
use hallpass_testkit::{TestIssuer, TestServer};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::redis::Redis;
use crate::revocation::{jti, token};

struct Service {
    server: TestServer,
    hallpass: Hallpass,
    redis: Redis,
    _issuer: TestIssuer,
    token: String,
}

impl Service {
    async fn start() -> Option<Self> {
        let redis = Redis::start()?;
        let issuer = TestIssuer::start().await.unwrap();
        let yaml = format!(
            "
hallpass:
  service: {{ name: service-system }}
  redis: {{ port: {} }}
  security:
    internal-jwt:
      jwks-url: '{}'
      blacklist: {{ redis-key: 'jwt:blacklist:{{jti}}', issuers: [internal] }}
",
            redis.port,
            issuer.jwks_url()
        );
        let settings = Loader::new("hallpass").text("service", yaml);
        let settings: Settings = settings.load().unwrap().into_settings();
        let hallpass = Hallpass::from_settings(&settings).unwrap();
        let server = hallpass.resource_server();
        let server = server.route_any("/**", Rule::Authenticated).build();
        let events = || async {
            let first = [Ok::<_, Infallible>(Bytes::from("data: 1\n\n"))];
            let rest = futures_util::stream::pending();
            let first = futures_util::stream::iter(first);
            Body::from_stream(futures_util::StreamExt::chain(first, rest))
        };
        let router = Router::new().route("/events", get(events));
        let router = router.route("/", get(async || "here"));
        let router = router.layer(server.unwrap().layer());
        let token = token(&issuer).await;
        let service = Self {
            server: TestServer::start(router).await.unwrap(),
            hallpass,
            redis,
            _issuer: issuer,
            token,
        };
        let connected = || {
            let text = service.hallpass.metrics().text();
            text.contains("hallpass_redis_connected 1")
        };
        while !connected() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Some(service)
    }

    fn log_out(&self) {
        let port = self.redis.port.to_string();
        let name = format!("jwt:blacklist:{}", jti(&self.token));
        let arguments = ["-p", &port, "SET", &name, "1", "PX", "60000"];
        let set = Command::new("redis-cli").args(arguments).output();
        assert!(set.unwrap().status.success());
    }

    async fn get(&self, path: &str) -> http::Response<hallpass::upstream::Body> {
        let bearer = format!("Bearer {}", self.token);
        let request = Request::get(self.server.url(path)).header(header::AUTHORIZATION, bearer);
        let request = request.body(hallpass::upstream::Body::empty()).unwrap();
        let transport = HttpTransport::new().unwrap();
        transport.oneshot(request).await.unwrap()
    }

    /// How long it takes until a call gets this status.
    async fn until(&self, status: StatusCode) -> Duration {
        let began = Instant::now();
        while self.get("/").await.status() != status {
            assert!(began.elapsed() < Duration::from_secs(20), "not {status}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        began.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_in_redis_counts_within_a_second_for_calls_and_streams() {
    let Some(service) = Service::start().await else {
        return;
    };
    service.until(StatusCode::OK).await;
    let mut stream = service.get("/events").await.into_body();
    let first = stream.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "data: 1\n\n");
    service.log_out();
    let took = service.until(StatusCode::UNAUTHORIZED).await;
    println!("calls: {took:?}");
    // A second by its own clocks; the machine may do much else.
    assert!(took < Duration::from_secs(2), "{took:?}");
    let end = tokio::time::timeout(Duration::from_secs(2), stream.frame()).await;
    assert!(end.expect("it goes on").is_some_and(|it| it.is_err()));
    let listed = "hallpass_blacklist_requests_total{result=\"listed\"}";
    assert!(service.hallpass.metrics().text().contains(listed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_gone_calls_get_503_and_say_when_to_come_again() {
    let Some(mut service) = Service::start().await else {
        return;
    };
    service.until(StatusCode::OK).await;
    service.redis.kill();
    let took = service.until(StatusCode::SERVICE_UNAVAILABLE).await;
    println!("refused after {took:?}");
    let refused = service.get("/").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    assert!(!refused.headers().contains_key(header::WWW_AUTHENTICATE));
    let began = Instant::now();
    for _ in 0..20 {
        let status = service.get("/").await.status();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    println!("twenty refusals: {:?}", began.elapsed());
    service.redis.start_again();
    println!("back after {:?}", service.until(StatusCode::OK).await);
}
