//! Whether the clock of the machine can be believed: what has ended by it is deleted for good.

use std::time::{Duration, SystemTime};

use hallpass_clock::Clock;

/// How long the clock must have gone evenly before anything is deleted by it. A machine that starts with a wrong time has put that
/// right by then.
const EVEN_FOR: Duration = Duration::from_secs(15 * 60);
/// How much more or less the wall clock may have gone than the monotonic one between two looks.
const JUMP: Duration = Duration::from_secs(5);

/// Watches the clock for jumps. A process has one from its start on.
#[derive(Debug, Default)]
pub(crate) struct EvenClock {
    last: Option<(SystemTime, Duration)>,
    /// The monotonic time since when it has gone evenly.
    since: Duration,
}

impl EvenClock {
    /// Looks at `clock`, which is to be done often; gives whether it has gone evenly for long enough.
    pub(crate) fn look(&mut self, clock: &dyn Clock) -> bool {
        let (wall, monotonic) = at_one_moment(clock);
        let has_jumped = self.last.is_none_or(|(last_wall, last)| {
            let expected = last_wall + monotonic.saturating_sub(last);
            let difference = wall.duration_since(expected);
            difference.unwrap_or_else(|ahead| ahead.duration()) > JUMP
        });
        if has_jumped {
            self.since = monotonic;
        }
        self.last = Some((wall, monotonic));
        monotonic.saturating_sub(self.since) >= EVEN_FOR
    }
}

/// What both clocks say, with nothing between the two looks: a thread may be kept from running there.
fn at_one_moment(clock: &dyn Clock) -> (SystemTime, Duration) {
    let mut before = clock.monotonic();
    loop {
        let (wall, after) = (clock.now(), clock.monotonic());
        if after.saturating_sub(before) < JUMP / 2 {
            return (wall, after);
        }
        before = after;
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use hallpass_clock::ManualClock;

    use super::*;

    #[test]
    fn a_clock_is_believed_when_it_has_gone_evenly_since_the_start_and_since_each_jump() {
        let start = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let (clock, mut even) = (ManualClock::at(start), EvenClock::default());
        assert!(!even.look(&clock));
        clock.advance(EVEN_FOR - Duration::from_secs(1));
        assert!(!even.look(&clock));
        clock.advance(Duration::from_secs(1));
        assert!(even.look(&clock));
        for jump in [Duration::from_secs(60), Duration::from_secs(90_000)] {
            clock.set(clock.now() + jump);
            assert!(!even.look(&clock), "ahead");
            clock.set(clock.now() - jump);
            assert!(!even.look(&clock), "and back");
            clock.advance(EVEN_FOR);
            assert!(even.look(&clock));
        }
        clock.set(clock.now() + Duration::from_secs(2));
        assert!(even.look(&clock), "put right by a little");
    }
}
