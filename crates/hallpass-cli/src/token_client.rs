//! Who asks for service tokens, and for what: the options of commands that do as a service would.

use std::path::PathBuf;

use clap::Args;
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::token::{Audience, Scope};

use crate::output::Failure;
use crate::settings::{self, CallerArguments};

/// A client, from options, environment and file. The secret is never an option: every user of the machine could read it there.
#[derive(Args, Debug)]
pub(crate) struct TokenClientArguments {
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
}

impl TokenClientArguments {
    /// The settings of a service, for a process beside it that asks as it does and follows no revocations.
    ///
    /// # Errors
    /// A usage failure: they cannot be used.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = settings::load(&self.flags(self.caller.loader()))?
            .into_settings()
            .service
            .beside_the_service();
        if let Some(tokens) = &mut settings.internal_token.token_service {
            let others = tokens.clients.iter_mut().map(|it| &mut it.credential);
            for credential in std::iter::once(&mut tokens.credential).chain(others) {
                credential.revocations_url = None;
            }
        }
        Ok(settings)
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

    /// The service that a token is for.
    ///
    /// # Errors
    /// A usage failure: neither an option nor the settings say so.
    pub(crate) fn audience(&self, settings: &Settings) -> Result<Audience, Failure> {
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

    /// Whether a token is asked for at all, where that is not a matter of course.
    pub(crate) const fn asks(&self) -> bool {
        self.audience.is_some()
    }

    /// What a token should allow; empty for what is configured.
    pub(crate) fn scope(&self) -> Scope {
        self.scope.clone().unwrap_or_else(Scope::empty)
    }
}
