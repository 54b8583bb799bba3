//! `hallpass client export`: clients of the issuer's store as a file that `client set` and `apply` take.

use clap::Args;
use hallpass_issuer::{StoredClient, exported_clients};

use crate::issuer_store::{IssuerStore, clock};
use crate::output::{self, Exit, Failure};
use crate::runtime;

/// Print clients of the issuer's store as YAML
///
/// In the form of the configuration, so that `hallpass client add`, `set` and `hallpass apply` take it. There is no secret in it: those of the store are
/// kept as digests, and these stand in it only with `--with-digests`, for another issuer that is to know the same secrets.
#[derive(Args, Debug)]
pub(crate) struct ClientExport {
    /// Their names; default: all.
    #[arg(value_name = "CLIENT-ID")]
    client_ids: Vec<String>,
    /// Print the digests of secrets too: who has the digest of a secret that a person chose can try out guesses.
    #[arg(long)]
    with_digests: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: IssuerStore,
}

impl ClientExport {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.store.settings()?;
        let clock = clock();
        let exported = exported_clients(&settings, &clock, &self.client_ids, self.with_digests);
        let exported = runtime::block_on(exported)?;
        let exported = exported.map_err(|error| Failure::issuer(&error))?;
        let text = match self.json {
            true => exported.to_json(),
            false => exported.to_yaml(),
        };
        output::print_line(text.trim_end())?;
        for StoredClient {
            client_id, problem, ..
        } in exported.unreadable()
        {
            let problem = problem.as_deref().unwrap_or_default();
            output::complain(&format!("left out: {client_id}: {problem}"));
        }
        Ok(Exit::Ok)
    }
}
