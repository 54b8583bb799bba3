//! Clients of reqwest whose requests have an identity.

use std::fmt;
use std::sync::Arc;

use hallpass_feign::ServiceCaller;
use reqwest::redirect::Policy;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, RequestInitialiser};

use crate::middleware::HallpassMiddleware;

/// Begins a client of reqwest for requests to the service of `caller`, at the `url` that its settings or its builder give it; without one
/// every request is refused.
///
/// The client follows no redirects, whatever `client` says: a redirect is a response like any other. What is behind one may be another
/// service, also on the same host, and reqwest would send it the token.
///
/// What `client` has as `default_headers` is added by reqwest below everything that looks at a request: no credentials belong there, since
/// they would leave with requests that are to have none ([`Identity::None`](hallpass_feign::Identity::None)).
pub fn client_builder(
    client: reqwest::ClientBuilder,
    caller: ServiceCaller,
) -> HallpassClientBuilder {
    HallpassClientBuilder {
        client,
        caller,
        middlewares: Vec::new(),
        initialisers: Vec::new(),
    }
}

/// A client in the making. Made by [`client_builder`].
#[must_use]
pub struct HallpassClientBuilder {
    client: reqwest::ClientBuilder,
    caller: ServiceCaller,
    middlewares: Vec<Arc<dyn Middleware>>,
    initialisers: Vec<Arc<dyn RequestInitialiser>>,
}

impl HallpassClientBuilder {
    /// Adds a middleware of one's own, behind those that were added before, and before the one that gives requests their identity: what
    /// it repeats has a token of its own each time, and it sees none.
    pub fn with(mut self, middleware: impl Middleware) -> Self {
        self.middlewares.push(Arc::new(middleware));
        self
    }

    /// Adds what each request begins with.
    pub fn with_init(mut self, initialiser: impl RequestInitialiser) -> Self {
        self.initialisers.push(Arc::new(initialiser));
        self
    }

    /// The client. Opens no connection and asks for no token.
    ///
    /// A middleware that is added to it afterwards ([`ClientBuilder::from_client`]) stands behind the identity, and sees tokens.
    ///
    /// # Errors
    /// When reqwest cannot build it.
    pub fn build(self) -> reqwest::Result<ClientWithMiddleware> {
        let client = self.client.redirect(Policy::none()).build()?;
        let middlewares = self.middlewares.into_iter();
        let client = middlewares.fold(ClientBuilder::new(client), ClientBuilder::with_arc);
        let initialisers = self.initialisers.into_iter();
        let client = initialisers.fold(client, ClientBuilder::with_arc_init);
        Ok(client.with(HallpassMiddleware::new(self.caller)).build())
    }
}

impl fmt::Debug for HallpassClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HallpassClientBuilder")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}
