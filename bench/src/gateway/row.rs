//! What is compared.

use super::parts::Part;

/// One gateway under one kind of load.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) product: Product,
    pub(super) work: Work,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Envoy,
    /// As it is set by default, but for what the other rows do not do either.
    Hallpass,
    /// With a line for each decision and each request.
    HallpassWithLogs,
    Nginx,
    /// A proxy of this program, that is less than a gateway.
    Part(Part),
    Spring,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// One good token, again and again.
    Cached,
    /// A good token that has not been seen for a long time.
    Uncached,
    /// The token is exchanged for one for the service.
    Exchange,
    /// A response of 1 MiB.
    Down,
    /// A request of 1 MiB.
    Up,
    /// HTTP/2 on a plain socket.
    Http2,
    /// HTTP/2 over TLS.
    Http2Tls,
    /// Messages over WebSockets, which come back.
    WebSocket,
    /// While 5,000 other connections are open and say nothing.
    Idle,
    /// After a million requests, and after another million.
    Memory,
}

impl Work {
    pub(super) const fn is_long(self) -> bool {
        matches!(self, Self::Memory)
    }

    /// Whether times over few connections say something.
    pub(super) const fn has_times(self) -> bool {
        matches!(
            self,
            Self::Cached | Self::Uncached | Self::Exchange | Self::WebSocket
        )
    }

    /// How a URL begins, where HTTP/2 is spoken.
    pub(super) const fn http2_scheme(self) -> Option<&'static str> {
        match self {
            Self::Http2 => Some("http"),
            Self::Http2Tls => Some("https"),
            _ => None,
        }
    }

    /// Whether load and service are the one process that never sleeps.
    pub(super) const fn is_awake(self) -> bool {
        self.has_times() || matches!(self, Self::Idle)
    }
}

const fn row(name: &'static str, product: Product, work: Work) -> Row {
    Row {
        name,
        product,
        work,
    }
}

pub(super) const ROWS: [Row; 30] = [
    row("nginx, no check", Product::Nginx, Work::Cached),
    row(
        "Envoy, jwt_authn with its cache",
        Product::Envoy,
        Work::Cached,
    ),
    row("Spring Cloud Gateway", Product::Spring, Work::Cached),
    row("hallpass gateway", Product::Hallpass, Work::Cached),
    row(
        "hallpass gateway, all decisions and requests in its logs",
        Product::HallpassWithLogs,
        Work::Cached,
    ),
    row(
        "part: hyper and our transport",
        Product::Part(Part::Transport),
        Work::Cached,
    ),
    row(
        "part: our listener and transport",
        Product::Part(Part::Listener),
        Work::Cached,
    ),
    row(
        "part: listener, decision and transport",
        Product::Part(Part::Decision),
        Work::Cached,
    ),
    row(
        "Envoy, tokens that it has not kept",
        Product::Envoy,
        Work::Uncached,
    ),
    row(
        "hallpass gateway, tokens that it has not kept",
        Product::Hallpass,
        Work::Uncached,
    ),
    row(
        "hallpass gateway, exchange",
        Product::Hallpass,
        Work::Exchange,
    ),
    row("nginx, 1 MiB down", Product::Nginx, Work::Down),
    row("Envoy, 1 MiB down", Product::Envoy, Work::Down),
    row(
        "hallpass gateway, 1 MiB down",
        Product::Hallpass,
        Work::Down,
    ),
    row("nginx, 1 MiB up", Product::Nginx, Work::Up),
    row("Envoy, 1 MiB up", Product::Envoy, Work::Up),
    row("hallpass gateway, 1 MiB up", Product::Hallpass, Work::Up),
    row("nginx, HTTP/2", Product::Nginx, Work::Http2),
    row("Envoy, HTTP/2", Product::Envoy, Work::Http2),
    row("hallpass gateway, HTTP/2", Product::Hallpass, Work::Http2),
    row("nginx, HTTP/2 over TLS", Product::Nginx, Work::Http2Tls),
    row("Envoy, HTTP/2 over TLS", Product::Envoy, Work::Http2Tls),
    row(
        "hallpass gateway, HTTP/2 over TLS",
        Product::Hallpass,
        Work::Http2Tls,
    ),
    row("nginx, WebSocket messages", Product::Nginx, Work::WebSocket),
    row("Envoy, WebSocket messages", Product::Envoy, Work::WebSocket),
    row(
        "hallpass gateway, WebSocket messages",
        Product::Hallpass,
        Work::WebSocket,
    ),
    row("nginx, 5,000 idle connections", Product::Nginx, Work::Idle),
    row("Envoy, 5,000 idle connections", Product::Envoy, Work::Idle),
    row(
        "hallpass gateway, 5,000 idle connections",
        Product::Hallpass,
        Work::Idle,
    ),
    row(
        "hallpass gateway, a million requests, and another",
        Product::Hallpass,
        Work::Memory,
    ),
];
