//! Two things timed side by side, and the table that shows them.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The result of anything that a measurement needs.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// What goes wrong; it is shown to the user.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The time of one call of the one and of the other, in each round.
pub(crate) struct Pair {
    rounds: Vec<(Duration, Duration)>,
}

impl Pair {
    /// Runs `rounds` rounds of about `length` for each side, alternating, after a warm-up.
    pub(crate) fn measure<A, B>(
        (rounds, length): (usize, Duration),
        bare: impl Fn() -> A,
        ours: impl Fn() -> B,
    ) -> Self {
        let warm = time(&bare, 50).max(time(&ours, 50));
        let calls = u32::try_from(length.as_nanos() / warm.as_nanos().max(1)).unwrap_or(u32::MAX);
        let round = |_| (time(&bare, calls.max(1)), time(&ours, calls.max(1)));
        Self {
            rounds: (0..rounds).map(round).collect(),
        }
    }
}

impl Pair {
    /// What our side takes more than the bare one, in nanoseconds: the difference of the smallest times, and the
    /// middle one of the rounds' own differences.
    pub(crate) fn added_nanos(&self) -> (f64, f64) {
        let nanos = |time: &Duration| time.as_secs_f64() * 1e9;
        let bare = ends(self.rounds.iter().map(|(bare, _)| nanos(bare))).0;
        let ours = ends(self.rounds.iter().map(|(_, ours)| nanos(ours))).0;
        let of_rounds = self
            .rounds
            .iter()
            .map(|(bare, ours)| nanos(ours) - nanos(bare));
        (ours - bare, ends(of_rounds).1)
    }
}

/// The time of one of `calls` calls.
#[expect(clippy::disallowed_methods, reason = "a measurement is of real time")]
fn time<T>(call: impl Fn() -> T, calls: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(call());
    }
    start.elapsed() / calls
}

/// Calls over which allocations are counted.
const COUNTED: u64 = 1_000;

/// Allocations and allocated bytes of one call, of those on this thread.
pub(crate) fn allocations(call: &dyn Fn() -> bool) -> (f64, f64) {
    let counted = allocation_counter::measure(|| (0..COUNTED).for_each(|_| _ = black_box(call())));
    let per_call = |count: u64| count as f64 / COUNTED as f64;
    (per_call(counted.count_total), per_call(counted.bytes_total))
}

/// One line of a table.
pub(crate) struct Row {
    name: String,
    times: Pair,
}

impl Row {
    pub(crate) fn new(name: String, times: Pair) -> Self {
        Self { name, times }
    }
}

/// Prints a Markdown table: smallest and middle time of each side in microseconds, the ratio of the smallest times, and
/// the middle one of the rounds' own ratios.
#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
pub(crate) fn print_table(rows: &[Row]) {
    println!(
        "| µs per call | bare, min / median | ours, min / median | ratio, of the mins / median of the rounds |"
    );
    println!("|---|---|---|---|");
    for Row { name, times } in rows {
        let micros = |time: &Duration| time.as_secs_f64() * 1e6;
        let bare = ends(times.rounds.iter().map(|(bare, _)| micros(bare)));
        let ours = ends(times.rounds.iter().map(|(_, ours)| micros(ours)));
        let ratio = ends(
            times
                .rounds
                .iter()
                .map(|(bare, ours)| micros(ours) / micros(bare)),
        );
        let of_mins = ours.0 / bare.0;
        println!(
            "| {name} | {:.2} / {:.2} | {:.2} / {:.2} | {of_mins:.3} / {:.3} |",
            bare.0, bare.1, ours.0, ours.1, ratio.1
        );
    }
}

/// The smallest and the middle of some numbers.
fn ends(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    (at(0), at(sorted.len() / 2))
}
