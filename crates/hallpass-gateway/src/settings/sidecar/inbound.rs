//! `sidecar.inbound`: what comes to the program.

use std::net::SocketAddr;

use hallpass_client::Identity;
use hallpass_config::Section;
use hallpass_resource::PathPattern;
use hallpass_tls::{IssuedFiles, ServerTlsSettings};
use hallpass_upstream::{EndpointUrl, Http2};

use crate::settings::gateway::GatewaySettings;
use crate::settings::route::RouteSettings;
use crate::settings::service::ServiceSettings;

/// The route of what comes to the program, in metrics.
pub(super) const ROUTE: &str = "inbound";

/// `inbound`: what comes to the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundSettings {
    /// `listen`: where callers come in.
    pub listen: SocketAddr,
    /// `tls`: what callers are shown and asked for; plain HTTP without it.
    pub tls: Option<ServerTlsSettings>,
    /// `forward-to`: the program.
    pub forward_to: EndpointUrl,
    /// `identity: relay`: whether the program gets the token that the call came with.
    pub relays: bool,
    /// `max-body-bytes`: the longest body of a request.
    pub max_body_bytes: u64,
    /// `http2`: whether the program is called by HTTP/2.
    pub http2: Http2,
    /// `lend-context`: whether the program gets a handle for its caller, which it copies to its calls.
    pub lends_context: bool,
    everywhere: PathPattern,
}

impl InboundSettings {
    pub(super) fn read(section: &Section<'_>, issued: Option<&IssuedFiles>) -> Option<Self> {
        let listen = section.socket_address("listen");
        let tls = section.section("tls");
        // A section that cannot be used must not become plain HTTP.
        let tls = match tls.is_given() {
            true => ServerTlsSettings::read_or_issued(&tls, issued).map(Some),
            false => Some(None),
        };
        let forward_to = section.required("forward-to", Section::parsed);
        let elsewhere = section.flag("dangerous-forward-elsewhere");
        if elsewhere == Some(false)
            && let Some(EndpointUrl::Https(_) | EndpointUrl::LoadBalanced { .. }) = forward_to
        {
            section.problem(
                "forward-to",
                "must be `http://127.0.0.1:PORT`, unless `dangerous-forward-elsewhere` is set",
            );
        }
        let relays = section.choice("identity", |name| match name {
            "relay" => Some(true),
            "none" => Some(false),
            _ => None,
        });
        let max_body_bytes = section.whole("max-body-bytes");
        let http2 = section.choice("http2", Http2::named);
        let lends_context = section.flag("lend-context");
        Some(Self {
            listen: listen?,
            tls: tls?,
            forward_to: forward_to?,
            relays: relays?,
            max_body_bytes: max_body_bytes?,
            http2: http2?,
            lends_context: lends_context?,
            everywhere: everywhere()?,
        })
    }

    /// The same as a gateway with one route.
    pub(crate) fn as_gateway(&self) -> GatewaySettings {
        let route = RouteSettings {
            identity: match self.relays {
                true => Identity::Relay,
                false => Identity::None,
            },
            max_body_bytes: self.max_body_bytes,
            // The program sees the host that its callers name; in HTTP/2 that would be a second one beside the one of its connection.
            preserves_host: self.http2 == Http2::Never,
            ..RouteSettings::new(ROUTE, self.everywhere.clone(), self.forward_to.clone())
        };
        GatewaySettings {
            listen: vec![self.listen],
            tls: self.tls.clone(),
            routes: vec![route],
            service_defaults: ServiceSettings {
                http2: self.http2,
                // Those who call a program are mostly services, each for all of its users.
                caller_bulkhead: None,
                ..ServiceSettings::default()
            },
            ..GatewaySettings::default()
        }
    }
}

/// All paths.
pub(super) fn everywhere() -> Option<PathPattern> {
    "/**".parse().ok()
}
