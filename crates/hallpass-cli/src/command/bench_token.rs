//! `hallpass bench token`: load for a token endpoint.

use std::sync::Arc;

use clap::Args;
use hallpass::Hallpass;
use hallpass::Settings;
use hallpass::client::{Credential, TokenAsker, TokenError};
use hallpass::token::Audience;

use crate::load::{self, Ended, LoadArguments, of_transport};
use crate::output::{Exit, Failure};
use crate::runtime;
use crate::token_client::TokenClientArguments;

/// Ask a token endpoint for tokens at a constant rate, and say how long that takes
///
/// Each call asks for a token (`client_credentials`) as the client of `--config` or of the other options, with whatever proves who that is there; nothing is
/// kept, joined or attempted twice. How many answers there were by status, what failed, and times from the planned moment of each call and from
/// its sending. It loads the issuer, and each token stands in the audit log there.
///
/// The secret comes from a file or the environment (`HALLPASS_INTERNAL_TOKEN_CLIENT_SECRET`), and is never an option: every user of the machine could read it there.
///
/// Exit codes: 0 as it should be, 1 calls did not go well (`--fail-over`), or took too long (`--p99-below`).
#[derive(Args, Debug)]
pub(crate) struct BenchToken {
    #[command(flatten)]
    client: TokenClientArguments,
    #[command(flatten)]
    load: LoadArguments,
}

impl BenchToken {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        self.load.check()?;
        let settings = self.client.settings()?;
        let audience = self.client.audience(&settings)?;
        let hallpass = Hallpass::from_settings(&settings).map_err(Failure::usage)?;
        let (credential, target) =
            credential(&hallpass, &settings, &audience).ok_or_else(|| {
                Failure::usage("`internal-token` is switched off, or names no client")
            })?;
        let asker = TokenAsker::new(credential, hallpass.network(), self.load.timeout);
        let asked = Arc::new((asker, audience, self.client.scope()));
        let call = move || {
            let asked = Arc::clone(&asked);
            async move {
                let (asker, audience, scope) = &*asked;
                match asker.ask(audience, scope).await {
                    Ok(()) => Ended::Answered(200),
                    Err(error) => of_token(&error),
                }
            }
        };
        runtime::block_on(load::run(&self.load, &target, call))?
    }
}

/// The client that the service would ask as for this audience, and where.
fn credential(
    hallpass: &Hallpass,
    settings: &Settings,
    audience: &Audience,
) -> Option<(Credential, String)> {
    let tokens = settings.internal_token.token_service.as_ref()?;
    let mut clients = tokens.clients.iter();
    let named = clients.find(|it| it.credential.audience.as_ref() == Some(audience));
    let (name, of) = match named {
        Some(client) if tokens.credential.audience.as_ref() != Some(audience) => {
            (Some(client.name.as_str()), &client.credential)
        }
        _ => (None, &tokens.credential),
    };
    let credential = hallpass.tokens().credential(name)?;
    Some((credential, of.token_url.to_string()))
}

fn of_token(error: &TokenError) -> Ended {
    match error {
        TokenError::Denied { status, .. } | TokenError::Status { status } => {
            Ended::Answered(*status)
        }
        TokenError::Unreachable(error) => of_transport(error),
        TokenError::Response(_) => Ended::Failed("unusable_response"),
        other => Ended::Failed(other.code()),
    }
}
