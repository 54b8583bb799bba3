//! What an operator does with a whole store: looks at it, brings it up to date, copies it, and makes one of a copy.

use std::path::Path;
use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_token::UnixTime;

use crate::backup_file;
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::settings::stored_client;
use crate::store::Store;
use crate::store::checking::StoreContents;

/// What [`check_store`] has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreReport {
    /// What the store is called: its file, or its database without the user.
    pub store: String,
    /// The last step that its tables have gone through; that of this version.
    pub step: i64,
    /// What stands in it, and what is wrong with that.
    pub contents: StoreContents,
}

/// A store that was opened to be looked at, in two steps: for who has little time.
#[derive(Debug)]
pub struct InspectedStore {
    store: Store,
    name: String,
}

/// A step that the tables of a store go through.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStep {
    /// Its number.
    pub version: i64,
    /// What it brings.
    pub brings: &'static str,
}

/// Reads the whole store, opens everything that is sealed, and holds every row against its seal. Changes nothing, beside an issuer that
/// runs or without one.
///
/// Not checked: whether a whole older state of the store stands there.
///
/// # Errors
/// [`Error::StoreMissing`], [`Error::StoreBehind`], [`Error::StoreTooNew`], and those of opening it. What is wrong with what it holds
/// is in the report.
pub async fn check_store(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
) -> Result<StoreReport, Error> {
    let InspectedStore { store, name } = InspectedStore::open(settings).await?;
    let report = report(&store, name, clock).await;
    store.close().await;
    Ok(report)
}

impl InspectedStore {
    /// Opens what is there, by its sealing key. Other processes that open it wait for this alone, not for what is read afterwards.
    ///
    /// # Errors
    /// Those of [`check_store`].
    pub async fn open(settings: &IssuerSettings) -> Result<Self, Error> {
        let name = settings.store_name();
        let looked = Store::look(settings.place(), settings.sealing_keys()).await?;
        match looked {
            Some(store) => Ok(Self { store, name }),
            None => Err(Error::StoreBehind { store: name }),
        }
    }

    /// As [`check_store`] where there are `most` rows or fewer; `None` where there are more, of which none is read. While a file is read nobody
    /// can write into it, and an issuer that runs has no patience for that: one with ten thousand rows is read in a moment.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn report_of_at_most(
        self,
        most: u32,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<StoreReport>, Error> {
        let Self { store, name } = self;
        let report = match store.has_more_rows_than(most).await? {
            true => None,
            false => Some(report(&store, name, clock).await),
        };
        store.close().await;
        Ok(report)
    }
}

/// All that `store`, which is called `name`, holds, and what is wrong with that.
async fn report(store: &Store, name: String, clock: &Arc<dyn Clock>) -> StoreReport {
    let mut contents = store.contents(UnixTime::from(clock.now())).await;
    let registered = store.kept_clients().await.unwrap_or_default().into_iter();
    for kept in registered.filter(|kept| !kept.is_first) {
        let id = &kept.client_id;
        if let Err(unusable) = stored_client::read(id, &kept.registration) {
            contents
                .problems
                .push(format!("store {name}: client {id:?}: {unusable}"));
        }
    }
    StoreReport {
        store: name,
        step: Store::last_step(),
        contents,
    }
}

/// What the tables of the store have still to go through, in order; empty when it is of this version. Changes nothing.
///
/// # Errors
/// [`Error::StoreTooNew`], and those of opening it.
pub async fn migration_plan(settings: &IssuerSettings) -> Result<Vec<StoreStep>, Error> {
    let ahead = Store::steps_ahead(settings.place(), settings.sealing_keys()).await?;
    let step = |(version, brings)| StoreStep { version, brings };
    Ok(ahead.into_iter().map(step).collect())
}

/// Brings the store up to date, as the next start of an issuer would; one that is not there is made, empty.
///
/// # Errors
/// Those of opening it.
pub async fn migrate_store(settings: &IssuerSettings) -> Result<(), Error> {
    let store = Store::open(settings.place(), settings.sealing_keys()).await?;
    store.close().await;
    Ok(())
}

/// Writes all that the store holds at one moment into the new file `to`, sealed with the key of the store, for the owner alone (mode 0600).
/// An issuer may run meanwhile.
///
/// The report is that of [`check_store`], of the same store right after: a backup of what an issuer would refuse is one too, and may be all that there
/// is, but nobody should take it for a good one.
///
/// # Errors
/// [`Error::StoreMissing`], [`Error::File`] when the file is there already or cannot be written, and those of opening the store.
pub async fn backup_store(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    to: &Path,
) -> Result<StoreReport, Error> {
    let store = Store::open_existing(settings.place(), settings.sealing_keys()).await?;
    let written = store.to_backup().await;
    let written = written.and_then(|text| backup_file::write(to, text.as_bytes()));
    let report = match written {
        Ok(()) => Ok(report(&store, settings.store_name(), clock).await),
        Err(error) => Err(error),
    };
    store.close().await;
    report
}

/// Makes the store of what [`backup_store`] has written into `from`: the other database too, so that a store moves from a file into
/// PostgreSQL or back. The store must be empty, or not there. An issuer starts on it as on the one that was copied.
///
/// # Errors
/// [`Error::StoreNotEmpty`], [`Error::Backup`], [`Error::File`], and those of opening and writing the store, which then is empty still.
pub async fn restore_store(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    from: &Path,
) -> Result<StoreReport, Error> {
    let text = backup_file::read(from)?;
    let store = Store::from_backup(settings.place(), settings.sealing_keys(), &text).await?;
    store.close().await;
    check_store(settings, clock).await
}
