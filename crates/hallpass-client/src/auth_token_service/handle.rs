//! One audience and scope, ready for the hot path.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use hallpass_clock::Clock;
use hallpass_token::{Audience, Scope, SecurityContext};
use hallpass_upstream::Connections;
use http::HeaderValue;

use super::doubt::Doubt;
use super::entry::Entry;
use super::exchange::{Exchange, Exchanged, Exchanges};
use super::issued::{IssuedToken, Minted, Ready, TokenSource};
use super::state::TokenServiceState;
use crate::certificate::{LeftBehind, MAX_ROTATIONS};
use crate::error::TokenError;
use crate::internal_token_cache::TokenKey;
use crate::metrics::ClientMetrics;

/// The tokens for one audience and scope. Made once per client; cloning is cheap.
///
/// As long as a handle lives its key stays known to the service, so look-ups need no map and no lock. It follows each
/// change of the service's settings ([`AuthTokenService::apply`](crate::AuthTokenService::apply)) with its next use.
#[derive(Clone, Debug)]
pub struct TokenHandle(Arc<HandleState>);

/// What a request carries of the token in memory.
pub(crate) struct HotToken {
    pub(crate) authorization: HeaderValue,
    pub(crate) generation: u64,
    /// The token itself where it is bound to a key.
    pub(crate) bound: Option<Arc<Minted>>,
    /// The connections that it must go over; `None`: any.
    pub(crate) connections: Option<Connections>,
}

#[derive(Debug)]
struct HandleState {
    service: Arc<TokenServiceState>,
    /// The credential that was asked for by its name.
    credential: Option<Box<str>>,
    audience: Audience,
    /// As asked for: empty stands for the credential's own, whichever that is at the time.
    scope: Scope,
    /// The last one that was found. `None`: the service was switched off then.
    entry: ArcSwapOption<Entry>,
}

impl TokenHandle {
    pub(crate) fn new(
        service: Arc<TokenServiceState>,
        credential: Option<&str>,
        audience: Audience,
        scope: Scope,
    ) -> Self {
        let entry = ArcSwapOption::new(service.entry(credential, &audience, &scope));
        Self(Arc::new(HandleState {
            service,
            credential: credential.map(Into::into),
            audience,
            scope,
            entry,
        }))
    }

    /// The token in memory, while it may be used without asking anybody; starts its renewal in the
    /// background when that is due. No lock, no allocation, never waits.
    ///
    /// `None` does not mean that the issuer gives none: [`TokenHandle::token`] asks it.
    #[must_use]
    pub fn try_current(&self) -> Option<IssuedToken> {
        let minted = self.hot(|minted, _| Arc::clone(minted))?;
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
        self.0.service.token(&self.entry()?).await
    }

    /// A token for the audience in exchange for the caller's own (RFC 8693): its subject is the caller's, and this service is
    /// the actor. With a scope, that is asked for; without one, all that the issuer lets this service pass on.
    ///
    /// Kept in memory for the caller's token, within 16 MiB for all, and never used past its end. However many calls need
    /// one, a single request is made, by a task of its own.
    ///
    /// # Errors
    /// [`TokenError::SubjectExpired`] when the caller's token has ended; else as [`TokenHandle::token`]. A refusal
    /// ([`TokenError::Denied`]) is about this caller's token, and others are asked for all the same.
    pub async fn exchanged(&self, caller: &SecurityContext) -> Result<IssuedToken, TokenError> {
        let exchanged = self.exchange(caller)?;
        Ok(self.exchanged_ready(caller, exchanged).await?.token)
    }

    /// The end of `exchanged`, for a request that goes out now. A token that was on its way here while the certificate changed is
    /// asked for again.
    pub(crate) async fn exchanged_ready(
        &self,
        caller: &SecurityContext,
        exchanged: Exchanged,
    ) -> Result<Ready, TokenError> {
        let mut next = exchanged;
        for _ in 0..MAX_ROTATIONS {
            let token = match next {
                Exchanged::Current(token) => token.out_of_memory(),
                Exchanged::Waiting(waiter) => waiter.end().await?,
            };
            match Ready::of(token) {
                Ok(ready) => return Ok(ready),
                Err(LeftBehind) => next = self.exchange(caller)?,
            }
        }
        Err(TokenError::Lost)
    }

    /// Renews the token when that is due; see
    /// [`AuthTokenService::refresh_if_needed`](crate::AuthTokenService::refresh_if_needed).
    ///
    /// # Errors
    /// As there.
    pub async fn refresh_if_needed(&self) -> Result<bool, TokenError> {
        self.0.service.refresh_if_needed(&self.entry()?).await
    }

    /// A token newer than the one of `generation`, which a callee has rejected as invalid.
    ///
    /// Makes one request however many calls were rejected with that token: who comes later gets the token
    /// that the first one fetched. When a callee rejects the new token too, the fault is not the token's, and no further
    /// renewal is forced until a callee has [accepted](Self::accepted) one or it was renewed by its age. The rejected token stays in use when no newer one can be had, since the
    /// fault may be the callee's.
    ///
    /// # Errors
    /// [`TokenError::RenewedInVain`] when the token came of a forced renewal and no callee has accepted it since,
    /// [`TokenError::RenewedJustNow`] within the minimum interval of the last forced renewal; else as
    /// [`TokenHandle::token`].
    pub async fn renew_rejected(&self, generation: u64) -> Result<IssuedToken, TokenError> {
        self.0
            .service
            .renew_rejected(&self.entry()?, generation)
            .await
    }

    /// Forgets the token, in memory and in every tier. The next use asks the issuer; see
    /// [`AuthTokenService::evict`](crate::AuthTokenService::evict).
    pub async fn evict(&self) {
        let HandleState {
            service,
            credential,
            audience,
            scope,
            ..
        } = &*self.0;
        service.evict(credential.as_deref(), audience, scope).await;
    }

    /// A callee has accepted the token: if the last forced renewal was in vain, a further one may come, at the earliest
    /// 30 s after it. [`ReplayLayer`](crate::ReplayLayer) says so by itself; this is for code that renews by
    /// [`renew_rejected`](Self::renew_rejected).
    pub fn accepted(&self) {
        self.note_accepted(false);
    }

    /// The call that had forced the renewal was accepted with the new token.
    pub(crate) fn renewal_helped(&self) {
        self.note_accepted(true);
    }

    fn note_accepted(&self, helped: bool) {
        if !Doubt::is_anywhere() {
            return;
        }
        if let Some(entry) = &*self.0.entry.load() {
            entry.accepted(|| self.clock().monotonic(), helped);
        }
    }

    /// Whom the tokens are for.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.0.audience
    }

    /// What the tokens are kept under at this moment: issuer, client, audience and the scope that is asked for. `None`
    /// when the service is switched off.
    #[must_use]
    pub fn key(&self) -> Option<TokenKey> {
        self.0.entry().map(|entry| entry.key.clone())
    }

    pub(crate) fn exchange(&self, caller: &SecurityContext) -> Result<Exchanged, TokenError> {
        self.0
            .with_exchange(caller, |exchanges, exchange| exchanges.join(exchange))?
    }

    /// Forgets the exchanged token of `generation`, which a callee has rejected; whether another one ([`exchanged`](Self::exchanged)) is worth a try: not
    /// when the one before was rejected just now too. [`ReplayLayer`](crate::ReplayLayer) does so by itself.
    pub fn reject_exchanged(&self, caller: &SecurityContext, generation: u64) -> bool {
        let rejected = self.0.with_exchange(caller, |exchanges, exchange| {
            exchanges.reject(exchange, generation)
        });
        rejected.unwrap_or(false)
    }

    /// What an exchanged token is asked for: empty for all that the issuer lets this service pass on.
    pub(crate) fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// The service's clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        self.0.service.clock()
    }

    /// The service's metrics.
    #[must_use]
    pub fn metrics(&self) -> &ClientMetrics {
        self.0.service.metrics()
    }

    /// What the bearer layer needs of the token in memory: one counted reference, no allocation.
    pub(crate) fn try_header(&self) -> Option<HotToken> {
        self.hot(|minted, connections| HotToken {
            authorization: minted.authorization.clone(),
            generation: minted.generation,
            bound: minted.prover.is_some().then(|| Arc::clone(minted)),
            connections,
        })
    }

    /// [`TokenHandle::token`] after [`TokenHandle::try_header`] found nothing.
    pub(crate) async fn token_not_hot(&self) -> Result<Ready, TokenError> {
        self.0.service.token_not_hot(&self.entry()?).await
    }

    #[inline]
    fn hot<R>(&self, take: impl FnOnce(&Arc<Minted>, Option<Connections>) -> R) -> Option<R> {
        let HandleState { service, entry, .. } = &*self.0;
        match &*entry.load() {
            Some(entry) if !entry.is_retired() => service.hot(entry, take),
            _ => service.hot(&self.0.find_entry()?, take),
        }
    }

    fn entry(&self) -> Result<Arc<Entry>, TokenError> {
        self.0.entry().ok_or(TokenError::Disabled)
    }
}

impl HandleState {
    fn with_exchange<R>(
        &self,
        caller: &SecurityContext,
        work: impl FnOnce(&Arc<Exchanges>, &Exchange<'_>) -> R,
    ) -> Result<R, TokenError> {
        let Self {
            service,
            credential,
            audience,
            scope,
            ..
        } = self;
        let (source, keeps) = service.source(credential.as_deref(), audience)?;
        let exchange = Exchange {
            caller,
            audience,
            scope,
            source: &source,
            keeps,
        };
        Ok(work(service.exchanges(), &exchange))
    }

    fn entry(&self) -> Option<Arc<Entry>> {
        let entry = self.entry.load_full();
        entry
            .filter(|entry| !entry.is_retired())
            .or_else(|| self.find_entry())
    }

    /// The first use after a change of settings. Two at once may store in any order: a retired entry is not used, so the
    /// next use looks again.
    #[cold]
    fn find_entry(&self) -> Option<Arc<Entry>> {
        let credential = self.credential.as_deref();
        let found = self.service.entry(credential, &self.audience, &self.scope);
        self.entry.store(found.clone());
        found
    }
}
