//! What is known of a request by its head alone.

use std::net::IpAddr;

use bytes::Bytes;
use hallpass_listen::{ConnectionHandle, ConnectionPeer};
use hallpass_token::SecurityContext;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Response};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;

use super::cors;
use super::forwarded::Told;
use super::head::{self, Framing};
use super::hop_by_hop;
use super::noted::Noted;
use super::parts::Came;
use super::plan::{ProxyPlan, Route};
use super::rescue::Trouble;
use super::who::Who;

/// Headers that most requests have more on their way on: what is known of where they come from, of their caller, and of their trace.
const WRITTEN_HERE: usize = 8;

/// A request whose head was looked at.
#[derive(Debug)]
pub(crate) struct Seen<'p> {
    pub(crate) framing: Framing,
    pub(crate) kept: hop_by_hop::Kept,
    pub(crate) route: Option<&'p Route>,
    /// Where it comes from.
    address: IpAddr,
}

/// What a look brings.
#[derive(Debug)]
pub(crate) enum Looked<'p> {
    /// A request to decide about.
    Request(Seen<'p>),
    /// The answer to the question of a browser.
    Preflight(Response<Full<Bytes>>),
}

impl<'p> Seen<'p> {
    /// Its route, where that has rates.
    pub(crate) fn limited(&self) -> Option<&'p Route> {
        self.route.filter(|route| !route.rates.is_empty())
    }

    /// Whose request it is.
    pub(crate) fn who<'a>(
        &self,
        route: &'a Route,
        parts: &'a Parts,
        context: Option<&'a SecurityContext>,
    ) -> Who<'a> {
        Who {
            route: &route.settings.name,
            address: self.address,
            context,
            headers: &parts.headers,
        }
    }
}

/// Looks at the head, without asking anybody.
///
/// # Errors
/// [`Trouble`]: it is no request that is handed on.
pub(crate) fn look<'p>(
    plan: &'p ProxyPlan,
    came: &mut Came,
    noted: &mut Noted<'p>,
) -> Result<Looked<'p>, Trouble> {
    head::check(&came.parts)?;
    let framing = came.body.as_ref().map_or(Framing::NoBody, Framing::of);
    if plan.forwarded.is_in_a_mesh() {
        // In place of any other: it is the connection that says it.
        let peer = ConnectionPeer(came.peer.address);
        came.parts.extensions.insert(peer);
    }
    noted.brings(framing);
    // At once for all that is written there, and not each time that it is full.
    came.parts.headers.reserve(WRITTEN_HERE);
    let kept = hop_by_hop::take_out(&mut came.parts.headers).map_err(|_| Trouble::Connection)?;
    came.waits = kept.waits;
    if let Some(method) = cors::asked_method(&came.parts)
        && let Some(route) = plan.route_asked_about(&came.parts, &method)?
        && let Some(cors) = &route.cors
    {
        noted.is_asked_about(route);
        return Ok(Looked::Preflight(cors.preflight(&came.parts)));
    }
    let route = plan.route(&came.parts)?;
    noted.takes(route, &came.parts.headers);
    // Before what proxies say is taken out.
    let address = plan
        .forwarded
        .caller(came.peer.address, &came.parts.headers);
    noted.comes_from(address);
    // As it was named: one that is none has got no further. HTTP/2 names it in its target.
    let host = match came.parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => came.parts.headers.get(HOST).cloned(),
    };
    let path = came.parts.uri.path();
    let told = Told {
        peer: came.peer,
        host: host.as_ref(),
        prefix: route.and_then(|route| route.rewrite.stripped_prefix(path)),
    };
    plan.forwarded.apply(told, &mut came.parts.headers);
    Ok(Looked::Request(Seen {
        framing,
        kept,
        route,
        address,
    }))
}

/// What becomes of the connection of a request that asks for an upgrade, where it can be had.
pub(crate) fn upgrade_of(parts: &mut Parts) -> Option<(OnUpgrade, ConnectionHandle)> {
    let connection = parts.extensions.remove::<ConnectionHandle>()?;
    Some((parts.extensions.remove::<OnUpgrade>()?, connection))
}
