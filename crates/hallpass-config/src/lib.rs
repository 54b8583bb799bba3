//! YAML, environment and files into checked settings: every problem at once, no secret echoed.
//!
//! A [`Loader`] takes the sources of a configuration and gives back [`Settings`], in which every value has been
//! checked, or [`Problems`]: all that is wrong, each with its file, line, column and full key, and with the name that
//! was probably meant. [`Loaded::effective`] shows every value in effect and where it came from.
//!
//! No message, no `Debug` and no effective tree holds a secret or an excerpt of a source. The keys are listed in
//! `docs/config.md`, which [`reference::markdown`] writes.
//!
//! ```
//! use hallpass_config::Loader;
//!
//! let yaml = "
//! hallpass:
//!   internal-token:
//!     client-id: internal-service-client
//!     client-secret: ${CLIENT_SECRET}
//!     token-uri: lb://service-auth/oauth2/token
//! ";
//! let problems = Loader::new("hallpass")
//!     .text("service.yaml", yaml)
//!     .environment([("CLIENT_SECRET", "s3cret")])
//!     .load()
//!     .unwrap_err();
//! assert_eq!(
//!     problems.to_string(),
//!     "service.yaml:3:3: hallpass.internal-token.token-url: is required\n\
//!      service.yaml:6:5: hallpass.internal-token.token-uri: is not a known key; did you mean `token-url`?"
//! );
//! ```
//!
//! This is also the one crate that reads the environment ([`environment`]) and files of the user ([`files`]).
//!
//! It opens no connection: that a host exists, that a secret is the right one or that a file holds keys is found out
//! by whoever uses the value. It does not watch its sources either.

mod effective;
pub mod environment;
pub mod files;
mod key;
mod key_path;
mod loader;
mod merge;
mod node;
mod override_name;
mod percent;
mod place;
mod placeholder;
mod problem;
mod production;
pub mod reference;
mod report;

mod secret;
mod section;
pub mod settings;
mod suggest;
mod yaml;

pub use loader::{Loaded, Loader, MAX_SOURCE_BYTES, detect_prefix};
pub use problem::{Problem, Problems};
pub use secret::Secret;
pub use settings::*;
