//! Configuration for the commands that take one.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use hallpass::config::{IssuerSettings, Loaded, Loader, Settings, detect_prefix};

use crate::output::Failure;

/// The prefix unless a file says otherwise.
const DEFAULT_PREFIX: &str = "hallpass";

/// Where a command's configuration comes from: declared once, flattened into every command that reads one.
#[derive(Args, Debug)]
pub(crate) struct ConfigArguments {
    /// The YAML file with the configuration; without one, defaults and the environment.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    prefix: PrefixArgument,
}

/// The key that a configuration stands under.
#[derive(Args, Debug)]
pub(crate) struct PrefixArgument {
    /// The key that everything stands under; default: `hallpass` or `scccy`, whichever the file has.
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
        let section = load(&self.loader())?.into_settings().issuer;
        match (section, &self.config) {
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
    /// Whether the command line says it.
    pub(crate) const fn is_given(&self) -> bool {
        self.config_prefix.is_some()
    }

    /// A loader for `file` with the environment of this process.
    ///
    /// Unless given, the first known prefix that `file` has at its top counts, `hallpass` when it has none.
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

/// Loads everything, or says all that is wrong with it.
///
/// # Errors
/// A usage failure with a line for each problem.
pub(crate) fn load(loader: &Loader) -> Result<Loaded<Settings>, Failure> {
    loader.load::<Settings>().map_err(Failure::usage)
}

/// The first known prefix that `file` has at its top.
pub(crate) fn detect(file: &Path) -> Option<&'static str> {
    // A file that can not be read is reported by the loader.
    let text = fs::read_to_string(file).unwrap_or_default();
    detect_prefix(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(text: &str) -> Option<&'static str> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        detect(file.path())
    }

    #[test]
    fn the_prefix_is_read_off_the_file() {
        assert_eq!(detected("scccy:\n  internal-token:\n"), Some("scccy"));
        assert_eq!(
            detected("other: {}\nhallpass:\n  scccy: 1\nscccy:\n"),
            Some("hallpass")
        );
        assert_eq!(detected("scccyx: 1\n"), None);
        assert_eq!(detect(Path::new("/nowhere")), None);
    }
}
