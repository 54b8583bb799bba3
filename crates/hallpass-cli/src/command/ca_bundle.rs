//! `hallpass ca bundle`: what peers trust.

use clap::Args;
use hallpass_issuer::authority_bundle;

use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::runtime;

/// Print the certificates of all certificate authorities as PEM
///
/// What the issuer serves at `/ca/v1/bundle`, for those who trust its certificates. They need it anew at each rotation.
#[derive(Args, Debug)]
pub(crate) struct CaBundle {
    #[command(flatten)]
    store: IssuerStore,
}

impl CaBundle {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let bundle = runtime::block_on(authority_bundle(&settings))?;
        let bundle = bundle.map_err(|error| Failure::issuer(&error))?;
        output::print_line(bundle.trim_end())?;
        Ok(Exit::Ok)
    }
}
