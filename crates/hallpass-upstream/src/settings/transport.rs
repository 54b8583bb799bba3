//! `transport`: the connections that calls, token requests and fetches of keys share.

use std::time::Duration;

use hallpass_config::{Configuration, Key, Kind, Section};

use crate::transport::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_AGE};

const KEYS: &[Key] = &[
    Key::new(
        "connect-timeout-ms",
        Kind::millis(1, 60_000),
        "How long is waited for one TCP connection; the TLS handshake on top of it has a limit of its own.",
    )
    .or("1000"),
    Key::new(
    "pool-idle-seconds",
    Kind::seconds(1, 3_600),
    "Time after which an unused connection is closed: less than the servers keep theirs, or a request meets a connection \
    that is being closed. `Keep-Alive: timeout=` of a response makes it shorter for that server.",
)
.or("4"),
    Key::new(
        "connection-max-age-seconds",
        Kind::seconds(1, 86_400),
        "Time after which no further request goes over a connection, however much it is used: for so long at most is a server \
        believed by a certificate that it has replaced meanwhile. Requests under way go on, and none fails for it. A process takes up to a \
        quarter less, at random.",
    )
    .or("300"),
];

/// `transport`: the connections that calls, token requests and fetches of keys share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportSettings {
    /// `connect-timeout-ms`; see [`HttpTransportBuilder::connect_timeout`](crate::HttpTransportBuilder::connect_timeout).
    pub connect_timeout: Duration,
    /// `pool-idle-seconds`; see [`HttpTransportBuilder::idle_timeout`](crate::HttpTransportBuilder::idle_timeout).
    pub pool_idle: Duration,
    /// `connection-max-age-seconds`; see [`HttpTransportBuilder::max_age`](crate::HttpTransportBuilder::max_age).
    pub connection_max_age: Duration,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            pool_idle: DEFAULT_IDLE_TIMEOUT,
            connection_max_age: DEFAULT_MAX_AGE,
        }
    }
}

impl Configuration for TransportSettings {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "transport",
            Kind::Section(KEYS),
            "The connections that calls, token requests and fetches of keys share. A change needs a restart.",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        root.section("transport").read_all(|section| {
            let connect_timeout = section.millis("connect-timeout-ms");
            let pool_idle = section.seconds("pool-idle-seconds");
            let max_age = section.seconds("connection-max-age-seconds");
            Some(Self {
                connect_timeout: connect_timeout?,
                pool_idle: pool_idle?,
                connection_max_age: max_age?,
            })
        })
    }
}
