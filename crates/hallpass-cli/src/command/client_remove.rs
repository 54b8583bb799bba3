//! `hallpass client remove`: takes a client out of the issuer's store.

use clap::Args;
use hallpass_issuer::remove_client;

use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::runtime;

/// Take a client out of the issuer's store
///
/// It gets no token from then on, from a running issuer within a third of a second. Tokens that it has are good until they end:
/// `hallpass revoke --client` takes them back.
#[derive(Args, Debug)]
pub(crate) struct ClientRemove {
    /// Its name.
    #[arg(value_name = "CLIENT-ID", allow_hyphen_values = true)]
    client_id: String,
    #[command(flatten)]
    store: IssuerStore,
}

impl ClientRemove {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let removed = runtime::block_on(remove_client(&settings, &self.client_id))?;
        let id = &self.client_id;
        match removed.map_err(|error| Failure::issuer(&error))? {
            true => output::print_line(&format!("removed    {id}"))?,
            false => {
                return Err(Failure::failed(format_args!(
                    "the store has no client {id}"
                )));
            }
        }
        Ok(Exit::Ok)
    }
}
