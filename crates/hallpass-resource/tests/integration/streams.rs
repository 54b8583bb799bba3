//! Streams end with the token that they were begun with, and not before.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::ManualClock;
use hallpass_resource::{Mode, ResourceServerBuilder, Rule, SecuritySettings};

use crate::support::streaming::{Connection, Taps};
use crate::support::{App, AppBuilder, Forge, test_clock};

/// The end of a chunked body (RFC 9112 section 7.1).
const WHOLE: &str = "\r\n0\r\n\r\n";
const CHUNKED: &str = "transfer-encoding: chunked\r\ncontent-type: text/plain\r\n";
pub(crate) const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

pub(crate) struct Shop {
    pub(crate) app: App,
    pub(crate) taps: Taps,
    forge: Forge,
    pub(crate) clock: Arc<ManualClock>,
}

impl Shop {
    pub(crate) async fn start(
        change: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder,
    ) -> Self {
        let clock = test_clock();
        let forge = Forge::new("internal", &clock);
        let taps = Taps::new();
        let rules = |it: ResourceServerBuilder| {
            ["/events", "/download", "/upload", "/keep", "/echo"]
                .into_iter()
                .fold(it, |it, path| it.route_any(path, Rule::Authenticated))
        };
        let app = AppBuilder::new(&clock).trusting_fixed(&forge);
        let app = app.with(rules).with(change).start_with(taps.routes()).await;
        Self {
            app,
            taps,
            forge,
            clock,
        }
    }

    pub(crate) async fn open(&self, line: &str, more: &str) -> Connection {
        let token = self.forge.user("");
        Connection::open(self.app.address, line, &token, more).await
    }

    /// The life of the token (600 s), the leeway (10 s) and the grace (30 s), but for this.
    pub(crate) fn advance_to_the_end_but(&self, rest: Duration) {
        self.clock.advance(Duration::from_secs(640) - rest);
    }

    pub(crate) fn ended(&self, reason: &str, result: &str) -> f64 {
        let line =
            format!("hallpass_streams_ended_total{{reason=\"{reason}\",result=\"{result}\"}}");
        self.app.metric(&line)
    }
}

#[tokio::test]
async fn a_stream_of_events_ends_with_its_token_and_its_reader_can_tell() {
    let shop = Shop::start(|it| it).await;
    let mut stream = shop.open("GET /events", "").await;
    shop.taps.send("one");
    stream.read_until("data: one").await;
    shop.advance_to_the_end_but(Duration::from_secs(1));
    assert!(stream.stays_open().await);
    shop.taps.send("two");
    stream.read_until("data: two").await;
    shop.clock.advance_seconds(1);
    let seen = stream.read_to_end().await;
    assert!(!seen.ends_with(WHOLE), "{seen}");
    assert!(!shop.taps.is_read(), "what it holds is let go of");
    assert_eq!(shop.ended("expired", "end"), 1.0);
}

#[tokio::test]
async fn a_stream_that_ends_by_itself_is_whole() {
    let shop = Shop::start(|it| it).await;
    let Shop {
        taps, app, forge, ..
    } = shop;
    let mut stream = Connection::open(
        app.address,
        "GET /events",
        &forge.user(""),
        "connection: close\r\n",
    )
    .await;
    taps.send("one");
    stream.read_until("data: one").await;
    drop(taps);
    let seen = stream.read_to_end().await;
    assert!(seen.ends_with(WHOLE), "{seen}");
}

#[tokio::test]
async fn a_long_download_that_never_waits_ends_before_all_of_it() {
    let shop = Shop::start(|it| it).await;
    let mut stream = shop.open("GET /download", "").await;
    stream.read_until("aaaa").await;
    shop.advance_to_the_end_but(Duration::ZERO);
    let seen = stream.read_to_end().await;
    assert!(seen.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(shop.ended("expired", "end"), 1.0);
}

#[tokio::test]
async fn a_long_upload_ends_with_an_error_for_its_handler_and_401_for_its_sender() {
    let shop = Shop::start(|it| it).await;
    let mut stream = shop.open("POST /upload", CHUNKED).await;
    stream.send(b"3\r\nabc\r\n").await;
    let allowed = "hallpass_verify_total{result=\"allow\",reason=\"none\",mode=\"enforce\",route=\"/upload\"}";
    while shop.app.metric(allowed) == 0.0 {
        tokio::task::yield_now().await;
    }
    shop.advance_to_the_end_but(Duration::from_secs(1));
    assert!(stream.stays_open().await);
    shop.clock.advance_seconds(1);
    let seen = stream.read_to_end().await;
    assert!(seen.starts_with("HTTP/1.1 401 "), "{seen}");
    assert!(seen.contains("error=\"invalid_token\""), "{seen}");
    assert_eq!(*shop.taps.uploads.lock().unwrap(), [false]);
    assert_eq!(shop.ended("expired", "end"), 1.0);

    let mut whole = shop.open("POST /upload", CHUNKED).await;
    whole.send(b"3\r\nabc\r\n0\r\n\r\n").await;
    whole.read_until("200 OK").await;
}

/// Its handler has done something, and the sender has to learn what.
#[tokio::test]
async fn the_response_of_a_handler_that_keeps_half_an_upload_goes_to_its_sender() {
    let shop = Shop::start(|it| it).await;
    let mut stream = shop.open("POST /keep", CHUNKED).await;
    stream.send(b"3\r\nabc\r\n").await;
    let allowed =
        "hallpass_verify_total{result=\"allow\",reason=\"none\",mode=\"enforce\",route=\"/keep\"}";
    while shop.app.metric(allowed) == 0.0 {
        tokio::task::yield_now().await;
    }
    shop.advance_to_the_end_but(Duration::ZERO);
    let seen = stream.read_to_end().await;
    assert!(seen.starts_with("HTTP/1.1 200 "), "{seen}");
    assert!(seen.contains("kept 3 bytes"), "{seen}");
    assert_eq!(shop.ended("expired", "end"), 1.0);
}

#[tokio::test]
async fn a_websocket_ends_with_its_token() {
    let shop = Shop::start(|it| it).await;
    let mut socket = shop.open("GET /echo", UPGRADE).await;
    socket.read_until("101 Switching Protocols").await;
    socket.send_frame("first").await;
    socket.read_until("first").await;
    shop.advance_to_the_end_but(Duration::from_secs(1));
    assert!(socket.stays_open().await);
    socket.send_frame("second").await;
    socket.read_until("second").await;
    shop.clock.advance_seconds(1);
    socket.read_to_end().await;
    assert_eq!(shop.ended("expired", "end"), 1.0);
}

#[tokio::test]
async fn where_nothing_is_enforced_the_end_of_a_token_is_told_and_ends_nothing() {
    let shop = Shop::start(|it| it.mode(Mode::Report)).await;
    let mut stream = shop.open("GET /events", "").await;
    shop.taps.send("one");
    stream.read_until("data: one").await;
    shop.advance_to_the_end_but(Duration::ZERO);
    assert!(stream.stays_open().await);
    shop.taps.send("two");
    stream.read_until("data: two").await;
    assert_eq!(shop.ended("expired", "would_end"), 1.0);
    assert_eq!(shop.ended("expired", "end"), 0.0);
}

#[tokio::test]
async fn streams_go_on_where_the_settings_say_so_and_end_by_a_longer_grace_where_they_say_that() {
    let shop = Shop::start(|it| it).await;
    let with = |ends: bool, grace: u64| {
        let mut settings = SecuritySettings::default();
        settings.internal_jwt.streams.ends = ends;
        settings.internal_jwt.streams.grace = Duration::from_secs(grace);
        shop.app.server.apply(&settings).unwrap();
    };
    with(false, 0);
    let mut stream = shop.open("GET /events", "").await;
    shop.taps.send("one");
    stream.read_until("data: one").await;
    shop.advance_to_the_end_but(Duration::ZERO);
    assert!(stream.stays_open().await);
    // It has ended 30 s ago.
    with(true, 31);
    assert!(stream.stays_open().await);
    with(true, 30);
    stream.read_to_end().await;
    assert_eq!(shop.ended("expired", "end"), 1.0);
}
