//! Single values.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::{Complaint, Section, file_key};
use crate::duration;
use crate::files;
use crate::key::{Key, Kind};
use crate::name::{check_name, check_service_name};
use crate::percent::Percent;
use crate::secret::Secret;
use crate::suggest;

/// Which of two keys that say the same thing in two ways counts; see [`Section::prefer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preferred {
    /// The first.
    First,
    /// The second.
    Second,
}

impl Section<'_> {
    /// `true` or `false`, or one of the other words that Spring takes for them.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.read(key, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(Complaint::new("must be true or false")),
        })
    }

    /// A whole number within the bounds of its key, a [`Kind::Whole`]. One of seconds or milliseconds may be written as a
    /// duration of Spring too: `90s`, `9m`, `PT9M`.
    pub fn whole(&self, key: &str) -> Option<u64> {
        let Some(&Kind::Whole { unit, min, max }) = self.key(key).map(Key::kind) else {
            return None;
        };
        // Where Spring counts time, it takes durations too.
        let (short, example) = match unit {
            "seconds" => (Some("s"), ", or a duration such as 90s, 9m or PT9M"),
            "milliseconds" => (Some("ms"), ", or a duration such as 250ms, 3s or PT3S"),
            _ => (None, ""),
        };
        self.read(key, |text| {
            let number = match short {
                Some(short) => duration::whole_units(text, short),
                None => text.parse().ok(),
            };
            let number = number.filter(|number| (min..=max).contains(number));
            let of_unit = if unit.is_empty() {
                String::new()
            } else {
                format!(" of {unit}")
            };
            let message =
                || format!("must be a whole number{of_unit} from {min} to {max}{example}");
            number.ok_or_else(|| Complaint::new(message()))
        })
    }

    /// A whole number of 32 bits, within the bounds of its key.
    pub fn count(&self, key: &str) -> Option<u32> {
        self.whole(key)
            .and_then(|number| u32::try_from(number).ok())
    }

    /// A number of seconds within the bounds of its key.
    pub fn seconds(&self, key: &str) -> Option<Duration> {
        self.whole(key).map(Duration::from_secs)
    }

    /// A number of milliseconds within the bounds of its key.
    pub fn millis(&self, key: &str) -> Option<Duration> {
        self.whole(key).map(Duration::from_millis)
    }

    /// A percentage within the bounds of its key.
    pub fn percent(&self, key: &str) -> Option<Percent> {
        let number = self.whole(key)?;
        u8::try_from(number).ok().and_then(Percent::new)
    }

    /// A text that has a type of its own, whose error becomes the problem: it goes on after the key's path ("must not
    /// be empty") and **must not repeat the text**. For a type whose error does, use [`checked`](Self::checked).
    pub fn parsed<T>(&self, key: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.checked(key, str::parse)
    }

    /// A text that `check` turns into a value or complains of, without repeating the text.
    pub fn checked<T, E: Display>(
        &self,
        key: &str,
        check: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.read(key, |text| check(text).map_err(Complaint::new))
    }

    /// The name of somebody or something: not empty, not long, no control characters.
    pub fn name(&self, key: &str) -> Option<String> {
        self.checked(key, check_name)
    }

    /// The name of a service or of an entry of the configuration: letters, digits, `-`, `_` and `.`.
    pub fn service_name(&self, key: &str) -> Option<String> {
        self.checked(key, check_service_name)
    }

    /// An IP address and a port.
    pub fn socket_address(&self, key: &str) -> Option<SocketAddr> {
        let message = "must be an IP address and a port, such as 127.0.0.1:8080 or [::]:8080";
        self.checked(key, |text| text.parse().map_err(|_| message))
    }

    /// One of the names that its key, a [`Kind::Choice`], allows; `named` knows their values.
    pub fn choice<T>(&self, key: &str, named: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let Some(&Kind::Choice(names)) = self.key(key).map(Key::kind) else {
            return None;
        };
        self.read(key, |text| {
            named(text).ok_or_else(|| not_among(names, text))
        })
    }

    /// The same, where people may write a word of another product: `advice` says what to write in its place.
    pub fn choice_with_advice<T>(
        &self,
        key: &str,
        named: impl FnOnce(&str) -> Option<T>,
        advice: impl FnOnce(&str) -> Option<&'static str>,
    ) -> Option<T> {
        let Some(&Kind::Choice(names)) = self.key(key).map(Key::kind) else {
            return None;
        };
        self.read(key, |text| {
            named(text).ok_or_else(|| match (advice(text), not_among(names, text)) {
                (None, complaint) => complaint,
                (Some(advice), Complaint { message, .. }) => {
                    Complaint::new(format!("{message}; {advice}"))
                }
            })
        })
    }

    /// The name of a file, seen from the folder of the source that names it. Whether there is one is not checked.
    pub fn file(&self, key: &str) -> Option<PathBuf> {
        let place = self.find(key).map(|found| found.node.place.clone());
        self.read(key, |text| match (text, place) {
            ("", _) => Err(Complaint::new("must name a file")),
            (text, _) if text.starts_with("file:") || text.starts_with("classpath:") => {
                let message = "begins with `file:` or `classpath:`, as places in Spring do: write the name of a file alone";
                Err(Complaint::new(message))
            }
            (text, Some(place)) => Ok(place.resolve(Path::new(text))),
            (text, None) => Ok(PathBuf::from(text)),
        })
    }

    /// A secret: the value of `key`, or what the file holds that `key` with `-file` names.
    pub fn secret(&self, key: &str) -> Option<Secret> {
        let file_key = file_key(key);
        match self.prefer(key, &file_key)? {
            Preferred::First => self.plain_secret(key),
            Preferred::Second => self.secret_in_file(&file_key),
        }
    }

    /// Which of two keys counts that say the same thing in two ways.
    ///
    /// Both in one source contradict each other; of two sources the upper one wins, and what is given here wins
    /// over what would be inherited.
    pub fn prefer(&self, first: &str, second: &str) -> Option<Preferred> {
        match (self.own(first), self.own(second)) {
            (None, None) => self.parent.as_ref()?.prefer(first, second),
            (Some(_), None) => Some(Preferred::First),
            (None, Some(_)) => Some(Preferred::Second),
            (Some(one), Some(other)) if one.place.rank() == other.place.rank() => {
                self.problem(
                    second,
                    format!("contradicts `{first}`: give one of the two"),
                );
                None
            }
            (Some(one), Some(other)) if one.place.rank() > other.place.rank() => {
                Some(Preferred::First)
            }
            (Some(_), Some(_)) => Some(Preferred::Second),
        }
    }

    fn plain_secret(&self, key: &str) -> Option<Secret> {
        let found = self.find(key)?;
        let secret = self.clear_text(key, &found)?;
        if secret.expose().is_empty() {
            self.problem(key, "must not be empty");
            return None;
        }
        self.record(key, &found, "***");
        Some(secret)
    }

    /// The whole text of the file that `key` names, which may have many lines, such as a private key in PEM. It is never
    /// shown.
    pub fn text_in_file(&self, key: &str) -> Option<Secret> {
        let path = self.file(key)?;
        let bytes = self.report.read_source(&path, files::MAX_SECRET_BYTES);
        bytes
            .and_then(|bytes| files::text_of(&bytes))
            .map(|text| Secret::new(text.as_str()))
            .map_err(|error| self.problem(key, error.to_string()))
            .ok()
    }

    /// What the file holds that `key` names.
    pub(crate) fn secret_in_file(&self, key: &str) -> Option<Secret> {
        let path = self.file(key)?;
        let bytes = self.report.read_source(&path, files::MAX_SECRET_BYTES);
        bytes
            .and_then(|bytes| files::secret_of(&bytes))
            .map_err(|error| self.problem(key, error.to_string()))
            .ok()
    }
}

fn not_among(names: &'static [&'static str], text: &str) -> Complaint {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match names {
        [_] => Complaint::new(format!("must be {}", quoted.concat())),
        _ => Complaint {
            message: format!("must be one of {}", quoted.join(", ")),
            suggestion: suggest::nearest(text, names.iter().copied()),
        },
    }
}
