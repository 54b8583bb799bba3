//! An issuer's key, and a resource server that trusts it.

use std::sync::Arc;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::resource::{
    KeyLimits, KeySource, ResourceServer, ResourceServerBuilder, TrustedIssuer,
};
use hallpass::token::{Algorithm, JwkSet, SigningKey, TokenClaims, UnixTime, sign};
use hallpass::upstream::{HttpTransport, Network, StaticDiscovery};

pub(crate) struct Rig {
    key: SigningKey,
    clock: Arc<SystemClock>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self {
            key: SigningKey::generate(Algorithm::Es256).unwrap(),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// The service `shop`, without rules.
    pub(crate) fn server(&self) -> ResourceServerBuilder {
        let keys = KeySource::fixed(JwkSet::new([self.key.public_jwk()]), self.clock.clone());
        self.trusting(keys)
    }

    /// The same, whose issuer cannot be reached.
    pub(crate) fn server_without_keys(&self) -> ResourceServerBuilder {
        let discovery = Arc::new(StaticDiscovery::new());
        let transport = HttpTransport::new().unwrap();
        let network = Network::new(transport, discovery, self.clock.clone());
        // Port 1 of loopback refuses.
        let url = "http://127.0.0.1:1/oauth2/jwks".parse().unwrap();
        self.trusting(KeySource::http(url, &network, KeyLimits::default()))
    }

    fn trusting(&self, keys: KeySource) -> ResourceServerBuilder {
        let issuer = TrustedIssuer::new("internal".parse().unwrap(), "shop".parse().unwrap(), keys);
        ResourceServer::builder("shop", self.clock.clone()).issuer(issuer)
    }

    /// A user's token.
    pub(crate) fn token(&self, subject: &str, scope: &str) -> String {
        let now = UnixTime::from(self.clock.now());
        let mut claims = TokenClaims::new(
            "internal".parse().unwrap(),
            subject.parse().unwrap(),
            "shop".parse().unwrap(),
            now.saturating_add(Duration::from_secs(600)),
        );
        claims.client_id = Some("order-service".parse().unwrap());
        claims.scope = scope.parse().unwrap();
        sign(&claims, &self.key, now).unwrap().expose().to_owned()
    }
}
