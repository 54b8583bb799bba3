//! The entries in the order in which they came, as they are served.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hallpass_token::{Revocation, RevocationList, UnixTime};
use http::HeaderValue;

/// Entries of one event, some 50 KB.
const CHUNK: usize = 512;

/// An immutable snapshot. The next one shares all full chunks with it, so that readers which are slow keep little alive.
#[derive(Debug)]
pub(crate) struct Log {
    /// Which process made it: numbers of another one mean something else.
    epoch: u64,
    chunks: Vec<Arc<Vec<Logged>>>,
    /// The number of the last entry.
    last: u64,
    /// How many entries there are.
    length: usize,
    whole: OnceLock<Bytes>,
}

/// An entry and its number.
type Logged = (u64, Revocation);

impl Log {
    pub(crate) const fn new(epoch: u64) -> Self {
        Self {
            epoch,
            chunks: Vec::new(),
            last: 0,
            length: 0,
            whole: OnceLock::new(),
        }
    }

    /// `before` and the `new` entries. When less than half of what it has is still needed for a list of `needed` entries, what
    /// has ended at `now`, or says less than a later entry, is left out.
    pub(crate) fn with(before: &Self, new: &[Revocation], needed: usize, now: UnixTime) -> Self {
        let mut log = Self::new(before.epoch);
        log.last = before.last;
        if before.length > needed.saturating_mul(2).saturating_add(CHUNK) {
            let mut seen = RevocationList::default();
            let newest_first = before
                .chunks
                .iter()
                .rev()
                .flat_map(|chunk| chunk.iter().rev());
            let kept = newest_first.filter(|(_, entry)| now < entry.ends_at && seen.put(entry));
            let mut kept: Vec<Logged> = kept.copied().collect();
            kept.reverse();
            kept.into_iter().for_each(|logged| log.push(logged));
        } else {
            log.chunks.clone_from(&before.chunks);
            log.length = before.length;
        }
        for entry in new {
            log.last += 1;
            log.push((log.last, *entry));
        }
        log
    }

    fn push(&mut self, logged: Logged) {
        self.length += 1;
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            // A copy of the chunk when an earlier snapshot has it too.
            Some(chunk) => Arc::make_mut(chunk).push(logged),
            None => self.chunks.push(Arc::new(vec![logged])),
        }
    }

    /// The number of the last entry.
    pub(crate) const fn last(&self) -> u64 {
        self.last
    }

    /// The entries after the one of the number `known`, in pieces that fit into an event, each with its last number.
    pub(crate) fn after(&self, known: u64) -> impl Iterator<Item = (u64, Vec<Revocation>)> {
        let is_needed = move |chunk: &&Arc<Vec<Logged>>| {
            chunk.last().is_some_and(|(number, _)| *number > known)
        };
        self.chunks.iter().filter(is_needed).map(move |chunk| {
            let new = chunk.iter().filter(|(number, _)| *number > known);
            let entries = new.map(|(_, entry)| *entry).collect();
            (chunk.last().map_or(known, |(number, _)| *number), entries)
        })
    }

    /// The name of the event with this number.
    pub(crate) fn event_id(&self, number: u64) -> String {
        format!("{:016x}.{number}", self.epoch)
    }

    /// The number of the event of this name, when this process has sent it.
    pub(crate) fn number(&self, event_id: &str) -> Option<u64> {
        let (epoch, number) = event_id.split_once('.')?;
        let epoch = u64::from_str_radix(epoch, 16).ok()?;
        let number = number.parse().ok()?;
        (epoch == self.epoch && number <= self.last).then_some(number)
    }

    /// A strong validator (RFC 9110 section 8.8.3).
    pub(crate) fn etag(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("\"{}\"", self.event_id(self.last))).ok()
    }

    /// The whole list as JSON. Made at most once a snapshot.
    pub(crate) fn whole(&self) -> Bytes {
        let whole = self.whole.get_or_init(|| {
            let mut json = String::from("{\"entries\":[");
            for (index, (_, entries)) in self.after(0).enumerate() {
                if index > 0 {
                    json.push(',');
                }
                json.push_str(&joined(&entries));
            }
            json.push_str("]}");
            json.into()
        });
        whole.clone()
    }
}

/// The entries as elements of a JSON array, without its brackets.
pub(crate) fn joined(entries: &[Revocation]) -> String {
    // Numbers and texts of fixed alphabets: nothing that could fail.
    let array = serde_json::to_string(entries).unwrap_or_default();
    array.trim_matches(['[', ']']).to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hallpass_token::{RevocationDigest, RevocationKind};

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn entries(range: std::ops::Range<u64>, life: u64) -> Vec<Revocation> {
        let entry = |number: u64| Revocation {
            kind: RevocationKind::Token,
            digest: RevocationDigest::new(RevocationKind::Token, &number.to_string()),
            issued_before: None,
            ends_at: NOW.saturating_add(Duration::from_secs(life)),
        };
        range.map(entry).collect()
    }

    fn numbers(log: &Log, known: u64) -> Vec<(u64, usize)> {
        let pieces = log.after(known);
        pieces
            .map(|(last, entries)| (last, entries.len()))
            .collect()
    }

    #[test]
    fn who_knows_an_event_gets_what_came_after_it_in_pieces() {
        let empty = Log::new(7);
        assert_eq!(empty.whole(), "{\"entries\":[]}");
        let log = Log::with(&empty, &entries(0..700, 10), 700, NOW);
        assert_eq!(numbers(&log, 0), [(512, 512), (700, 188)]);
        let more = Log::with(&log, &entries(700..701, 10), 701, NOW);
        assert_eq!(
            numbers(&log, 700),
            [],
            "the snapshot before stays as it was"
        );
        assert_eq!(numbers(&more, 700), [(701, 1)]);
        let id = more.event_id(701);
        assert_eq!(more.number(&id), Some(701));
        assert_eq!(log.number(&id), None, "not sent yet");
        assert_eq!(Log::new(8).number(&Log::new(7).event_id(0)), None);
        for bad in ["", ".", "7", "7.", "x.1"] {
            assert_eq!(more.number(bad), None, "{bad}");
        }
        assert_ne!(log.etag(), more.etag());
        let whole: serde_json::Value = serde_json::from_slice(&more.whole()).unwrap();
        assert_eq!(whole["entries"].as_array().unwrap().len(), 701);
    }

    #[test]
    fn what_has_ended_is_left_out_when_it_is_most_of_all() {
        let ended = Log::with(&Log::new(7), &entries(0..2_000, 1), 2_000, NOW);
        let later = NOW.saturating_add(Duration::from_secs(1));
        let log = Log::with(&ended, &entries(3_000..3_001, 10), 1, later);
        assert_eq!(numbers(&log, 0), [(2_001, 1)]);
        // The same again, for longer each time.
        let mut log = log;
        for life in 11..2_000 {
            log = Log::with(&log, &entries(3_000..3_001, life), 1, later);
        }
        assert!(log.length < 2 * CHUNK, "{}", log.length);
    }
}
