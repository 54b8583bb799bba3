//! `hallpass client delete`: takes a client out of the issuer's store.

use clap::Args;
use hallpass_issuer::ClientChangeRequest;

use crate::client_change::ChangeArguments;
use crate::output::{Exit, Failure};

/// Take a client out of the issuer's store
///
/// It gets no token from then on, from a running issuer within a third of a second, and what it has got ends as with `hallpass client disable`.
#[derive(Args, Debug)]
pub(crate) struct ClientDelete {
    /// Its name.
    #[arg(value_name = "CLIENT-ID", allow_hyphen_values = true)]
    client_id: String,
    /// Leave what it has got until its end.
    #[arg(long)]
    keep_tokens: bool,
    #[command(flatten)]
    change: ChangeArguments,
}

impl ClientDelete {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let request = ClientChangeRequest::Delete {
            client_id: &self.client_id,
            keeps_tokens: self.keep_tokens,
        };
        self.change.run("deleted", request)
    }
}
