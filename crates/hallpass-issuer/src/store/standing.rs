//! How the store stands: whether its file is in its place, and whether it can be read and written, as far as the last uses told.
//!
//! Once somebody has waited in vain for another process that holds the file, nobody else does: those who come later are told at
//! once, until a look of the issuer finds it free.

use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::error::Error;

/// What can be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Access {
    #[default]
    Works,
    /// Another process keeps from it.
    Locked,
    /// The machine does: a full disk, a file system that is read only.
    Fails,
    /// The database does not respond.
    Away,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// The path means another file than the one that is open, or none.
    is_replaced: bool,
    /// What stands in the store cannot be taken.
    is_unread: bool,
    reads: Access,
    writes: Access,
}

/// What is known of the store.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    state: Mutex<State>,
    readable: Gauge,
    writable: Gauge,
    in_place: Gauge,
}

impl Standing {
    /// The gauges, all of them at 1.
    pub(super) fn register(&self, registry: &mut Registry) {
        self.change(|_| {});
        registry.register(
            "store_readable",
            "1 while the store can be followed, 0 while tokens go on without it",
            self.readable.clone(),
        );
        registry.register(
            "store_writable",
            "1 while the store can be written, 0 while another process holds it, its disk is full or it is read only",
            self.writable.clone(),
        );
        registry.register(
            "store_in_place",
            "1 while the path of the store means the file that is open, 0 once that was replaced or is gone",
            self.in_place.clone(),
        );
    }

    /// Whether the file is where it was.
    pub(super) fn is_replaced(&self) -> bool {
        self.state().is_replaced
    }

    pub(super) fn found_in_place(&self, is_there: bool) {
        self.change(|state| state.is_replaced = !is_there);
    }

    /// Whether it was read and taken at the last look.
    pub(crate) fn followed(&self, is_read: bool) {
        self.change(|state| state.is_unread = !is_read);
    }

    pub(super) fn reads(&self) -> Access {
        self.state().reads
    }

    pub(super) fn found_reading(&self, reads: Access) {
        self.change(|state| state.reads = reads);
    }

    /// Whether, as far as is known, it can be written.
    pub(crate) fn writes(&self) -> Access {
        self.state().writes
    }

    pub(super) fn found_writing(&self, writes: Access) {
        self.change(|state| state.writes = writes);
    }

    /// What is wrong, for those who look after the issuer; it names no file.
    pub(crate) fn trouble(&self) -> Option<&'static str> {
        let state = self.state();
        if state.is_replaced {
            return Some(
                "the store's file was replaced or is gone since the start: restart to use it",
            );
        }
        match state.writes {
            _ if state.reads == Access::Away => Some("the database does not respond"),
            Access::Away => Some("the database does not respond"),
            _ if state.is_unread || state.reads != Access::Works => {
                Some("the store cannot be followed")
            }
            Access::Works => None,
            Access::Locked => Some("another process holds the store"),
            Access::Fails => Some("the store cannot be written"),
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let State {
            is_replaced,
            is_unread,
            reads,
            writes,
        } = *state;
        let is_read = !is_replaced && !is_unread && reads == Access::Works;
        let is_written = !is_replaced && writes == Access::Works;
        self.readable.set(is_read.into());
        self.writable.set(is_written.into());
        self.in_place.set((!is_replaced).into());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Access {
    /// What an error of the database says of it; `None` when it says nothing.
    pub(super) fn of(error: &Error) -> Option<Self> {
        match error {
            Error::StoreBusy { .. } => Some(Self::Locked),
            Error::StoreAway { .. } | Error::StoreOutcomeUnknown { .. } => Some(Self::Away),
            Error::Store { source, .. } => {
                let code = source.as_database_error()?.code()?;
                if code.len() == SQLSTATE_LENGTH {
                    let fails = |begin| code.starts_with(begin);
                    return DATABASE_FAILS.into_iter().any(fails).then_some(Self::Fails);
                }
                let code = code.parse::<u32>().ok()? & 0xff;
                MACHINE_FAILS.contains(&code).then_some(Self::Fails)
            }
            _ => None,
        }
    }
}

/// `SQLITE_PERM`, `SQLITE_READONLY`, `SQLITE_IOERR`, `SQLITE_CORRUPT`, `SQLITE_FULL`, `SQLITE_CANTOPEN`, `SQLITE_NOTADB`.
const MACHINE_FAILS: [u32; 7] = [3, 8, 10, 11, 13, 14, 26];

/// How codes of PostgreSQL are told from those of SQLite, which are shorter.
const SQLSTATE_LENGTH: usize = 5;
/// A transaction that is read only, as on a standby; no right to write; a full disk and other lack of means; the system below.
const DATABASE_FAILS: [&str; 4] = ["25006", "42501", "53", "58"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worst_is_told_and_the_gauges_say_what_can_be_done() {
        let standing = Standing::default();
        let gauges =
            || [&standing.readable, &standing.writable, &standing.in_place].map(Gauge::get);
        standing.register(&mut Registry::default());
        assert_eq!((standing.trouble(), gauges()), (None, [1, 1, 1]));
        standing.found_writing(Access::Fails);
        assert_eq!(standing.trouble(), Some("the store cannot be written"));
        assert_eq!(gauges(), [1, 0, 1]);
        standing.found_writing(Access::Locked);
        assert_eq!(standing.trouble(), Some("another process holds the store"));
        standing.followed(false);
        assert_eq!(standing.trouble(), Some("the store cannot be followed"));
        assert_eq!(gauges(), [0, 0, 1]);
        standing.found_in_place(false);
        assert!(standing.trouble().unwrap().contains("restart"));
        standing.followed(true);
        standing.found_writing(Access::Works);
        assert_eq!(gauges(), [0, 0, 0], "nothing is done to another file");
        standing.found_in_place(true);
        assert_eq!((standing.trouble(), gauges()), (None, [1, 1, 1]));
    }
}
