//! What is known of the revocations in the store, and what their rows say.

use std::collections::{HashMap, HashSet};
use std::mem;

use hallpass_token::{Revocation, RevocationDigest, RevocationKind, UnixTime};

use super::row_seal::{RowSeal, Sum};

/// The columns of a row in their order: `seq`, `digest`, `kind`, `issued_before`, `ends_at`.
pub(super) type Row = (i64, String, String, Option<i64>, i64);

/// Rows as they were sealed, whatever stands in the database.
pub(super) type ProvenRows = HashMap<RevocationDigest, Row>;

/// What is taken back at one moment, as it was proven.
#[derive(Debug, Default)]
pub(crate) struct StoredRevocations {
    /// With the `seq` of their rows.
    entries: HashMap<RevocationDigest, (i64, Revocation)>,
    /// Those that [`take_new`](Self::take_new) has not given yet.
    new: HashSet<RevocationDigest>,
    sum: Sum,
    pub(super) version: u64,
}

impl StoredRevocations {
    /// Those that `rows` say, when they are all that `seal` seals.
    pub(super) fn proven<'r>(
        seal: &RowSeal,
        rows: impl IntoIterator<Item = &'r Row>,
    ) -> Option<Self> {
        let mut proven = Self::of_version(seal.version);
        rows.into_iter()
            .try_for_each(|row| proven.take(seal, row))?;
        proven.fits(seal).then_some(proven)
    }

    /// None, of which it is known that they are not older than this.
    pub(super) fn of_version(version: u64) -> Self {
        Self {
            version,
            ..Self::default()
        }
    }

    /// The rows of `digests`, when this is all that `seal` seals; `None` when somebody has written since.
    pub(super) fn rows_of(&self, digests: &[Revocation], seal: &RowSeal) -> Option<ProvenRows> {
        if self.version != seal.version || !self.fits(seal) {
            return None;
        }
        let row = |asked: &Revocation| {
            let (seq, entry) = self.entries.get(&asked.digest)?;
            Some((asked.digest, row_of(*seq, entry)))
        };
        Some(digests.iter().filter_map(row).collect())
    }

    /// The entries that it has not given yet, also those that have ended.
    pub(crate) fn take_new(&mut self) -> Vec<Revocation> {
        let new = mem::take(&mut self.new).into_iter();
        let entry = |digest| self.entries.get(&digest).map(|(_, entry)| *entry);
        new.filter_map(entry).collect()
    }

    /// Whether some have ended.
    pub(crate) fn has_ended(&self, now: UnixTime) -> bool {
        let mut entries = self.entries.values();
        entries.any(|(_, entry)| entry.ends_at <= now)
    }

    pub(super) fn take(&mut self, seal: &RowSeal, row: &Row) -> Option<()> {
        let digest = row.1.parse().ok()?;
        // What is kept says all that the row does.
        let entry = entry(digest, row).filter(|entry| *row == row_of(row.0, entry))?;
        self.sum.add(&seal.mac(row));
        if let Some((seq, before)) = self.entries.insert(digest, (row.0, entry)) {
            self.sum.subtract(&seal.mac(&row_of(seq, &before)));
        }
        self.new.insert(digest);
        Some(())
    }

    /// Goes on as if the entries that have ended were deleted.
    pub(super) fn forget_ended(&mut self, seal: &RowSeal, now: UnixTime) {
        let (entries, sum) = (&mut self.entries, &mut self.sum);
        entries.retain(|_, (seq, entry)| {
            let is_alive = now < entry.ends_at;
            if !is_alive {
                sum.subtract(&seal.mac(&row_of(*seq, entry)));
            }
            is_alive
        });
    }

    pub(super) fn fits(&self, seal: &RowSeal) -> bool {
        let count = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        self.sum == seal.sum && count == seal.count
    }
}

/// `None` when the row does not say what a row says.
pub(super) fn entry(digest: RevocationDigest, row: &Row) -> Option<Revocation> {
    let (_, _, kind, issued_before, ends_at) = row;
    let mut kinds = RevocationKind::EVERY.into_iter();
    let moment = |seconds: i64| u64::try_from(seconds).ok().map(UnixTime::from_secs);
    Some(Revocation {
        kind: kinds.find(|it| it.as_str() == kind)?,
        digest,
        issued_before: match issued_before {
            Some(before) => Some(moment(*before)?),
            None => None,
        },
        ends_at: moment(*ends_at)?,
    })
}

/// The other way round.
fn row_of(seq: i64, entry: &Revocation) -> Row {
    (
        seq,
        entry.digest.to_string(),
        entry.kind.as_str().to_owned(),
        entry.issued_before.map(seconds),
        seconds(entry.ends_at),
    )
}

pub(super) fn seconds(moment: UnixTime) -> i64 {
    number(moment.as_secs())
}

pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
