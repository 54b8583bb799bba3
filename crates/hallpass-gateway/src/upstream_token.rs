//! Whose token a request bears on its way on.

use hallpass_client::{AuthTokenService, Identity, IssuedToken, TokenError, TokenHandle};
use hallpass_token::{Audience, Scope, SecurityContext};

use crate::said::Said;

/// Whose token a request bears on its way on.
#[derive(Clone, Debug)]
pub(crate) enum UpstreamToken {
    /// What the caller has sent.
    AsItCame,
    /// This service's own.
    Service(TokenHandle),
    /// One for the caller, with this service as the actor.
    Exchange(TokenHandle),
    /// Nobody's.
    None,
}

/// What settings say of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WantedToken<'a> {
    pub(crate) identity: Identity,
    pub(crate) audience: Option<&'a Audience>,
    pub(crate) scope: &'a Scope,
    pub(crate) credential: Option<&'a str>,
}

/// What becomes of `Authorization`.
#[derive(Clone, Debug)]
pub(crate) enum Bears {
    /// It stays.
    AsItCame,
    /// It is this token.
    Token(IssuedToken),
    /// It is removed.
    Nothing,
}

impl Bears {
    /// Which of our tokens it is, if it is one.
    pub(crate) fn generation(&self) -> Option<u64> {
        match self {
            Self::Token(token) => Some(token.generation()),
            Self::AsItCame | Self::Nothing => None,
        }
    }
}

/// Why there is no token that the upstream should get.
#[derive(Debug)]
pub(crate) enum NoToken {
    /// There is one that whoever is given it could not use.
    Bound,
    /// It could not be had.
    Failed(TokenError),
}

impl UpstreamToken {
    pub(crate) fn of(wanted: WantedToken<'_>, tokens: &AuthTokenService) -> Self {
        let handle = wanted.audience.map(|audience| match wanted.credential {
            Some(name) => tokens.handle_as(name, audience, wanted.scope),
            None => tokens.handle(audience, wanted.scope),
        });
        match (wanted.identity, handle) {
            (Identity::Relay, _) => Self::AsItCame,
            (Identity::Service, Some(handle)) => Self::Service(handle),
            (Identity::Exchange, Some(handle)) => Self::Exchange(handle),
            // An identity that is not known here gives none away.
            _ => Self::None,
        }
    }

    /// Its name in settings and metrics.
    pub(crate) const fn identity(&self) -> &'static str {
        match self {
            Self::AsItCame => "relay",
            Self::Service(_) => "service",
            Self::Exchange(_) => "exchange",
            Self::None => "none",
        }
    }

    /// What the upstream gets, where no token of ours is asked for.
    pub(crate) const fn at_once(&self) -> Option<Bears> {
        match self {
            Self::AsItCame => Some(Bears::AsItCame),
            Self::None => Some(Bears::Nothing),
            Self::Service(_) | Self::Exchange(_) => None,
        }
    }

    /// What the upstream gets for a request of `caller`.
    ///
    /// # Errors
    /// [`NoToken`]: the request must not be sent.
    pub(crate) async fn get(&self, caller: Option<&SecurityContext>) -> Result<Bears, NoToken> {
        let token = match (self, caller) {
            (Self::AsItCame, _) => return Ok(Bears::AsItCame),
            // Nobody is there for whom one could be had.
            (Self::None, _) | (Self::Exchange(_), None) => return Ok(Bears::Nothing),
            (Self::Service(handle), _) => handle.token().await,
            (Self::Exchange(handle), Some(caller)) => handle.exchanged(caller).await,
        };
        let token = token.map_err(NoToken::Failed)?;
        match token.is_bound() {
            true => Err(NoToken::Bound),
            false => Ok(Bears::Token(token)),
        }
    }
}

impl UpstreamToken {
    /// Another token in place of the one of this `generation`, which the upstream has rejected as invalid; `None` where none is to be had.
    pub(crate) async fn renew(
        &self,
        generation: u64,
        caller: Option<&SecurityContext>,
    ) -> Option<IssuedToken> {
        let renewed = match (self, caller) {
            (Self::Service(handle), _) => handle.renew_rejected(generation).await,
            (Self::Exchange(handle), Some(caller))
                if handle.reject_exchanged(caller, generation) =>
            {
                handle.exchanged(caller).await
            }
            (Self::AsItCame | Self::None | Self::Exchange(_), _) => return None,
        };
        match renewed {
            Ok(token) => Some(token).filter(|token| !token.is_bound()),
            Err(error) => {
                tracing::debug!(%error, "a rejected token could not be renewed");
                None
            }
        }
    }

    /// The upstream has found its token good: further ones may be renewed when they are rejected.
    pub(crate) fn accepted(&self) {
        match self {
            Self::Service(handle) | Self::Exchange(handle) => handle.accepted(),
            Self::AsItCame | Self::None => {}
        }
    }
}

impl NoToken {
    /// Its name in metrics.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Failed(TokenError::Denied { .. }) => "denied",
            Self::Failed(TokenError::SubjectExpired) => "expired",
            Self::Failed(TokenError::Disabled) => "disabled",
            Self::Failed(_) => "failed",
        }
    }

    /// Says for the log why a request of this identity was refused, and not for each of them.
    pub(crate) fn say(&self, identity: &'static str, said: &Said) {
        match self {
            Self::Bound => {
                if let Some(times) = said.times("bound") {
                    tracing::warn!(
                        identity,
                        times,
                        "a token is bound to a key or to the certificate of this service: the upstream could not use it; leave `dpop` out of \
                        `internal-token`, and register a client whose tokens are not bound to its certificate"
                    );
                }
            }
            // That is the caller's business.
            Self::Failed(error @ TokenError::SubjectExpired) => {
                tracing::debug!(identity, %error, "no token for the upstream; the request was refused");
            }
            Self::Failed(error) => match said.times(self.as_str()) {
                Some(times) => {
                    tracing::warn!(identity, %error, times, "no token for the upstream; the request was refused");
                }
                None => {
                    tracing::debug!(identity, %error, "no token for the upstream; the request was refused");
                }
            },
        }
    }
}
