//! What all clients of a process share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hallpass_client::{AuthTokenService, TokenFeignSettings};
use hallpass_token::Audience;
use hallpass_upstream::Network;

use crate::build_error::BuildError;
use crate::identity::SkippedTokens;
use crate::metrics::FeignMetrics;
use crate::observer::Observer;
use crate::origin::TraceSource;
use crate::settings::FeignSettings;
use crate::spec::ClientSpec;
use crate::upstreams::Upstreams;
use crate::upstreams::guards::Guards;
use crate::upstreams::hedge_budgets::HedgeBudgets;

/// Stands for no leeway of its own.
const NO_LEEWAY: u64 = u64::MAX;

/// What stays the same for the life of a [`Feign`](crate::Feign).
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tokens: Option<AuthTokenService>,
    pub(crate) network: Network,
    pub(crate) metrics: FeignMetrics,
    pub(crate) observers: Box<[Observer]>,
    pub(crate) upstreams: Upstreams,
    /// Where the trace of a call comes from, if not from the context.
    pub(crate) trace_source: Option<TraceSource>,
    pub(crate) guards: Guards,
    pub(crate) hedge_budgets: HedgeBudgets,
    /// In milliseconds. Relaxed: it is read when a client is built or takes settings, and decides nothing together with
    /// other memory.
    relay_leeway: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        tokens: Option<AuthTokenService>,
        network: Network,
        metrics: FeignMetrics,
        observers: Box<[Observer]>,
        trace_source: Option<TraceSource>,
    ) -> Self {
        let upstreams = Upstreams::new(&network, &metrics.breakers);
        let guards = Guards::new(&network.clock, &metrics.guards);
        Self {
            tokens,
            network,
            metrics,
            observers,
            upstreams,
            trace_source,
            guards,
            hedge_budgets: HedgeBudgets::default(),
            relay_leeway: AtomicU64::new(NO_LEEWAY),
        }
    }

    pub(crate) fn relay_leeway(&self) -> Option<Duration> {
        let milliseconds = self.relay_leeway.load(Ordering::Relaxed);
        (milliseconds != NO_LEEWAY).then(|| Duration::from_millis(milliseconds))
    }

    pub(crate) fn set_relay_leeway(&self, leeway: Duration) {
        let milliseconds = u64::try_from(leeway.as_millis()).unwrap_or(u64::MAX);
        let milliseconds = milliseconds.min(NO_LEEWAY - 1);
        self.relay_leeway.store(milliseconds, Ordering::Relaxed);
    }
}

/// The sections of the configuration that all clients follow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configured {
    /// `feign`.
    pub(crate) clients: FeignSettings,
    /// `internal-token.feign`.
    pub(crate) tokens: TokenFeignSettings,
}

impl Configured {
    /// Whether all that the estate says of this client and its methods can be had.
    pub(crate) fn check_estate(&self, spec: &ClientSpec) -> Result<(), BuildError> {
        match self.clients.unusable(spec) {
            Some(problems) => Err(BuildError::Estate {
                client: spec.name,
                problems: problems.to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// The tokens that the client of this name never carries.
    pub(crate) fn skipped_tokens(&self, client: &str) -> SkippedTokens {
        let TokenFeignSettings {
            enabled,
            skip_clients,
            credentials: _,
        } = &self.tokens;
        if skip_clients.iter().any(|name| name == client) {
            SkippedTokens::All
        } else if !enabled {
            SkippedTokens::ServiceToken
        } else {
            SkippedTokens::None
        }
    }

    /// The credential that a client uses by its name: the one that was asked for, else the one that is called like the client;
    /// and whom its tokens are for, if it says so.
    pub(crate) fn credential_of(
        &self,
        client: &'static str,
        asked_for: Option<&str>,
    ) -> Result<Option<(String, Option<Audience>)>, BuildError> {
        let Some(known) = &self.tokens.credentials else {
            return Ok(asked_for.map(|name| (name.to_owned(), None)));
        };
        let name = asked_for.unwrap_or(client);
        match (known.get(name), asked_for) {
            (Some(audience), _) => Ok(Some((name.to_owned(), audience.clone()))),
            (None, Some(_)) => Err(BuildError::Credential { client }),
            (None, None) => Ok(None),
        }
    }
}
