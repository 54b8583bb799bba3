//! What the program sends: looked at, and handed to where it goes.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use hallpass_listen::{HttpServer, RunningServer};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::lent::Lent;
use super::local::{Services, Way};
use super::outside::Hosts;
use super::tunnels::Tunnels;
use crate::proxy::metrics::RouteCounters;
use crate::proxy::noted::Noted;
use crate::proxy::parts::{Peer, ReplyBody};
use crate::proxy::pipeline::Proxy;

/// Where the program sends.
pub(super) struct Outbound {
    /// To services.
    pub(super) proxy: Arc<Proxy>,
    /// Whom it calls.
    pub(super) services: ArcSwap<Services>,
    /// For whom it works, by the handles that it was given.
    pub(super) lent: Option<Lent>,
    /// To hosts that are no services.
    pub(super) outside: Arc<Proxy>,
    /// Which they are.
    pub(super) hosts: Arc<Hosts>,
    pub(super) tunnels: Tunnels,
}

impl Outbound {
    /// Serves the program beside it. `of_port`: the service whose port this is.
    pub(super) fn serve(
        self: &Arc<Self>,
        server: HttpServer,
        of_port: Option<Arc<str>>,
    ) -> io::Result<RunningServer> {
        let outbound = Arc::clone(self);
        server.serve(move |address| {
            let (outbound, of_port) = (Arc::clone(&outbound), of_port.clone());
            tower::service_fn(move |request| {
                let (outbound, of_port) = (Arc::clone(&outbound), of_port.clone());
                async move {
                    let response = outbound.respond(of_port.as_deref(), address, request).await;
                    Ok::<_, Infallible>(response)
                }
            })
        })
    }

    async fn respond(
        &self,
        of_port: Option<&str>,
        address: SocketAddr,
        request: Request<Incoming>,
    ) -> Response<ReplyBody> {
        let begun = Instant::now();
        let (mut parts, body) = request.into_parts();
        let services = self.services.load_full();
        let way = services.take(&mut parts, of_port, self.lent.as_ref());
        let proxy = match way {
            Ok(Way::Service) => &self.proxy,
            Ok(Way::Outside) => &self.outside,
            // In boxes, as what few requests need.
            Ok(Way::Tunnel(to)) => {
                let opened = Box::pin(self.tunnels.open(&to, &mut parts)).await;
                let answer = match opened {
                    Ok(response) => Answer::of(response, None),
                    Err(fault) => Answer::of(fault.response(), Some(fault.by())),
                };
                let counters = &self.tunnels.counters;
                return self.note(answer, (&parts, address, begun), Some(counters));
            }
            Err(fault) => {
                tracing::debug!(?fault, "a request of the program was refused");
                let answer = Answer::of(fault.response(), Some(fault.by()));
                return self.note(answer, (&parts, address, begun), None);
            }
        };
        let peer = Peer {
            address,
            is_tls: false,
        };
        proxy.respond(peer, Request::from_parts(parts, body)).await
    }

    /// What is answered here is counted, and has its line, as what the pipeline answers.
    fn note(
        &self,
        answer: Answer,
        (parts, address, begun): (&Parts, SocketAddr, Instant),
        counters: Option<&RouteCounters>,
    ) -> Response<ReplyBody> {
        let Answer {
            mut response,
            refused_by,
        } = answer;
        let plan = self.proxy.plan.load_full();
        let mut noted = Noted::new(&plan, parts, address.ip());
        noted.counters = counters.unwrap_or(noted.counters);
        noted.refused_by = refused_by;
        if let Some(by) = refused_by {
            noted.counters.refused(by);
        }
        noted.answered(&mut response, begun, &*self.proxy.network.clock);
        response.map(|body| Either::Right(Full::new(body)))
    }
}

/// What is answered here.
struct Answer {
    response: Response<Bytes>,
    refused_by: Option<&'static str>,
}

impl Answer {
    fn of(response: Response<Bytes>, refused_by: Option<&'static str>) -> Self {
        Self {
            response,
            refused_by,
        }
    }
}
