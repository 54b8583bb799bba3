//! What settings say, made ready: replaced as a whole. A request holds the plan that it began with until its end, so that no step of it goes by other
//! settings than the ones before.

use std::sync::Arc;
use std::time::Duration;

use hallpass_client::AuthTokenService;
use hallpass_resource::{EncodedCharacters, NormalPath, ResourceServer, named_host};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Uri};

use super::access_log::AccessLog;
use super::cors::Cors;
use super::forwarded::ForwardedRules;
use super::identity::IdentityNames;
use super::logout::Logout;
use super::metrics::{NO_ROUTE, RouteCounters};
use super::parts::Head;
use super::rates::{Rates, RouteRates};
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
    pub(crate) rates: Rates,
    pub(crate) access_log: AccessLog,
    pub(crate) logout: Option<Logout>,
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
    pub(crate) cors: Option<Cors>,
    pub(crate) rates: RouteRates,
}

/// What a plan is made of, beside its settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanParts<'a> {
    pub(crate) maker: &'a ServiceMaker,
    pub(crate) tokens: &'a AuthTokenService,
    /// Whose settings are in force already.
    pub(crate) resource: &'a ResourceServer,
}

/// What a plan takes over from the one before it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before<'b> {
    pub(crate) services: Option<&'b Services>,
    pub(crate) rates: Option<&'b Rates>,
}

impl ProxyPlan {
    /// What `settings` say; services and rates of `before` go on.
    ///
    /// # Errors
    /// [`Error::Upstream`].
    pub(crate) fn new(
        settings: &GatewaySettings,
        encoded: EncodedCharacters,
        parts: PlanParts<'_>,
        before: Before<'_>,
        access_log: AccessLog,
    ) -> Result<Self, Error> {
        let PlanParts { maker, tokens, .. } = parts;
        let none = (Services::new(), Rates::default());
        let services = maker.services(settings, before.services.unwrap_or(&none.0));
        let metrics = &maker.metrics;
        let rates = Rates::new(
            &settings.rates,
            &maker.network,
            &metrics.rates,
            before.rates.unwrap_or(&none.1),
        );
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
                cors: settings.cors.as_ref().map(Cors::new),
                rates: rates.of_route(&settings.rates),
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
            forwarded: ForwardedRules::new(&settings.forwarded, parts.resource.mesh_header()),
            no_route: metrics.of_route(NO_ROUTE),
            encoded,
            services,
            rates,
            access_log,
            logout: settings.logout.as_ref().map(Logout::new),
        })
    }

    /// The route of a request, if there is one.
    ///
    /// # Errors
    /// [`Trouble::Path`]: its path has no single meaning, whatever the rules would say of it, or is of several routes by several readings.
    /// [`Trouble::Host`].
    pub(crate) fn route(&self, parts: &Parts) -> Result<Option<&Route>, Trouble> {
        self.find(parts, &parts.method, false)
    }

    /// The route of the request that a browser asks about by this one: the first that it may take. What values its headers will have is not known.
    ///
    /// # Errors
    /// As [`route`](Self::route).
    pub(crate) fn route_asked_about(
        &self,
        parts: &Parts,
        method: &Method,
    ) -> Result<Option<&Route>, Trouble> {
        self.find(parts, method, true)
    }

    fn find(
        &self,
        parts: &Parts,
        method: &Method,
        is_asked_about: bool,
    ) -> Result<Option<&Route>, Trouble> {
        let path = NormalPath::parse_allowing(parts.uri.path(), self.encoded);
        let path = path.map_err(|_| Trouble::Path)?;
        let host = match self.names_hosts {
            true => Some(named_host(parts).map_err(|_| Trouble::Host)?),
            false => None,
        };
        let head = Head {
            host: host.as_deref(),
            path: &path,
            method,
            headers: &parts.headers,
            is_asked_about,
        };
        self.routes.find(&head).map_err(|_| Trouble::Path)
    }

    /// All routes, in their order.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
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
