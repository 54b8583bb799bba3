//! Configuration for the commands that take one.

use std::fs;
use std::path::Path;

use hallpass::config::{IssuerSettings, Loaded, Loader, Settings, detect_prefix};

use crate::output::Failure;

/// The prefix unless a file says otherwise.
const DEFAULT_PREFIX: &str = "hallpass";

/// A loader for `file` with the environment of this process; flags may be added to it.
///
/// Without `prefix`, the first known prefix that the file has at its top counts, `hallpass` when it has none.
pub(crate) fn loader(file: Option<&Path>, prefix: Option<&str>) -> Loader {
    let prefix = prefix.unwrap_or_else(|| file.and_then(detect).unwrap_or(DEFAULT_PREFIX));
    let mut loader = Loader::new(prefix).process_environment();
    if let Some(file) = file {
        loader = loader.file(file);
    }
    loader
}

/// Loads everything, or says all that is wrong with it.
///
/// # Errors
/// A usage failure with a line for each problem.
pub(crate) fn load(loader: &Loader) -> Result<Loaded<Settings>, Failure> {
    loader.load::<Settings>().map_err(Failure::usage)
}

/// The `issuer` section of `file`; without a file the defaults, changed by the environment.
///
/// # Errors
/// A usage failure, also when the file has no such section.
pub(crate) fn issuer(file: Option<&Path>, prefix: Option<&str>) -> Result<IssuerSettings, Failure> {
    let section = load(&loader(file, prefix))?.into_settings().issuer;
    match (section, file) {
        (Some(section), _) => Ok(section),
        (None, None) => Ok(IssuerSettings::default()),
        (None, Some(file)) => Err(Failure::usage(format_args!(
            "{}: there is no `issuer` section",
            file.display()
        ))),
    }
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
