//! A store that is in use: whether it is still there, whether it can be written, and for how long somebody waits for it.

use super::place::Place;
use super::standing::Access;
use super::{Store, sqlite};
use crate::error::Error;

impl Store {
    /// From now on an issuer runs on it: commands can tell, and no statement waits for longer than a request may.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn serve(&self) -> Result<(), Error> {
        let set = self.database.serve().await;
        set.map_err(|source| self.failed(source))
    }

    /// Whether what is written at `place` reaches the issuer that runs, as far as that can be told.
    ///
    /// # Errors
    /// [`Error::IssuerOnOtherFile`].
    pub(crate) fn check_reaches_issuer(place: Place<'_>) -> Result<(), Error> {
        match place {
            Place::Sqlite(path) => sqlite::check_reaches_issuer(path),
            // What its name means is the network's matter.
            Place::Postgres(_) => Ok(()),
        }
    }

    /// Looks whether the path still means the file that was opened: what others write, or restore, goes to that of the path.
    ///
    /// # Errors
    /// [`Error::StoreReplaced`].
    pub(crate) async fn look_at_place(&self) -> Result<(), Error> {
        if let Some(is_there) = self.database.is_in_place().await {
            self.standing.found_in_place(is_there);
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
    /// [`Error::StoreBusy`], [`Error::StoreAway`].
    pub(crate) fn check_not_locked(&self) -> Result<(), Error> {
        match self.standing.writes() {
            Access::Locked => Err(self.busy()),
            Access::Away => Err(self.away()),
            Access::Works | Access::Fails => Ok(()),
        }
    }

    /// The same for who only reads.
    pub(super) fn check_readers_not_locked(&self) -> Result<(), Error> {
        match self.standing.reads() {
            Access::Locked => Err(self.busy()),
            Access::Away => Err(self.away()),
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
        let tried = self.database.try_writing().await;
        tried.map_err(|source| self.failed(source))?;
        self.standing.found_writing(Access::Works);
        Ok(())
    }
}
