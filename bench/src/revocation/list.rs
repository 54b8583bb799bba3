//! What an entry of a deny-list costs: memory, and the look-up of a token.

use std::hint::black_box;
use std::time::Duration;

use allocation_counter::measure as count;
use hallpass::token::{
    Revocation, RevocationDigest, RevocationKind, RevocationList, RevocationMarks, TokenClaims,
    UnixTime,
};

use crate::measure::{Failure, Outcome, Pair};

/// What a round takes on each side, roughly.
const ROUND: Duration = Duration::from_millis(2);
const ROUNDS: usize = 200;
const NOW: u64 = 1_800_000_000;

/// Prints bytes an entry, and nanoseconds a look-up.
#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn measure(entries: usize) -> Outcome<()> {
    let now = UnixTime::from_secs(NOW);
    let mut list = RevocationList::default();
    let kept = count(|| list = filled(entries)).bytes_current;
    println!("| entries | bytes an entry | ns a token that is not revoked |");
    println!("|---|---|---|");
    let marks = marks()?;
    for (number, list) in [(1, filled(1)), (entries, list)] {
        let times = Pair::measure(
            (ROUNDS, ROUND),
            || black_box(&marks) as *const RevocationMarks,
            || list.denies(black_box(&marks), now),
        );
        let (least, middle) = times.added_nanos();
        let bytes = match number {
            1 => "-".to_owned(),
            _ => format!("{:.0}", kept as f64 / entries as f64),
        };
        println!("| {number} | {bytes} | {least:.0} at best, {middle:.0} in the middle |");
    }
    Ok(())
}

fn filled(entries: usize) -> RevocationList {
    let mut list = RevocationList::default();
    for number in 0..entries {
        list.put(&Revocation {
            kind: RevocationKind::Token,
            digest: RevocationDigest::new(RevocationKind::Token, &number.to_string()),
            issued_before: None,
            ends_at: UnixTime::from_secs(NOW + 600),
        });
    }
    list
}

/// Those of a service's token.
fn marks() -> Result<RevocationMarks, Failure> {
    let mut claims = TokenClaims::new(
        "internal".parse()?,
        "order-service".parse()?,
        "service-system".parse()?,
        UnixTime::from_secs(NOW + 600),
    );
    claims.client_id = Some("order-service".parse()?);
    claims.token_id = Some("kCcA3r1M9tJ9kq3xO6E9Dg".parse()?);
    claims.issued_at = Some(UnixTime::from_secs(NOW));
    Ok(RevocationMarks::of(&claims, Some(&"the-key".parse()?)))
}
