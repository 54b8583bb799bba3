//! Stores that are looked at, brought up to date, copied into one sealed file, and made of one.

use std::sync::Mutex;

use prometheus_client::metrics::counter::Counter;

use super::dump::{self, Dump, Unwritten};
use super::opening::Opening;
use super::place::{Place, SealingKeys};
use super::seal::Seal;
use super::standing::Standing;
use super::{PREVIOUS_KEY, Store, backup, migrations, sealed_clients, shared_secret, sqlite};
use crate::error::Error;

/// A step that tables go through: its number, and what it brings.
pub(crate) type Step = (i64, &'static str);

impl Store {
    /// Opens what is there, and changes nothing. `None`: it is of an older version, and the next start, or `hallpass store migrate`, brings it
    /// up to date.
    ///
    /// # Errors
    /// [`Error::StoreMissing`], and those of opening.
    pub(crate) async fn look(
        place: Place<'_>,
        keys: SealingKeys<'_>,
    ) -> Result<Option<Self>, Error> {
        Opening::check_exists(place)?;
        let opening = Opening::begin(place, keys.current).await?;
        let Opening { name, database, .. } = &opening;
        let missing = || Error::StoreMissing {
            store: name.clone(),
        };
        let ahead = Self::missing_steps(&opening).await?;
        let found = Seal::read(name, database).await?.ok_or_else(missing)?;
        let key = opening.key.clone();
        let proven = match (found.prove(name, &opening.key_material, key), keys.previous) {
            (Err(Error::WrongSealingKey { .. }), Some(previous)) => {
                found.prove(name, previous, PREVIOUS_KEY.to_owned())?;
                return Ok(None);
            }
            (proven, _) => proven?,
        };
        let is_current = proven.is_listed && proven.is_whole;
        if !is_current || !ahead.is_empty() {
            return Ok(None);
        }
        if !sealed_clients::has_begun(name, database, &proven.sealer).await? {
            return Ok(None);
        }
        let secret = shared_secret(&opening.key_material);
        Ok(Some(Self {
            name: opening.name,
            database: opening.database,
            sealer: proven.sealer,
            shared_secret: secret,
            queries: Counter::default(),
            standing: Standing::default(),
            known_revocations: Mutex::default(),
        }))
    }

    /// What the tables at `place` have still to go through, in order; all of it where there are none.
    ///
    /// # Errors
    /// [`Error::StoreTooNew`], and those of opening.
    pub(crate) async fn steps_ahead(
        place: Place<'_>,
        keys: SealingKeys<'_>,
    ) -> Result<Vec<Step>, Error> {
        if Opening::check_exists(place).is_err() {
            return Ok(migrations::steps());
        }
        let opening = Opening::begin(place, keys.current).await?;
        let ahead = Self::missing_steps(&opening).await?;
        opening.database.close().await;
        Ok(ahead)
    }

    /// As [`steps_ahead`](Self::steps_ahead), of one that is being opened.
    pub(super) async fn missing_steps(opening: &Opening) -> Result<Vec<Step>, Error> {
        let Opening { name, database, .. } = opening;
        let failed = |source| Error::store(name, source);
        let mut transaction = database.begin().await.map_err(failed)?;
        let done = dump::steps(database, &mut transaction).await;
        let done = done.map_err(failed)?;
        transaction.rollback().await.map_err(failed)?;
        let mut ahead = migrations::steps();
        for version in done {
            let Some(at) = ahead.iter().position(|(known, _)| *known == version) else {
                let store = name.clone();
                return Err(Error::StoreTooNew { store, version });
            };
            ahead.remove(at);
        }
        Ok(ahead)
    }

    /// All of it, as it is at one moment, in one sealed text.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) async fn to_backup(&self) -> Result<String, Error> {
        let dump = Dump::read(self.counted()?).await;
        let dump = dump.map_err(|source| self.failed(source))?;
        backup::seal(&dump, &self.shared_secret)
    }

    /// Makes the store at `place` of `text`; it must be empty, or not there.
    ///
    /// # Errors
    /// [`Error::StoreNotEmpty`], [`Error::Backup`], and those of opening and writing. Then it is empty still.
    pub(crate) async fn from_backup(
        place: Place<'_>,
        keys: SealingKeys<'_>,
        text: &str,
    ) -> Result<Self, Error> {
        // A new key would not open what an old one has sealed.
        if let (Place::Sqlite(path), None) = (place, keys.current) {
            sqlite::check_key_file(path)?;
        }
        let opening = Opening::begin(place, keys.current).await?;
        let Opening { name, database, .. } = &opening;
        let failed = |source| Error::store(name, source);
        if !Dump::may_go_into(database).await.map_err(failed)? {
            return Err(Error::StoreNotEmpty {
                store: name.clone(),
            });
        }
        let keys_of_file = [Some(opening.key_material.as_str()), keys.previous];
        let secrets: Vec<_> = keys_of_file
            .into_iter()
            .flatten()
            .map(shared_secret)
            .collect();
        let dump = backup::open(text, &secrets)?;
        let known = migrations::steps();
        let is_known = |version: &&i64| known.iter().any(|(known, _)| known == *version);
        if let Some(version) = dump.steps.iter().find(|version| !is_known(version)) {
            return Err(Error::Backup {
                problem: format!(
                    "a newer version has made it (step {version} of its tables is not known here): restore it with that one"
                ),
            });
        }
        migrations::run_only(name, database, &dump.steps).await?;
        match dump.write(database).await {
            Ok(()) => {}
            Err(Unwritten::Failed(source)) => return Err(failed(source)),
            Err(Unwritten::Foreign) => {
                return Err(Error::Backup {
                    problem: "it does not hold the tables of a store".to_owned(),
                });
            }
        }
        Self::proven(opening, keys.previous).await
    }
}
