//! `hallpass key taint`: a key that somebody else may have.

use clap::Args;
use hallpass_issuer::taint_key;

use crate::issuer_store::{IssuerStore, clock};
use crate::output::{self, Exit, Failure};
use crate::runtime;

/// Withdraw a key in an emergency: what it signed counts no more
///
/// The key leaves the key set and never signs again; its private half is deleted. When it signed, an announced key, or a
/// new one, signs from now on. Services ask for new tokens by themselves. There is no way back.
#[derive(Args, Debug)]
pub(crate) struct KeyTaint {
    /// The name of the key (`kid`), as `hallpass key list` shows it.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    #[command(flatten)]
    store: IssuerStore,
}

impl KeyTaint {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let clock = clock();
        let tainted = runtime::block_on(taint_key(&settings, &clock, &self.kid))?;
        let successor = tainted.map_err(|error| Failure::issuer(&error))?;
        let mut lines = vec![format!("tainted    {}", self.kid)];
        if let Some(key) = successor {
            let line = format!("{:<9}  {:<6}  {}", key.state, key.algorithm, key.key_id);
            lines.push(line);
        }
        output::print_line(&lines.join("\n"))?;
        Ok(Exit::Ok)
    }
}
