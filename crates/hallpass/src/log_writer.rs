//! Writes the log on a thread of its own, so that nobody waits for whoever reads it.
//!
//! The issuer logs every token that it issues, and a service every caller that it judges: neither a system call for each nor a
//! reader that has stalled may hold up their requests, or their end. Lines wait in a queue with limits, for ten milliseconds while
//! the reader keeps up; what does not fit is dropped and counted.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Lines that may wait for the writing thread.
const MAX_WAITING_LINES: u64 = 8_192;
/// Bytes that may wait for it.
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;
/// Room that is kept from one write to the next.
const KEPT_BYTES: usize = 256 * 1024;
/// How long the first line waits for others. Written one by one, each would cost a system call and two changes of the thread,
/// which is as much as the issuer's own work for a token beside its signature.
const GATHER: Duration = Duration::from_millis(10);
/// How long the end of the process waits for the last lines to be written.
const END_LIMIT: Duration = Duration::from_secs(1);

/// The end that log lines go into: whoever writes here never waits. A clone is the same queue.
///
/// A program that logs to standard error stands still as soon as nobody reads there: a full pipe blocks the thread that
/// writes, and with it every request on that thread. Here a thread of its own writes, and 8,192 lines (8 MiB) may wait for it;
/// what comes after them is dropped and counted. Each call of [`write`](Write::write) is one line.
///
/// ```
/// use std::io;
/// use hallpass::LogWriter;
///
/// # fn main() -> io::Result<()> {
/// // Kept until the end of `main`: it waits for the last lines.
/// let (log, _guard) = LogWriter::start(io::stderr())?;
/// tracing_subscriber::fmt().with_writer(move || log.clone()).init();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LogWriter {
    queue: Arc<Queue>,
}

/// Waits, when it is dropped, until what was logged is written: for a second at most.
#[derive(Debug)]
#[must_use = "without it the log ends at once"]
pub struct LogGuard {
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct State {
    /// What waits, line after line, and how many lines that are.
    text: Vec<u8>,
    lines: u64,
    /// Nothing more will come.
    ending: bool,
    /// Everything was written.
    ended: bool,
}

impl LogWriter {
    /// Starts the thread that writes to `output`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(output: impl Write + Send + 'static) -> io::Result<(Self, LogGuard)> {
        let queue = Arc::new(Queue::default());
        let writing = Arc::clone(&queue);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writing.write_to(output))?;
        let writer = Self {
            queue: Arc::clone(&queue),
        };
        Ok((writer, LogGuard { queue }))
    }
}

impl LogGuard {
    /// Shows in `registry` how many lines were lost: `hallpass_log_dropped_total`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_log_dropped",
            "Log lines lost because the reader of the log could not keep up",
            self.queue.dropped.clone(),
        );
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.ending = true;
        self.queue.changed.notify_all();
        let ended = self
            .queue
            .changed
            .wait_timeout_while(state, END_LIMIT, |state| !state.ended);
        // There is nobody left to tell that something was not written.
        drop(ended);
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        let has_room = state.text.len() + line.len() <= MAX_WAITING_BYTES;
        if state.lines >= MAX_WAITING_LINES || !has_room {
            self.dropped.inc();
            return;
        }
        state.text.extend_from_slice(line);
        state.lines += 1;
        if state.lines == 1 {
            self.changed.notify_all();
        }
    }

    /// Writes what has come up since the last write in one go, until the end.
    fn write_to(&self, mut output: impl Write) {
        let mut text = Vec::new();
        while let Some(lines) = self.next(&mut text) {
            if output
                .write_all(&text)
                .and_then(|()| output.flush())
                .is_err()
            {
                self.dropped.inc_by(lines);
            }
            text.clear();
            text.shrink_to(KEPT_BYTES);
        }
    }

    /// Waits for lines and moves them into `text`, which is empty; how many there are, `None` at the end.
    fn next(&self, text: &mut Vec<u8>) -> Option<u64> {
        let come = |state: &mut State| state.lines == 0 && !state.ending;
        let state = self.changed.wait_while(self.lock(), come);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let gathered = self
            .changed
            .wait_timeout_while(state, GATHER, |state| !state.ending);
        let (mut state, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        if state.lines == 0 {
            state.ended = true;
            self.changed.notify_all();
            return None;
        }
        std::mem::swap(&mut state.text, text);
        Some(std::mem::take(&mut state.lines))
    }
}

impl Write for LogWriter {
    /// Takes one event, whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A reader that takes nothing until it is told to.
    struct Stalled(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Stalled {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _gone = self.0.recv();
            let _gone = self.1.send(text.to_vec());
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_reader_costs_lines_that_are_counted_and_neither_a_writer_nor_the_end_waits() {
        let ((go, stalled), (written, all)) = (mpsc::channel(), mpsc::channel());
        let (mut writer, guard) = LogWriter::start(Stalled(stalled, written)).unwrap();
        for _ in 0..3 * MAX_WAITING_LINES {
            writer.write_all(b"line\n").unwrap();
        }
        let dropped = guard.queue.dropped.get();
        assert!(dropped >= MAX_WAITING_LINES);
        drop(guard);
        drop(go);
        let text: Vec<u8> = all.iter().flatten().collect();
        let written = u64::try_from(text.len() / 5).unwrap();
        assert_eq!(written + dropped, 3 * MAX_WAITING_LINES);
    }

    #[test]
    fn lines_that_are_too_long_together_are_counted_too() {
        let ((go, stalled), (written, _all)) = (mpsc::channel(), mpsc::channel());
        let (mut writer, guard) = LogWriter::start(Stalled(stalled, written)).unwrap();
        let line = vec![b'a'; MAX_WAITING_BYTES / 4];
        // Some may be under way to the reader.
        for _ in 0..10 {
            writer.write_all(&line).unwrap();
        }
        assert!(guard.queue.dropped.get() >= 2);
        assert!(guard.queue.lock().text.len() <= MAX_WAITING_BYTES);
        drop(go);
    }

    #[test]
    fn lines_that_come_together_are_written_together() {
        let ((go, stalled), (written, all)) = (mpsc::channel(), mpsc::channel());
        let (mut writer, guard) = LogWriter::start(Stalled(stalled, written)).unwrap();
        drop(go);
        for _ in 0..1_000 {
            writer.write_all(b"line\n").unwrap();
        }
        drop(guard);
        let writes: Vec<_> = all.try_iter().collect();
        assert_eq!(writes.iter().flatten().count(), 5_000);
        assert!(writes.len() < 100, "{} writes", writes.len());
    }

    /// A reader that has gone away.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _text: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_for_a_reader_that_has_gone_are_counted() {
        let (mut writer, guard) = LogWriter::start(Closed).unwrap();
        let queue = Arc::clone(&guard.queue);
        writer.write_all(b"one\n").unwrap();
        writer.write_all(b"two\n").unwrap();
        drop(guard);
        assert_eq!(queue.dropped.get(), 2);
    }

    #[test]
    fn the_last_lines_are_written_before_the_end() {
        let ((go, stalled), (written, all)) = (mpsc::channel(), mpsc::channel());
        drop(go);
        let (mut writer, guard) = LogWriter::start(Stalled(stalled, written)).unwrap();
        writer.write_all(b"last\n").unwrap();
        drop(guard);
        assert_eq!(all.try_iter().flatten().collect::<Vec<_>>(), b"last\n");
    }
}
