//! The parts of one service, put together once.

use std::fmt;
use std::sync::Arc;

use hallpass_client::AuthTokenService;
use hallpass_clock::{Clock, SystemClock};
use hallpass_feign::{Feign, FinishedCall};
use hallpass_resource::{ResourceServer, ResourceServerBuilder, SecuritySettings};
use hallpass_upstream::{Discover, HttpTransport, Network, StaticDiscovery};

use crate::{Error, Settings};

/// The realm of challenges when `service.name` is not set.
const UNNAMED: &str = "service";

/// What one service needs in order to call others and to be called: token service, call layer and
/// resource server over one transport, one discovery and one clock. Cheap to clone.
///
/// A service that needs only one of them takes it from its own library instead.
#[derive(Clone, Debug)]
pub struct Hallpass {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    service_name: String,
    security: SecuritySettings,
    network: Network,
    tokens: AuthTokenService,
    feign: Feign,
}

impl Hallpass {
    /// All parts as `settings` say, with the operating system's clock and the addresses of
    /// `discovery.static`. Opens no connection and asks for no token; needs no runtime yet.
    ///
    /// # Errors
    /// [`Error`] when a value cannot be used. [`config::Loader`](crate::config::Loader) has reported
    /// most of what can be wrong already.
    pub fn from_settings(settings: &Settings) -> Result<Self, Error> {
        Self::builder(settings).build()
    }

    /// As [`from_settings`](Self::from_settings), with parts of one's own.
    pub fn builder(settings: &Settings) -> HallpassBuilder<'_> {
        HallpassBuilder {
            settings,
            clock: None,
            discovery: None,
            transport: None,
            observer: None,
        }
    }

    /// The runtime for clients that [`feign_client`](crate::feign_client) makes.
    #[must_use]
    pub fn feign(&self) -> &Feign {
        &self.shared.feign
    }

    /// The service's own tokens. Without an `internal-token` section every request for one is refused
    /// with [`TokenError::Disabled`](crate::client::TokenError::Disabled).
    #[must_use]
    pub fn tokens(&self) -> &AuthTokenService {
        &self.shared.tokens
    }

    /// A resource server with the issuers, rules and mode of the `security` section; add the rules of
    /// the code and build it. Build it once: each one fetches and caches keys for itself.
    pub fn resource_server(&self) -> ResourceServerBuilder {
        let Shared {
            service_name,
            security,
            network,
            ..
        } = &*self.shared;
        ResourceServer::from_settings(security, service_name, network)
    }

    /// Transport, discovery and clock, for parts that a service builds for itself.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.shared.network
    }

    /// Finds the instances of a service.
    #[must_use]
    pub fn discovery(&self) -> &Arc<dyn Discover> {
        &self.shared.network.discovery
    }

    /// The way out, for requests that no trait describes.
    #[must_use]
    pub fn transport(&self) -> &HttpTransport {
        &self.shared.network.transport
    }

    /// The clock that all parts read.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.network.clock
    }
}

type Observer = Box<dyn Fn(&FinishedCall) + Send + Sync>;

/// Puts a [`Hallpass`] together; made by [`Hallpass::builder`].
#[must_use = "a builder does nothing until it is built"]
pub struct HallpassBuilder<'a> {
    settings: &'a Settings,
    clock: Option<Arc<dyn Clock>>,
    discovery: Option<Arc<dyn Discover>>,
    transport: Option<HttpTransport>,
    observer: Option<Observer>,
}

impl HallpassBuilder<'_> {
    /// Another clock, for tests. Default: the operating system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Finds instances in place of `discovery.static`.
    pub fn discovery(mut self, discovery: Arc<dyn Discover>) -> Self {
        self.discovery = Some(discovery);
        self
    }

    /// Another transport: with a private certificate authority, or with a client certificate.
    pub fn transport(mut self, transport: HttpTransport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Is told of each finished call, before the method returns: must be quick. No token is in it.
    pub fn observe(mut self, observer: impl Fn(&FinishedCall) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// The parts.
    ///
    /// # Errors
    /// As [`Hallpass::from_settings`].
    pub fn build(self) -> Result<Hallpass, Error> {
        let settings = self.settings;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let transport = self.transport.map_or_else(HttpTransport::new, Ok)?;
        let discovery = match self.discovery {
            Some(discovery) => discovery,
            None => Arc::new(StaticDiscovery::from_settings(&settings.discovery)),
        };
        let network = Network::new(transport, discovery, clock);
        let tokens = AuthTokenService::from_settings(&settings.internal_token, &network)?;
        let mut feign = Feign::builder(&network)
            .tokens(tokens.clone())
            .settings(&settings.feign, &settings.internal_token.feign);
        if let Some(observer) = self.observer {
            feign = feign.observe(observer);
        }
        let shared = Shared {
            service_name: settings
                .service
                .name
                .clone()
                .unwrap_or_else(|| UNNAMED.to_owned()),
            security: settings.security.clone(),
            feign: feign.build(),
            network,
            tokens,
        };
        Ok(Hallpass {
            shared: Arc::new(shared),
        })
    }
}

impl fmt::Debug for HallpassBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HallpassBuilder")
            .field("settings", self.settings)
            .finish_non_exhaustive()
    }
}
