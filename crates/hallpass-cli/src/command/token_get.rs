//! `hallpass token get`: a service token, for a shell.

use std::path::PathBuf;

use clap::Args;
use hallpass::Hallpass;
use hallpass::Settings;
use hallpass::client::IssuedToken;
use hallpass::config::Loader;
use hallpass::token::{Audience, Scope};
use serde::Serialize;

use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::settings::{self, CallerArguments};

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
    caller: CallerArguments,
    /// The token endpoint.
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// The client that asks for the token.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A file with the client's secret.
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// The service that the token is for.
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<Audience>,
    /// What it should allow; several in one argument with spaces between.
    #[arg(long, value_name = "SCOPE")]
    scope: Option<Scope>,
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
        let loader = self.caller.loader();
        let mut settings = settings::load(&self.flags(loader))?
            .into_settings()
            .service
            .beside_the_service();
        // One token is got, and none is kept.
        if let Some(tokens) = &mut settings.internal_token.token_service {
            let others = tokens.clients.iter_mut().map(|it| &mut it.credential);
            for credential in std::iter::once(&mut tokens.credential).chain(others) {
                credential.revocations_url = None;
            }
        }
        let hallpass = Hallpass::from_settings(&settings).map_err(Failure::usage)?;
        let audience = self.audience(&settings)?;
        let scope = self.scope.clone().unwrap_or_else(Scope::empty);
        let token =
            runtime::block_on(async { hallpass.tokens().handle(&audience, &scope).token().await })?;
        print(&token.map_err(Failure::failed)?, self.json)?;
        Ok(Exit::Ok)
    }

    fn flags(&self, loader: Loader) -> Loader {
        let secret_file = self
            .client_secret_file
            .as_ref()
            .map(|path| path.display().to_string());
        let flags = [
            ("token-url", self.token_url.clone()),
            ("client-id", self.client_id.clone()),
            ("client-secret-file", secret_file),
            ("scope", self.scope.as_ref().map(ToString::to_string)),
            ("audience", self.audience.as_ref().map(ToString::to_string)),
        ];
        flags
            .into_iter()
            .fold(loader, |loader, (key, value)| match value {
                Some(value) => loader.flag(format!("internal-token.{key}"), value),
                None => loader,
            })
    }

    fn audience(&self, settings: &Settings) -> Result<Audience, Failure> {
        if let Some(audience) = &self.audience {
            return Ok(audience.clone());
        }
        let Some(section) = &settings.internal_token.token_service else {
            return Err(Failure::usage(
                "there is no `internal-token` section: give --config, or --token-url and the other options",
            ));
        };
        let configured = section.credential.audience.clone();
        configured.ok_or_else(|| Failure::usage("give --audience: none is configured"))
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
