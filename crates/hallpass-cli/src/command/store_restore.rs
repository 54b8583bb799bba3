//! `hallpass store restore`: a store of a backup.

use std::path::PathBuf;

use clap::Args;
use hallpass_issuer::restore_store;

use crate::command::store_check;
use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::store_change::Changes;

/// Make the store of a backup
///
/// The store must be empty, or not there; it may be of the other kind, so that one moves from a file into PostgreSQL or back. What was revoked
/// or removed since the backup counts again: revoke it once more.
#[derive(Args, Debug)]
pub(crate) struct StoreRestore {
    /// What `hallpass store backup` has written.
    #[arg(value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    store: IssuerStore,
}

impl StoreRestore {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let store = self.store.to_change()?;
        let changes = Changes::to("store_restore", store.settings.store_name());
        let restored = restore_store(&store.settings, &store.clock, &self.from);
        let report = store.make(&changes, restored)?;
        output::print_line(&store_check::text(&report))?;
        Ok(match report.contents.problems.is_empty() {
            true => Exit::Ok,
            false => Exit::NotValid,
        })
    }
}
