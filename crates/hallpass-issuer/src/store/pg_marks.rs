//! What transactions of PostgreSQL leave behind, so that it can be told of each whether it counts: as its last act, with the commit, each of those that take
//! their turn writes a number of its own into a row of `store_meta` that nobody else writes. The number stands there when the transaction counts, and does not
//! when it does not count: after a restart and a crash of the server too, and on a replica that has taken its place, since it comes and goes with the rest.
//!
//! The rows decide nothing else, nothing seals them, and a version that does not know them does not mind them. A process has one for each of its
//! transactions whose outcome is open, one as a rule. Those of processes that are gone are deleted by the first write of another one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the names of the rows begin with.
pub(super) const PREFIX: &str = "commit/";
/// For how long, in seconds, a row stays that nobody writes any more; for longer than anybody asks for his, which is a day.
const KEPT_SECONDS: u32 = 2 * 24 * 60 * 60;

/// The rows of this process.
#[derive(Debug)]
pub(super) struct Marks {
    /// A name that no other process has.
    process: String,
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    /// Those that belong to no transaction.
    free: Vec<u32>,
    /// How many there are.
    count: u32,
    /// How many transactions have had one.
    numbers: u64,
}

/// That of one transaction. No other one of this process writes its row while it lives, so that nobody takes away what is still asked about.
#[derive(Debug)]
pub(super) struct Mark {
    marks: Arc<Marks>,
    row: u32,
    number: u64,
}

impl Marks {
    /// # Errors
    /// That of a machine without random numbers.
    pub(super) fn new() -> Result<Self, sqlx::Error> {
        let mut name = [0; 16];
        let filled = aws_lc_rs::rand::fill(&mut name);
        filled.map_err(|_| sqlx::Error::Io(std::io::Error::other("no random numbers")))?;
        Ok(Self {
            process: format!("{:032x}", u128::from_be_bytes(name)),
            rows: Mutex::default(),
        })
    }

    /// One for a transaction that is about to commit.
    pub(super) fn next(self: &Arc<Self>) -> Mark {
        let mut rows = self.rows();
        rows.numbers += 1;
        let number = rows.numbers;
        let row = rows.free.pop().unwrap_or_else(|| {
            rows.count += 1;
            rows.count
        });
        Mark {
            marks: Arc::clone(self),
            row,
            number,
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mark {
    /// The name of its row.
    pub(super) fn name(&self) -> String {
        let Self { marks, row, .. } = self;
        format!("{PREFIX}{}/{row}", marks.process)
    }

    /// Whether the row has this one.
    pub(super) fn is(&self, value: &str) -> bool {
        let number = value.rsplit_once('/').map(|(_, number)| number);
        number == Some(self.number.to_string().as_str())
    }

    /// The statements that write it, and commit with it: one message, so that it costs no round of its own. The first one of a process takes away
    /// what others have left: all that writes a row has the lock of all writers, so that none of them is under way.
    pub(super) fn commit(&self) -> String {
        let now = "extract(epoch from now())::bigint";
        let tidy = match self.number {
            1 => format!(
                "delete from store_meta where name like '{PREFIX}%' and value collate \"C\" < ({now} - {KEPT_SECONDS})::text; "
            ),
            _ => String::new(),
        };
        format!(
            "{tidy}insert into store_meta (name, value) values ('{}', {now} || '/{}') \
             on conflict (name) do update set value = excluded.value; commit",
            self.name(),
            self.number
        )
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.marks.rows().free.push(self.row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_belongs_to_one_transaction_until_its_outcome_is_known_and_no_number_comes_twice() {
        let marks = Arc::new(Marks::new().unwrap());
        let (one, other) = (marks.next(), marks.next());
        assert_ne!(one.name(), other.name());
        let name = one.name();
        assert!(one.is("1700000000/1") && !one.is("1700000000/2") && !one.is("1700000000/11"));
        drop(one);
        let next = marks.next();
        assert_eq!(next.name(), name);
        assert!(next.is("1700000000/3"));
        assert_ne!(Arc::new(Marks::new().unwrap()).next().name(), name);
    }
}
