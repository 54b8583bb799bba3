//! The issuer's store, for the commands that work on it while the issuer runs or not.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use hallpass::clock::{Clock, SystemClock};
use hallpass_issuer::IssuerSettings;

use crate::output::Failure;
use crate::settings::ConfigArguments;

/// Which store.
#[derive(Args, Clone, Debug)]
pub(crate) struct IssuerStore {
    #[command(flatten)]
    config: ConfigArguments,
    /// The issuer's store; default: the one in the configuration.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

impl IssuerStore {
    /// The settings of the issuer whose store it is.
    ///
    /// # Errors
    /// Those of the configuration.
    pub(crate) fn settings(&self) -> Result<IssuerSettings, Failure> {
        let mut settings = self.config.issuer()?;
        if let Some(store) = &self.store {
            settings.use_store_file(store);
        }
        Ok(settings)
    }
}

/// The clock of this machine.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}
