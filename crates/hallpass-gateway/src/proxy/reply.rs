//! The response of an upstream on its way to the caller.

use hallpass_listen::ConnectionHandle;
use hallpass_resource::{Authorized, EndingBody};
use hallpass_upstream::{Body, KeyedPlace};
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};
use http_body_util::{Either, Full};
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, sleep_until};

use super::attempt::Answered;
use super::caller_places::HeldPlaces;
use super::download::Download;
use super::hop_by_hop::take_out_of_response;
use super::metrics::ProxyMetrics;
use super::outgoing::set_all;
use super::parts::ReplyBody;
use super::pause::Pause;
use super::plan::Route;
use super::tunnel::{self, TunnelEnds, TunnelPlace};

/// What a response is handed on by.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) metrics: &'a ProxyMetrics,
    pub(crate) route: &'a Route,
    pub(crate) authorized: &'a Authorized,
    pub(crate) has_trailers: bool,
    /// When the request came.
    pub(crate) begun: Instant,
    /// Its caller's, where those are counted.
    pub(crate) place: Option<KeyedPlace>,
}

/// Whether the upstream has taken an upgrade. That one was asked for was looked at before.
pub(crate) fn is_switch((response, _): &Answered) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS
}

impl Reply<'_> {
    /// The response, whose body comes as the upstream gives it.
    pub(crate) fn hand_on(mut self, (response, under_way): Answered) -> Response<ReplyBody> {
        let (head, body) = self.head(response);
        let timeouts = &self.route.settings.timeouts;
        let pause = match is_stream(&head) {
            true => timeouts.stream_idle,
            false => timeouts.idle,
        };
        let counter = self.metrics.downloaded.clone();
        let places = HeldPlaces::new(under_way, self.place.take());
        let service = &self.route.service;
        let mut body = Download::new((body, places), Pause::new(pause), counter, service);
        if self.has_trailers {
            body = body.with_trailers();
        }
        if let Some(total) = timeouts.total {
            body = body.until(sleep_until(self.begun + total));
        }
        let end = self.authorized.token_end().clone();
        head.map(|()| Either::Left(EndingBody::new(body, end)))
    }

    /// The response that ends HTTP on both connections, which are joined then.
    pub(crate) fn switch(
        mut self,
        (mut response, under_way): Answered,
        (caller, connection): (OnUpgrade, ConnectionHandle),
    ) -> Response<ReplyBody> {
        let upstream = hyper::upgrade::on(&mut response);
        let ends = TunnelEnds {
            token: self.authorized.token_end().clone(),
            connection,
            idle: self.route.settings.timeouts.websocket_idle,
        };
        let place = TunnelPlace::new(
            HeldPlaces::new(under_way, self.place.take()),
            &self.metrics.open_tunnels,
        );
        tunnel::join((caller, upstream), ends, place);
        let (mut head, _none) = self.head(response);
        let headers = head.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        head.map(|()| Either::Right(Full::default()))
    }

    fn head(&self, response: Response<Body>) -> (Response<()>, Body) {
        let (mut parts, body) = response.into_parts();
        take_out_of_response(&mut parts.headers);
        for name in &self.route.settings.removed_response_headers {
            parts.headers.remove(name);
        }
        set_all(&self.route.settings.response_headers, &mut parts.headers);
        self.authorized.complete(&mut parts.headers);
        parts.extensions.clear();
        // That of this side's connection is its server's to say.
        parts.version = Version::HTTP_11;
        (Response::from_parts(parts, ()), body)
    }
}

/// Whether a response is one whose parts come when there is something to say.
fn is_stream(head: &Response<()>) -> bool {
    let is_of = |headers: &HeaderMap| {
        let media_type = headers.get(CONTENT_TYPE)?.as_bytes();
        let begins = |with: &[u8]| {
            let begin = media_type.get(..with.len());
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(with))
        };
        Some(begins(b"text/event-stream") || begins(b"application/grpc"))
    };
    is_of(head.headers()).unwrap_or(false)
}
