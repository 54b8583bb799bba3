//! `transport`: the connections that calls, token requests and fetches of keys share.

use std::time::Duration;

use hallpass_config::{Configuration, Key, Kind, Section};

use crate::transport::DEFAULT_IDLE_TIMEOUT;

const KEYS: &[Key] = &[Key::new(
    "pool-idle-seconds",
    Kind::seconds(1, 3_600),
    "Time after which an unused connection is closed: less than the servers keep theirs, or a request meets a connection \
    that is being closed. `Keep-Alive: timeout=` of a response makes it shorter for that server.",
)
.or("4")];

/// `transport`: the connections that calls, token requests and fetches of keys share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportSettings {
    /// `pool-idle-seconds`; see [`HttpTransportBuilder::idle_timeout`](crate::HttpTransportBuilder::idle_timeout).
    pub pool_idle: Duration,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            pool_idle: DEFAULT_IDLE_TIMEOUT,
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
            Some(Self {
                pool_idle: section.seconds("pool-idle-seconds")?,
            })
        })
    }
}
