//! A transaction of the database below the store, whichever that is. What is done in it is asked by [`query`](super::query).

use std::collections::BTreeMap;

use sqlx::Sqlite;

use super::pg_transaction::PgTransaction;

/// All that is done in it counts from its commit on, or none of it. Dropped, it is taken back.
pub(crate) struct Transaction {
    pub(super) of: Of,
    /// Whether a statement of it failed. Then it cannot be committed: what is left of it is not what was meant.
    pub(super) has_failed: bool,
    /// The lists and seals of the store, once they were proven in it, with what it has changed of them. They are sealed as they stand here, and not as
    /// they are read back: whoever writes the database may have exchanged them meanwhile.
    pub(super) proven: Option<BTreeMap<String, String>>,
}

/// Which database it is of.
pub(super) enum Of {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(PgTransaction),
}

impl Transaction {
    /// # Errors
    /// Those of the database. After one of them it may have counted all the same, when the answer was lost.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        if self.has_failed {
            let problem = "a statement of the transaction has failed";
            return Err(sqlx::Error::Protocol(problem.to_owned()));
        }
        match self.of {
            Of::Sqlite(transaction) => transaction.commit().await,
            Of::Postgres(transaction) => transaction.commit().await,
        }
    }

    /// Ends it with nothing changed.
    pub(super) async fn rollback(self) -> Result<(), sqlx::Error> {
        match self.of {
            Of::Sqlite(transaction) => transaction.rollback().await,
            Of::Postgres(transaction) => transaction.rollback().await,
        }
    }
}

impl From<sqlx::Transaction<'static, Sqlite>> for Transaction {
    fn from(transaction: sqlx::Transaction<'static, Sqlite>) -> Self {
        Self {
            of: Of::Sqlite(transaction),
            has_failed: false,
            proven: None,
        }
    }
}

impl From<PgTransaction> for Transaction {
    fn from(transaction: PgTransaction) -> Self {
        Self {
            of: Of::Postgres(transaction),
            has_failed: false,
            proven: None,
        }
    }
}
