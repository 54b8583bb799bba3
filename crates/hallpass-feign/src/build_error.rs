//! What can be wrong before the first call.

use hallpass_upstream::{EndpointUrlError, InvalidInstance};

/// Why a client cannot be built. Found at start, before any call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The `url` of the attribute is none that identities are sent to.
    #[error("`url` of client `{client}` {problem}")]
    Url {
        /// Name of the client.
        client: &'static str,
        /// What is wrong with it.
        problem: EndpointUrlError,
    },
    /// The host of the `url` can not be called.
    #[error("`url` of client `{client}`: {problem}")]
    Host {
        /// Name of the client.
        client: &'static str,
        /// What is wrong with it.
        problem: InvalidInstance,
    },
    /// The `url` has a query.
    #[error("`url` of client `{client}` must not hold a query (?...)")]
    Query {
        /// Name of the client.
        client: &'static str,
    },
    /// The audience is no audience.
    #[error("`audience` of client `{client}` is no audience")]
    Audience {
        /// Name of the client.
        client: &'static str,
    },
    /// The scope is no scope (RFC 6749 section 3.3).
    #[error("`scope` of client `{client}` is no scope")]
    Scope {
        /// Name of the client.
        client: &'static str,
    },
}
