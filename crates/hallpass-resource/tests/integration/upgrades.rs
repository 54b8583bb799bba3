//! Connections that were upgraded end with their token although their handler does nothing for it, where `hallpass-listen` serves them.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::ManualClock;
use hallpass_listen::{ConnectionMetrics, HttpServer, RunningServer};
use hallpass_resource::{Mode, ResourceServer, ResourceServerBuilder, Rule};
use tokio::net::TcpListener;

use crate::streams::UPGRADE;
use crate::support::streaming::{Connection, Taps};
use crate::support::{AppBuilder, Forge, test_clock};

struct Shop {
    served: RunningServer,
    connections: ConnectionMetrics,
    server: ResourceServer,
    forge: Forge,
    clock: Arc<ManualClock>,
}

impl Shop {
    async fn start(change: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder) -> Self {
        let clock = test_clock();
        let forge = Forge::new("internal", &clock);
        let app = AppBuilder::new(&clock).trusting_fixed(&forge);
        let app = app.with(|it| it.route_any("/deaf", Rule::Authenticated));
        let server = app.with(change).server.build().unwrap();
        let routes = Taps::new().routes().layer(server.layer());
        let connections = ConnectionMetrics::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let served = HttpServer::new(listener)
            .metrics(connections.clone())
            .serve(move |_peer| routes.clone())
            .unwrap();
        Self {
            served,
            connections,
            server,
            forge,
            clock,
        }
    }

    async fn deaf_socket(&self) -> Connection {
        let token = self.forge.user("");
        let address = self.served.local_addr();
        let mut socket = Connection::open(address, "GET /deaf", &token, UPGRADE).await;
        socket.read_until("101 Switching Protocols").await;
        socket.send_frame("first").await;
        socket.read_until("first").await;
        socket
    }

    fn metric(&self, line: &str) -> f64 {
        let mut registry = prometheus_client::registry::Registry::default();
        self.server.metrics().register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let value = text
            .lines()
            .find_map(|it| it.strip_prefix(line)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

const EXPIRED: &str = "hallpass_streams_ended_total{reason=\"expired\",result=\"end\"}";
const WOULD_END: &str = "hallpass_streams_ended_total{reason=\"expired\",result=\"would_end\"}";

#[tokio::test]
async fn a_websocket_whose_handler_ignores_the_token_ends_with_it() {
    let shop = Shop::start(|it| it).await;
    let mut socket = shop.deaf_socket().await;
    // Life, leeway and grace, but for a second.
    shop.clock.advance(Duration::from_secs(639));
    assert!(socket.stays_open().await);
    socket.send_frame("second").await;
    socket.read_until("second").await;
    shop.clock.advance_seconds(1);
    socket.read_to_end().await;
    assert_eq!(shop.metric(EXPIRED), 1.0);
}

#[tokio::test]
async fn a_websocket_that_passed_for_its_mode_is_told_and_goes_on() {
    let shop = Shop::start(|it| it.mode(Mode::Report)).await;
    let mut socket = shop.deaf_socket().await;
    shop.clock.advance(Duration::from_secs(640));
    assert!(socket.stays_open().await);
    socket.send_frame("second").await;
    socket.read_until("second").await;
    assert_eq!(shop.metric(WOULD_END), 1.0);
}

#[tokio::test]
async fn a_websocket_that_is_gone_is_not_looked_after_any_more() {
    let shop = Shop::start(|it| it).await;
    let socket = shop.deaf_socket().await;
    drop(socket);
    while shop.connections.open() > 0 {
        tokio::task::yield_now().await;
    }
    shop.clock.advance(Duration::from_secs(700));
    let mut other = shop.deaf_socket().await;
    assert!(other.stays_open().await, "time for two looks");
    assert_eq!(shop.metric(EXPIRED), 0.0);
}
