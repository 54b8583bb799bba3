//! Streams end when the token is taken back that they were begun with.

use std::time::Duration;

use hallpass_resource::{JwksLocation, Rule, SecuritySettings};
use serde_json::json;
use tokio::time::Instant;

use crate::settings::{builder, route, security, trusted};
use crate::support::endpoint::Endpoint;
use crate::support::streaming::{Connection, Taps};
use crate::support::{App, AppBuilder, Behaviour, FakeIssuer, Forge, test_clock};

const SOON: Duration = Duration::from_secs(1);

async fn ends_soon(app: &App, mut stream: Connection, reason: &str) {
    let began = Instant::now();
    stream.read_to_end().await;
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let line = format!("hallpass_streams_ended_total{{reason=\"{reason}\",result=\"end\"}}");
    assert_eq!(app.metric(&line), 1.0);
}

#[tokio::test]
async fn what_a_service_denies_itself_ends_its_streams_within_a_second_and_no_others() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let routes = vec![route("/events", Rule::Authenticated)];
    let base = security(trusted("internal", JwksLocation::Url(issuer.url())), routes);
    let taps = Taps::new();
    let app = AppBuilder::new(&clock).with(|_| builder(&base, &clock));
    let app = app.start_with(taps.routes()).await;
    let mut stream = Connection::open(app.address, "GET /events", &forge.user(""), "").await;
    taps.send("one");
    stream.read_until("data: one").await;
    let denying = |subject: &str| {
        let mut settings: SecuritySettings = base.clone();
        settings.internal_jwt.denied.subjects = vec![subject.parse().unwrap()];
        app.server.apply(&settings).unwrap();
    };
    denying("bob");
    assert!(stream.stays_open().await);
    denying("alice");
    ends_soon(&app, stream, "revoked").await;
}

#[tokio::test]
async fn a_stream_ends_when_its_key_leaves_the_set_although_no_request_comes() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock).with_key_id("old");
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let taps = Taps::new();
    let app = AppBuilder::new(&clock).trusting(&issuer, &forge);
    let app = app.with(|it| it.route_any("/events", Rule::Authenticated));
    let app = app.start_with(taps.routes()).await;
    let mut stream = Connection::open(app.address, "GET /events", &forge.user(""), "").await;
    taps.send("one");
    stream.read_until("data: one").await;
    // A key more changes nothing.
    let other = Forge::new("internal", &clock).with_key_id("new");
    let both = [forge.key.public_jwk(), other.key.public_jwk()];
    issuer.set(Behaviour::keys(hallpass_token::JwkSet::new(both)));
    clock.advance_seconds(300);
    assert!(stream.stays_open().await);
    assert_eq!(issuer.requests(), 2);
    issuer.set(Behaviour::keys(other.keys()));
    clock.advance_seconds(299);
    ends_soon(&app, stream, "revoked").await;
}

#[tokio::test]
async fn a_stream_ends_when_its_issuer_is_not_trusted_any_more_and_not_when_it_is_trusted_otherwise()
 {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let routes = vec![route("/events", Rule::Authenticated)];
    let base = security(trusted("internal", JwksLocation::Url(issuer.url())), routes);
    let taps = Taps::new();
    let app = AppBuilder::new(&clock).with(|_| builder(&base, &clock));
    let app = app.start_with(taps.routes()).await;
    let mut stream = Connection::open(app.address, "GET /events", &forge.user(""), "").await;
    taps.send("one");
    stream.read_until("data: one").await;
    let mut settings = base.clone();
    settings.internal_jwt.leeway = Duration::from_secs(3);
    app.server.apply(&settings).unwrap();
    assert!(stream.stays_open().await);
    settings.internal_jwt.issuers[0].audiences = vec!["warehouse".parse().unwrap()];
    app.server.apply(&settings).unwrap();
    ends_soon(&app, stream, "revoked").await;
}

#[tokio::test]
async fn a_stream_with_an_opaque_token_ends_when_its_issuer_asked_again_says_so() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    endpoint.issues("opaque-1", "alice");
    let (trusted, taps) = (endpoint.trusted(), Taps::new());
    let app = AppBuilder::new(&clock).with(|it| it.issuer(trusted));
    let app = app.with(|it| it.route_any("/events", Rule::Authenticated));
    let app = app.start_with(taps.routes()).await;
    let mut stream = Connection::open(app.address, "GET /events", "opaque-1", "").await;
    taps.send("one");
    stream.read_until("data: one").await;
    clock.advance_seconds(30);
    assert!(stream.stays_open().await);
    assert_eq!(endpoint.asked().len(), 2);
    // An issuer that is away ends nothing.
    endpoint.responds_with(Some((500, "", "text/plain", "")));
    clock.advance_seconds(30);
    assert!(stream.stays_open().await);
    endpoint.responds_with(None);
    endpoint.forgets("opaque-1");
    clock.advance_seconds(5);
    ends_soon(&app, stream, "revoked").await;
}

/// Its issuer knows when it ends: the leeway is for the clocks of those who sign.
#[tokio::test]
async fn a_stream_with_an_opaque_token_has_its_grace_and_no_leeway() {
    let clock = test_clock();
    let endpoint = Endpoint::start(&clock).await;
    endpoint.issues("opaque-1", "alice");
    let (trusted, taps) = (endpoint.trusted(), Taps::new());
    let app = AppBuilder::new(&clock).with(|it| it.issuer(trusted));
    let app = app.with(|it| it.route_any("/events", Rule::Authenticated));
    let app = app.start_with(taps.routes()).await;
    let mut stream = Connection::open(app.address, "GET /events", "opaque-1", "").await;
    taps.send("one");
    stream.read_until("data: one").await;
    // The life of the token (600 s) and the grace (30 s), but for a second.
    clock.advance_seconds(629);
    assert!(stream.stays_open().await);
    clock.advance_seconds(1);
    ends_soon(&app, stream, "expired").await;
}

/// It is good for another service now, or says nothing that could be taken: for this one it is good no more.
#[tokio::test]
async fn a_stream_with_an_opaque_token_ends_when_what_is_said_of_it_does_not_fit_any_more() {
    for (name, value) in [("aud", json!("warehouse")), ("sub", json!(7))] {
        let clock = test_clock();
        let endpoint = Endpoint::start(&clock).await;
        endpoint.issues("opaque-1", "alice");
        let (trusted, taps) = (endpoint.trusted(), Taps::new());
        let app = AppBuilder::new(&clock).with(|it| it.issuer(trusted));
        let app = app.with(|it| it.route_any("/events", Rule::Authenticated));
        let app = app.start_with(taps.routes()).await;
        let mut stream = Connection::open(app.address, "GET /events", "opaque-1", "").await;
        taps.send("one");
        stream.read_until("data: one").await;
        let mut said = endpoint.good("alice");
        said[name] = value;
        endpoint.says("opaque-1", said);
        clock.advance_seconds(30);
        ends_soon(&app, stream, "revoked").await;
    }
}

#[tokio::test]
async fn a_stream_ends_when_nobody_of_the_name_of_its_issuer_is_trusted_any_more() {
    let clock = test_clock();
    let forge = Forge::new("internal", &clock);
    let issuer = FakeIssuer::start(Behaviour::keys(forge.keys())).await;
    let of = |name: &str| {
        let routes = vec![route("/events", Rule::Authenticated)];
        security(trusted(name, JwksLocation::Url(issuer.url())), routes)
    };
    let taps = Taps::new();
    let app = AppBuilder::new(&clock).with(|_| builder(&of("internal"), &clock));
    let app = app.start_with(taps.routes()).await;
    let mut stream = Connection::open(app.address, "GET /events", &forge.user(""), "").await;
    taps.send("one");
    stream.read_until("data: one").await;
    // With the same keys.
    app.server.apply(&of("other")).unwrap();
    ends_soon(&app, stream, "revoked").await;
}
