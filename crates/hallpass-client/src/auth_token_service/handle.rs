//! One audience and scope, ready for the hot path.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_token::{Audience, ClientId, Scope};
use http::HeaderValue;

use super::entry::Entry;

use super::issued::{IssuedToken, TokenSource};
use super::state::TokenServiceState;
use crate::error::TokenError;
use crate::metrics::ClientMetrics;

/// The tokens for one audience and scope. Made once per client; cloning is cheap.
///
/// As long as a handle lives its key stays known to the service, so look-ups need no map and no lock.
#[derive(Clone, Debug)]
pub struct TokenHandle {
    state: Arc<TokenServiceState>,
    /// `None`: the service is switched off.
    entry: Option<Arc<Entry>>,
}

impl TokenHandle {
    pub(crate) const fn new(state: Arc<TokenServiceState>, entry: Option<Arc<Entry>>) -> Self {
        Self { state, entry }
    }

    /// The token in memory, while it may be used without asking anybody; starts its renewal in the
    /// background when that is due. No lock, no allocation, never waits.
    ///
    /// `None` does not mean that there is no token to be had: [`TokenHandle::token`] gets one.
    #[must_use]
    pub fn try_current(&self) -> Option<IssuedToken> {
        let minted = self.state.hot(self.entry.as_ref()?, Arc::clone)?;
        Some(IssuedToken {
            minted,
            source: TokenSource::Cache,
        })
    }

    /// A token that is alive now; see [`AuthTokenService::service_token`](crate::AuthTokenService::service_token).
    ///
    /// # Errors
    /// As there.
    pub async fn token(&self) -> Result<IssuedToken, TokenError> {
        self.state.token(self.entry()?).await
    }

    /// Renews the token when that is due; see
    /// [`AuthTokenService::refresh_if_needed`](crate::AuthTokenService::refresh_if_needed).
    ///
    /// # Errors
    /// As there.
    pub async fn refresh_if_needed(&self) -> Result<bool, TokenError> {
        self.state.refresh_if_needed(self.entry()?).await
    }

    /// A token newer than the one of `generation`, which a callee has rejected as invalid.
    ///
    /// Makes one request however many calls were rejected with that token: who comes later gets the token
    /// that the first one fetched. The rejected token stays in use when no newer one can be had, since the
    /// fault may be the callee's.
    ///
    /// # Errors
    /// [`TokenError::RenewedJustNow`] within the minimum interval of the last forced renewal; else as
    /// [`TokenHandle::token`].
    pub async fn renew_rejected(&self, generation: u64) -> Result<IssuedToken, TokenError> {
        self.state.renew_rejected(self.entry()?, generation).await
    }

    /// Forgets the token, in memory and in every tier. The next use asks the issuer.
    pub async fn evict(&self) {
        if let Some(entry) = &self.entry {
            self.state.evict(entry).await;
        }
    }

    /// Whom the tokens are for; `None` when the service is switched off.
    #[must_use]
    pub fn audience(&self) -> Option<&Audience> {
        self.entry.as_ref().map(|entry| entry.key.audience())
    }

    /// What the tokens are asked to allow; `None` when the service is switched off.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.entry.as_ref().map(|entry| entry.key.scope())
    }

    /// Whose tokens they are; `None` when the service is switched off.
    #[must_use]
    pub fn client_id(&self) -> Option<&ClientId> {
        self.entry.as_ref().map(|entry| entry.key.client())
    }

    /// The service's clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        self.state.clock()
    }

    /// The service's metrics.
    #[must_use]
    pub fn metrics(&self) -> &ClientMetrics {
        self.state.metrics()
    }

    /// What the bearer layer needs of the token in memory: one counted reference, no allocation.
    pub(crate) fn try_header(&self) -> Option<(HeaderValue, u64)> {
        self.state.hot(self.entry.as_ref()?, |minted| {
            (minted.authorization.clone(), minted.generation)
        })
    }

    /// [`TokenHandle::token`] after [`TokenHandle::try_header`] found nothing.
    pub(crate) async fn token_not_hot(&self) -> Result<IssuedToken, TokenError> {
        self.state.token_not_hot(self.entry()?).await
    }

    fn entry(&self) -> Result<&Arc<Entry>, TokenError> {
        self.entry.as_ref().ok_or(TokenError::Disabled)
    }
}
