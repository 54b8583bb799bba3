//! axum extractors for who calls.
//!
//! They hand out what the layer has verified, and nothing else. On a route that lets calls without identity pass
//! (anonymous, `report`, `off`) the plain forms give a 401, and the `Option` forms give `None`. Without the layer there
//! is never an identity.

use std::ops::Deref;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use hallpass_token::SecurityContext;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::challenge::Challenger;
use crate::error::Denial;

/// The caller: a user, a service, or a service that acts for a user. Dereferences to the [`SecurityContext`].
///
/// ```
/// use hallpass_resource::Caller;
///
/// async fn whoami(caller: Caller) -> String {
///     caller.subject().to_string()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Caller(pub SecurityContext);

/// A user who calls, directly or through a service that relays or acts for her: 403 `user_required` for a service
/// that calls in its own name. `Option<CurrentUser>` is `None` for such a service.
///
/// ```
/// use hallpass_resource::CurrentUser;
///
/// async fn my_orders(user: CurrentUser) -> String {
///     format!("the orders of {}", user.subject())
/// }
///
/// async fn greeting(user: Option<CurrentUser>) -> String {
///     user.map_or_else(|| "hello".to_owned(), |user| format!("hello, {}", user.subject()))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CurrentUser(pub SecurityContext);

/// The claims of the token in a form of one's own: 403 `claims_mismatch` when they do not fit it.
///
/// All claims are there under their names on the wire (`sub`, `scope`, `roles`, ...).
///
/// ```
/// use hallpass_resource::Claims;
///
/// #[derive(serde::Deserialize)]
/// struct Tenant {
///     tenant: String,
/// }
///
/// async fn tenant(Claims(claims): Claims<Tenant>) -> String {
///     claims.tenant
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Claims<T>(pub T);

/// What an extractor returns that has nothing to give; its response is that of the denial.
#[derive(Debug)]
pub struct Rejection {
    denial: Denial,
    challenger: Option<Challenger>,
}

impl Rejection {
    fn new(parts: &Parts, denial: Denial) -> Self {
        tracing::info!(code = denial.log_code(), "an extractor refused the call");
        Self {
            denial,
            challenger: parts.extensions.get::<Challenger>().cloned(),
        }
    }

    /// Why.
    #[must_use]
    pub fn denial(&self) -> &Denial {
        &self.denial
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let challenger = self
            .challenger
            .unwrap_or_else(|| Challenger::new("service", None));
        challenger
            .response(&self.denial)
            .map(axum::body::Body::from)
    }
}

fn context(parts: &Parts) -> Option<SecurityContext> {
    parts.extensions.get::<SecurityContext>().cloned()
}

fn claims<T: DeserializeOwned>(
    parts: &Parts,
    context: &SecurityContext,
) -> Result<Claims<T>, Rejection> {
    let claims = serde_json::to_value(context.claims()).and_then(serde_json::from_value);
    // What does not fit is not said: it would quote claims.
    claims
        .map(Claims)
        .map_err(|_| Rejection::new(parts, Denial::ClaimsMismatch))
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        context(parts)
            .map(Self)
            .ok_or_else(|| Rejection::new(parts, Denial::MissingToken))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        Ok(context(parts).map(Self))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CurrentUser {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        match context(parts) {
            None => Err(Rejection::new(parts, Denial::MissingToken)),
            Some(context) if context.is_service() => {
                Err(Rejection::new(parts, Denial::UserRequired))
            }
            Some(context) => Ok(Self(context)),
        }
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for CurrentUser {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        Ok(context(parts)
            .filter(|context| !context.is_service())
            .map(Self))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        match context(parts) {
            None => Err(Rejection::new(parts, Denial::MissingToken)),
            Some(context) => claims(parts, &context),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        context(parts)
            .map(|context| claims(parts, &context))
            .transpose()
    }
}

impl Deref for Caller {
    type Target = SecurityContext;

    fn deref(&self) -> &SecurityContext {
        &self.0
    }
}

impl Deref for CurrentUser {
    type Target = SecurityContext;

    fn deref(&self) -> &SecurityContext {
        &self.0
    }
}
