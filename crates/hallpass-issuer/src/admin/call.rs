//! Who sends a request, when and from where; put beside it once that is known.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::access::Actor;
use super::fault::AdminFault;
use super::problem::Problem;
use crate::token::attempt::Attempt;

/// A request of an administrator who may do what its method says.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) actor: Actor,
    pub(super) attempt: Attempt,
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = Problem;

    /// Whoever was not let in has none, and then nothing is done.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let call = parts.extensions.get().cloned();
        call.ok_or_else(|| AdminFault::Internal.into())
    }
}
