//! `gateway`: the edge.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hallpass_tls::ServerTlsSettings;

use super::access_log::AccessLogSettings;
use super::forwarded::ForwardedSettings;
use super::identity::IdentityHeaderSettings;
use super::logout::LogoutSettings;
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
    /// `services`: by the name in `lb://`; what an entry leaves out it inherits from `service-defaults`.
    pub services: BTreeMap<String, ServiceSettings>,
    /// `routes`: the first that fits a request is taken.
    pub routes: Vec<RouteSettings>,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
            management_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9901)),
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
