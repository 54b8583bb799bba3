//! `sidecar.outbound`: what the program sends.

use std::net::SocketAddr;
use std::time::Duration;

use hallpass_client::Identity;
use hallpass_config::{Section, report_doubles};
use hallpass_resource::{HostPattern, Mode, PathPattern, RouteRule, Rule, SecuritySettings};
use hallpass_token::{Audience, Scope};
use hallpass_upstream::EndpointUrl;

use super::inbound::{ROUTE, everywhere};
use crate::settings::forwarded::{ForwardedForm, ForwardedSettings};
use crate::settings::gateway::GatewaySettings;
use crate::settings::identity::IdentityHeaderSettings;
use crate::settings::route::{RouteSettings, TimeoutSettings};

/// `outbound`: what the program sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundSettings {
    /// `listen`: the proxy that the program names in `HTTP_PROXY`.
    pub listen: Option<SocketAddr>,
    /// `services`: those that it calls; all others are refused.
    pub services: Vec<OutboundServiceSettings>,
    /// `dangerous-listen-anywhere`: takes connections from everywhere.
    pub dangerous_listen_anywhere: bool,
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
    /// `when-absent: fail`: whether a call for a user without a user's token is refused.
    pub fails_without_user: bool,
    /// `response-ms`: how long the head of the response may take.
    pub response: Duration,
    to: EndpointUrl,
    host: HostPattern,
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
        if services.is_empty() {
            section.missing("services", "must name the services that the program calls");
        }
        if anywhere == Some(false)
            && let Some(Some(address)) = listen
        {
            check_loopback(section, address);
        }
        let services: Vec<_> = services.into_iter().collect::<Option<_>>()?;
        if listen == Some(None) && services.iter().all(|it| it.listen.is_none()) {
            let message = "is required, here or in an entry of `services`";
            section.missing("listen", message);
        }
        Some(Self {
            listen: listen?,
            services,
            dangerous_listen_anywhere: anywhere?,
        })
    }

    /// The same as a gateway with a route a service.
    pub(crate) fn as_gateway(&self) -> GatewaySettings {
        GatewaySettings {
            routes: self
                .services
                .iter()
                .map(OutboundServiceSettings::route)
                .collect(),
            // Who calls is in the token, and nobody else's word of it goes on.
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
            ..GatewaySettings::default()
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
            .map(OutboundServiceSettings::rule)
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
        let fails = section.choice("when-absent", |name| match name {
            "fail" => Some(true),
            "none" => Some(false),
            _ => None,
        });
        let response = section.millis("response-ms");
        let name = name?.to_ascii_lowercase();
        if name == ROUTE {
            section.problem("name", "is what the metrics call the calls that come in");
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
            fails_without_user: fails?,
            response: response?,
            to,
            host: host?,
            everywhere: everywhere()?,
            name,
        })
    }

    /// Whether a user's token of the program's is looked at.
    pub(crate) fn takes_token(&self) -> bool {
        matches!(self.identity, Identity::Exchange | Identity::Relay)
    }

    fn route(&self) -> RouteSettings {
        RouteSettings {
            hosts: vec![self.host.clone()],
            identity: self.identity,
            audience: Some(self.audience.clone()),
            scope: self.scope.clone(),
            timeouts: TimeoutSettings {
                response: self.response,
                ..TimeoutSettings::default()
            },
            ..RouteSettings::new(&self.name, self.everywhere.clone(), self.to.clone())
        }
    }

    fn rule(&self) -> RouteRule {
        let rule = match self.takes_token() && self.fails_without_user {
            true => Rule::Authenticated,
            false => Rule::Anonymous,
        };
        RouteRule::new(self.everywhere.clone(), rule).hosts([self.host.clone()])
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
