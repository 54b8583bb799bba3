//! axum extractors for who calls.
//!
//! They hand out what the layer has verified, and nothing else. On an anonymous route the plain forms give a 401 to calls
//! without identity, and the `Option` forms give `None`. Without the layer there is never an identity.
//!
//! A call that passes for its mode (`report`, `off`) or with `permit-all` is not refused here either: [`Caller`] and
//! [`CurrentUser`] then are [`SecurityContext::placeholder`], and `Option` forms are `None`. [`Claims`] of a form that a
//! placeholder does not fit still refuses, as there is nothing to give; take `Option<Claims<T>>` during a roll-out.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use hallpass_token::SecurityContext;
use http::request::Parts;

use crate::bearer::{Scheme, spoken_scheme};
use crate::challenge::Challenger;
use crate::error::Denial;
use crate::judge::{Judge, Pass};
use crate::legible::ClaimsForm;
use crate::verifier::Verified;

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
/// that calls in its own name, and for a token that does not tell whether it is a user's
/// ([`CallerMapping`](crate::CallerMapping)). `Option<CurrentUser>` is `None` for these.
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
pub struct Claims<T: ClaimsForm>(pub T);

/// What the layer leaves for the extractors of a call that has passed.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    judge: Arc<Judge>,
    /// Why the credentials that were sent give no identity.
    fault: Option<Denial>,
    is_lenient: bool,
    /// Whether its rules would deny it, which is counted.
    is_counted: bool,
    route: Arc<str>,
}

impl Passed {
    /// The identity of a call that passes, and the rest for the extractors.
    pub(crate) fn new(judge: &Arc<Judge>, pass: Pass) -> (Option<Verified>, Self) {
        let (caller, fault) = match pass.identity {
            Ok(caller) => (caller, None),
            Err(fault) => (None, Some(fault)),
        };
        let passed = Self {
            judge: Arc::clone(judge),
            fault,
            is_lenient: pass.is_lenient,
            is_counted: pass.is_counted,
            route: pass.route,
        };
        (caller, passed)
    }

    /// Whether it passes for its mode, or with `permit-all`.
    pub(crate) const fn is_lenient(&self) -> bool {
        self.is_lenient
    }

    pub(crate) fn route(&self) -> &Arc<str> {
        &self.route
    }

    fn count(&self, denial: &Denial, is_lenient: bool) {
        let decisions = &self.judge.decisions;
        decisions.refused_by_extractor(denial, is_lenient, &self.route);
    }
}

/// What an extractor returns that has nothing to give; its response is that of the denial.
#[derive(Debug)]
pub struct Rejection {
    denial: Denial,
    challenger: Option<Challenger>,
    scheme: Scheme,
}

impl Rejection {
    fn new(parts: &Parts, denial: Denial) -> Self {
        tracing::info!(code = denial.log_code(), %denial, "an extractor refused the call");
        let passed = parts.extensions.get::<Passed>();
        if let Some(passed) = passed {
            passed.count(&denial, false);
        }
        Self {
            denial,
            scheme: spoken_scheme(&parts.headers),
            challenger: passed.map(|it| it.judge.challenger.clone()),
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
            .response(&self.denial, self.scheme)
            .map(axum::body::Body::from)
    }
}

fn context(parts: &Parts) -> Option<SecurityContext> {
    parts.extensions.get::<SecurityContext>().cloned()
}

/// The identity, or else a placeholder where calls without one pass.
pub(crate) fn somebody(parts: &Parts) -> Result<SecurityContext, Rejection> {
    match context(parts) {
        Some(context) => Ok(context),
        None => {
            // A caller whose token could not be judged must not be told that it sent none.
            let fault = parts
                .extensions
                .get::<Passed>()
                .and_then(|it| it.fault.clone());
            placeholder_or(parts, fault.unwrap_or(Denial::MissingToken))
        }
    }
}

fn placeholder_or(parts: &Parts, denial: Denial) -> Result<SecurityContext, Rejection> {
    pass_or_refuse(parts, denial).map(|()| SecurityContext::placeholder())
}

/// Counts the denial, and refuses the call unless it passes for its mode. One that its rules would deny is counted by their reason alone:
/// once its caller has what it lacks, a handler may have nothing against it.
pub(crate) fn pass_or_refuse(parts: &Parts, denial: Denial) -> Result<(), Rejection> {
    match parts.extensions.get::<Passed>() {
        Some(passed) if passed.is_lenient => {
            if !passed.is_counted {
                passed.count(&denial, true);
            }
            Ok(())
        }
        _ => Err(Rejection::new(parts, denial)),
    }
}

fn claims<T: ClaimsForm>(parts: &Parts, context: &SecurityContext) -> Result<Claims<T>, Rejection> {
    let claims = serde_json::to_value(context.claims()).and_then(serde_json::from_value);
    // What does not fit is not said: it would quote claims.
    claims
        .map(Claims)
        .map_err(|_| Rejection::new(parts, Denial::ClaimsMismatch))
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        somebody(parts).map(Self)
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
        let context = somebody(parts)?;
        // The placeholder was counted where it was handed out.
        if !context.is_user() && !context.is_placeholder() {
            let caller = context.caller();
            return placeholder_or(parts, Denial::UserRequired { caller }).map(Self);
        }
        Ok(Self(context))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for CurrentUser {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        Ok(context(parts).filter(SecurityContext::is_user).map(Self))
    }
}

impl<S: Send + Sync, T: ClaimsForm> FromRequestParts<S> for Claims<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        claims(parts, &somebody(parts)?)
    }
}

impl<S: Send + Sync, T: ClaimsForm> OptionalFromRequestParts<S> for Claims<T> {
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
