//! The addresses of the hosts that were given out by name.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_upstream::random_below;
use tokio::time::Instant;

/// Hosts that are known at once.
const MAX_HOSTS: usize = 4096;
/// A host that nobody has found for so long is forgotten: longer than instances go on without discovery.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_900);

/// Hosts that were given out as instances, in lower case, with their addresses.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    /// Locked for a few instructions and never across an await.
    hosts: Mutex<HashMap<Box<str>, Host>>,
}

#[derive(Clone, Debug)]
struct Host {
    addresses: Arc<[IpAddr]>,
    /// What its name is asked for as.
    question: Box<str>,
    answered: Instant,
    fresh_until: Instant,
}

/// What is known of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KnownHost {
    /// To be asked nobody for.
    Fresh(Vec<IpAddr>),
    /// To be asked for as `question`; the addresses of before are for the case that nobody answers.
    Old {
        question: Box<str>,
        addresses: Vec<IpAddr>,
    },
}

impl Hosts {
    pub(crate) fn keep(&self, host: &str, question: &str, addresses: &[IpAddr], age: Duration) {
        let now = Instant::now();
        let mut hosts = self.hosts();
        if hosts.len() >= MAX_HOSTS {
            hosts.retain(|_, host| now.duration_since(host.answered) < FORGOTTEN_AFTER);
        }
        if hosts.len() < MAX_HOSTS || hosts.contains_key(host) {
            let known = Host {
                addresses: addresses.into(),
                question: question.into(),
                answered: now,
                fresh_until: now + age,
            };
            hosts.insert(host.into(), known);
        }
    }

    /// `None` for a host that was not given out lately.
    pub(crate) fn recall(&self, host: &str) -> Option<KnownHost> {
        let now = Instant::now();
        let known = self.hosts().get(host).cloned()?;
        if now.duration_since(known.answered) >= FORGOTTEN_AFTER {
            return None;
        }
        let addresses = mixed(&known.addresses);
        Some(match now < known.fresh_until {
            true => KnownHost::Fresh(addresses),
            false => KnownHost::Old {
                question: known.question,
                addresses,
            },
        })
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<Box<str>, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Beginning with any of them: connections are tried in this order, and should not all meet the first.
pub(crate) fn mixed(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut addresses = addresses.to_vec();
    let first = random_below(addresses.len().max(1) as u64);
    addresses.rotate_left(usize::try_from(first).unwrap_or(0));
    addresses
}
