//! `hallpass store migrate`: brings a store up to date.

use clap::Args;
use hallpass_issuer::{migrate_store, migration_plan};

use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::store_change::Changes;

/// Bring the store up to date, as the next start of the issuer would
///
/// Says what its tables go through, and then does it; a store that is not there is made. An older version does not open it afterwards: make a
/// backup first.
#[derive(Args, Debug)]
pub(crate) struct StoreMigrate {
    #[command(flatten)]
    store: IssuerStore,
    /// Only say what would be done.
    #[arg(long)]
    plan: bool,
}

impl StoreMigrate {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let store = self.store.to_change()?;
        let plan = runtime::block_on(migration_plan(&store.settings))?;
        let plan = plan.map_err(|error| Failure::issuer(&error))?;
        for step in &plan {
            output::print_line(&format!("step       {}  {}", step.version, step.brings))?;
        }
        if !self.plan {
            let changes = Changes::to("store_migrate", store.settings.store_name());
            store.make(&changes, migrate_store(&store.settings))?;
        }
        output::print_line(match (plan.is_empty(), self.plan) {
            (true, _) => "up to date",
            (false, true) => "nothing was done: leave out --plan",
            (false, false) => "done",
        })?;
        Ok(Exit::Ok)
    }
}
