//! `hallpass store backup`: a store in one sealed file.

use std::path::PathBuf;

use clap::Args;
use hallpass_issuer::backup_store;

use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::runtime;

/// Write all that the store holds into one sealed file
///
/// As it is at one moment, beside a running issuer or without one. The file opens with the key that seals the store: keep that apart from it.
#[derive(Args, Debug)]
pub(crate) struct StoreBackup {
    /// The file, which must not be there yet (mode 0600).
    #[arg(value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    store: IssuerStore,
}

impl StoreBackup {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let written = runtime::block_on(backup_store(&settings, &self.to))?;
        written.map_err(|error| Failure::issuer(&error))?;
        output::print_line(&format!("written    {}", self.to.display()))?;
        Ok(Exit::Ok)
    }
}
