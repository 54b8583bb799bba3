//! Configuration for the commands that take one.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use hallpass::Settings;
use hallpass::config::{Configuration, Key, Loaded, Loader, Section, detect_prefix};
use hallpass_issuer::IssuerSettings;

use crate::output::{self, Failure};

/// The prefix when a file has none of the known ones.
const DEFAULT_PREFIX: &str = "hallpass";

/// Every section there is: those of a service, and the issuer's.
#[derive(Debug)]
pub(crate) struct Everything {
    /// What a service reads.
    pub(crate) service: Settings,
    /// `issuer`; `None` when the section is absent.
    pub(crate) issuer: Option<IssuerSettings>,
}

impl Configuration for Everything {
    fn keys() -> Vec<Key> {
        [Settings::keys(), IssuerSettings::keys()].concat()
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let service = Settings::read(root);
        let issuer = root
            .section("issuer")
            .is_given()
            .then(|| IssuerSettings::read(root));
        Some(Self {
            service: service?,
            issuer: issuer.map_or(Some(None), |issuer| issuer.map(Some))?,
        })
    }
}

/// Where a command's configuration comes from: declared once, flattened into every command that reads one.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConfigArguments {
    /// The YAML file with the configuration; without one, defaults and the environment.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    prefix: PrefixArgument,
}

/// The top-level key of a configuration.
#[derive(Args, Clone, Debug)]
pub(crate) struct PrefixArgument {
    /// The top-level key of the configuration; default: `hallpass` or `scccy`, whichever the file has.
    #[arg(long, value_name = "PREFIX")]
    config_prefix: Option<String>,
}

impl ConfigArguments {
    /// A loader for the file with the environment of this process; flags may be added to it.
    pub(crate) fn loader(&self) -> Loader {
        self.prefix.loader(self.config.as_deref())
    }

    /// The `issuer` section of the file; without a file the defaults, changed by the environment.
    ///
    /// # Errors
    /// A usage failure, also when the file has no such section.
    pub(crate) fn issuer(&self) -> Result<IssuerSettings, Failure> {
        self.issuer_of(load(&self.loader())?.into_settings())
    }

    /// The `issuer` section of what was loaded for these arguments.
    ///
    /// # Errors
    /// A usage failure when a file was given and has no such section.
    pub(crate) fn issuer_of(&self, everything: Everything) -> Result<IssuerSettings, Failure> {
        match (everything.issuer, &self.config) {
            (Some(section), _) => Ok(section),
            (None, None) => Ok(IssuerSettings::default()),
            (None, Some(file)) => Err(Failure::usage(format_args!(
                "{}: there is no `issuer` section",
                file.display()
            ))),
        }
    }
}

impl PrefixArgument {
    /// Whether the command line gives it.
    pub(crate) const fn is_given(&self) -> bool {
        self.config_prefix.is_some()
    }

    /// A loader for `file` with the environment of this process.
    ///
    /// Unless given, the first known prefix at the top of `file` is used, or `hallpass` when it has none.
    pub(crate) fn loader(&self, file: Option<&Path>) -> Loader {
        let prefix = self.config_prefix.as_deref();
        let prefix = prefix.unwrap_or_else(|| file.and_then(detect).unwrap_or(DEFAULT_PREFIX));
        let loader = Loader::new(prefix).process_environment();
        match file {
            Some(file) => loader.file(file),
            None => loader,
        }
    }
}

/// Loads everything, or reports everything that is wrong with it. Warnings go to standard error.
///
/// # Errors
/// A usage failure with a line for each problem.
pub(crate) fn load(loader: &Loader) -> Result<Loaded<Everything>, Failure> {
    let loaded: Loaded<Everything> = loader.load().map_err(Failure::usage)?;
    for warning in loaded.warnings() {
        output::complain(&format!("warning: {warning}"));
    }
    Ok(loaded)
}

/// The first known prefix that `file` has at its top.
pub(crate) fn detect(file: &Path) -> Option<&'static str> {
    // A file that cannot be read is reported by the loader.
    let text = fs::read_to_string(file).unwrap_or_default();
    detect_prefix(&text)
}

#[cfg(test)]
mod tests;
