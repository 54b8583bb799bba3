//! `hallpass client enable`: lets a disabled client of the issuer's store get tokens again.

use clap::Args;
use hallpass_issuer::ClientChangeRequest;

use crate::client_change::ChangeArguments;
use crate::output::{Exit, Failure};

/// Let a disabled client of the issuer's store get tokens again
///
/// By the secrets that it has, as far as they have not ended. What it had got before it was disabled does not come back.
#[derive(Args, Debug)]
pub(crate) struct ClientEnable {
    /// Its name.
    #[arg(value_name = "CLIENT-ID", allow_hyphen_values = true)]
    client_id: String,
    #[command(flatten)]
    change: ChangeArguments,
}

impl ClientEnable {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let request = ClientChangeRequest::Enable {
            client_id: &self.client_id,
        };
        self.change.run("enabled", request)
    }
}
