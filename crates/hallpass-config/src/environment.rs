//! The environment of the process, for programs that are configured by it alone.

use std::str::FromStr;
use std::time::Duration;

use hallpass_token::SealedValue;

use crate::files;
use crate::place::{Place, Source};
use crate::placeholder::{NOT_TEXT, Variables, is_text};
use crate::problem::Problems;
use crate::report::Report;
use crate::secret::Secret;

/// Environment variables, read through a getter for each type.
///
/// A getter returns `None` when the variable is absent or wrong, and notes what is wrong. So a program first reads
/// all variables and then builds its settings: no problem hides another. An empty variable counts as absent.
///
/// ```
/// use std::net::SocketAddr;
/// use std::time::Duration;
/// use hallpass_config::environment::Environment;
///
/// struct Settings {
///     listen: SocketAddr,
///     leeway: Duration,
/// }
///
/// let environment = Environment::of([("LISTEN", "127.0.0.1:8080")]);
/// let settings = environment.read(|variables| {
///     let listen = variables.required("LISTEN", "an IP address and a port");
///     let leeway = variables.seconds_or("LEEWAY", Duration::from_secs(10));
///     Some(Settings { listen: listen?, leeway: leeway? })
/// })?;
/// assert_eq!(settings.leeway, Duration::from_secs(10));
/// # assert_eq!(settings.listen.port(), 8080);
/// # Ok::<(), hallpass_config::Problems>(())
/// ```
#[derive(Debug)]
pub struct Environment {
    variables: Variables,
    source: Place,
    report: Report,
}

impl Environment {
    /// The environment of this process. A variable that is asked for and is not UTF-8 is a problem.
    #[must_use]
    pub fn process() -> Self {
        Self::of(process_variables())
    }

    /// An environment made of these variables.
    pub fn of<N, V>(variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let variables = variables.into_iter();
        let variables = variables.map(|(name, value)| (name.into(), Secret::new(value)));
        Self {
            variables: variables.collect(),
            source: Place::whole(&Source::literal("environment".to_owned(), 0)),
            report: Report::default(),
        }
    }

    /// Reads settings with `build`.
    ///
    /// # Errors
    /// Everything that the getters found wrong, even when `build` returned a value.
    pub fn read<T>(self, build: impl FnOnce(&Self) -> Option<T>) -> Result<T, Problems> {
        let settings = build(&self);
        match settings {
            Some(settings) => self.report.finish().map(|_| settings),
            None => {
                if self.report.is_empty() {
                    self.problem("", "does not hold all that is needed");
                }
                Err(self.report.into_problems())
            }
        }
    }

    /// A variable that may be absent. `what` says in a problem what it should be: "a URL".
    pub fn optional<T: FromStr>(&self, name: &str, what: &str) -> Option<T> {
        let parsed = self.get(name)?.expose().parse();
        if parsed.is_err() {
            // The error of a foreign type may repeat the text, so it is not shown.
            self.problem(name, &format!("must be {what}"));
        }
        parsed.ok()
    }

    /// A variable that must be there.
    pub fn required<T: FromStr>(&self, name: &str, what: &str) -> Option<T> {
        if self.get(name).is_none() {
            self.problem(name, &format!("is required: {what}"));
        }
        self.optional(name, what)
    }

    /// A variable that has a default.
    pub fn or<T: FromStr>(&self, name: &str, default: T, what: &str) -> Option<T> {
        match self.get(name) {
            Some(_) => self.optional(name, what),
            None => Some(default),
        }
    }

    /// A whole number of seconds that has a default.
    pub fn seconds_or(&self, name: &str, default: Duration) -> Option<Duration> {
        let seconds = self.or(name, default.as_secs(), "a whole number of seconds");
        seconds.map(Duration::from_secs)
    }

    /// A secret that must be there: in the variable itself, or in the file that `NAME_FILE` names, but not in both.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        let file_name = format!("{name}_FILE");
        match (self.get(name), self.get(&file_name)) {
            (Some(secret), None) if SealedValue::is_marked(secret.expose()) => {
                self.problem(name, "is sealed, which opens in a configuration alone");
                None
            }
            (Some(secret), None) => Some(secret.clone()),
            (None, Some(path)) => files::read_secret(path.expose().as_ref())
                .map_err(|error| self.problem(&file_name, &error.to_string()))
                .ok(),
            (None, None) => {
                self.problem(name, &format!("is required (or {file_name})"));
                None
            }
            (Some(_), Some(_)) => {
                self.problem(
                    &file_name,
                    &format!("contradicts {name}: give one of the two"),
                );
                None
            }
        }
    }

    fn get(&self, name: &str) -> Option<&Secret> {
        let value = self.variables.get(name).filter(|value| !value.is_empty())?;
        if !is_text(value) {
            self.problem(name, NOT_TEXT);
            return None;
        }
        Some(value)
    }

    fn problem(&self, name: &str, message: &str) {
        self.report.problem(&self.source, name, message);
    }
}

/// What the process was started with: the one place that reads it. A value that is not UTF-8 comes with replacement
/// characters in it, by which [`is_text`] knows it: passed over, it would let a file or a default decide in silence.
pub(crate) fn process_variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let value = value.to_string_lossy().into_owned();
        Some((name.into_string().ok()?, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_not_utf_8_is_a_problem_and_not_absent() {
        let environment = Environment::of([("NAME", "a\u{fffd}b")]);
        let problems = environment.read(|variables| variables.or("NAME", String::new(), "a text"));
        let problems = problems.unwrap_err().to_string();
        assert_eq!(problems, "environment: NAME: is not UTF-8 text");
    }

    #[test]
    fn all_problems_are_told_and_no_value_is() {
        let environment =
            Environment::of([("LEEWAY", "hunter2"), ("PORT", "99999"), ("EMPTY", "")]);
        let problems = environment
            .read(|variables| {
                let leeway = variables.seconds_or("LEEWAY", Duration::ZERO);
                let port: Option<u16> = variables.optional("PORT", "a port");
                let empty: Option<String> = variables.required("EMPTY", "a name");
                let secret = variables.secret("CLIENT_SECRET");
                Some((leeway?, port?, empty?, secret?))
            })
            .unwrap_err();
        assert_eq!(
            problems.to_string(),
            "environment: LEEWAY: must be a whole number of seconds\n\
             environment: PORT: must be a port\n\
             environment: EMPTY: is required: a name\n\
             environment: CLIENT_SECRET: is required (or CLIENT_SECRET_FILE)"
        );
    }

    #[test]
    fn a_problem_counts_even_if_settings_could_be_built() {
        let environment = Environment::of([("PORT", "x")]);
        let read = environment.read(|variables| Some(variables.optional::<u16>("PORT", "a port")));
        assert_eq!(read.unwrap_err().len(), 1);
    }

    #[test]
    fn settings_that_were_not_built_are_an_error() {
        let none = Environment::of([("A", "b")]).read(|_| None::<()>);
        assert_eq!(
            none.unwrap_err().to_string(),
            "environment: does not hold all that is needed"
        );
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret\n").unwrap();
        let path = file.path().to_str().unwrap();
        let secret = Environment::of([("S_FILE", path)]).read(|variables| variables.secret("S"));
        assert_eq!(secret.unwrap().expose(), "s3cret");

        let both = Environment::of([("S", "a"), ("S_FILE", path)]).read(|v| v.secret("S"));
        assert!(
            both.unwrap_err()
                .to_string()
                .contains("S_FILE: contradicts S")
        );
    }

    #[test]
    fn the_process_has_an_environment() {
        assert!(process_variables().count() > 0);
    }
}
