//! What settings say, made ready: replaced as a whole. A request holds the plan that it began with until its end, so that no step of it goes by other
//! settings than the ones before.

use std::sync::Arc;
use std::time::Duration;

use hallpass_client::AuthTokenService;
use hallpass_resource::{EncodedCharacters, NormalPath, PathReading, named_host};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Uri};

use super::identity::IdentityNames;
use super::metrics::{NO_ROUTE, RouteCounters};
use super::parts::Head;
use super::rescue::Trouble;
use super::upstreams::{ServiceMaker, ServiceState, Services, address_of, base_of};
use crate::error::Error;
use crate::settings::gateway::GatewaySettings;
use crate::settings::route::{HeaderCondition, RouteSettings};
use crate::upstream_token::{UpstreamToken, WantedToken};

/// What requests are handled by at one moment.
#[derive(Debug)]
pub(crate) struct ProxyPlan {
    pub(crate) decision_timeout: Duration,
    pub(crate) names: Arc<IdentityNames>,
    /// Of requests that no route is for.
    pub(crate) no_route: RouteCounters,
    pub(crate) services: Services,
    routes: Vec<Route>,
    encoded: EncodedCharacters,
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
    /// What stands before its paths; empty, or without a slash at its end.
    base: String,
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
        let route = |settings: &RouteSettings| {
            let service = address_of(&settings.to).and_then(|address| services.get(&address));
            let Some(service) = service else {
                let route = settings.name.clone();
                return Err(Error::Upstream { route });
            };
            Ok(Route {
                service: Arc::clone(service),
                token: UpstreamToken::of(wanted_token(settings), tokens),
                counters: metrics.of_route(&settings.name),
                base: base_of(&settings.to).to_owned(),
                settings: settings.clone(),
            })
        };
        let routes = settings.routes.iter().map(route);
        Ok(Self {
            routes: routes.collect::<Result<_, _>>()?,
            decision_timeout: settings.decision_timeout,
            names: Arc::new(IdentityNames::new(&settings.identity, &metrics.stripped)),
            no_route: metrics.of_route(NO_ROUTE),
            encoded,
            names_hosts: settings.routes.iter().any(|route| !route.hosts.is_empty()),
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
        for route in &self.routes {
            if !is_for(&route.settings, &head) {
                continue;
            }
            match route.settings.path.reading(&path) {
                PathReading::Every => return Ok(Some(route)),
                PathReading::None => {}
                PathReading::Differ => return Err(Trouble::Path),
            }
        }
        Ok(None)
    }
}

/// Whether a route is for a request, but for its path.
fn is_for(route: &RouteSettings, head: &Head<'_>) -> bool {
    let has_method = |method: &Method| {
        method == head.method || (method == Method::GET && head.method == Method::HEAD)
    };
    let is_method = route.methods.is_empty() || route.methods.iter().any(has_method);
    let mut hosts = route.hosts.iter();
    let is_host = route.hosts.is_empty()
        || hosts.any(|it| head.host.is_some_and(|host| it.matches_name(host)));
    let says = |condition: &HeaderCondition| {
        let values = head.headers.get_all(&condition.name);
        let fits = |value: &HeaderValue| {
            condition.values.is_empty() || condition.values.contains(value)
        };
        // All of several: which one a service reads is not known.
        values.iter().next().is_some() && values.iter().all(fits)
    };
    is_method && is_host && route.headers.iter().all(says)
}

impl Route {
    /// Path and query as the upstream is to see them.
    ///
    /// # Errors
    /// [`Trouble::Path`].
    pub(crate) fn path_for(&self, uri: &Uri) -> Result<PathAndQuery, Trouble> {
        let path = uri.path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if self.base.is_empty() {
            return Ok(path);
        }
        let whole = format!("{}{path}", self.base);
        PathAndQuery::try_from(whole).map_err(|_| Trouble::Path)
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
