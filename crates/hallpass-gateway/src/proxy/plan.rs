//! What settings say, made ready: replaced as a whole. A request holds the plan that it began with until its end, so that no step of it goes by other
//! settings than the ones before.

use std::sync::Arc;
use std::time::Duration;

use hallpass_client::AuthTokenService;
use hallpass_resource::{EncodedCharacters, NormalPath, named_host};
use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;

use super::forwarded::ForwardedRules;
use super::identity::IdentityNames;
use super::metrics::{NO_ROUTE, RouteCounters};
use super::parts::Head;
use super::rescue::Trouble;
use super::route::{Rewrite, Routes};
use super::upstreams::{ServiceMaker, ServiceState, Services, address_of};
use crate::error::Error;
use crate::settings::gateway::GatewaySettings;
use crate::settings::route::RouteSettings;
use crate::upstream_token::{UpstreamToken, WantedToken};

/// What requests are handled by at one moment.
#[derive(Debug)]
pub(crate) struct ProxyPlan {
    pub(crate) decision_timeout: Duration,
    pub(crate) names: Arc<IdentityNames>,
    pub(crate) forwarded: ForwardedRules,
    /// Of requests that no route is for.
    pub(crate) no_route: RouteCounters,
    pub(crate) services: Services,
    pub(crate) encoded: EncodedCharacters,
    routes: Routes<Route>,
    /// Whether a route asks for hosts.
    names_hosts: bool,
}

/// Where a request goes, and how.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) settings: RouteSettings,
    pub(crate) service: Arc<ServiceState>,
    pub(crate) token: UpstreamToken,
    pub(crate) counters: RouteCounters,
    pub(crate) rewrite: Rewrite,
}

impl ProxyPlan {
    /// What `settings` say; services of `before` go on.
    ///
    /// # Errors
    /// [`Error::Upstream`].
    pub(crate) fn new(
        settings: &GatewaySettings,
        encoded: EncodedCharacters,
        (maker, tokens): (&ServiceMaker, &AuthTokenService),
        before: &Services,
    ) -> Result<Self, Error> {
        let services = maker.services(settings, before);
        let metrics = &maker.metrics;
        let routes = settings.routes.iter().map(|settings| {
            let service = address_of(&settings.to).and_then(|address| services.get(&address));
            let Some(service) = service else {
                let route = settings.name.clone();
                return Err(Error::Upstream { route });
            };
            let route = Route {
                service: Arc::clone(service),
                token: UpstreamToken::of(wanted_token(settings), tokens),
                counters: metrics.of_route(&settings.name),
                rewrite: Rewrite::new(settings),
                settings: settings.clone(),
            };
            Ok((settings, route))
        });
        let routes = routes.collect::<Result<Vec<_>, Error>>()?;
        let routes = Routes::new(routes);
        Ok(Self {
            names_hosts: routes.asks_for_host(),
            routes,
            decision_timeout: settings.decision_timeout,
            names: Arc::new(IdentityNames::new(&settings.identity, &metrics.stripped)),
            forwarded: ForwardedRules::new(&settings.forwarded),
            no_route: metrics.of_route(NO_ROUTE),
            encoded,
            services,
        })
    }

    /// The route of a request, if there is one.
    ///
    /// # Errors
    /// [`Trouble::Path`]: its path has no single meaning, whatever the rules would say of it, or is of several routes by several readings.
    /// [`Trouble::Host`].
    pub(crate) fn route(&self, parts: &Parts) -> Result<Option<&Route>, Trouble> {
        let path = NormalPath::parse_allowing(parts.uri.path(), self.encoded);
        let path = path.map_err(|_| Trouble::Path)?;
        let host = match self.names_hosts {
            true => Some(named_host(parts).map_err(|_| Trouble::Host)?),
            false => None,
        };
        let head = Head {
            host: host.as_deref(),
            path: &path,
            method: &parts.method,
            headers: &parts.headers,
        };
        self.routes.find(&head).map_err(|_| Trouble::Path)
    }
}

impl Route {
    /// Path and query as the upstream is to see them.
    ///
    /// # Errors
    /// [`Trouble::Path`].
    pub(crate) fn path_for(
        &self,
        uri: &Uri,
        encoded: EncodedCharacters,
    ) -> Result<PathAndQuery, Trouble> {
        let path = uri.path_and_query().ok_or(Trouble::Path)?;
        let rewritten = self.rewrite.apply(path, encoded);
        rewritten.map_err(|fault| {
            tracing::debug!(%fault, route = self.settings.name, "a path cannot be rewritten");
            Trouble::Path
        })
    }
}

fn wanted_token(route: &RouteSettings) -> WantedToken<'_> {
    WantedToken {
        identity: route.identity,
        audience: route.audience.as_ref(),
        scope: &route.scope,
        credential: route.credential.as_deref(),
    }
}
