//! What can be wrong before the first call.

use hallpass_upstream::{EndpointUrlError, InvalidInstance};

/// Why a client cannot be built. Found at start, before any call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The `url` of the attribute is not an address that identities are sent to.
    #[error("`url` of client `{client}` {problem}")]
    Url {
        /// Name of the client.
        client: &'static str,
        /// What is wrong with it.
        problem: EndpointUrlError,
    },
    /// The host of the `url` cannot be called.
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
    /// The audience has a form that audiences do not have.
    #[error("`audience` of client `{client}` is not a valid audience")]
    Audience {
        /// Name of the client.
        client: &'static str,
    },
    /// The credential is none of `internal-token.clients`.
    #[error(
        "`credential` of client `{client}` is the name of no entry of `internal-token.clients`"
    )]
    Credential {
        /// Name of the client.
        client: &'static str,
    },
    /// The scope has a form that scopes do not have (RFC 6749 section 3.3).
    #[error("`scope` of client `{client}` is not a valid scope")]
    Scope {
        /// Name of the client.
        client: &'static str,
    },
    /// What the estate's own products are told of this client, or of a method of it, cannot be had here.
    #[error("what the estate says of client `{client}` cannot be used:\n{problems}")]
    Estate {
        /// Name of the client.
        client: &'static str,
        /// What is wrong, one problem a line, each with its file, line and key.
        problems: String,
    },
}
