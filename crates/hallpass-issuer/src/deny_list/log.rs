//! The entries in the order in which they came, as they are served.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hallpass_token::{Revocation, RevocationList};
use http::HeaderValue;

/// Entries of one event, some 50 KB.
const CHUNK: usize = 512;

/// An immutable snapshot. The next one shares all full chunks with it, so that one more entry costs little however many there are,
/// and readers which are slow keep little alive.
#[derive(Debug)]
pub(crate) struct Log {
    /// Which process made it: numbers of another one mean something else.
    epoch: u64,
    chunks: Vec<Arc<Chunk>>,
    /// The number of the last entry.
    last: u64,
    /// How many entries there are.
    length: usize,
}

/// Entries that follow one another; never empty.
#[derive(Debug, Default)]
struct Chunk {
    entries: Vec<Logged>,
    /// All of them as they are sent. Made when somebody asks for them, and shared by all who do.
    json: OnceLock<Bytes>,
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
        }
    }

    /// `before` and the `new` entries. When less than half of what it has is still needed for `list`, which has the new ones too, what
    /// that one has forgotten, or what says less than a later entry, is left out.
    pub(crate) fn with(before: &Self, new: &[Revocation], list: &RevocationList) -> Self {
        let mut log = Self::new(before.epoch);
        log.last = before.last;
        if before.length > list.len().saturating_mul(2).saturating_add(CHUNK) {
            let mut seen = RevocationList::default();
            let newest_first = before.chunks.iter().rev();
            let newest_first = newest_first.flat_map(|chunk| chunk.entries.iter().rev());
            let kept = newest_first.filter(|(_, entry)| list.covers(entry) && seen.put(entry));
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
        let last = self.chunks.last_mut();
        match last.filter(|chunk| chunk.entries.len() < CHUNK) {
            // A copy of the chunk when an earlier snapshot has it too.
            Some(chunk) => Arc::make_mut(chunk).push(logged),
            None => {
                let mut chunk = Chunk::default();
                chunk.push(logged);
                self.chunks.push(Arc::new(chunk));
            }
        }
    }

    /// The number of the last entry.
    pub(crate) const fn last(&self) -> u64 {
        self.last
    }

    /// The entries after the one of the number `known`, in pieces that fit into an event, each with its last number: elements of a
    /// JSON array, without its brackets.
    pub(crate) fn after(&self, known: u64) -> impl Iterator<Item = (u64, Bytes)> {
        let begin = self.chunks.partition_point(|chunk| chunk.last() <= known);
        let chunks = self.chunks.iter().skip(begin);
        chunks.map(move |chunk| (chunk.last(), chunk.after(known)))
    }

    /// All entries in the order in which they came: of one thing there may be several, and the last one says what all of them do.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Revocation> {
        let chunks = self.chunks.iter().flat_map(|chunk| &chunk.entries);
        chunks.map(|(_, revocation)| revocation)
    }

    /// The last `most` of the entries after the one of the number `known`, in their order.
    pub(crate) fn newest(&self, known: u64, most: usize) -> Vec<Revocation> {
        let newest_first = self.chunks.iter().rev();
        let newest_first = newest_first.flat_map(|chunk| chunk.entries.iter().rev());
        let new = newest_first.take_while(|(number, _)| *number > known);
        let mut new: Vec<_> = new.take(most).map(|(_, entry)| *entry).collect();
        new.reverse();
        new
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

    /// The list as JSON, in pieces: what came after the event `known`, when this process has sent it, else the whole of it.
    pub(crate) fn document(&self, known: Option<&str>) -> Vec<Bytes> {
        let known = known.and_then(|id| self.number(id));
        let after = known.map(|number| format!("\"after\":\"{}\",", self.event_id(number)));
        let mut pieces = vec![Bytes::from(format!(
            "{{\"event\":\"{}\",{}\"entries\":[",
            self.event_id(self.last),
            after.unwrap_or_default()
        ))];
        for (index, (_, entries)) in self.after(known.unwrap_or(0)).enumerate() {
            if index > 0 {
                pieces.push(Bytes::from_static(b","));
            }
            pieces.push(entries);
        }
        pieces.push(Bytes::from_static(b"]}"));
        pieces
    }
}

impl Chunk {
    fn push(&mut self, logged: Logged) {
        self.entries.push(logged);
        self.json = OnceLock::new();
    }

    /// The number of its last entry.
    fn last(&self) -> u64 {
        self.entries.last().map_or(0, |(number, _)| *number)
    }

    fn after(&self, known: u64) -> Bytes {
        let begin = self.entries.partition_point(|(number, _)| *number <= known);
        match self.entries.get(begin..) {
            Some(entries) if begin > 0 => joined(entries),
            _ => self.json.get_or_init(|| joined(&self.entries)).clone(),
        }
    }
}

impl Clone for Chunk {
    /// For one that goes on differently: what is sent of it will be made anew.
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            json: OnceLock::new(),
        }
    }
}

/// The entries as elements of a JSON array, without its brackets.
fn joined(entries: &[Logged]) -> Bytes {
    let entries: Vec<&Revocation> = entries.iter().map(|(_, entry)| entry).collect();
    // Numbers and texts of fixed alphabets: nothing that could fail.
    let array = serde_json::to_string(&entries).unwrap_or_default();
    array.trim_matches(['[', ']']).to_owned().into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hallpass_token::{RevocationDigest, RevocationKind, UnixTime};

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

    fn list(entries: &[Revocation]) -> RevocationList {
        let mut list = RevocationList::default();
        for entry in entries {
            list.put(entry);
        }
        list
    }

    /// With entries of which all are needed.
    fn with(before: &Log, new: &[Revocation]) -> Log {
        let logged = before.chunks.iter().flat_map(|chunk| &chunk.entries);
        let all: Vec<_> = logged
            .map(|(_, entry)| *entry)
            .chain(new.to_vec())
            .collect();
        Log::with(before, new, &list(&all))
    }

    fn numbers(log: &Log, known: u64) -> Vec<(u64, usize)> {
        let pieces = log.after(known);
        let count = |json: Bytes| {
            let array = [b"[", json.as_ref(), b"]"].concat();
            serde_json::from_slice::<Vec<Revocation>>(&array)
                .unwrap()
                .len()
        };
        pieces.map(|(last, json)| (last, count(json))).collect()
    }

    fn document(log: &Log, known: Option<&str>) -> serde_json::Value {
        serde_json::from_slice(&log.document(known).concat()).unwrap()
    }

    #[test]
    fn who_knows_an_event_gets_what_came_after_it_in_pieces() {
        let empty = Log::new(7);
        let nothing = "{\"event\":\"0000000000000007.0\",\"entries\":[]}";
        assert_eq!(empty.document(None).concat(), nothing.as_bytes());
        let log = with(&empty, &entries(0..700, 10));
        assert_eq!(numbers(&log, 0), [(512, 512), (700, 188)]);
        let more = with(&log, &entries(700..701, 10));
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
    }

    #[test]
    fn the_document_is_whole_or_what_came_after_a_known_event() {
        let log = with(&Log::new(7), &entries(0..700, 10));
        let length = |document: &serde_json::Value| document["entries"].as_array().unwrap().len();
        let known = log.event_id(600);
        let new = document(&log, Some(&known));
        assert_eq!((new["after"].as_str(), length(&new)), (Some(&*known), 100));
        assert_eq!(new["event"], log.event_id(700));
        for nobodys in [None, Some("0000000000000008.1"), Some(""), Some("x")] {
            let whole = document(&log, nobodys);
            assert_eq!((whole.get("after"), length(&whole)), (None, 700));
        }
        let nothing = document(&log, Some(&log.event_id(700)));
        assert_eq!(
            (nothing["after"] == nothing["event"], length(&nothing)),
            (true, 0)
        );
    }

    #[test]
    fn the_newest_entries_are_those_after_what_is_known_and_at_most_so_many() {
        let all = entries(0..600, 10);
        let log = with(&Log::new(7), &all);
        assert_eq!(log.newest(510, 100), all[510..]);
        assert_eq!(log.newest(0, 100), all[500..]);
        assert_eq!(log.newest(600, 100), []);
    }

    #[test]
    fn the_next_snapshot_shares_what_is_full_also_as_it_is_sent() {
        let log = with(&Log::new(7), &entries(0..1_500, 10));
        let before: Vec<_> = log.after(0).collect();
        let next = with(&log, &entries(1_500..1_501, 10));
        let after: Vec<_> = next.after(0).collect();
        let is_same = |number: usize| before[number].1.as_ptr() == after[number].1.as_ptr();
        assert!(is_same(0) && is_same(1) && !is_same(2));
        assert_eq!(numbers(&log, 0), [(512, 512), (1_024, 512), (1_500, 476)]);
        assert_eq!(numbers(&next, 0), [(512, 512), (1_024, 512), (1_501, 477)]);
    }

    #[test]
    fn what_has_ended_is_left_out_when_it_is_most_of_all() {
        let ended = with(&Log::new(7), &entries(0..2_000, 1));
        let one = entries(3_000..3_001, 10);
        let log = Log::with(&ended, &one, &list(&one));
        assert_eq!(numbers(&log, 0), [(2_001, 1)]);
        // The same again, for longer each time.
        let mut log = log;
        for life in 11..2_000 {
            let one = entries(3_000..3_001, life);
            log = Log::with(&log, &one, &list(&one));
        }
        assert!(log.length < 2 * CHUNK, "{}", log.length);
    }
}
