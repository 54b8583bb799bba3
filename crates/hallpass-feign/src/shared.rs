//! What all clients of a process share.

use hallpass_client::{AuthTokenService, TokenFeignSettings};
use hallpass_upstream::Network;

use crate::identity::SkippedTokens;
use crate::metrics::FeignMetrics;
use crate::observer::Observer;
use crate::settings::FeignSettings;
use crate::upstreams::Upstreams;

/// What stays the same for the life of a [`Feign`](crate::Feign).
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tokens: Option<AuthTokenService>,
    pub(crate) network: Network,
    pub(crate) metrics: FeignMetrics,
    pub(crate) observers: Box<[Observer]>,
    pub(crate) upstreams: Upstreams,
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
    /// The tokens that the client of this name never carries.
    pub(crate) fn skipped_tokens(&self, client: &str) -> SkippedTokens {
        let TokenFeignSettings {
            enabled,
            skip_clients,
        } = &self.tokens;
        if skip_clients.iter().any(|name| name == client) {
            SkippedTokens::All
        } else if !enabled {
            SkippedTokens::ServiceToken
        } else {
            SkippedTokens::None
        }
    }
}
