//! `service-auth`: issues short-lived internal JWTs and publishes their keys.

mod client_secret;
mod error;
mod sealing;
mod store;

pub use crate::client_secret::GENERATED_SECRET_PREFIX;
pub use crate::error::Error;
