//! The time at the beginning of a log line, as the library writes it; what is the same for a whole second is made once.

use std::cell::RefCell;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use hallpass::clock::{Clock as _, SystemClock};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// Characters before the parts of a second: `2026-11-26T20:26:21.`
const SECOND_CHARS: usize = 20;

/// The time of day in UTC, to the microsecond (RFC 3339).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogTime {
    clock: SystemClock,
}

thread_local! {
    /// The last second that this thread has written, since 1970, and its text.
    static LAST: RefCell<Option<(u64, String)>> = const { RefCell::new(None) };
}

impl FormatTime for LogTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let Some(now) = self.since_1970() else {
            return SystemTime.format_time(writer);
        };
        LAST.with_borrow_mut(|last| {
            if !matches!(last, Some((second, _)) if *second == now.as_secs()) {
                *last = self.second(now.as_secs())?;
            }
            match last {
                Some((_, text)) => {
                    writer.write_str(text)?;
                    write!(writer, "{:06}Z", now.subsec_micros())
                }
                None => SystemTime.format_time(writer),
            }
        })
    }
}

impl LogTime {
    /// `None` before 1970.
    fn since_1970(self) -> Option<Duration> {
        self.clock.now().duration_since(UNIX_EPOCH).ok()
    }

    /// The text of `second`; `None` when it ended before the library had looked at the clock.
    fn second(self, second: u64) -> Result<Option<(u64, String)>, fmt::Error> {
        let mut text = String::new();
        SystemTime.format_time(&mut Writer::new(&mut text))?;
        text.truncate(SECOND_CHARS);
        let still = self.since_1970().map(|now| now.as_secs()) == Some(second);
        Ok(still.then_some((second, text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(time: impl FormatTime) -> String {
        let mut text = String::new();
        time.format_time(&mut Writer::new(&mut text)).unwrap();
        text
    }

    #[test]
    fn the_time_stands_between_two_that_the_library_writes_also_over_the_end_of_a_second() {
        let mut seconds = std::collections::HashSet::new();
        while seconds.len() < 3 {
            let before = written(SystemTime);
            let ours = written(LogTime::default());
            let after = written(SystemTime);
            assert_eq!(ours.len(), before.len());
            assert!(before <= ours && ours <= after, "{before} {ours} {after}");
            seconds.insert(ours.split_once('.').unwrap().0.to_owned());
        }
    }
}
