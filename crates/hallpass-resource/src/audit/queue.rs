//! A queue with a limit between those who judge calls and whoever reads the audit log.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

/// Events that may wait to be written.
const MAX_WAITING: usize = 4_096;
/// Of these, most while events about nobody are still taken: whoever sends requests without a good token, as many as he likes, drowns no
/// event about a caller who is known.
const MAX_WAITING_ABOUT_NOBODY: usize = MAX_WAITING / 4 * 3;
/// How long the first event waits for others: a thread that is woken for each costs as much again as what it writes.
const GATHER: Duration = Duration::from_millis(2);
/// How long the end waits for the last events to be written.
const END_LIMIT: Duration = Duration::from_secs(1);

/// The end that events are put into. Whoever drops it waits until what is in it is written, [`END_LIMIT`] at most.
pub(super) struct Queue<T> {
    /// `None` only while it is dropped; so is `stop`.
    events: Option<SyncSender<Box<T>>>,
    /// Nothing ever comes here: the thread hears its end.
    stop: Option<Sender<Infallible>>,
    /// Nor here: the end of the thread is heard.
    ended: Mutex<Receiver<Infallible>>,
    /// How many are in it, give or take those that threads are putting into it.
    waiting: Arc<AtomicUsize>,
    dropped: Counter,
}

/// Whom an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// A caller whose identity was verified.
    Caller,
    /// Anybody.
    Nobody,
}

impl<T: Send + 'static> Queue<T> {
    /// Starts the thread that gives each event to `write`, which may take as long as it likes. An event that it says it has not written, or
    /// panics at, is counted as dropped, and the next one is written.
    pub(super) fn start(
        dropped: Counter,
        mut write: impl FnMut(T) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let (events, waiting) = mpsc::sync_channel::<Box<T>>(MAX_WAITING);
        let (stop, stopped) = mpsc::channel::<Infallible>();
        let (end, ended) = mpsc::channel();
        let lost = dropped.clone();
        let mut write = move |event| {
            // A subscriber of the program around it may fail at one event, and must not be the end of all audit.
            if !catch_unwind(AssertUnwindSafe(|| write(event))).unwrap_or(false) {
                lost.inc();
            }
        };
        let count = Arc::new(AtomicUsize::new(0));
        let in_it = Arc::clone(&count);
        thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || {
                // Dropped in the opposite order: whoever hears the end finds the queue closed, so that nothing is put into it uncounted.
                let _end = end;
                let waiting = waiting;
                while let Ok(first) = waiting.recv() {
                    let _over = stopped.recv_timeout(GATHER);
                    let rest = waiting.try_iter();
                    for event in std::iter::once(first).chain(rest) {
                        in_it.fetch_sub(1, Ordering::Relaxed);
                        write(*event);
                    }
                }
            })?;
        Ok(Self {
            events: Some(events),
            stop: Some(stop),
            ended: Mutex::new(ended),
            waiting: count,
            dropped,
        })
    }

    /// Takes an event, or counts it as dropped where there is no room for it. Never waits.
    pub(super) fn push(&self, event: T, about: About) {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let has_room = about == About::Caller || before < MAX_WAITING_ABOUT_NOBODY;
        let events = self.events.as_ref().filter(|_| has_room);
        let taken = events.map(|it| it.try_send(Box::new(event)));
        if !matches!(taken, Some(Ok(()))) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.dropped.inc();
        }
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        self.events = None;
        self.stop = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // There is nobody left to tell that something was not written.
        let _over = ended.recv_timeout(END_LIMIT);
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("dropped", &self.dropped.get())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_stalls_costs_events_that_are_counted_and_neither_a_call_nor_the_end_waits() {
        let (go, stalled) = mpsc::channel::<()>();
        let (written, all) = mpsc::channel();
        let dropped = Counter::default();
        let queue = Queue::start(dropped.clone(), move |number: usize| {
            let _gone = stalled.recv();
            written.send(number).is_ok()
        })
        .unwrap();
        for number in 0..3 * MAX_WAITING {
            queue.push(number, About::Caller);
        }
        let lost = usize::try_from(dropped.get()).unwrap();
        // One may be in the hands of the reader.
        assert!(
            (2 * MAX_WAITING - 1..=2 * MAX_WAITING).contains(&lost),
            "{lost}"
        );
        // The reader still takes nothing.
        drop(queue);
        assert_eq!(all.try_iter().count(), 0);
        drop(go);
        let numbers: Vec<_> = all.iter().collect();
        assert_eq!(numbers.len() + lost, 3 * MAX_WAITING);
        assert!(numbers.is_sorted(), "in their order");
    }

    #[test]
    fn events_about_nobody_leave_room_for_those_about_callers() {
        let (go, stalled) = mpsc::channel::<()>();
        let (written, all) = mpsc::channel();
        let dropped = Counter::default();
        let queue = Queue::start(dropped.clone(), move |event: &'static str| {
            let _gone = stalled.recv();
            written.send(event).is_ok()
        })
        .unwrap();
        for _request in 0..2 * MAX_WAITING {
            queue.push("nobody", About::Nobody);
        }
        let lost = dropped.get();
        let room = MAX_WAITING - MAX_WAITING_ABOUT_NOBODY;
        for _request in 0..room {
            queue.push("caller", About::Caller);
        }
        assert_eq!(dropped.get(), lost, "none about a caller");
        queue.push("nobody", About::Nobody);
        assert_eq!(dropped.get(), lost + 1);
        drop(go);
        drop(queue);
        let callers = all.iter().filter(|event| *event == "caller");
        assert_eq!(callers.count(), room);
    }

    #[test]
    fn what_was_written_leaves_its_place_to_anybody() {
        let (written, all) = mpsc::channel();
        let dropped = Counter::default();
        let queue = Queue::start(dropped.clone(), move |event: usize| {
            written.send(event).is_ok()
        })
        .unwrap();
        for _batch in 0..20 {
            (0..1_000).for_each(|event| queue.push(event, About::Nobody));
            let taken: Vec<_> = all.iter().take(1_000).collect();
            assert!(taken.is_sorted() && taken.len() == 1_000);
        }
        assert_eq!(dropped.get(), 0);
    }

    #[test]
    fn the_last_events_are_written_before_the_end() {
        let (written, all) = mpsc::channel();
        let dropped = Counter::default();
        let queue =
            Queue::start(dropped.clone(), move |number| written.send(number).is_ok()).unwrap();
        (0..1_000).for_each(|number| queue.push(number, About::Caller));
        drop(queue);
        assert_eq!(all.try_iter().count(), 1_000);
        assert_eq!(dropped.get(), 0);
    }

    #[test]
    fn an_event_at_which_the_log_fails_is_counted_and_the_next_one_is_written() {
        let (written, all) = mpsc::channel();
        let dropped = Counter::default();
        let queue = Queue::start(dropped.clone(), move |number: usize| {
            if number == 1 {
                std::panic::resume_unwind(Box::new("a log that fails"));
            }
            if number == 2 {
                return false;
            }
            written.send(number).is_ok()
        })
        .unwrap();
        (0..4).for_each(|number| queue.push(number, About::Caller));
        drop(queue);
        assert_eq!(all.try_iter().collect::<Vec<_>>(), [0, 3]);
        assert_eq!(dropped.get(), 2);
    }
}
