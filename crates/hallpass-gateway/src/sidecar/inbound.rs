//! What comes to the program, with a handle for its caller where handles are lent.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hallpass_listen::{HttpServer, RunningServer};
use hallpass_resource::DenialResponse;
use http::header::{HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::body::Incoming;

use super::lent::{self, Lease, Lent, NoHandle};
use crate::problem::problem;
use crate::proxy::parts::{Peer, ReplyBody};
use crate::proxy::pipeline::Proxy;

/// Serves those who call the program.
pub(super) fn serve(
    proxy: &Arc<Proxy>,
    server: HttpServer,
    is_tls: bool,
    lent: Option<&Lent>,
) -> io::Result<RunningServer> {
    let (handling, lent) = (Arc::clone(proxy), lent.cloned());
    server.serve(move |address| {
        let (proxy, peer) = (Arc::clone(&handling), Peer { address, is_tls });
        let lent = lent.clone();
        tower::service_fn(move |mut request: Request<Incoming>| {
            let proxy = Arc::clone(&proxy);
            let lease = match &lent {
                Some(lent) => lent.lend(request.headers_mut()),
                None => {
                    // Nobody outside has a handle that means anything.
                    lent::strip(request.headers_mut());
                    Ok(None)
                }
            };
            async move {
                let (response, lease) = match lease {
                    Ok(lease) => {
                        let response = proxy.respond(peer, request).await;
                        let lease = match lease {
                            Some(lease) if is_refused(&response) => {
                                lease.end();
                                None
                            }
                            lease => lease,
                        };
                        (response, lease)
                    }
                    Err(NoHandle) => (busy(), None),
                };
                Ok::<_, Infallible>(response.map(|body| Leased {
                    body,
                    _lease: lease,
                }))
            }
        })
    })
}

/// Whether the program has not seen the request: it was answered here, for a fault of its sender.
fn is_refused<B>(response: &Response<B>) -> bool {
    let told = response.extensions().get::<DenialResponse>();
    told.is_some_and(|told| told.status.is_client_error())
}

fn busy() -> Response<ReplyBody> {
    let title = "As many requests of callers are under way as may be.";
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "upstream_busy", title);
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response.map(|body| Either::Right(Full::new(body)))
}

/// The body of a response. Until its end the handle of its request counts.
struct Leased {
    body: ReplyBody,
    _lease: Option<Lease>,
}

impl Body for Leased {
    type Data = Bytes;
    type Error = <ReplyBody as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
