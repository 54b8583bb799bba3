//! The outcomes that a breaker goes by.

mod count;
mod tally;
mod time;

use std::time::Duration;

use count::CountWindow;
use time::TimeWindow;

pub(super) use tally::{CallRecord, Tally};

/// Outcomes of calls, of which the older ones are forgotten.
#[derive(Clone, Debug)]
pub(super) enum Window {
    /// The last so many.
    Count(CountWindow),
    /// Those of the last seconds.
    Time(TimeWindow),
}

impl Window {
    /// Over the last `size` outcomes.
    pub(super) fn count(size: u32) -> Self {
        Self::Count(CountWindow::new(size))
    }

    /// Over the outcomes of the last `span`.
    pub(super) fn time(span: Duration) -> Self {
        Self::Time(TimeWindow::new(span))
    }

    /// Adds an outcome of this moment, and says what is in the window then.
    pub(super) fn record(&mut self, outcome: CallRecord, now: Duration) -> Tally {
        match self {
            Self::Count(window) => {
                window.record(outcome);
                window.tally()
            }
            Self::Time(window) => {
                window.record(outcome, now);
                window.tally()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hallpass_config::Percent;
    use proptest::prelude::*;

    use super::{CallRecord, Tally, Window};

    const SECOND: Duration = Duration::from_secs(1);

    fn check(tally: Tally, counted: &[CallRecord], threshold: Percent) {
        let reaches = |part: usize| part * 100 >= counted.len() * usize::from(threshold.get());
        assert_eq!(tally.calls as usize, counted.len());
        let failed = counted.iter().filter(|call| call.failed).count();
        assert_eq!(tally.failed_share_reaches(threshold), reaches(failed));
        let slow = counted.iter().filter(|call| call.slow).count();
        assert_eq!(tally.slow_share_reaches(threshold), reaches(slow));
    }

    proptest! {
        #[test]
        fn shares_are_those_of_the_last_n_outcomes(
            size in 1_u32..20,
            threshold in 0_u8..=100,
            calls in prop::collection::vec((any::<bool>(), any::<bool>()), 0..80),
        ) {
            let threshold = Percent::new(threshold).unwrap();
            let calls = calls.into_iter().map(|(failed, slow)| CallRecord { failed, slow });
            let calls: Vec<_> = calls.collect();
            let mut window = Window::count(size);
            for (index, call) in calls.iter().enumerate() {
                let tally = window.record(*call, Duration::ZERO);
                let last = &calls[(index + 1).saturating_sub(size as usize)..=index];
                check(tally, last, threshold);
            }
        }

        #[test]
        fn shares_in_a_window_of_time_are_those_of_its_calls(
            seconds in 1_u64..20,
            threshold in 0_u8..=100,
            calls in prop::collection::vec((any::<bool>(), any::<bool>(), 0_u64..3_000), 0..80),
        ) {
            let threshold = Percent::new(threshold).unwrap();
            let mut window = Window::time(Duration::from_secs(seconds));
            let part = u128::from(seconds) * 100;
            let (mut now, mut made) = (Duration::ZERO, Vec::new());
            for (failed, slow, pause) in calls {
                now += Duration::from_millis(pause);
                let call = CallRecord { failed, slow };
                made.push((now.as_millis() / part, call));
                let oldest = (now.as_millis() / part).saturating_sub(9);
                let counted = made.iter().filter(|(number, _)| *number >= oldest);
                let counted: Vec<_> = counted.map(|(_, call)| *call).collect();
                check(window.record(call, now), &counted, threshold);
            }
        }
    }

    #[test]
    fn a_window_of_time_forgets_what_is_older() {
        let failed = CallRecord {
            failed: true,
            slow: false,
        };
        let mut window = Window::time(10 * SECOND);
        let at = |window: &mut Window, seconds| window.record(failed, seconds * SECOND).calls;
        assert_eq!([at(&mut window, 100), at(&mut window, 100)], [1, 2]);
        assert_eq!(at(&mut window, 109), 3);
        assert_eq!(at(&mut window, 110), 2);
        assert_eq!(at(&mut window, 118), 3);
        // After a silence of many windows.
        assert_eq!(at(&mut window, 10_000), 1);
    }
}
