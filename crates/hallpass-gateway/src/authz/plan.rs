//! What settings say, made ready: replaced as a whole.

use std::time::Duration;

use hallpass_client::{AuthTokenService, Identity, TokenHandle};
use hallpass_resource::{EncodedCharacters, NormalPath};
use hallpass_token::Scope;
use http::header::HOST;
use http::request::Parts;

use crate::settings::AuthzSettings;
use crate::settings::network::TrustedProxies;
use crate::settings::upstream::UpstreamSettings;

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

impl Plan {
    pub(crate) fn new(
        settings: &AuthzSettings,
        tokens: &AuthTokenService,
        encoded: EncodedCharacters,
    ) -> Self {
        let upstreams = settings.upstreams.iter().map(|settings| Upstream {
            token: token_of(settings, tokens),
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
    fn fits(&self, host: &str, path: &NormalPath<'_>) -> bool {
        let is_host = self.hosts.is_empty() || self.hosts.iter().any(|it| it.matches(host));
        is_host && (self.paths.is_empty() || self.paths.iter().any(|it| it.matches(path)))
    }
}

fn token_of(settings: &UpstreamSettings, tokens: &AuthTokenService) -> UpstreamToken {
    let handle = |scope: &Scope| {
        let audience = settings.audience.as_ref()?;
        Some(match &settings.credential {
            Some(name) => tokens.handle_as(name, audience, scope),
            None => tokens.handle(audience, scope),
        })
    };
    let handle = handle(&settings.scope);
    match (settings.identity, handle) {
        (Identity::Relay, _) => UpstreamToken::AsItCame,
        (Identity::Service, Some(handle)) => UpstreamToken::Service(handle),
        (Identity::Exchange, Some(handle)) => UpstreamToken::Exchange(handle),
        // An identity that is not known here gives none away.
        _ => UpstreamToken::None,
    }
}
