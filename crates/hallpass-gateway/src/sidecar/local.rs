//! Who may send by the outbound side: the program beside it, and no page that its developer looks at.
//!
//! Connections of other machines are closed before a byte of them is read. A browser on the same machine can connect, though, and sends whatever a page
//! says: but it says that it is one (`Origin`, `Sec-Fetch-Site`), or, where the page has its name resolved to this machine, it names a host that is none of ours.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use bytes::Bytes;
use hallpass_resource::named_host;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, ORIGIN,
    TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Method, Response, StatusCode, Uri, Version};

use super::lent::{self, Lent, Redeemed};
use crate::problem::problem;
use crate::settings::sidecar::{
    OutboundServiceSettings, OutboundSettings, OutsideAddress, WITHOUT_USER,
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The port of a host that is named without one.
const HTTP_PORT: u16 = 80;

/// Why a request does not get on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotLocal {
    /// A web page has sent it.
    WebPage,
    /// It is for a service that the settings do not name.
    UnknownService,
    /// The handle that it brings stands for nobody any more.
    EndedContext,
    /// It asks for a tunnel that the settings do not name.
    Tunnel,
    /// A tunnel has no body before it.
    Body,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To a service.
    Service,
    /// To a host that is none, as nobody's.
    Outside,
    /// It becomes a tunnel to this host.
    Tunnel(OutsideAddress),
}

impl NotLocal {
    /// What refuses, for the metrics.
    pub(crate) const fn by(self) -> &'static str {
        match self {
            Self::WebPage => "page",
            Self::UnknownService => "route",
            Self::EndedContext => "context",
            Self::Tunnel | Self::Body => "framing",
        }
    }

    pub(crate) fn response(self) -> Response<Bytes> {
        let (status, code, title) = match self {
            Self::WebPage => (
                StatusCode::FORBIDDEN,
                "web_page",
                "Web pages may not call services by this proxy.",
            ),
            Self::UnknownService => (
                StatusCode::FORBIDDEN,
                "unknown_service",
                "The host is no service of sidecar.outbound.services.",
            ),
            Self::EndedContext => (
                StatusCode::UNAUTHORIZED,
                "ended_context",
                "X-Hallpass-Context stands for no request, or for one that ended some time ago.",
            ),
            Self::Tunnel => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Call services with http://, not https://: the sidecar makes TLS. Tunnels to other hosts are those of sidecar.outbound.connect.",
            ),
            Self::Body => (
                StatusCode::BAD_REQUEST,
                "bad_framing",
                "CONNECT has no body.",
            ),
        };
        let mut response = problem(status, code, title);
        match self {
            Self::EndedContext => {
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
            }
            Self::Body => {
                // Where it begins and ends is in doubt.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            Self::WebPage | Self::UnknownService | Self::Tunnel => {}
        }
        response
    }
}

/// Whom the program calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Services {
    services: HashMap<Box<str>, Takes>,
    /// Hosts that are none.
    outside: HashSet<OutsideAddress>,
    /// Hosts that it may have tunnels to.
    tunnels: HashSet<OutsideAddress>,
}

/// Whether the program's word of its caller counts for a service.
#[derive(Clone, Debug)]
enum Takes {
    /// There must be one.
    User,
    /// Without one a call is for this host.
    UserOr(Box<str>),
    /// It is removed.
    Nothing,
}

impl Takes {
    fn new(service: &OutboundServiceSettings) -> Self {
        match (service.takes_token(), service.goes_without_user()) {
            (false, _) => Self::Nothing,
            (true, false) => Self::User,
            (true, true) => Self::UserOr(format!("{}{WITHOUT_USER}", service.name).into()),
        }
    }
}

impl Services {
    pub(crate) fn new(settings: &OutboundSettings) -> Self {
        let services = settings.services.iter();
        Self {
            services: services
                .map(|it| (it.name.as_str().into(), Takes::new(it)))
                .collect(),
            outside: settings.pass_through.iter().cloned().collect(),
            tunnels: settings.connect.iter().cloned().collect(),
        }
    }

    /// Makes a request one to whom it names, for the caller whose handle it has. `of_port`: the service whose port it came to; `None` where it came to the
    /// proxy.
    ///
    /// # Errors
    /// [`NotLocal`].
    pub(crate) fn take(
        &self,
        parts: &mut Parts,
        of_port: Option<&str>,
        lent: Option<&Lent>,
    ) -> Result<Way, NotLocal> {
        if is_of_a_page(parts) {
            return Err(NotLocal::WebPage);
        }
        if parts.method == Method::CONNECT {
            return self.tunnel(parts, of_port).map(Way::Tunnel);
        }
        let host = named_host(parts).map_err(|_| NotLocal::UnknownService)?;
        let name = match of_port {
            None => &*host,
            Some(service) if is_this_machine(&host) || *host == *service => service,
            // A page whose name was made one of this machine.
            Some(_) => return Err(NotLocal::WebPage),
        };
        let Some(takes) = self.services.get(name) else {
            return self.pass_by(parts, of_port);
        };
        let headers = &mut parts.headers;
        let redeemed = match lent {
            Some(lent) => lent.redeem(headers),
            None => lent::refuse(headers),
        };
        let has_word = headers.contains_key(AUTHORIZATION);
        let host = match takes {
            Takes::Nothing => {
                remove_credentials(headers);
                name
            }
            // Who worked for somebody must not go on as nobody, nor as the service.
            Takes::User | Takes::UserOr(_) if redeemed == Redeemed::Nobody => {
                return Err(NotLocal::EndedContext);
            }
            Takes::UserOr(without) if !has_word => &**without,
            Takes::User | Takes::UserOr(_) => name,
        };
        if of_port.is_some() || host != name {
            rename(parts, host).ok_or(NotLocal::UnknownService)?;
        }
        Ok(Way::Service)
    }

    /// A request to a host that is no service, of which nothing is sent that says who calls.
    fn pass_by(&self, parts: &mut Parts, of_port: Option<&str>) -> Result<Way, NotLocal> {
        // TLS is for a tunnel: here it would be left out unseen.
        let is_plain = parts.uri.scheme().is_none_or(|it| *it == Scheme::HTTP);
        let named = authority_of(parts).filter(|_| is_plain && of_port.is_none());
        let named = named.and_then(|it| OutsideAddress::of_authority(it, Some(HTTP_PORT)));
        let known = named.filter(|it| self.outside.contains(it));
        let known = known.ok_or(NotLocal::UnknownService)?.to_string();
        lent::strip(&mut parts.headers);
        remove_credentials(&mut parts.headers);
        rename(parts, &known).ok_or(NotLocal::UnknownService)?;
        Ok(Way::Outside)
    }

    /// Where a tunnel goes that the settings name.
    fn tunnel(&self, parts: &Parts, of_port: Option<&str>) -> Result<OutsideAddress, NotLocal> {
        // Of HTTP/2 it would be a stream, which nothing here tunnels.
        let is_proxys = of_port.is_none() && parts.version == Version::HTTP_11;
        let named = parts.uri.authority().filter(|_| is_proxys);
        let named = named.and_then(|it| OutsideAddress::of_authority(it.as_str(), None));
        let known = named.filter(|it| self.tunnels.contains(it));
        let known = known.ok_or(NotLocal::Tunnel)?;
        let has_body = [CONTENT_LENGTH, TRANSFER_ENCODING]
            .iter()
            .any(|name| parts.headers.contains_key(name));
        match has_body {
            true => Err(NotLocal::Body),
            false => Ok(known),
        }
    }
}

fn remove_credentials(headers: &mut HeaderMap) {
    headers.remove(AUTHORIZATION);
    headers.remove(DPOP);
}

/// The host that the request names, with the port: what reads connections has seen to it that there is one.
fn authority_of(parts: &Parts) -> Option<&str> {
    match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(HOST)?.to_str().ok(),
    }
}

/// Browsers say so of what pages send: always where the page is of another origin, or the request changes something.
fn is_of_a_page(parts: &Parts) -> bool {
    let site = parts.headers.get(SEC_FETCH_SITE);
    let is_own = |site: &HeaderValue| matches!(site.as_bytes(), b"none" | b"same-origin");
    parts.headers.contains_key(ORIGIN) || site.is_some_and(|site| !is_own(site))
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// From here on the request is for this host.
fn rename(parts: &mut Parts, name: &str) -> Option<()> {
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    if uri.authority.is_some() {
        uri.authority = Some(name.parse::<Authority>().ok()?);
        uri.scheme = uri.scheme.or(Some(Scheme::HTTP));
    }
    parts.uri = Uri::from_parts(uri).ok()?;
    parts
        .headers
        .insert(HOST, HeaderValue::from_str(name).ok()?);
    Some(())
}

#[cfg(test)]
mod tests;
