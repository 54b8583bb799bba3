//! What this crate refuses by itself.

/// The client has followed a redirect to another place, so its response is nobody's whom the caller means. What has left by then, has: the
/// headers of the context, and of the identity what reqwest leaves in a request to another host (not `Authorization`). A client made
/// by [`client_builder`](crate::client_builder) follows none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has followed a redirect to another host: build it with redirects off")]
pub struct RedirectedError;
