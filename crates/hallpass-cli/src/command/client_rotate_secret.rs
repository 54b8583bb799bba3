//! `hallpass client rotate-secret`: gives a client of the issuer's store another secret.

use std::time::Duration;

use clap::Args;
use hallpass_issuer::{ClientChangeRequest, SecretRotation};

use crate::client_change::ChangeArguments;
use crate::output::{Exit, Failure};
use crate::span;

/// Give a client of the issuer's store a new secret
///
/// It is printed this once. The present secret counts beside it for a day, or as long as `--overlap` says, so that the client can be given the new one
/// meanwhile: `hallpass client show` says when each was used last. Two secrets count at most: while the one from before the last rotation still does,
/// another rotation is refused, unless `--end-previous` ends it at once.
#[derive(Args, Debug)]
pub(crate) struct ClientRotateSecret {
    /// Its name.
    #[arg(value_name = "CLIENT-ID", allow_hyphen_values = true)]
    client_id: String,
    /// How long the present secret counts beside the new one, such as `90s`, `15m`, `12h` or `30d`; `0s` ends it at once, at most `90d`.
    #[arg(long, value_name = "TIME", value_parser = overlap, default_value = "24h")]
    overlap: Duration,
    /// End a secret from before the present one that still counts.
    #[arg(long)]
    end_previous: bool,
    #[command(flatten)]
    change: ChangeArguments,
}

impl ClientRotateSecret {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let request = ClientChangeRequest::RotateSecret {
            client_id: &self.client_id,
            rotation: SecretRotation {
                old_lives_for: self.overlap,
                end_previous: self.end_previous,
            },
        };
        self.change.run("rotated", request)
    }
}

fn overlap(text: &str) -> Result<Duration, &'static str> {
    let span = span::parse(text)?;
    match span <= SecretRotation::LONGEST {
        true => Ok(span),
        false => Err("must be 90d at most"),
    }
}
