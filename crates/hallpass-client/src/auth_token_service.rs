//! Service tokens: got once, kept, renewed ahead of time, never sent when expired.

use std::sync::Arc;

use hallpass_token::{AccessToken, Audience, Scope};

use crate::credential::Credential;
use crate::error::{TokenError, TokenSettingsError};
use crate::metrics::ClientMetrics;
use crate::settings::InternalTokenSettings;

mod backoff;
pub(crate) mod builder;
mod doubt;
mod entries;
mod entry;
mod entry_state;
pub(crate) mod exchange;
pub(crate) mod flight;
pub(crate) mod handle;
pub(crate) mod issued;
mod lifetime;
mod minting;
mod moment;
mod notices;
pub(crate) mod obtain;
mod purge;
mod reason;
pub(crate) mod revoked;
mod seals;
mod search;
mod snapshot;
mod state;
pub(crate) mod tiers;

use handle::TokenHandle;
use snapshot::SnapshotPlan;
use state::TokenServiceState;

/// Gets this service's own tokens from the issuer, keeps them and renews them. Cloning shares the state.
///
/// * **Hit**: a token in memory costs a few reads, no lock and no allocation (use a [`TokenHandle`]).
/// * **Single flight**: however many callers find no token, one request is made, by a task of its own;
///   a caller that goes away cancels nobody.
/// * **Refresh ahead**: a use within `refresh-ahead-seconds` of the end, and 30 s before it at the latest, renews the
///   token in the background, at a moment that varies from process to process by up to a tenth of the way. A token
///   that nobody uses is not renewed. One that is overdue is used after the call has waited 100 ms for a new one.
/// * **The issuer is down**: a token is used until it ends, renewals are tried at growing intervals
///   (100 ms to 15 s), and after the end callers get a clear error at once; while there is no token the next request is
///   at most 2 s away. A `Retry-After` of 429 and 503 is waited for, up to 30 s. When the
///   issuer is back the next allowed request brings the tokens back; nothing needs a restart.
/// * **Never** an expired token: its life is counted from before the request for it was sent, on the
///   monotonic clock, and checked against the wall clock too. In its last second it is not sent. No margin exceeds a
///   tenth of its life.
///
/// One token request has two attempts, the second only where the first got no response; a response of 64 KiB, a token of
/// 16 KiB and a life of 366 days are the most that is taken.
///
/// Token requests go straight to the transport: they pass no bearer layer and see no caller's identity.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_client::{AuthTokenService, InternalTokenSettings, TokenError};
/// use hallpass_upstream::{Network, StaticDiscovery};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Settings come from a `hallpass_config::Loader`; these have no section `internal-token`.
/// let settings = InternalTokenSettings::default();
/// let network = Network::system(Arc::new(StaticDiscovery::new()))?;
/// let tokens = AuthTokenService::from_settings(&settings, &network)?;
///
/// let (audience, scope) = ("order-service".parse()?, "orders.read".parse()?);
/// let token = tokens.service_token(&audience, &scope).await;
/// assert_eq!(token, Err(TokenError::Disabled));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct AuthTokenService {
    state: Arc<TokenServiceState>,
}

impl AuthTokenService {
    /// A token for calling `audience` with `scope`, from memory while one is fresh.
    ///
    /// An empty `scope` stands for the configured one. The credential is the one configured for the
    /// audience, else the section's own; [`handle_as`](Self::handle_as) takes one by its name.
    ///
    /// The token is opaque here: its claims are not checked (RFC 6749 section 1.4).
    ///
    /// # Errors
    /// [`TokenError`], when there is no living token and the issuer gives none within the fetch timeout
    /// (default 3 s) or has failed a moment ago.
    pub async fn service_token(
        &self,
        audience: &Audience,
        scope: &Scope,
    ) -> Result<AccessToken, TokenError> {
        let token = self.handle(audience, scope).token().await?;
        Ok(token.access_token().clone())
    }

    /// Fetches the token when there is none or its renewal is due, and waits for that: for warming up, or
    /// for renewing by a schedule of one's own. `true` when a new token came.
    ///
    /// # Errors
    /// As [`AuthTokenService::service_token`]. A token that is still alive is kept and used.
    pub async fn refresh_if_needed(
        &self,
        audience: &Audience,
        scope: &Scope,
    ) -> Result<bool, TokenError> {
        self.handle(audience, scope).refresh_if_needed().await
    }

    /// Forgets the token, in memory and in every tier. The next use asks the issuer.
    ///
    /// What began before is not kept: a request under way serves those who wait for it already, and a call that comes
    /// later waits for one of its own. A tier's token that was issued before is not taken by this process again, even when
    /// the tier could not forget it, and also not while the issuer is down.
    ///
    /// Processes that share a tier with notices are told. They give the token up within a moment, and in doubt a younger one
    /// that a tier gives them back; who could not be told compares its token with the tier as soon as it hears of the tier again. Clocks
    /// of machines may differ by 5 s.
    ///
    /// Returns when the tiers were told, each within 30 ms a call. It goes on when the caller does not wait for that, and a tier that does
    /// not take it now is told again in the background, for as long as a token is used (an hour at most).
    ///
    /// Not done: processes that share no such tier go on with the token until its end, and so do callees that are given it.
    pub async fn evict(&self, audience: &Audience, scope: &Scope) {
        self.state.evict(None, audience, scope).await;
    }

    /// The tokens for one audience and scope, for code that needs them on each call.
    #[must_use]
    pub fn handle(&self, audience: &Audience, scope: &Scope) -> TokenHandle {
        let service = Arc::clone(&self.state);
        TokenHandle::new(service, None, audience.clone(), scope.clone())
    }

    /// The same by the credential of this name (`internal-token.clients`), whatever audience that one is for. While there is none
    /// of the name, as [`handle`](Self::handle): settings may come in two steps. [`evict`](Self::evict) of the service does not
    /// reach tokens of a credential that is chosen by its name alone: use that of the handle.
    #[must_use]
    pub fn handle_as(&self, credential: &str, audience: &Audience, scope: &Scope) -> TokenHandle {
        let service = Arc::clone(&self.state);
        TokenHandle::new(service, Some(credential), audience.clone(), scope.clone())
    }

    /// Works by `settings` from now on, in place of the settings before: credentials, endpoints, how long and how many
    /// tokens are kept, switched on or off. For all clones and handles, at once; calls that wait for a token now get
    /// it. Opens no connection and needs no runtime.
    ///
    /// A credential that did not change keeps its tokens, also when another time to use them is all that changed.
    /// Tokens of a credential that changed or is gone are not used any more, neither those in memory nor, while the
    /// service has got none of the new one, those in a tier. Where the secret of a client is another one, processes that share
    /// a tier are told so, if this is called inside a runtime: those that still have the old one ask for new tokens.
    ///
    /// Not checked: whether the issuer knows the credentials. The section's `feign` is the call layer's.
    ///
    /// # Errors
    /// When the settings cannot work; then all stays as it was.
    pub fn apply(&self, settings: &InternalTokenSettings) -> Result<(), TokenSettingsError> {
        self.state.apply(SnapshotPlan::from_settings(settings)?)
    }

    /// The credential of this name (`internal-token.clients`), or the service's own, as it is now: to ask another endpoint of the issuer by it
    /// ([`Credential::at`]). `None` when there is none.
    #[must_use]
    pub fn credential(&self, name: Option<&str>) -> Option<Credential> {
        self.state.credential(name)
    }

    /// Whether there is a credential at all.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.state.is_enabled()
    }

    /// What the service counts; register it once per process.
    #[must_use]
    pub fn metrics(&self) -> &ClientMetrics {
        self.state.metrics()
    }
}
