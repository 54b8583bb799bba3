//! The last events in memory, as lines of JSON in a few large pieces: for questions, and no more of them than a number of bytes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Length at which a piece is closed: the unit in which old events are forgotten.
const PIECE_BYTES: usize = 64 * 1024;

/// Events that are kept. Costs nothing while nobody wants any.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Bytes; 0: nothing is kept.
    most: AtomicUsize,
    pieces: Mutex<Pieces>,
}

#[derive(Debug, Default)]
struct Pieces {
    closed: VecDeque<Arc<Piece>>,
    open: Piece,
    /// Bytes of the closed ones.
    bytes: usize,
}

/// Some events that came one after another.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece {
    /// The number of the first one; they are counted from the start of the process.
    pub(super) first: u64,
    /// The earliest and the latest of their times, in seconds since 1970.
    pub(super) times: Option<(u64, u64)>,
    /// A line each, with its end.
    pub(super) lines: Vec<u8>,
    pub(super) count: u64,
}

impl Kept {
    /// Keeps events from now on, `most` bytes of them.
    pub(super) fn keep(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    pub(super) fn is_on(&self) -> bool {
        self.most.load(Ordering::Relaxed) > 0
    }

    /// Adds an event that was decided `at`: one line, without its end.
    pub(super) fn push(&self, at: u64, line: &[u8]) {
        let most = self.most.load(Ordering::Relaxed);
        if most == 0 {
            return;
        }
        let mut pieces = self.lock();
        pieces.open.add(at, line);
        if pieces.open.lines.len() >= PIECE_BYTES.min(most) {
            pieces.close();
        }
        while pieces.bytes.saturating_add(pieces.open.lines.len()) > most {
            let Some(oldest) = pieces.closed.pop_front() else {
                break;
            };
            pieces.bytes = pieces.bytes.saturating_sub(oldest.lines.len());
        }
    }

    /// All that is kept at this moment, the newest first.
    pub(super) fn pieces(&self) -> Vec<Arc<Piece>> {
        let pieces = self.lock();
        let open = Arc::new(pieces.open.clone());
        let closed = pieces.closed.iter().rev().cloned();
        std::iter::once(open).chain(closed).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pieces {
    fn close(&mut self) {
        let next = Piece {
            first: self.open.first.saturating_add(self.open.count),
            lines: Vec::with_capacity(PIECE_BYTES.saturating_add(PIECE_BYTES / 16)),
            ..Piece::default()
        };
        let mut closed = std::mem::replace(&mut self.open, next);
        closed.lines.shrink_to_fit();
        self.bytes = self.bytes.saturating_add(closed.lines.len());
        self.closed.push_back(Arc::new(closed));
    }
}

impl Piece {
    fn add(&mut self, at: u64, line: &[u8]) {
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
        self.count = self.count.saturating_add(1);
        let (from, until) = self.times.unwrap_or((at, at));
        self.times = Some((from.min(at), until.max(at)));
    }

    /// Its events with their numbers, the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let end = self.first.saturating_add(self.count);
        let lines = self.lines.strip_suffix(b"\n").unwrap_or_default();
        let lines = lines.rsplit(|byte| *byte == b'\n');
        let numbered = (self.first..end).rev().zip(lines);
        numbered.filter(|(_, line)| !line.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kept: &Kept) -> Vec<(u64, String)> {
        let pieces = kept.pieces();
        let all = pieces.iter().flat_map(|piece| piece.newest_first());
        all.map(|(number, line)| (number, String::from_utf8(line.to_vec()).unwrap()))
            .collect()
    }

    #[test]
    fn nothing_is_kept_before_somebody_wants_it() {
        let kept = Kept::default();
        kept.push(1, b"a");
        assert!(!kept.is_on() && all(&kept).is_empty());
        kept.keep(100);
        kept.push(1, b"b");
        kept.push(2, b"c");
        assert_eq!(all(&kept), [(1, "c".into()), (0, "b".into())]);
    }

    #[test]
    fn the_oldest_are_forgotten_and_no_number_of_events_takes_more_room() {
        let kept = Kept::default();
        let most = 1024 * 1024;
        kept.keep(most);
        let line = vec![b'x'; 99];
        for at in 0..100_000 {
            kept.push(at, &line);
        }
        let pieces = kept.pieces();
        let bytes: usize = pieces.iter().map(|it| it.lines.len()).sum();
        assert!(bytes <= most && bytes > most - 2 * PIECE_BYTES, "{bytes}");
        let room: usize = pieces.iter().map(|it| it.lines.capacity()).sum();
        assert!(room <= most + 2 * PIECE_BYTES, "{room}");
        let numbers: Vec<u64> = all(&kept).iter().map(|(number, _)| *number).collect();
        let last = 100_000 - numbers.len() as u64;
        assert!(numbers.iter().copied().eq((last..100_000).rev()));
        let times = pieces.iter().filter_map(|it| it.times);
        assert!(times.into_iter().all(|(from, until)| from <= until));
    }

    #[test]
    fn one_that_is_longer_than_everything_leaves_no_others() {
        let kept = Kept::default();
        kept.keep(10);
        for line in [&b"1"[..], b"2", b"a line that is too long", b"3"] {
            kept.push(1, line);
        }
        assert_eq!(all(&kept).len(), 1);
    }
}
