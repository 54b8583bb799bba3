//! The beginning of opening a store: its database, and what its sealing key is derived from.

use std::fs::File;
use std::path::Path;

use hallpass_token::Sealer;
use zeroize::Zeroizing;

use super::database::Database;
use super::place::Place;
use super::postgres::StartLock;
use super::{postgres, sqlite};
use crate::error::Error;

/// A database that nobody else opens at the moment, and whose key is not proven yet.
pub(super) struct Opening {
    /// How errors call it.
    pub(super) name: String,
    pub(super) database: Database,
    pub(super) key_material: Zeroizing<String>,
    /// How errors call that.
    pub(super) key: String,
    _alone: Alone,
}

/// What keeps others from opening it.
enum Alone {
    File { _lock: Option<File> },
    Database { _lock: StartLock },
}

impl Opening {
    /// Begins with the one at `place`; a file that is not there is made.
    ///
    /// # Errors
    /// Those of the key, of the file and of the database.
    pub(super) async fn begin(place: Place<'_>, key: Option<&str>) -> Result<Self, Error> {
        let name = place.name();
        match place {
            Place::Sqlite(path) => {
                let opened = sqlite::open(path, key).await?;
                Ok(Self {
                    name,
                    database: Database::Sqlite(opened.file),
                    key_material: opened.key_material,
                    key: opened.key,
                    _alone: Alone::File {
                        _lock: opened.alone,
                    },
                })
            }
            Place::Postgres(settings) => {
                // Any process may open it, and none has a key beside it.
                let key = key.ok_or(Error::NoSealingKey)?;
                Sealer::derive(key, b"", "a check of its length")?;
                let (database, lock) = postgres::open(&name, settings).await?;
                Ok(Self {
                    name,
                    database: Database::Postgres(database),
                    key_material: key.to_owned().into(),
                    key: "key-encryption-key".to_owned(),
                    _alone: Alone::Database { _lock: lock },
                })
            }
        }
    }

    /// The same for those who do not want an empty store made.
    ///
    /// # Errors
    /// [`Error::StoreMissing`] when there is no such file.
    pub(super) fn check_exists(place: Place<'_>) -> Result<(), Error> {
        match place {
            Place::Sqlite(path) if !Path::exists(path) => Err(Error::StoreMissing {
                store: place.name(),
            }),
            Place::Sqlite(_) | Place::Postgres(_) => Ok(()),
        }
    }
}
