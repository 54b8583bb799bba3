//! For whom verification is enforced: all callers, or a percentage of them that stays the same.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::digest::{Context, SHA256};
use axum::extract::ConnectInfo;
use hallpass_config::Percent;
use http::request::Parts;

use super::mode::Mode;
use crate::verifier::Verified;

/// Callers are told apart by this many buckets, one a percent.
const BUCKETS: u64 = 100;

/// A mode with its percentage; the stricter is the greater. Never `enforce` for nobody: that is `report`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rollout {
    mode: Mode,
    /// 0 unless the mode is `enforce`.
    percent: u8,
}

impl Rollout {
    /// The percentage counts beside `enforce` alone.
    pub(crate) fn new(mode: Mode, enforced: Percent) -> Self {
        match (mode, enforced.get()) {
            (Mode::Enforce, 0) => Self::from(Mode::Report),
            (Mode::Enforce, percent) => Self { mode, percent },
            (Mode::Off | Mode::Report, _) => Self { mode, percent: 0 },
        }
    }

    /// The mode of the callers for whom it is strictest.
    pub(crate) fn mode(self) -> Mode {
        self.mode
    }

    /// For how many of the callers it is enforced.
    pub(crate) fn percent(self) -> Percent {
        Percent::new(self.percent).unwrap_or(Percent::ALL)
    }

    /// The same from 0.0 to 1.0; 0.0 where nothing is enforced.
    pub(crate) fn enforced_ratio(self) -> f64 {
        self.percent().as_ratio()
    }

    /// Whether it depends on the caller.
    pub(super) fn is_partial(self) -> bool {
        self.mode == Mode::Enforce && u64::from(self.percent) < BUCKETS
    }

    /// The mode of the callers in this bucket.
    pub(super) fn of(self, bucket: Bucket) -> Mode {
        match self.mode {
            Mode::Enforce if bucket.0 >= self.percent => Mode::Report,
            mode => mode,
        }
    }
}

impl From<Mode> for Rollout {
    fn from(mode: Mode) -> Self {
        Self::new(mode, Percent::ALL)
    }
}

impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mode.name())?;
        match self.is_partial() {
            true => write!(f, " {}", self.percent()),
            false => Ok(()),
        }
    }
}

/// Which percentages reach a caller: all that are greater than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bucket(u8);

impl Bucket {
    /// Reached by every percentage: of requests of which nothing else is known yet.
    pub(super) const FIRST: Self = Self(0);

    /// The bucket of a caller for one route of one service: the first eight bytes of the SHA-256 of service, route, kind and
    /// caller, with a zero byte between them, as a number from 0 to 99. Nothing in it is random, so all instances of a service
    /// agree, and do after a restart. Another service and another route have other callers first.
    fn of(service: &str, route: &str, caller: &SortedBy<'_>) -> Self {
        let mut hash = Context::new(&SHA256);
        let mut add = |bytes: &[u8]| hash.update(bytes);
        for part in [service, route, caller.kind()] {
            add(part.as_bytes());
            add(b"\0");
        }
        match caller {
            SortedBy::Client { issuer, name } | SortedBy::Subject { issuer, name } => {
                add(issuer.as_bytes());
                add(b"\0");
                add(name.as_bytes());
            }
            SortedBy::Peer(address) => add(network_of(*address).to_string().as_bytes()),
            SortedBy::Nothing => {}
        }
        let digest = hash.finish();
        let bytes = digest.as_ref().iter().take(8);
        let number = bytes.fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        Self(u8::try_from(number % BUCKETS).unwrap_or(0))
    }
}

/// What a caller is told apart by. Nothing of it may be anything that a caller can choose freely.
#[derive(Debug)]
enum SortedBy<'r> {
    /// The client that a verified token was issued to, with the configured name of its issuer.
    Client { issuer: &'r str, name: &'r str },
    /// The subject of a verified token that names no client.
    Subject { issuer: &'r str, name: &'r str },
    /// Without a verified identity, the address that the connection comes from.
    Peer(IpAddr),
    /// Without that too: all such requests for a route together.
    Nothing,
}

impl<'r> SortedBy<'r> {
    fn new(parts: &Parts, caller: Option<&'r Verified>) -> Self {
        let Some(caller) = caller else {
            let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
            return peer.map_or(Self::Nothing, |ConnectInfo(peer)| Self::Peer(peer.ip()));
        };
        let (issuer, context) = (caller.issuer_name(), caller.context());
        match context.client_id() {
            Some(client) => Self::Client {
                issuer,
                name: client.as_ref(),
            },
            None => Self::Subject {
                issuer,
                name: context.claims().subject.as_str(),
            },
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Client { .. } => "client",
            Self::Subject { .. } => "subject",
            Self::Peer(_) => "peer",
            Self::Nothing => "none",
        }
    }
}

/// One host has as many IPv6 addresses as it likes, but not as many networks.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// What callers of one service are sorted by.
#[derive(Debug)]
pub(crate) struct Sorting {
    service: Box<str>,
}

impl Sorting {
    pub(crate) fn new(service: &str) -> Self {
        Self {
            service: service.into(),
        }
    }

    /// The bucket of who sends this request, as far as it was verified.
    pub(crate) fn bucket(&self, route: &str, parts: &Parts, caller: Option<&Verified>) -> Bucket {
        Bucket::of(&self.service, route, &SortedBy::new(parts, caller))
    }
}

#[cfg(test)]
mod tests;
