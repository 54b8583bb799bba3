//! `hallpass client set`: replaces what a client of the issuer's store is registered for.

use std::path::PathBuf;

use clap::Args;
use hallpass_issuer::ClientChangeRequest;

use crate::client_change::{ChangeArguments, read_text};
use crate::output::{Exit, Failure};

/// Replace what a client of the issuer's store is registered for
///
/// All of it: what the file does not say is at its default afterwards. The client keeps its secrets, unless the file has digests of others; one that
/// comes to prove itself by a key loses them. The file is as for `hallpass client add`, and `hallpass client export` writes one.
#[derive(Args, Debug)]
pub(crate) struct ClientSet {
    /// The YAML file with the client.
    #[arg(long, value_name = "FILE")]
    from_file: PathBuf,
    #[command(flatten)]
    change: ChangeArguments,
}

impl ClientSet {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let (name, text) = read_text(&self.from_file)?;
        let request = ClientChangeRequest::Set {
            text: (&name, text.expose()),
        };
        self.change.run("changed", request)
    }
}
