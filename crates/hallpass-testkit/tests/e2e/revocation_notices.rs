//! What is said over Redis of revocations, where no stream of the issuer gets through; and what is made up there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hallpass::clock::SystemClock;
use hallpass::config::Loader;
use hallpass::redis::{RedisRevocations, RedisSettings, RedisTokenCache};
use hallpass::resource::{Denial, ResourceServer};
use hallpass::token::{Revocation, RevocationDigest, RevocationKind, UnixTime};
use hallpass::upstream::{Body, HttpTransport, RevocationNotice};
use hallpass::{Hallpass, Settings};
use hallpass_issuer::RevocationTarget;
use hallpass_testkit::{TestIssuer, TestServer};
use http::{HeaderMap, Request, StatusCode, Uri, header};
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;

use crate::redis::Redis;
use crate::revocation::{jti, this_client};

const SOON: Duration = Duration::from_secs(1);

/// What stands before the issuer's deny-list, lets no stream through, and counts who asks for the list.
struct Front {
    server: TestServer,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Way {
    http: HttpTransport,
    issuer: String,
    asked: Arc<AtomicUsize>,
}

impl Front {
    async fn start(issuer: &TestIssuer) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let way = Way {
            http: HttpTransport::new().unwrap(),
            issuer: issuer.url(""),
            asked: Arc::clone(&asked),
        };
        let router = Router::new().route("/oauth2/revocations", get(pass));
        let server = TestServer::start(router.with_state(way)).await.unwrap();
        Self { server, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn pass(State(way): State<Way>, uri: Uri, headers: HeaderMap) -> Response {
    if headers[header::ACCEPT] != "application/json" {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    way.asked.fetch_add(1, Ordering::Relaxed);
    let mut request = Request::get(format!("{}{uri}", way.issuer));
    if let Some(etag) = headers.get(header::IF_NONE_MATCH) {
        request = request.header(header::IF_NONE_MATCH, etag);
    }
    let response = way.http.oneshot(request.body(Body::empty()).unwrap());
    let (parts, body) = response.await.unwrap().into_parts();
    let body = body.collect_within(1_000_000).await.unwrap();
    Response::from_parts(parts, axum::body::Body::from(body))
}

/// A service that calls and verifies, and follows the list by `front` and over Redis.
async fn service(issuer: &TestIssuer, front: &Front, redis: u16) -> (Hallpass, ResourceServer) {
    let list = format!("http://{}/oauth2/revocations", front.server.address());
    let yaml = format!(
        "hallpass:\n  service: {{ name: {name} }}\n  redis: {{ port: {redis} }}\n  internal-token: {{ client-id: {id}, client-secret: \"{secret}\", \
         token-url: \"{url}\", revocations-url: \"{list}\" }}\n  security: {{ internal-jwt: {{ jwks-url: \"{jwks}\", revocations-url: \"{list}\" }} }}\n",
        name = TestIssuer::AUDIENCE,
        id = TestIssuer::CLIENT_ID,
        secret = TestIssuer::CLIENT_SECRET,
        url = issuer.token_url(),
        jwks = issuer.jwks_url(),
    );
    let settings = Loader::new("hallpass").text("service", yaml);
    let settings = settings.load::<Settings>().unwrap().into_settings();
    let hallpass = Hallpass::builder(&settings).build().unwrap();
    let server = hallpass.resource_server().build().unwrap();
    server.verify(&token(&hallpass).await).await.unwrap();
    let began = Instant::now();
    while !hallpass
        .metrics()
        .text()
        .contains("hallpass_redis_revocations_subscribed 1")
    {
        assert!(began.elapsed() < Duration::from_secs(20), "no subscription");
        sleep(Duration::from_millis(10)).await;
    }
    (hallpass, server)
}

async fn token(hallpass: &Hallpass) -> String {
    let (audience, scope) = (
        TestIssuer::AUDIENCE.parse().unwrap(),
        TestIssuer::SCOPE.parse().unwrap(),
    );
    let token = hallpass.tokens().service_token(&audience, &scope).await;
    token.unwrap().expose().to_owned()
}

fn on(redis: &Redis) -> RedisRevocations {
    let address = format!("127.0.0.1:{}", redis.port).parse().unwrap();
    let settings = RedisSettings::standalone(address);
    RedisRevocations::over(&RedisTokenCache::new(&settings, Arc::new(SystemClock::new())).unwrap())
}

/// As the executable does it.
fn announce(issuer: &TestIssuer, redis: &Redis) {
    let (mut new, revocations) = (issuer.new_revocations().unwrap(), on(redis));
    tokio::spawn(async move {
        while let Some(entries) = new.next().await {
            let message = RevocationNotice::to_bytes(&entries);
            revocations.announce(&message).await.unwrap();
        }
    });
}

async fn until_refused(server: &ResourceServer, token: &str) -> Duration {
    let began = Instant::now();
    while server.verify(token).await.err() != Some(Denial::Revoked) {
        assert!(began.elapsed() < Duration::from_secs(15), "never refused");
        sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_stream_what_is_revoked_ends_within_a_second_since_redis_says_so() {
    let issuer = TestIssuer::start().await.unwrap();
    let Some(redis) = Redis::start() else { return };
    announce(&issuer, &redis);
    let front = Front::start(&issuer).await;
    let (caller, server) = service(&issuer, &front, redis.port).await;
    let mut before = token(&caller).await;
    for _ in 0..3 {
        server.verify(&before).await.unwrap();
        let target = RevocationTarget::Token(jti(&before));
        issuer.revoke(&target).await.unwrap();
        let began = Instant::now();
        until_refused(&server, &before).await;
        let mut after = token(&caller).await;
        while after == before {
            assert!(began.elapsed() < Duration::from_secs(15), "never dropped");
            sleep(Duration::from_millis(5)).await;
            after = token(&caller).await;
        }
        // The list is asked for every five seconds otherwise.
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        before = after;
    }
    let text = caller.metrics().text();
    assert!(
        text.contains("hallpass_revocations_streaming{issuer=\"internal\"} 0"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_made_up_in_redis_denies_nobody_and_costs_a_bounded_number_of_requests() {
    let issuer = TestIssuer::start().await.unwrap();
    let Some(redis) = Redis::start() else { return };
    let front = Front::start(&issuer).await;
    let (caller, server) = service(&issuer, &front, redis.port).await;
    let token = token(&caller).await;
    let attacker = on(&redis);
    let made_up = |name: &str| Revocation {
        kind: RevocationKind::Client,
        digest: RevocationDigest::new(RevocationKind::Client, name),
        issued_before: None,
        ends_at: UnixTime::from_secs(20_000_000_000),
    };
    let before = front.asked();
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < Duration::from_secs(4) {
        let names = [TestIssuer::CLIENT_ID, &sent.to_string()];
        let message = RevocationNotice::to_bytes(&names.map(made_up));
        attacker.announce(&message).await.unwrap();
        attacker.announce(b"{\"revoked\":[]}").await.unwrap();
        sent += 1;
        server.verify(&token).await.unwrap();
        sleep(Duration::from_millis(2)).await;
    }
    let (asked, limit) = (front.asked() - before, 4 * 4 + 3);
    assert!(asked <= limit, "{asked} requests after {sent} messages");

    // A true one is not kept from counting, and one that is sent again costs nothing.
    issuer.revoke(&this_client()).await.unwrap();
    until_refused(&server, &token).await;
    sleep(Duration::from_secs(6)).await;
    let entries = [this_client_entry(&issuer).await];
    let before = front.asked();
    let began = Instant::now();
    for _ in 0..200 {
        let message = RevocationNotice::to_bytes(&entries);
        attacker.announce(&message).await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    let usual = began.elapsed().as_secs() / 3 + 2;
    let asked = front.asked() - before;
    assert!(u64::try_from(asked).unwrap() <= usual, "{asked} requests");
}

/// The entry as the issuer serves it.
async fn this_client_entry(issuer: &TestIssuer) -> Revocation {
    let request = Request::get(issuer.url("/oauth2/revocations")).body(Body::empty());
    let response = HttpTransport::new()
        .unwrap()
        .oneshot(request.unwrap())
        .await;
    let body = response
        .unwrap()
        .into_body()
        .collect_within(1_000_000)
        .await;
    let list: serde_json::Value = serde_json::from_slice(&body.unwrap()).unwrap();
    serde_json::from_value(list["entries"][0].clone()).unwrap()
}
