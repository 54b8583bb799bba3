//! `hallpass ca distrust`: a certificate authority leaves the bundle at once.

use clap::Args;
use hallpass_issuer::distrust_authority;

use super::ca_list::line;
use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::store_change::Changes;

/// Take a certificate authority out of the bundle at once, and delete it
///
/// For one whose private key somebody has. Peers refuse what it has signed as soon as they have fetched the bundle anew, and who has such a
/// certificate needs another one. When it signed, the announced one signs from now on, or else a new one.
#[derive(Args, Debug)]
pub(crate) struct CaDistrust {
    #[command(flatten)]
    store: IssuerStore,
    /// Its name, as `hallpass ca list` shows it.
    id: String,
}

impl CaDistrust {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let store = self.store.to_change()?;
        let signs = distrust_authority(&store.settings, &store.clock, &self.id);
        let signs = store.make(&Changes::to("ca_distrust", &self.id), signs)?;
        output::print_line(&line(&signs))?;
        Ok(Exit::Ok)
    }
}
