//! `service-auth`: issues short-lived internal JWTs and publishes their keys.

mod audit;
mod client_auth;
mod client_secret;
mod error;
mod form;
mod metrics;
mod refusal;
mod registry;
mod sealing;
mod store;
mod throttle;
mod token_request;

pub use crate::audit::AUDIT_TARGET;
pub use crate::client_secret::GENERATED_SECRET_PREFIX;
pub use crate::error::Error;
pub use crate::refusal::{Refusal, WireError};

/// The one grant type that is offered (RFC 6749 section 4.4).
pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";
