//! Lines that wait to be written, at most so many.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::Duration;

use hallpass_upstream::Reminders;
use prometheus_client::metrics::counter::Counter;

/// Lines that may wait.
const MAX_WAITING: usize = 8_192;
/// How long the end waits for the last ones.
const END_LIMIT: Duration = Duration::from_secs(1);

/// The end that lines are put into. Dropping it waits for nobody: what is in it is written by and by.
pub(super) struct Lines {
    lines: SyncSender<Message>,
    dropped: Counter,
}

enum Message {
    Line(String),
    /// Whoever asks hears the end of this when all before it is written.
    Flush(Sender<Infallible>),
}

impl Lines {
    /// Starts the thread that writes them to `target`.
    pub(super) fn start(target: Box<dyn Write + Send>, dropped: Counter) -> io::Result<Self> {
        let (lines, waiting) = mpsc::sync_channel(MAX_WAITING);
        let lost = dropped.clone();
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(&waiting, target, &lost))?;
        Ok(Self { lines, dropped })
    }

    /// Takes a line, or counts it as dropped where there is no room. Never waits.
    pub(super) fn push(&self, line: String) {
        if self.lines.try_send(Message::Line(line)).is_err() {
            self.dropped.inc();
        }
    }

    /// Waits until what was put in is written, [`END_LIMIT`] at most. Blocks the thread.
    pub(super) fn flush(&self) {
        let (flushed, heard) = mpsc::channel();
        if self.lines.try_send(Message::Flush(flushed)).is_ok() {
            let _over = heard.recv_timeout(END_LIMIT);
        }
    }
}

fn write_all(waiting: &Receiver<Message>, mut target: Box<dyn Write + Send>, lost: &Counter) {
    let said = Reminders::default();
    while let Ok(first) = waiting.recv() {
        let (mut text, mut count, mut flushed) = (String::new(), 0, Vec::new());
        let rest = waiting.try_iter().take(MAX_WAITING);
        for message in std::iter::once(first).chain(rest) {
            match message {
                Message::Line(line) => {
                    text.push_str(&line);
                    text.push('\n');
                    count += 1;
                }
                Message::Flush(sender) => flushed.push(sender),
            }
        }
        let written = target.write_all(text.as_bytes());
        match written.and_then(|()| target.flush()) {
            Ok(()) => {
                if said.over() {
                    tracing::info!("the access log is written again");
                }
            }
            Err(error) => {
                lost.inc_by(count);
                if let Some(times) = said.times("write") {
                    tracing::warn!(%error, times, "the access log cannot be written: its lines are lost");
                }
            }
        }
        drop(flushed);
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lines")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that takes a line when it is told to, and hands it on.
    struct Reader {
        go: Receiver<()>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _over = self.go.recv();
            let sent = self.taken.send(bytes.to_vec());
            sent.map_err(io::Error::other).map(|()| bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_that_are_counted_and_nobody_waits() {
        let ((go, stalled), (taken, all)) = (mpsc::channel(), mpsc::channel());
        let dropped = Counter::default();
        let reader = Reader { go: stalled, taken };
        let lines = Lines::start(Box::new(reader), dropped.clone()).unwrap();
        let count = u64::try_from(3 * MAX_WAITING).unwrap();
        for number in 0..count {
            lines.push(number.to_string());
        }
        let lost = dropped.get();
        assert!(lost > 0, "there is a limit");
        drop(go);
        drop(lines);
        let text: Vec<u8> = all.iter().flatten().collect();
        let written = String::from_utf8(text).unwrap();
        let numbers: Vec<u64> = written.lines().map(|it| it.parse().unwrap()).collect();
        assert_eq!(u64::try_from(numbers.len()).unwrap() + lost, count);
        assert!(numbers.is_sorted(), "in their order");
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let ((go, stalled), (taken, all)) = (mpsc::channel(), mpsc::channel());
        drop((go, all));
        let dropped = Counter::default();
        let reader = Reader { go: stalled, taken };
        let lines = Lines::start(Box::new(reader), dropped.clone()).unwrap();
        (0..10).for_each(|number| lines.push(number.to_string()));
        lines.flush();
        assert_eq!(dropped.get(), 10);
    }
}
