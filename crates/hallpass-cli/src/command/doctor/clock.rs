//! Whether this machine and the issuers have one time.

use std::time::Duration;

use super::check::Check;
use super::finding::Finding;
use super::limits::seconds;
use super::probe::Offset;

/// From here on a difference is worth a word.
const NOTABLE_OFFSET: Duration = Duration::from_secs(2);

/// What responses have said of time, each with the address that it came from.
pub(super) type Offsets = Vec<(Offset, String)>;

/// Goes by the clock that differs most. `leeway`: by how much they may.
pub(super) fn judge(offsets: &Offsets, leeway: Duration) -> Finding {
    let Some((offset, place)) = offsets.iter().max_by_key(|(offset, _)| offset.amount()) else {
        return Finding::skipped(Check::Clock, "no issuer has said what time it is");
    };
    let amount = offset.amount();
    let says = format!(
        "the clock of this machine is {} {} that of {place}, the round trip left out; {} are allowed",
        seconds(amount),
        offset.word(),
        seconds(leeway)
    );
    let advice = "set both clocks by a time server (chrony, systemd-timesyncd)";
    if amount > leeway {
        Finding::failure(Check::Clock, says, advice)
    } else if amount > NOTABLE_OFFSET {
        Finding::warning(Check::Clock, says, advice)
    } else {
        let says = format!("this machine and {place} have one time");
        Finding::ok(Check::Clock, says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::finding::Outcome;

    #[test]
    fn the_clock_that_differs_most_decides_by_the_leeway() {
        let of = |seconds: &[u64]| {
            let offset = |it: &u64| (Offset::Behind(Duration::from_secs(*it)), it.to_string());
            let offsets = seconds.iter().map(offset).collect();
            judge(&offsets, Duration::from_secs(10)).outcome
        };
        assert_eq!(of(&[]), Outcome::Skipped);
        assert_eq!(of(&[0, 2]), Outcome::Ok);
        assert_eq!(of(&[0, 3, 1]), Outcome::Warning);
        assert_eq!(of(&[10]), Outcome::Warning);
        assert_eq!(of(&[11, 0]), Outcome::Failure);
    }
}
