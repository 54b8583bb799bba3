//! What settings say, made ready: replaced as a whole.

use std::time::Duration;

use hallpass_client::AuthTokenService;
use hallpass_resource::{EncodedCharacters, NormalPath};
use http::header::HOST;
use http::request::Parts;

use crate::settings::AuthzSettings;
use crate::settings::network::TrustedProxies;
use crate::settings::upstream::UpstreamSettings;
use crate::upstream_token::{UpstreamToken, WantedToken};

/// What questions are answered by at one moment.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) decision_timeout: Duration,
    pub(crate) sets_identity_headers: bool,
    pub(crate) believes_certificates: bool,
    encoded: EncodedCharacters,
    upstreams: Vec<Upstream>,
}

#[derive(Debug)]
struct Upstream {
    settings: UpstreamSettings,
    token: UpstreamToken,
}

impl Plan {
    pub(crate) fn new(
        settings: &AuthzSettings,
        tokens: &AuthTokenService,
        encoded: EncodedCharacters,
    ) -> Self {
        let upstreams = settings.upstreams.iter().map(|settings| Upstream {
            token: UpstreamToken::of(settings.wanted_token(), tokens),
            settings: settings.clone(),
        });
        Self {
            trusted_proxies: settings.trusted_proxies.clone(),
            decision_timeout: settings.decision_timeout,
            sets_identity_headers: settings.sets_identity_headers,
            believes_certificates: settings.believes_source_certificates,
            encoded,
            upstreams: upstreams.collect(),
        }
    }

    /// What the first entry says that fits the request.
    pub(crate) fn token_for(&self, parts: &Parts) -> UpstreamToken {
        if self.upstreams.is_empty() {
            return UpstreamToken::AsItCame;
        }
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        // A path that could mean several things may belong to an upstream that must not see this token.
        let Ok(path) = NormalPath::parse_allowing(parts.uri.path(), self.encoded) else {
            return UpstreamToken::None;
        };
        let fits = |upstream: &&Upstream| upstream.settings.fits(host.unwrap_or_default(), &path);
        let found = self.upstreams.iter().find(fits);
        found.map_or(UpstreamToken::AsItCame, |upstream| upstream.token.clone())
    }
}

impl UpstreamSettings {
    fn wanted_token(&self) -> WantedToken<'_> {
        WantedToken {
            identity: self.identity,
            audience: self.audience.as_ref(),
            scope: &self.scope,
            credential: self.credential.as_deref(),
        }
    }

    fn fits(&self, host: &str, path: &NormalPath<'_>) -> bool {
        let is_host = self.hosts.is_empty() || self.hosts.iter().any(|it| it.matches(host));
        is_host && (self.paths.is_empty() || self.paths.iter().any(|it| it.matches(path)))
    }
}
