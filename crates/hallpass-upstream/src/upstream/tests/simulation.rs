//! Calls at a steady rate, in the time of a clock that the test drives.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use hallpass_clock::Clock;

use super::{Fixture, Place, UpstreamSettings, instance, upstream_with};
use crate::discovery::Member;
use crate::outcome::Declined;
use crate::upstream::Admitted;

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// What an instance does with a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Does {
    Answers(Duration),
    Fails(Duration),
    /// Refuses every call, as 404 does, or 429.
    Refuses(Duration, Declined),
    /// Answers late when it was not called for so long: its connections are closed then.
    Cools {
        warm: Duration,
        cold: Duration,
        after: Duration,
    },
    /// Never anything: the caller gives up after so long.
    Hangs(Duration),
}

/// An upstream, and what its instances do.
pub(super) struct World {
    pub(super) fixture: Fixture,
    pub(super) does: BTreeMap<u16, Does>,
    /// Calls since it was looked at last, and how many of them were refused.
    pub(super) calls: BTreeMap<u16, usize>,
    pub(super) refused: usize,
    /// When each instance was called last.
    called: BTreeMap<u16, Duration>,
    under_way: BinaryHeap<Reverse<(Duration, usize)>>,
    admitted: BTreeMap<usize, (Duration, Does, Admitted)>,
    number: usize,
}

impl World {
    pub(super) fn new(settings: UpstreamSettings, does: &[(u16, Does)]) -> Self {
        let it = Self::in_place(Place::default(), settings, does);
        let ports: Vec<u16> = does.iter().map(|(port, _)| *port).collect();
        it.fixture.registry.set(&ports);
        it
    }

    /// The ports below 10 are in zone `a`, all others in zone `b`.
    pub(super) fn of_zones(settings: UpstreamSettings, does: &[(u16, Does)]) -> Self {
        let it = Self::in_place(Place::default().in_zone("a"), settings, does);
        let members = does.iter().map(|(port, _)| {
            let zone = if *port < 10 { "a" } else { "b" };
            Member::from(instance(*port)).zone(zone)
        });
        it.fixture.registry.set_members(members);
        it
    }

    fn in_place(place: Place, settings: UpstreamSettings, does: &[(u16, Does)]) -> Self {
        Self {
            fixture: upstream_with(place, settings),
            does: does.iter().copied().collect(),
            calls: BTreeMap::new(),
            refused: 0,
            called: BTreeMap::new(),
            under_way: BinaryHeap::new(),
            admitted: BTreeMap::new(),
            number: 0,
        }
    }

    /// Makes a call each `every` for so long, and returns how many went to each instance.
    pub(super) async fn run(&mut self, time: Duration, every: Duration) -> BTreeMap<u16, usize> {
        self.calls.clear();
        self.refused = 0;
        let end = self.now() + time;
        let mut next = self.now();
        while next < end {
            self.settle_until(next);
            self.call().await;
            next += every;
        }
        self.settle_until(end);
        self.calls.clone()
    }

    async fn call(&mut self) {
        let Ok(chosen) = self.fixture.upstream.choose(&[]).await else {
            self.refused += 1;
            return;
        };
        let port = chosen.instance().port();
        *self.calls.entry(port).or_default() += 1;
        let Ok(admitted) = chosen.enter().await else {
            self.refused += 1;
            return;
        };
        let now = self.now();
        let before = self.called.insert(port, now);
        // What it does with a call is settled when that begins: one that hangs goes on to when the instance is well again.
        let does = self.does[&port];
        let takes = match does {
            Does::Cools { warm, cold, after } => match before {
                Some(before) if now - before < after => warm,
                _ => cold,
            },
            Does::Answers(takes)
            | Does::Fails(takes)
            | Does::Refuses(takes, _)
            | Does::Hangs(takes) => takes,
        };
        self.number += 1;
        self.under_way.push(Reverse((now + takes, self.number)));
        self.admitted.insert(self.number, (now, does, admitted));
    }

    fn settle_until(&mut self, until: Duration) {
        while let Some(Reverse((at, number))) = self.under_way.peek().copied() {
            if at > until {
                break;
            }
            self.under_way.pop();
            self.advance_to(at);
            let (began, does, admitted) = self.admitted.remove(&number).unwrap();
            match does {
                Does::Answers(_) | Does::Cools { .. } => admitted.settle(false, at - began),
                Does::Refuses(_, declined) => admitted.decline(declined, at - began),
                Does::Fails(_) => admitted.settle(true, at - began),
                Does::Hangs(_) => admitted.abandon(began),
            }
        }
        self.advance_to(until);
    }

    fn advance_to(&self, at: Duration) {
        self.fixture.clock.advance(at.saturating_sub(self.now()));
    }

    fn now(&self) -> Duration {
        self.fixture.clock.monotonic()
    }
}

/// The percentage of the calls that went to those ports.
pub(super) fn percent(calls: &BTreeMap<u16, usize>, ports: &[u16]) -> f64 {
    let of = |ports: &[u16]| {
        let counted = ports.iter().filter_map(|port| calls.get(port));
        counted.sum::<usize>() as f64
    };
    let all: usize = calls.values().sum();
    100.0 * of(ports) / all as f64
}
