//! YAML, environment and files into checked settings: every problem at once, no secret repeated.
//!
//! A [`Loader`] takes the sources of a configuration and gives back what a [`Configuration`] makes of them, in which
//! every value has been checked, or [`Problems`]: all that is wrong, each with its file, line, column and full key, and
//! with the name that was probably meant. [`Loaded::effective`] shows every value in effect and where it came from.
//!
//! It knows no section: each crate describes its own with [`Key`]s and reads it from a [`Section`], and so does a
//! service that wants its settings in the same file; [`Configuration`] shows how. [`reference::markdown`] writes the
//! page about any of them.
//!
//! No message, no `Debug` and no effective tree holds a secret or an excerpt of a source.
//!
//! A secret may stand [sealed](sealing) in any source.
//!
//! This is also the one crate that reads the environment ([`environment`]) and files of the user ([`files`]).
//!
//! It opens no connection: that a host exists, that a secret is the right one or that a file holds keys is found out
//! by the code that uses the value. It starts no thread: [`WatchedLoader`] says when a source has changed, if it is asked.

mod adopted;
mod canonical;
mod configuration;
mod duration;
mod edit;
mod effective;
pub mod environment;
pub mod files;
mod foreign;
mod foreign_text;
mod key;
mod key_path;
mod loader;
mod merge;
mod name;
mod node;
mod override_name;
mod percent;
mod place;
mod placeholder;
mod plain;
mod problem;
mod production;
mod profiles;
pub mod reference;
mod relaxed;
mod report;
pub mod sealing;
mod secret;
mod section;
mod sources;
mod strict_url;
mod suggest;
mod trial;
mod watched;
mod yaml;
mod yaml_text;

pub use adopted::Adopted;
pub use configuration::Configuration;
pub use edit::{EditError, WrittenValue, with_values, written_value};
pub use foreign::Foreign;
pub use foreign_text::ForeignText;
pub use key::{Key, Kind};
pub use loader::{Loaded, Loader, detect_prefix};
pub use name::{check_name, check_service_name};
pub use percent::Percent;
pub use plain::without_comments;
pub use problem::{Problem, Problems};
pub use production::Production;
pub use secret::Secret;
pub use section::{Preferred, Section, report_doubles};
pub use strict_url::{has_credentials, is_loopback, strict_url};
pub use suggest::near_names;
pub use trial::{Findings, How, Trial};
pub use watched::WatchedLoader;
pub use yaml_text::{MAX_SOURCE_BYTES, YamlText};
