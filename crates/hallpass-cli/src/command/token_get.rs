//! `hallpass token get`: a service token, for a shell.

use clap::Args;
use hallpass::Hallpass;
use hallpass::client::IssuedToken;
use serde::Serialize;

use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::token_client::TokenClientArguments;

/// Get a service token from the issuer
///
/// Asks the issuer as a service would (`client_credentials`) and prints the token alone on one line:
/// `curl -H "Authorization: Bearer $(hallpass token get ...)"`. Anyone who can read it can use it.
///
/// Options win over the environment (`HALLPASS_INTERNAL_TOKEN_...`), which wins over the file. The
/// secret is never an option: every user of the machine could read it there.
#[derive(Args, Debug)]
pub(crate) struct TokenGet {
    #[command(flatten)]
    client: TokenClientArguments,
    /// Print a JSON object (`access_token`, `token_type`, `expires_at`) in place of the token alone.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Output<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_at: u64,
}

impl TokenGet {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.client.settings()?;
        let hallpass = Hallpass::from_settings(&settings).map_err(Failure::usage)?;
        let audience = self.client.audience(&settings)?;
        let scope = self.client.scope();
        let token =
            runtime::block_on(async { hallpass.tokens().handle(&audience, &scope).token().await })?;
        print(&token.map_err(Failure::failed)?, self.json)?;
        Ok(Exit::Ok)
    }
}

fn print(token: &IssuedToken, json: bool) -> Result<(), Failure> {
    let access_token = token.access_token().expose();
    if json {
        let expires_at = token.expires_at().as_secs();
        output::print_json(&Output {
            access_token,
            token_type: token.token_type(),
            expires_at,
        })
    } else {
        output::print_line(access_token)
    }
}
