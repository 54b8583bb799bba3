//! Where the programs of a page listen: it shows ports of its own, and a test takes free ones in their place.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// A page's ports have four digits and begin so.
const BEGIN: &str = "90";
const DIGITS: usize = 4;
/// Below those that the system gives to whoever names none, so that no connection of another test gets one before its program listens.
const PORTS: std::ops::Range<u32> = 20_000..32_000;

/// The ports that a page shows, each with the one that is taken.
#[derive(Default)]
pub(crate) struct Places(BTreeMap<String, String>);

impl Places {
    /// `text` with the ports that are taken.
    pub(crate) fn real(&mut self, text: &str) -> String {
        let mut real = String::new();
        for part in numbers(text) {
            if part.len() == DIGITS && part.starts_with(BEGIN) {
                let place = self.0.entry(part.to_owned());
                real.push_str(place.or_insert_with(free));
            } else {
                real.push_str(part);
            }
        }
        real
    }

    /// `text` with the ports that the page shows.
    pub(crate) fn shown(&self, text: &str) -> String {
        let shown = |part| {
            let mut places = self.0.iter();
            let place = places.find(|(_, real)| real.as_str() == part);
            place.map_or(part, |(shown, _)| shown.as_str())
        };
        numbers(text).into_iter().map(shown).collect()
    }
}

/// The parts of a text: each number, and what stands between.
fn numbers(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_number);
        let (part, more) = rest.split_at(end.unwrap_or(rest.len()));
        parts.push(part);
        rest = more;
    }
    parts
}

/// A port that nobody listens at, given once in this process, and far from those of another test run on the same machine, as far as that goes.
fn free() -> String {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(61);
    let count = PORTS.end - PORTS.start;
    let mut ports = (0..count).map(|_| {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + first.wrapping_add(given) % count;
        u16::try_from(port).unwrap()
    });
    let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    port.expect("no port is free").to_string()
}

#[test]
fn ports_are_replaced_and_put_back() {
    let mut places = Places::default();
    let text = "listen: 127.0.0.1:9000, http://127.0.0.1:9011/metrics; 90 90000 19000 9000";
    let real = places.real(text);
    assert!(!real.contains(":9000"), "{real}");
    assert!(real.contains("; 90 90000 19000 "), "{real}");
    assert_eq!(places.real(text), real, "each has one");
    assert_eq!(places.shown(&real), text);
}
