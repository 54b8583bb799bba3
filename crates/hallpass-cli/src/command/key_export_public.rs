//! `hallpass key export-public`: the key set, for verifiers that cannot fetch it.

use clap::Args;
use hallpass_issuer::public_keys;

use crate::issuer_store::IssuerStore;
use crate::output::{self, Exit, Failure};
use crate::runtime;

/// Print the public keys as a JWK set
///
/// What the issuer serves at `/oauth2/jwks`, for verifiers that read a file. They need it anew at each rotation.
#[derive(Args, Debug)]
pub(crate) struct KeyExportPublic {
    #[command(flatten)]
    store: IssuerStore,
}

impl KeyExportPublic {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let keys = runtime::block_on(public_keys(&settings))?;
        output::print_line(&keys.map_err(|error| Failure::issuer(&error))?)?;
        Ok(Exit::Ok)
    }
}
