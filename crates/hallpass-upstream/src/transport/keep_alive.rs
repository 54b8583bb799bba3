//! How long an unused connection is kept, by what its server says.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::uri::Authority;
use http::{HeaderMap, HeaderName};

use crate::few_headers::find_header;

/// Times for which connections are kept when a server announces a limit: each server gets the longest that is clearly below
/// what it says.
const STEPS: [Duration; 8] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(9),
    Duration::from_secs(19),
    Duration::from_secs(29),
    Duration::from_secs(59),
];
/// A server closes this much after we do: its clock began when it wrote the response, ours when it was read.
const MARGIN: Duration = Duration::from_millis(500);
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// Servers whose limits are remembered.
const MAX_SERVERS: usize = 1024;

/// One pool of connections for each time that they may be unused.
#[derive(Clone)]
pub(super) struct ByLimit<C> {
    /// Shortest time first.
    shorter: Arc<[(Duration, C)]>,
    /// For servers that announce nothing: the time that was configured.
    longest: (Duration, C),
}

impl<C> ByLimit<C> {
    /// `longest` is what was configured.
    pub(super) fn new(longest: Duration, pool: impl Fn(Duration) -> C) -> Self {
        let steps = STEPS.into_iter().filter(|step| *step < longest);
        Self {
            shorter: steps.map(|time| (time, pool(time))).collect(),
            longest: (longest, pool(longest)),
        }
    }

    /// The one for a server that closes unused connections after `limit`.
    pub(super) fn fitting(&self, limit: Option<Duration>) -> &C {
        let fits = |(time, _): &&(Duration, C)| {
            limit.is_none_or(|limit| time.saturating_add(MARGIN) <= limit)
        };
        if fits(&&self.longest) {
            return &self.longest.1;
        }
        let fitting = self.shorter.iter().rfind(fits);
        &fitting.or(self.shorter.first()).unwrap_or(&self.longest).1
    }
}

/// What servers have announced with `Keep-Alive: timeout=`. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct AnnouncedLimits {
    by_server: Arc<ArcSwap<HashMap<Authority, Duration>>>,
}

impl AnnouncedLimits {
    pub(super) fn of(&self, server: &Authority) -> Option<Duration> {
        self.by_server.load().get(server).copied()
    }

    /// Remembers what a response says, if it says anything new.
    pub(super) fn note(&self, server: &Authority, headers: &HeaderMap) {
        let Some(limit) = announced(headers).filter(|limit| self.of(server) != Some(*limit)) else {
            return;
        };
        self.by_server.rcu(|known| {
            let mut next = HashMap::clone(known);
            if next.len() >= MAX_SERVERS {
                // The others announce theirs again.
                next.clear();
            }
            next.insert(server.clone(), limit);
            next
        });
    }
}

/// `timeout` of the header `Keep-Alive`, in seconds (RFC 2068 section 19.7.1.1).
pub(super) fn announced(headers: &HeaderMap) -> Option<Duration> {
    find_header(headers, &KEEP_ALIVE)?;
    let values = headers.get_all(&KEEP_ALIVE).iter();
    let parameters = values.filter_map(|value| value.to_str().ok());
    let parameters = parameters.flat_map(|text| text.split(','));
    let mut timeouts = parameters.filter_map(|parameter| {
        let (name, seconds) = parameter.split_once('=')?;
        let is_timeout = name.trim().eq_ignore_ascii_case("timeout");
        is_timeout.then(|| seconds.trim().trim_matches('"').parse().ok())?
    });
    timeouts.next().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert("keep-alive", text.parse().unwrap());
        announced(&headers).map(|limit| limit.as_secs())
    }

    #[test]
    fn the_announced_limit_is_read_in_all_its_spellings() {
        for text in ["timeout=5", "timeout=5, max=100", "max=100,Timeout = \"5\""] {
            assert_eq!(seconds(text), Some(5), "{text}");
        }
        for text in ["max=5", "timeout", "timeout=soon", "5", "timeout=-1"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn connections_are_kept_for_less_than_the_server_keeps_them_and_no_longer_than_was_set() {
        let pools = ByLimit::new(Duration::from_secs(15), |time| time);
        let kept = |limit| *pools.fitting(limit);
        for (limit, time) in [
            (0, 500),
            (1, 500),
            (2, 1_000),
            (5, 4_000),
            (20, 15_000),
            (u64::MAX, 15_000),
        ] {
            let limit = Duration::from_secs(limit);
            assert_eq!(kept(Some(limit)), Duration::from_millis(time), "{limit:?}");
        }
        assert_eq!(kept(None), Duration::from_secs(15));
    }

    #[test]
    fn a_bounded_number_of_servers_is_remembered() {
        let limits = AnnouncedLimits::default();
        let mut headers = HeaderMap::new();
        headers.insert("keep-alive", "timeout=5".parse().unwrap());
        for number in 0..3 * MAX_SERVERS {
            let server = format!("host-{number}:80").parse().unwrap();
            limits.note(&server, &headers);
        }
        assert!(limits.by_server.load().len() <= MAX_SERVERS);
    }
}
