//! The file of a store that is in use: whether it is still there, whether it can be written, and for how long somebody waits for it.

use std::path::Path;
use std::sync::PoisonError;

use super::sqlite::{issuer_mark, private_file};
use super::standing::Access;
use super::{BUSY_TIMEOUT_RUNNING, Store};
use crate::error::Error;

impl Store {
    /// From now on an issuer runs on it: commands can tell, and no statement waits for longer than a request may.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn serve(&self) -> Result<(), Error> {
        self.put_mark().await;
        let options = self.pool.connect_options();
        let options = options.as_ref().clone().busy_timeout(BUSY_TIMEOUT_RUNNING);
        // For a connection that takes the place of this one, and for this one.
        self.pool.set_connect_options(options);
        let millis = BUSY_TIMEOUT_RUNNING.as_millis();
        let pragma = sqlx::AssertSqlSafe(format!("pragma busy_timeout = {millis}"));
        let set = sqlx::query(pragma).execute(&self.pool).await;
        set.map(|_| ()).map_err(|source| self.failed(source))
    }

    async fn put_mark(&self) {
        let put = issuer_mark::put(&self.path, self.file).await;
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = put;
    }

    /// No issuer runs on it any more.
    pub(super) fn take_mark_away(&self) {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether what is written into the file at `path` reaches the issuer that runs, as far as that can be told.
    ///
    /// # Errors
    /// [`Error::IssuerOnOtherFile`].
    pub(crate) fn check_reaches_issuer(path: &Path) -> Result<(), Error> {
        issuer_mark::check(path)
    }

    /// Looks whether the path still means the file that was opened: what others write, or restore, goes to that of the path.
    ///
    /// # Errors
    /// [`Error::StoreReplaced`].
    pub(crate) async fn look_at_place(&self) -> Result<(), Error> {
        let path = self.path.clone();
        // The file system may have stalled.
        let found = tokio::task::spawn_blocking(move || private_file::identity(&path)).await;
        // A task that failed is a runtime that is ending.
        if let Ok(found) = found {
            self.standing
                .found_in_place(found.is_ok_and(|file| file == self.file));
        }
        self.check_in_place()
    }

    /// What the last look at the place has found.
    pub(super) fn check_in_place(&self) -> Result<(), Error> {
        match self.standing.is_replaced() {
            true => Err(Error::StoreReplaced {
                store: self.name.clone(),
            }),
            false => Ok(()),
        }
    }

    /// Whether nobody has waited for a writer in vain, as far as is known.
    ///
    /// # Errors
    /// [`Error::StoreBusy`].
    pub(crate) fn check_not_locked(&self) -> Result<(), Error> {
        match self.standing.writes() {
            Access::Locked => Err(self.busy()),
            Access::Works | Access::Fails => Ok(()),
        }
    }

    /// The same for who only reads.
    pub(super) fn check_readers_not_locked(&self) -> Result<(), Error> {
        match self.standing.reads() {
            Access::Locked => Err(self.busy()),
            Access::Works | Access::Fails => Ok(()),
        }
    }

    pub(super) fn note_reading(&self, error: Option<&Error>) {
        match error.map(Access::of) {
            None => self.standing.found_reading(Access::Works),
            Some(Some(found)) => self.standing.found_reading(found),
            Some(None) => {}
        }
    }

    /// Takes every lock that writing needs, writes, and takes it back. It is done beside the tokens, and not counted.
    ///
    /// # Errors
    /// Why the store cannot be written.
    pub(crate) async fn try_writing(&self) -> Result<(), Error> {
        self.check_in_place()?;
        let tried = async {
            let mut transaction = self.pool.begin_with("begin exclusive").await?;
            // A value that nobody uses: what was on its page goes into the journal, for which a full disk has no room.
            let write = sqlx::query("pragma user_version = 0");
            write.execute(&mut *transaction).await?;
            transaction.rollback().await
        };
        tried.await.map_err(|source| self.failed(source))?;
        self.standing.found_writing(Access::Works);
        Ok(())
    }
}
