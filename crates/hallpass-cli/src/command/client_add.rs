//! `hallpass client add`: registers a client in the issuer's store.

use std::path::PathBuf;

use clap::Args;
use hallpass::config::files;
use hallpass_issuer::{AddedClient, add_client};

use crate::issuer_store::{IssuerStore, clock};
use crate::output::{self, Exit, Failure};
use crate::runtime;

/// Most bytes read of a registration.
const MAX_BYTES: usize = 64 * 1024;

/// Register a client in the issuer's store
///
/// The file has the form of the issuer's configuration, with one entry of `issuer.clients` and nothing else; each key of an entry
/// counts as it does there. A client that proves itself by a secret and has none in the file gets one, which is printed once. A running
/// issuer follows within a third of a second.
#[derive(Args, Debug)]
pub(crate) struct ClientAdd {
    /// The YAML file with the client.
    #[arg(long, value_name = "FILE")]
    from_file: PathBuf,
    #[command(flatten)]
    store: IssuerStore,
}

impl ClientAdd {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let name = self.from_file.display().to_string();
        let text = files::read_text(&self.from_file, MAX_BYTES)
            .map_err(|error| Failure::usage(format_args!("{name}: {error}")))?;
        let settings = self.store.settings()?;
        let show = |added: &AddedClient| {
            let id = format!("client-id:     {}", added.client_id);
            match &added.client_secret {
                Some(secret) => {
                    let secret = secret.expose();
                    output::show_secret(&format!("{id}\nclient-secret: {secret}"))
                }
                None => output::show_secret(&id),
            }
        };
        let clock = clock();
        let adding = add_client(&settings, &clock, (&name, &text), show);
        let added = runtime::block_on(adding)?;
        added.map_err(|error| Failure::issuer(&error))?;
        Ok(Exit::Ok)
    }
}
