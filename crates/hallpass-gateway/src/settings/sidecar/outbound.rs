//! `sidecar.outbound`: what the program sends.

use std::net::SocketAddr;
use std::time::Duration;

use hallpass_client::Identity;
use hallpass_config::{Section, report_doubles};
use hallpass_resource::{HostPattern, Mode, PathPattern, RouteRule, Rule, SecuritySettings};
use hallpass_token::{Audience, Scope};
use hallpass_upstream::{EndpointUrl, Http2};
use http::HeaderValue;
use http::header::HOST;

use super::inbound::{ROUTE, everywhere};
use super::outside::OutsideAddress;
use crate::settings::forwarded::{ForwardedForm, ForwardedSettings};
use crate::settings::gateway::GatewaySettings;
use crate::settings::identity::IdentityHeaderSettings;
use crate::settings::route::{HeaderCondition, RouteSettings, TimeoutSettings};
use crate::settings::service::ServiceSettings;

/// How the metrics call requests without a route, and tunnels.
const NO_ROUTE: &str = "none";
pub(crate) const TUNNEL: &str = "tunnel";

/// Behind the name of a service, in the host of calls for a user that bring none. It never leaves this process.
pub(crate) const WITHOUT_USER: &str = ".without-user";

/// `outbound`: what the program sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundSettings {
    /// `listen`: the proxy that the program names in `HTTP_PROXY`.
    pub listen: Option<SocketAddr>,
    /// `services`: those that it calls; all others are refused.
    pub services: Vec<OutboundServiceSettings>,
    /// `pass-through`: hosts that are no services, which what it sends goes to as nobody's.
    pub pass_through: Vec<OutsideAddress>,
    /// `connect`: hosts that it may have tunnels to.
    pub connect: Vec<OutsideAddress>,
    /// `dangerous-listen-anywhere`: takes connections from everywhere.
    pub dangerous_listen_anywhere: bool,
}

/// `when-absent`: what becomes of a call for a user that brings none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenAbsent {
    /// `fail`: it gets 401.
    Fail,
    /// `service`: it bears this service's own token.
    Service,
    /// `none`: it bears no token.
    None,
}

/// A service that the program calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundServiceSettings {
    /// `name`: in discovery, and the host that the program calls it by; in lower case.
    pub name: String,
    /// `listen`: a port for it alone.
    pub listen: Option<SocketAddr>,
    /// `identity`: whose token is sent.
    pub identity: Identity,
    /// `audience`: whom a token of `service` and `exchange` is for.
    pub audience: Audience,
    /// `token-scope`: what it is asked for; empty: as `internal-token` says.
    pub scope: Scope,
    /// `when-absent`: what becomes of a call for a user that brings none.
    pub when_absent: WhenAbsent,
    /// `http2`: whether it is called by HTTP/2.
    pub http2: Http2,
    /// `response-ms`: how long the head of the response may take.
    pub response: Duration,
    to: EndpointUrl,
    host: HostPattern,
    /// What a call without a user is for, where it is not for `host`.
    without_user: HostPattern,
    everywhere: PathPattern,
}

impl OutboundSettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let listen = match section.has("listen") {
            true => section.socket_address("listen").map(Some),
            false => Some(None),
        };
        let services = section.sections("services");
        report_doubles(&services, "name");
        let anywhere = section.flag("dangerous-listen-anywhere");
        let services: Vec<_> = services
            .iter()
            .map(|own| OutboundServiceSettings::read(own, anywhere == Some(true)))
            .collect();
        let pass_through = section.texts("pass-through", str::parse::<OutsideAddress>);
        let connect = section.texts("connect", str::parse::<OutsideAddress>);
        let outside = || pass_through.iter().chain(&connect).flatten();
        if services.is_empty() && outside().next().is_none() {
            section.missing("services", "must name the services that the program calls");
        }
        if anywhere == Some(false)
            && let Some(Some(address)) = listen
        {
            check_loopback(section, address);
        }
        let services: Vec<_> = services.into_iter().collect::<Option<_>>()?;
        let is_all_by_ports = services.iter().all(|it| it.listen.is_none());
        if listen == Some(None) && (is_all_by_ports || outside().next().is_some()) {
            let message = "is required, here or in an entry of `services`; `pass-through` and `connect` need it here";
            section.missing("listen", message);
        }
        for (key, addresses) in [("pass-through", &pass_through), ("connect", &connect)] {
            let hosts: Vec<_> = addresses
                .iter()
                .flatten()
                .map(OutsideAddress::host)
                .collect();
            if services.iter().any(|it| hosts.contains(&&*it.name)) {
                section.problem(
                    key,
                    "names a host of `services`, whose calls bear an identity",
                );
            }
        }
        Some(Self {
            listen: listen?,
            services,
            pass_through: pass_through?,
            connect: connect?,
            dangerous_listen_anywhere: anywhere?,
        })
    }

    /// The same as a gateway with a route a service.
    pub(crate) fn as_gateway(&self) -> GatewaySettings {
        GatewaySettings {
            routes: self
                .services
                .iter()
                .flat_map(OutboundServiceSettings::routes)
                .collect(),
            services: self
                .services
                .iter()
                .map(|it| (it.name.clone(), it.how()))
                .collect(),
            ..nobody_names_the_caller()
        }
    }

    /// The same for `pass-through`.
    pub(crate) fn outside_as_gateway(&self) -> GatewaySettings {
        let routes = self.pass_through.iter().map(OutsideAddress::route);
        GatewaySettings {
            routes: routes.collect::<Option<_>>().unwrap_or_default(),
            ..nobody_names_the_caller()
        }
    }

    /// What the tokens are verified by that the program passes on: as those that come to it, by rules that only ask whether there must be one.
    #[must_use]
    pub fn security(&self, of_service: &SecuritySettings) -> SecuritySettings {
        let mut security = of_service.clone();
        security.permit_all = false;
        let jwt = &mut security.internal_jwt;
        jwt.mode = Mode::Enforce;
        jwt.enforce_percent = hallpass_config::Percent::ALL;
        jwt.internal_only.paths.clear();
        jwt.resource = None;
        jwt.mesh = None;
        jwt.routes = self
            .services
            .iter()
            .flat_map(OutboundServiceSettings::rules)
            .chain(self.pass_through.iter().filter_map(OutsideAddress::rule))
            .collect();
        security
    }
}

impl OutboundServiceSettings {
    fn read(section: &Section<'_>, anywhere: bool) -> Option<Self> {
        let name = section.required("name", Section::service_name);
        let listen = match section.has("listen") {
            true => section.socket_address("listen").map(Some),
            false => Some(None),
        };
        if let Some(Some(address)) = listen
            && !anywhere
        {
            check_loopback(section, address);
        }
        let identity = section.required("identity", |section, key| {
            section.choice(key, Identity::named)
        });
        let audience = match section.has("audience") {
            true => section.parsed("audience"),
            false => name.as_deref().and_then(|name| name.parse().ok()),
        };
        let words = section.words("token-scope", |word| {
            Scope::from_word(word).map_err(|error| error.to_string())
        });
        let when_absent = section.choice("when-absent", |name| match name {
            "fail" => Some(WhenAbsent::Fail),
            "service" => Some(WhenAbsent::Service),
            "none" => Some(WhenAbsent::None),
            _ => None,
        });
        let http2 = section.choice("http2", Http2::named);
        let response = section.millis("response-ms");
        let name = name?.to_ascii_lowercase();
        if [ROUTE, TUNNEL, NO_ROUTE].contains(&&*name) {
            section.problem("name", "is a word of ours in the metrics");
        }
        if name.ends_with(WITHOUT_USER) {
            section.problem(
                "name",
                "must not end with `.without-user`, which has a meaning here",
            );
        }
        let host = name.parse().ok();
        if host.is_none() {
            section.problem("name", "must be a host name: the program calls it by that");
        }
        let to: EndpointUrl = format!("lb://{name}/").parse().ok()?;
        let scope = Scope::from_words(words?.iter().flat_map(Scope::iter)).ok()?;
        Some(Self {
            listen: listen?,
            identity: identity?,
            audience: audience?,
            scope,
            when_absent: when_absent?,
            http2: http2?,
            response: response?,
            to,
            host: host?,
            without_user: format!("{name}{WITHOUT_USER}").parse().ok()?,
            everywhere: everywhere()?,
            name,
        })
    }

    /// Whether a user's token of the program's is looked at.
    pub(crate) fn takes_token(&self) -> bool {
        matches!(self.identity, Identity::Exchange | Identity::Relay)
    }

    /// Whether a call may come without a user.
    pub(crate) fn goes_without_user(&self) -> bool {
        self.takes_token() && self.when_absent != WhenAbsent::Fail
    }

    /// Whether this service's own token is needed for it.
    pub(crate) fn needs_own_token(&self) -> bool {
        self.identity == Identity::Service
            || (self.takes_token() && self.when_absent == WhenAbsent::Service)
    }

    /// How it is called.
    fn how(&self) -> ServiceSettings {
        ServiceSettings {
            http2: self.http2,
            caller_bulkhead: None,
            ..ServiceSettings::default()
        }
    }

    /// One for calls with a user, and one for those without, where they differ: what was decided of a call is never looked for again in what it bears.
    fn routes(&self) -> impl Iterator<Item = RouteSettings> + '_ {
        let route = |host: &HostPattern, identity| RouteSettings {
            hosts: vec![host.clone()],
            identity,
            audience: Some(self.audience.clone()),
            scope: self.scope.clone(),
            timeouts: TimeoutSettings {
                response: self.response,
                ..TimeoutSettings::default()
            },
            ..RouteSettings::new(&self.name, self.everywhere.clone(), self.to.clone())
        };
        let without = self.goes_without_user().then(|| {
            let identity = match self.when_absent {
                WhenAbsent::Service => Identity::Service,
                WhenAbsent::Fail | WhenAbsent::None => Identity::None,
            };
            route(&self.without_user, identity)
        });
        [route(&self.host, self.identity)]
            .into_iter()
            .chain(without)
    }

    fn rules(&self) -> impl Iterator<Item = RouteRule> + '_ {
        let rule = |host: &HostPattern, rule| {
            RouteRule::new(self.everywhere.clone(), rule).hosts([host.clone()])
        };
        let of_calls = match self.takes_token() {
            // A token or a handle that counts no more is no call without a user.
            true => Rule::Authenticated,
            false => Rule::Anonymous,
        };
        let without = self
            .goes_without_user()
            .then(|| rule(&self.without_user, Rule::Anonymous));
        [rule(&self.host, of_calls)].into_iter().chain(without)
    }
}

impl OutsideAddress {
    /// Everything that is for it, without any token.
    fn route(&self) -> Option<RouteSettings> {
        let name = self.to_string();
        // Two of one host differ by their ports.
        let named = HeaderCondition {
            name: HOST,
            values: vec![HeaderValue::from_str(&name).ok()?],
        };
        // Discovery of these is what the name says.
        let to = EndpointUrl::LoadBalanced {
            service: name.clone(),
            path: "/".to_owned(),
        };
        Some(RouteSettings {
            hosts: vec![self.host().parse().ok()?],
            headers: vec![named],
            identity: Identity::None,
            ..RouteSettings::new(&name, everywhere()?, to)
        })
    }

    fn rule(&self) -> Option<RouteRule> {
        let host: HostPattern = self.host().parse().ok()?;
        Some(RouteRule::new(everywhere()?, Rule::Anonymous).hosts([host]))
    }
}

/// What of a gateway is the same for all that the program sends: who calls is in the token, and nobody else's word of it goes on.
fn nobody_names_the_caller() -> GatewaySettings {
    GatewaySettings {
        identity: IdentityHeaderSettings {
            user_id: None,
            username: None,
            authorities: None,
            client_id: None,
            ..IdentityHeaderSettings::default()
        },
        forwarded: ForwardedSettings {
            write: ForwardedForm::None,
            ..ForwardedSettings::default()
        },
        // It is the program alone who calls.
        service_defaults: ServiceSettings {
            caller_bulkhead: None,
            ..ServiceSettings::default()
        },
        ..GatewaySettings::default()
    }
}

fn check_loopback(section: &Section<'_>, address: SocketAddr) {
    if !address.ip().is_loopback() {
        section.problem(
            "listen",
            "must be loopback: whoever reaches it speaks as this service (`dangerous-listen-anywhere`)",
        );
    }
}
