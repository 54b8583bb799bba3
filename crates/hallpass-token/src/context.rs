//! Who calls, as far as it has been proven.

use std::fmt;
use std::sync::Arc;

use crate::access_token::AccessToken;
use crate::caller_kind::{CallerKind, UnknownCaller};
use crate::claims::Actor;
use crate::name::{ClientId, Issuer, Subject};
use crate::scope::Scope;
use crate::time::UnixTime;
use crate::verify::VerifiedClaims;

/// The identity behind a request: the claims of a verified token, and the token itself for handing it on.
///
/// Cheap to clone. It takes verified claims only, so nobody can be put into one without a token that proves it. Who
/// makes one vouches that `token` is the one that the claims stood in.
///
/// ```
/// use hallpass_token::{AccessToken, JwkSet, SecurityContext, UnixTime, VerifyError, VerifyPolicy, verify};
///
/// fn context(token: &str, keys: &JwkSet, policy: &VerifyPolicy, now: UnixTime) -> Result<SecurityContext, VerifyError> {
///     Ok(SecurityContext::new(verify(token, keys, policy, now)?, AccessToken::new(token)))
/// }
/// # use hallpass_token::{Algorithm, SigningKey, TokenClaims, sign};
/// # use std::time::Duration;
/// # let now = UnixTime::from_secs(1_700_000_000);
/// # let end = now.saturating_add(Duration::from_secs(600));
/// # let key = SigningKey::generate(Algorithm::Es256)?;
/// # let claims = TokenClaims::new("internal".parse()?, "order-service".parse()?, "logistics-service".parse()?, end);
/// # let (token, keys) = (sign(&claims, &key, now)?, JwkSet::new([key.public_jwk()]));
/// # let policy = VerifyPolicy::new("internal".parse()?, "logistics-service".parse()?);
/// let caller = context(token.expose(), &keys, &policy, now)?;
/// assert_eq!(caller.subject().as_str(), "order-service");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Claims that nobody has verified make none:
///
/// ```compile_fail
/// use hallpass_token::{AccessToken, SecurityContext, TokenClaims};
///
/// fn anybody(claims: TokenClaims, token: AccessToken) -> SecurityContext {
///     SecurityContext::new(claims, token) // nobody has verified these
/// }
/// ```
#[derive(Clone)]
pub struct SecurityContext(Arc<Inner>);

struct Inner {
    claims: VerifiedClaims,
    token: AccessToken,
    placeholder: bool,
    caller: CallerKind,
    client_id: Option<ClientId>,
}

impl SecurityContext {
    /// A context of verified claims and the token that they stood in; who calls is read as [`CallerKind::of`] reads it.
    #[must_use]
    pub fn new(claims: VerifiedClaims, token: AccessToken) -> Self {
        let (caller, client_id) = (CallerKind::of(&claims), claims.client_id.clone());
        Self::of_caller(claims, token, caller, client_id)
    }

    /// The same for an issuer that says in its own way who calls and for which client.
    #[must_use]
    pub fn of_caller(
        claims: VerifiedClaims,
        token: AccessToken,
        caller: CallerKind,
        client_id: Option<ClientId>,
    ) -> Self {
        Self(Arc::new(Inner {
            claims,
            token,
            placeholder: false,
            caller,
            client_id,
        }))
    }

    /// Nobody, for code that must be given somebody although no identity was proven: what the resource server hands to
    /// a handler that asks for a caller while calls without one still pass (the modes `report` and `off`).
    ///
    /// Its subject is `anonymousUser`, as Spring Security calls it; it has no scope, no client and an empty token, and
    /// ended in 1970, so that no call can be made in its name. It is the same whatever a caller sends.
    ///
    /// ```
    /// let nobody = hallpass_token::SecurityContext::placeholder();
    /// assert!(nobody.is_placeholder() && nobody.scope().is_empty() && !nobody.is_service());
    /// ```
    #[must_use]
    pub fn placeholder() -> Self {
        Self(Arc::new(Inner {
            claims: VerifiedClaims::of_nobody(),
            token: AccessToken::new(""),
            placeholder: true,
            // Whoever wants a user or a service does not want nobody.
            caller: CallerKind::Unknown(UnknownCaller::NoClient),
            client_id: None,
        }))
    }

    /// Whether this is [`placeholder`](Self::placeholder), that is: nobody has proven who calls.
    #[must_use]
    pub fn is_placeholder(&self) -> bool {
        self.0.placeholder
    }

    /// Whether the other one is a clone of this. Two that were made of one token each by itself are not the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whom the call is made for (`sub`).
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0.claims.subject
    }

    /// The client that got the token: `client_id`, or the claim that its issuer names the client in.
    #[must_use]
    pub fn client_id(&self) -> Option<&ClientId> {
        self.0.client_id.as_ref()
    }

    /// For whom the token speaks.
    #[must_use]
    pub fn caller(&self) -> CallerKind {
        self.0.caller
    }

    /// What the token allows.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.0.claims.scope
    }

    /// Who acts for the subject, if anybody does.
    #[must_use]
    pub fn actor(&self) -> Option<&Actor> {
        self.0.claims.actor.as_ref()
    }

    /// Who issued the token.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.0.claims.issuer
    }

    /// When the token ends. A context may outlive it: long work checks again.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.0.claims.expires_at
    }

    /// All claims.
    #[must_use]
    pub fn claims(&self) -> &VerifiedClaims {
        &self.0.claims
    }

    /// The token as it came, for a call in the caller's own name.
    #[must_use]
    pub fn token(&self) -> &AccessToken {
        &self.0.token
    }

    /// Whether a service calls in its own name.
    ///
    /// That the *issuer* is one whose services are ours is for the caller to check.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.0.caller == CallerKind::Service
    }

    /// Whether the token speaks for a user. Not the opposite of [`is_service`](Self::is_service): both are false when
    /// it is not known.
    #[must_use]
    pub fn is_user(&self) -> bool {
        self.0.caller == CallerKind::User
    }
}

impl fmt::Debug for SecurityContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityContext")
            .field("issuer", self.issuer())
            .field("subject", self.subject())
            .field("client_id", &self.client_id())
            .field("scope", self.scope())
            .field("actor", &self.actor())
            .field("expires_at", &self.expires_at())
            .field("token", self.token())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::SecurityContext;
    use crate::{AccessToken, Actor, TokenClaims, UnixTime, VerifiedClaims};

    fn context(change: impl FnOnce(&mut TokenClaims)) -> SecurityContext {
        let [issuer, subject, audience] = ["internal", "order-service", "logistics-service"];
        let (issuer, subject) = (issuer.parse().unwrap(), subject.parse().unwrap());
        let mut claims = TokenClaims::new(
            issuer,
            subject,
            audience.parse().unwrap(),
            UnixTime::from_secs(9),
        );
        claims.client_id = Some("order-service".parse().unwrap());
        change(&mut claims);
        SecurityContext::new(
            VerifiedClaims::dangerous_unverified(claims),
            AccessToken::new("secret.secret.secret"),
        )
    }

    #[test]
    fn a_token_that_names_no_client_is_neither_a_services_nor_a_users() {
        for subject in ["alice", "order-service"] {
            let found = context(|claims| {
                claims.client_id = None;
                claims.subject = subject.parse().unwrap();
            });
            assert!(!found.is_service() && !found.is_user(), "{subject}");
        }
    }

    #[test]
    fn a_service_for_which_another_acts_is_neither() {
        let actor = Actor::new("gateway".parse().unwrap());
        let found = context(|claims| claims.actor = Some(actor.clone()));
        assert!(!found.is_service() && !found.is_user());
        let user = context(|claims| {
            claims.subject = "alice".parse().unwrap();
            claims.actor = Some(actor);
        });
        assert!(user.is_user() && !user.is_service());
    }

    #[test]
    fn a_service_is_a_client_that_speaks_for_itself() {
        assert!(context(|_| ()).is_service());
        assert!(!context(|claims| claims.subject = "alice".parse().unwrap()).is_service());
        assert!(!context(|claims| claims.client_id = None).is_service());
        assert!(
            !context(|claims| claims.actor = Some(Actor::new("gateway".parse().unwrap())))
                .is_service()
        );
    }

    #[test]
    fn debug_output_shows_who_calls_but_not_the_token() {
        let shown = format!("{:?}", context(|_| ()));
        assert!(
            shown.contains("order-service") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
