//! The head that an upstream sees.

use hallpass_client::Identity;
use hallpass_resource::Authorized;
use hallpass_upstream::{Body, CarriesNoSecret, Http2};
use http::header::{AUTHORIZATION, CONNECTION, HOST, TE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::time::Instant;

use super::attempt::Times;
use super::cookies::join_crumbs;
use super::head::Framing;
use super::identity::IdentityNames;
use super::plan::Route;
use super::rescue::Trouble;
use crate::upstream_token::Bears;

const DPOP: HeaderName = HeaderName::from_static("dpop");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Writes each of these headers, with all of its values, in place of what stood there. The values of one stand next to each other.
pub(crate) fn set_all(wanted: &[(HeaderName, HeaderValue)], headers: &mut HeaderMap) {
    let mut before = None;
    for (name, value) in wanted {
        match before == Some(name) {
            true => _ = headers.append(name, value.clone()),
            false => _ = headers.insert(name, value.clone()),
        }
        before = Some(name);
    }
}

/// What the head of a request is made by.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) route: &'a Route,
    pub(crate) names: &'a IdentityNames,
    pub(crate) authorized: &'a Authorized,
    pub(crate) framing: Framing,
    pub(crate) is_upgrade: bool,
    pub(crate) wants_trailers: bool,
    pub(crate) is_grpc: bool,
    pub(crate) times: Times,
}

impl Outgoing<'_> {
    /// Makes the head of a request that has come the one that is sent. Its hop-by-hop fields are gone already.
    ///
    /// # Errors
    /// [`Trouble::TooLong`]: its caller does not wait any more.
    pub(crate) fn dress(&self, request: &mut Request<Body>, bears: Bears) -> Result<(), Trouble> {
        let headers = request.headers_mut();
        set_all(&self.route.settings.set_headers, headers);
        match bears {
            Bears::AsItCame => {}
            // The proof of a token that is not passed on is of no use to anybody.
            Bears::Token(token) => {
                headers.insert(AUTHORIZATION, token.authorization().clone());
                headers.remove(DPOP);
            }
            Bears::Nothing => {
                headers.remove(AUTHORIZATION);
                headers.remove(DPOP);
            }
        }
        if !self.route.settings.preserves_host {
            // That of the instance is written when it is known.
            headers.remove(HOST);
        }
        join_crumbs(headers);
        self.framing.write(headers);
        if self.is_grpc || (self.wants_trailers && self.route.service.http2 != Http2::Never) {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        if let Some(trace) = self.authorized.call_context().trace() {
            trace.write(headers);
        }
        if let Some(end) = self.times.end {
            self.tell_time_left(headers, end)?;
        }
        if self.is_upgrade {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        self.names.bear(headers, self.authorized);
        let extensions = request.extensions_mut();
        if self.route.service.http2 != Http2::Never && !self.is_upgrade {
            extensions.insert(self.route.service.http2);
        }
        if self.route.settings.identity == Identity::None {
            extensions.insert(CarriesNoSecret);
        }
        Ok(())
    }

    /// The upstream is to stop no later than whoever waits for it, so what is left is rounded down.
    fn tell_time_left(&self, headers: &mut HeaderMap, end: Instant) -> Result<(), Trouble> {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Trouble::TooLong);
        }
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        if self.is_grpc {
            // Eight digits at most: the times of settings end before.
            if let Ok(value) = HeaderValue::try_from(format!("{}m", millis.min(99_999_999))) {
                headers.insert(GRPC_TIMEOUT, value);
            }
        }
        if let Some(name) = self.authorized.deadline_header() {
            headers.insert(name, HeaderValue::from(millis));
        }
        Ok(())
    }
}
