//! `gateway`: the edge.

mod beside;
mod keys;
mod shadow;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hallpass_config::{Configuration, Key, Kind, Section, report_doubles};
use hallpass_resource::{HostPattern, RouteRule, Rule};
use hallpass_tls::{IssuedFiles, ServerTlsSettings};
use http::Method;

pub use self::beside::BesideGateway;
use super::access_log::AccessLogSettings;
use super::cors::CorsSettings;
use super::forwarded::ForwardedSettings;
use super::identity::IdentityHeaderSettings;
use super::logout::LogoutSettings;
use super::management::read_hosts;
use super::rate::RateLimitSettings;
use super::route::RouteSettings;
use super::service::ServiceSettings;

/// `gateway`: the edge, which verifies who calls and forwards to services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewaySettings {
    /// `listen`: where callers come in; at least one address.
    pub listen: Vec<SocketAddr>,
    /// `management.listen`: where health, metrics and the state of routes and services are.
    pub management_listen: SocketAddr,
    /// `management.hosts`: names under which that is asked, beside IP addresses and `localhost`.
    pub management_hosts: Vec<HostPattern>,
    /// `tls`: what callers are shown and asked for; plain HTTP without it.
    pub tls: Option<ServerTlsSettings>,
    /// `connections`: most that are open at once.
    pub connections: u32,
    /// `connections-per-address`: most of them from one address.
    pub connections_per_address: u32,
    /// `head-bytes`: the longest head of a request.
    pub head_bytes: usize,
    /// `streams`: most requests under way on one connection of HTTP/2.
    pub streams: u32,
    /// `decision-timeout-ms`: how long a decision may take.
    pub decision_timeout: Duration,
    /// `drain-delay-seconds`: how long it goes on after SIGTERM while readiness says 503.
    pub drain_delay: Duration,
    /// `drain-limit-seconds`: how long requests under way get after that.
    pub drain_limit: Duration,
    /// `forwarded`: what upstreams are told of the caller's connection, and whose word about it counts.
    pub forwarded: ForwardedSettings,
    /// `identity-headers`: the headers that name the verified caller.
    pub identity: IdentityHeaderSettings,
    /// `access-log`: a line a request.
    pub access_log: AccessLogSettings,
    /// `logout`: where callers take their token back; nowhere without it.
    pub logout: Option<LogoutSettings>,
    /// `rates`: what `rates` of a route names.
    pub rates: Vec<RateLimitSettings>,
    /// `service-defaults`: for services that `services` does not name.
    pub service_defaults: ServiceSettings,
    /// `services`: by the name in `lb://`, or by the host of a URL; what an entry leaves out it inherits from `service-defaults`.
    pub services: BTreeMap<String, ServiceSettings>,
    /// `routes`: the first that fits a request is taken.
    pub routes: Vec<RouteSettings>,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
            management_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9901)),
            management_hosts: Vec::new(),
            tls: None,
            connections: 20_000,
            connections_per_address: 1_024,
            head_bytes: 32 * 1024,
            streams: 128,
            decision_timeout: Duration::from_secs(2),
            drain_delay: Duration::from_secs(5),
            drain_limit: Duration::from_secs(30),
            forwarded: ForwardedSettings::default(),
            identity: IdentityHeaderSettings::default(),
            access_log: AccessLogSettings::default(),
            logout: None,
            rates: Vec::new(),
            service_defaults: ServiceSettings::default(),
            services: BTreeMap::new(),
            routes: Vec::new(),
        }
    }
}

/// An absent section is read as one without keys: all have defaults. There are no routes then.
impl Configuration for GatewaySettings {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "gateway",
            Kind::Section(&keys::KEYS),
            "The edge: verifies who calls, and forwards to services. Read by `hallpass gateway` alone, beside `security`, \
            `internal-token`, `discovery`, `redis`, `nacos`, `tls`, `transport` and `service`. See [gateway.md](gateway.md).",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        Self::read_or_issued(root, None)
    }
}

impl GatewaySettings {
    /// As [`read`](Configuration::read); files that `tls` does not name are `issued`, where there are such.
    pub fn read_or_issued(root: &Section<'_>, issued: Option<&IssuedFiles>) -> Option<Self> {
        let section = root.section("gateway");
        let settings = section.read_all(|section| Self::read_section(section, issued));
        if root.foreign(&["spring", "cloud", "gateway"]).is_some() {
            root.warn(
                "gateway",
                "`spring.cloud.gateway` is not read: what its words are here stands in docs/migration-from-spring.md",
            );
        }
        settings
    }
}

/// What is read of the section beside the listener.
struct OfRequests {
    rates: Vec<RateLimitSettings>,
    service_defaults: ServiceSettings,
    services: BTreeMap<String, ServiceSettings>,
    routes: Vec<RouteSettings>,
}

impl GatewaySettings {
    fn read_section(section: &Section<'_>, issued: Option<&IssuedFiles>) -> Option<Self> {
        let listen = read_listen(section);
        let management = section.section("management");
        let management_listen = management.socket_address("listen");
        let management_hosts = read_hosts(&management);
        let tls = section.section("tls");
        // A section that cannot be used must not become plain HTTP.
        let tls = match tls.is_given() {
            true => ServerTlsSettings::read_or_issued(&tls, issued).map(Some),
            false => Some(None),
        };
        let connections = section.count("connections");
        let connections_per_address = section.count("connections-per-address");
        let head_bytes = section.whole("head-bytes");
        let streams = section.count("streams");
        let decision_timeout = section.millis("decision-timeout-ms");
        let drain_delay = section.seconds("drain-delay-seconds");
        let drain_limit = section.seconds("drain-limit-seconds");
        let forwarded = ForwardedSettings::read(&section.section("forwarded"));
        let identity = IdentityHeaderSettings::read(&section.section("identity-headers"));
        let access_log = AccessLogSettings::read(&section.section("access-log"));
        let logout = LogoutSettings::read(&section.section("logout"));
        let of_requests = OfRequests::read(section);
        let OfRequests {
            rates,
            service_defaults,
            services,
            routes,
        } = of_requests?;
        let identity = identity?;
        check_set_headers(section, &identity, &routes);
        Some(Self {
            listen: listen?,
            management_listen: management_listen?,
            management_hosts: management_hosts?,
            tls: tls?,
            connections: connections?,
            connections_per_address: connections_per_address?,
            head_bytes: usize::try_from(head_bytes?).ok()?,
            streams: streams?,
            decision_timeout: decision_timeout?,
            drain_delay: drain_delay?,
            drain_limit: drain_limit?,
            forwarded: forwarded?,
            identity,
            access_log: access_log?,
            logout: logout?,
            rates,
            service_defaults,
            services,
            routes,
        })
    }

    /// The rules that stand inline in the routes, for `security.internal-jwt.routes`: without them nobody may call a route. Routes that
    /// differ by headers alone, and demand the same, have one rule. For `logout` there is one that asks for a good token.
    #[must_use]
    pub fn rules(&self) -> Vec<RouteRule> {
        let logout = self.logout.iter().filter_map(|it| {
            let path = it.path.parse().ok()?;
            Some(RouteRule::new(path, Rule::Authenticated).methods([Method::POST]))
        });
        let mut rules: Vec<RouteRule> = logout.collect();
        for rule in self.routes.iter().filter_map(|route| route.rule.as_ref()) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
        rules
    }
}

fn read_listen(section: &Section<'_>) -> Option<Vec<SocketAddr>> {
    let listen = section.texts("listen", |text| {
        let address: Result<SocketAddr, _> = text.parse();
        address.map_err(|_| "must be an IP address and a port, such as 0.0.0.0:8443")
    });
    if listen.as_ref().is_some_and(Vec::is_empty) {
        section.problem("listen", "must name at least one address");
        return None;
    }
    listen
}

impl OfRequests {
    fn read(section: &Section<'_>) -> Option<Self> {
        // Looked at for itself: routes inherit it, and there may be none.
        let cors = CorsSettings::read(&section.section("cors"));
        let rates = section.sections("rates");
        report_doubles(&rates, "name");
        let rates: Vec<_> = rates.iter().map(RateLimitSettings::read).collect();
        let parent = section.section("service-defaults");
        let service_defaults = ServiceSettings::read(&parent);
        let services = section.named("services").into_iter();
        let services: Vec<_> = services
            .map(|(name, own)| {
                let read = ServiceSettings::read(&own.inheriting(&parent));
                Some((name.to_ascii_lowercase(), read?))
            })
            .collect();
        let routes = read_routes(section);
        let rates: Option<Vec<_>> = rates.into_iter().collect();
        if let (Some(rates), Some(routes)) = (&rates, &routes) {
            check_rates(section, rates, routes);
        }
        cors?;
        Some(Self {
            rates: rates?,
            service_defaults: service_defaults?,
            services: services.into_iter().collect::<Option<_>>()?,
            routes: routes?,
        })
    }
}

fn read_routes(section: &Section<'_>) -> Option<Vec<RouteSettings>> {
    let defaults = section.section("defaults");
    RouteSettings::check_defaults(&defaults);
    let sections = section.sections("routes");
    report_doubles(&sections, "name");
    let cors = section.section("cors");
    let (mut routes, mut is_whole) = (Vec::new(), true);
    for own in sections {
        let own = own.inheriting(&defaults);
        match RouteSettings::read(&own, &defaults, &cors) {
            Some(route) => {
                compare(&own, &routes, &route);
                routes.push(route);
            }
            None => is_whole = false,
        }
    }
    is_whole.then_some(routes)
}

/// Says what cannot be meant of a route beside those that stand before it.
fn compare(own: &Section<'_>, earlier: &[RouteSettings], route: &RouteSettings) {
    if let Some(covering) = earlier.iter().find(|it| shadow::covers(it, route)) {
        let message = format!(
            "gets no request: all of them fit `{}` too, which stands before it",
            covering.name
        );
        own.warn("path", &message);
    }
    let Some(rule) = &route.rule else { return };
    let is_another = |it: &RouteRule| !it.demands_the_same(rule);
    let mut wider = earlier.iter().filter(|it| shadow::may_take(it, route));
    if let Some(wider) = wider.find(|it| it.rule.as_ref().is_some_and(is_another)) {
        let message = format!(
            "counts in place of that of `{}` too, which stands before it and may take such requests: order and headers choose routes, and never rules",
            wider.name
        );
        own.warn("rule", &message);
    }
    let mut rules = earlier.iter().filter_map(|it| it.rule.as_ref());
    if rules.any(|it| it != rule && it.is_for_same(rule)) {
        own.problem(
            "rule",
            "is not that of an earlier route for the same host, path and method: what callers must have depends on these alone",
        );
    }
}

/// A name that is not there would be a limit that does not hold.
fn check_rates(section: &Section<'_>, rates: &[RateLimitSettings], routes: &[RouteSettings]) {
    let known: BTreeSet<&str> = rates.iter().map(|it| it.name.as_str()).collect();
    let named: BTreeSet<&str> = routes
        .iter()
        .flat_map(|it| it.rates.iter().map(String::as_str))
        .collect();
    for name in named.difference(&known) {
        let users = routes
            .iter()
            .filter(|it| it.rates.iter().any(|it| it == name));
        for route in users {
            let message = format!(
                "route `{}` names a rate that `rates` does not have",
                route.name
            );
            section.problem("rates", message);
        }
    }
    for name in known.difference(&named) {
        let message = format!("no route names `{name}`: it limits nothing");
        section.warn("rates", &message);
    }
}

/// Identity headers are written from the verified token alone, whatever a route sets.
fn check_set_headers(
    section: &Section<'_>,
    identity: &IdentityHeaderSettings,
    routes: &[RouteSettings],
) {
    for (route, own) in routes.iter().zip(section.sections("routes")) {
        let is_identity = |name: &str| {
            let mut names = identity.names();
            names.any(|it| hallpass_resource::is_spelling_of(it.as_str(), name))
        };
        if route
            .set_headers
            .iter()
            .any(|(name, _)| is_identity(name.as_str()))
        {
            own.warn(
                "set-headers",
                "names an identity header, which is written from the verified token alone: it does nothing",
            );
        }
    }
}

#[cfg(test)]
mod tests;
