//! `hallpass client add`: registers a client in the issuer's store.

use std::path::PathBuf;

use clap::Args;
use hallpass_issuer::{AddedClient, add_client};

use crate::client_change::{read_text, show_new};
use crate::issuer_store::IssuerStore;
use crate::output::{Exit, Failure};
use crate::store_change::Changes;

/// Register a client in the issuer's store
///
/// The file has the form of the issuer's configuration, with one entry of `issuer.clients` and nothing else, or is that list itself; each key of
/// an entry counts as it does there. A client that proves itself by a secret and has none in the file gets one, which is printed once. A running
/// issuer follows within a third of a second.
#[derive(Args, Debug)]
pub(crate) struct ClientAdd {
    /// The YAML file with the client.
    #[arg(long, value_name = "FILE")]
    from_file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: IssuerStore,
}

impl ClientAdd {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let (name, text) = read_text(&self.from_file)?;
        let (store, changes) = (self.store.to_change()?, Changes::of("client_add"));
        let show = |added: &AddedClient| {
            let id = added.client_id.as_ref();
            changes.are([("client_add", id.to_owned())]);
            show_new(self.json, id, added.client_secret.as_ref(), None)
        };
        let text = (&*name, text.expose());
        let adding = add_client(&store.settings, &store.clock, text, show);
        store.make(&changes, adding)?;
        Ok(Exit::Ok)
    }
}
