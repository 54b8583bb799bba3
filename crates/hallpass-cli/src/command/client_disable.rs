//! `hallpass client disable`: lets a client of the issuer's store get no token any more.

use clap::Args;
use hallpass_issuer::ClientChangeRequest;

use crate::client_change::ChangeArguments;
use crate::output::{Exit, Failure};

/// Let a client of the issuer's store get no token any more
///
/// It is refused as if there were no such client. What it has got ends too: its tokens are put onto the deny-list, which services that follow the issuer
/// hold within a second, and its refresh tokens bring nothing any more, also when it is enabled again. Its registration and its secrets stay.
#[derive(Args, Debug)]
pub(crate) struct ClientDisable {
    /// Its name.
    #[arg(value_name = "CLIENT-ID", allow_hyphen_values = true)]
    client_id: String,
    /// Leave what it has got until its end.
    #[arg(long)]
    keep_tokens: bool,
    #[command(flatten)]
    change: ChangeArguments,
}

impl ClientDisable {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let request = ClientChangeRequest::Disable {
            client_id: &self.client_id,
            keeps_tokens: self.keep_tokens,
        };
        self.change.run("disabled", request)
    }
}
