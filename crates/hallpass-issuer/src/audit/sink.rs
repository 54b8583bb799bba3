//! Writes lines on a thread of its own, so that nobody waits for a disk or for whoever reads standard output.

use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use hallpass_upstream::Reminders;
use prometheus_client::metrics::counter::Counter;

use super::rotated_file::RotatedFile;

/// Bytes that may wait for the writing thread; what comes on top of them is dropped and counted.
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that may wait beside them when they are of changes by administrators: some thousand of these.
const CHANGES_BYTES: usize = 1024 * 1024;
/// Room that is kept from one write to the next.
const KEPT_BYTES: usize = 256 * 1024;
/// How long the first line waits for others.
const GATHER: Duration = Duration::from_millis(10);
/// How long the end waits for the last lines to be written.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Debug)]
pub(super) enum Place {
    Stdout,
    File(RotatedFile),
}

/// Which room a line may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// What all share.
    OfAll,
    /// That, and what is kept for changes: no number of tokens takes it.
    OfChanges,
}

impl Room {
    const fn bytes(self) -> usize {
        match self {
            Self::OfAll => MAX_WAITING_BYTES,
            Self::OfChanges => MAX_WAITING_BYTES + CHANGES_BYTES,
        }
    }
}

/// The end that lines are put into: nobody who does waits.
#[derive(Debug)]
pub(super) struct Sink(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct State {
    /// What waits, line after line.
    text: Vec<u8>,
    /// Nothing more will come.
    ending: bool,
    /// Everything was written.
    ended: bool,
}

impl Sink {
    /// Starts the thread that writes to `place`; what is lost is counted in `dropped`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(place: Place, dropped: Counter) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            changed: Condvar::new(),
            dropped,
        });
        let writing = Arc::clone(&queue);
        let mut writer = Writer {
            place,
            is_failing: false,
            said: Reminders::default(),
        };
        thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writing.write_to(&mut writer))?;
        Ok(Self(queue))
    }

    /// Takes one line, without its end.
    pub(super) fn push(&self, line: &[u8], room: Room) {
        let mut state = self.0.lock();
        if state.text.len() + line.len() >= room.bytes() {
            drop(state);
            self.0.dropped.inc();
            return;
        }
        let was_empty = state.text.is_empty();
        state.text.extend_from_slice(line);
        state.text.push(b'\n');
        if was_empty {
            self.0.changed.notify_all();
        }
    }

    /// Waits until all is written, for a second at most. It blocks.
    pub(super) fn finish(&self) {
        let mut state = self.0.lock();
        state.ending = true;
        self.0.changed.notify_all();
        let ended = self
            .0
            .changed
            .wait_timeout_while(state, END_LIMIT, |state| !state.ended);
        let is_late = ended.map_or(true, |(_, waited)| waited.timed_out());
        if is_late {
            tracing::warn!("the last audit events were not written in time");
        }
    }
}

/// The thread ends with it, when it has written what there is.
impl Drop for Sink {
    fn drop(&mut self) {
        self.0.lock().ending = true;
        self.0.changed.notify_all();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, writer: &mut Writer) {
        let mut text = Vec::new();
        while self.next(&mut text) {
            self.dropped.inc_by(writer.write(&text));
            text.clear();
            text.shrink_to(KEPT_BYTES);
        }
    }

    /// Waits for lines and moves them into `text`, which is empty; `false` at the end.
    fn next(&self, text: &mut Vec<u8>) -> bool {
        let come = |state: &mut State| state.text.is_empty() && !state.ending;
        let state = self.changed.wait_while(self.lock(), come);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let gathered = self
            .changed
            .wait_timeout_while(state, GATHER, |state| !state.ending);
        let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        if state.text.is_empty() {
            state.ended = true;
            self.changed.notify_all();
            return false;
        }
        std::mem::swap(&mut state.text, text);
        true
    }
}

struct Writer {
    place: Place,
    is_failing: bool,
    said: Reminders,
}

impl Writer {
    /// How many of the lines were lost, which is said once and then every ten minutes.
    fn write(&mut self, lines: &[u8]) -> u64 {
        let written = match &mut self.place {
            Place::Stdout => {
                let mut output = io::stdout().lock();
                let written = output.write_all(lines).and_then(|()| output.flush());
                written.map_err(|error| (error, 0))
            }
            Place::File(file) => file.write(lines),
        };
        let Err((error, count)) = written else {
            if std::mem::take(&mut self.is_failing) {
                self.said.over();
                tracing::info!(place = %self.name(), "audit events are written again");
            }
            return 0;
        };
        self.is_failing = true;
        let rest = lines.get(count..).unwrap_or_default();
        let lost = rest.iter().filter(|byte| **byte == b'\n').count();
        if let Some(times) = self.said.times("audit") {
            tracing::error!(place = %self.name(), %error, lost, times, "audit events could not be written and are lost there");
        }
        u64::try_from(lost).unwrap_or(u64::MAX)
    }

    fn name(&self) -> String {
        match &self.place {
            Place::Stdout => "standard output".to_owned(),
            Place::File(file) => file.path().display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn all_lines_are_in_the_file_when_the_end_returns() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let dropped = Counter::default();
        let place = Place::File(RotatedFile::new(path.clone(), 0, 1));
        let sink = Sink::start(place, dropped.clone()).unwrap();
        for number in 0..10_000 {
            sink.push(number.to_string().as_bytes(), Room::OfAll);
        }
        sink.finish();
        let text = fs::read_to_string(&path).unwrap();
        let numbers: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert!(numbers.iter().copied().eq(0..10_000));
        assert_eq!(dropped.get(), 0);
    }

    #[test]
    fn what_the_disk_does_not_take_is_counted_and_what_comes_later_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        fs::create_dir(&path).unwrap();
        let dropped = Counter::default();
        let place = Place::File(RotatedFile::new(path.clone(), 0, 1));
        let sink = Sink::start(place, dropped.clone()).unwrap();
        sink.push(b"1", Room::OfAll);
        sink.push(b"2", Room::OfAll);
        while dropped.get() < 2 {
            thread::yield_now();
        }
        fs::remove_dir(&path).unwrap();
        sink.push(b"3", Room::OfAll);
        sink.finish();
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n");
        assert_eq!(dropped.get(), 2);
    }

    #[test]
    fn what_does_not_fit_is_counted_and_nobody_waits() {
        let dropped = Counter::default();
        let queue = Queue {
            state: Mutex::default(),
            changed: Condvar::new(),
            dropped: dropped.clone(),
        };
        // Nobody writes.
        let sink = Sink(Arc::new(queue));
        let line = vec![b'x'; 1024 * 1024 - 1];
        (0..10).for_each(|_| sink.push(&line, Room::OfAll));
        assert_eq!(dropped.get(), 2);
        assert!(sink.0.lock().text.len() <= MAX_WAITING_BYTES);
        // That of a change finds the room that is kept for such.
        sink.push(b"a change", Room::OfChanges);
        assert_eq!(dropped.get(), 2);
        assert!(sink.0.lock().text.ends_with(b"a change\n"));
        (0..10).for_each(|_| sink.push(&line, Room::OfChanges));
        assert!(dropped.get() > 2, "which is bounded too");
        assert!(sink.0.lock().text.len() <= Room::OfChanges.bytes());
    }
}
