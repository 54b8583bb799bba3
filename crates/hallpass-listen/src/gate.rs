//! Which requests of an HTTP/1 connection reach the service.

use std::sync::Arc;

use hallpass_tls::Caller;
use http::header::UPGRADE;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;

use crate::admission::{self, NotServed};
use crate::framing::Noted;
use crate::handle::ConnectionHandle;
use crate::metrics::ConnectionMetrics;

/// Stands between a connection and its service.
pub(crate) struct Gate {
    noted: Arc<Noted>,
    metrics: ConnectionMetrics,
    caller: Option<Caller>,
    handle: ConnectionHandle,
}

/// Whether a response to its request ends HTTP on the connection.
pub(crate) struct EndsHttp {
    /// `None`: the request does not ask for it, and hyper closes the connection behind a 101 that nobody has asked for.
    noted: Option<Arc<Noted>>,
    is_connect: bool,
}

impl Gate {
    pub(crate) fn new(
        noted: Arc<Noted>,
        metrics: ConnectionMetrics,
        caller: Option<Caller>,
        handle: &ConnectionHandle,
    ) -> Self {
        Self {
            noted,
            metrics,
            caller,
            handle: handle.clone(),
        }
    }

    /// To be asked once for each request, in their order.
    pub(crate) fn admit(&self, request: &mut Request<Incoming>) -> Result<(), NotServed> {
        if let Some(fault) = self.noted.next_request() {
            self.metrics.misframed(fault);
            tracing::debug!(fault = fault.name(), "a request is refused for its framing");
            return Err(NotServed::Framing(fault));
        }
        admission::check(self.caller.as_ref(), request)?;
        give(&self.handle, request);
        Ok(())
    }

    pub(crate) fn ends_http<B>(&self, request: &Request<B>) -> EndsHttp {
        EndsHttp {
            noted: asks_for_it(request).then(|| Arc::clone(&self.noted)),
            is_connect: request.method() == Method::CONNECT,
        }
    }
}

impl EndsHttp {
    /// With a response of that status.
    pub(crate) fn at(&self, status: StatusCode) {
        let ends =
            status == StatusCode::SWITCHING_PROTOCOLS || self.is_connect && status.is_success();
        if let Some(noted) = &self.noted
            && ends
        {
            noted.http_is_over();
        }
    }
}

/// The handle of its connection to a request whose response may end HTTP on it.
fn give<B>(handle: &ConnectionHandle, request: &mut Request<B>) {
    if asks_for_it(request) {
        request.extensions_mut().insert(handle.clone());
    }
}

/// Whether the response to it may end HTTP on its connection.
fn asks_for_it<B>(request: &Request<B>) -> bool {
    request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE)
}
