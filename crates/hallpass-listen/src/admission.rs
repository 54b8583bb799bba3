//! Which requests reach the service at all.

use hallpass_tls::{Caller, CallerNow, ShownCertificates};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::framing::Fault;
use crate::host;

/// Why a request does not reach the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotServed {
    /// It names no host, or two.
    Host,
    /// What its sender has shown of itself at the handshake counts no more.
    Certificate,
    /// Where it ends could be read in two ways.
    Framing(Fault),
}

/// Looks at a request, and puts what its caller has shown, as far as it counts now, into it.
pub(crate) fn check(
    caller: Option<&Caller>,
    request: &mut Request<Incoming>,
) -> Result<(), NotServed> {
    if !host::is_named_once(request) {
        return Err(NotServed::Host);
    }
    let extensions = request.extensions_mut();
    match caller.map(Caller::now) {
        None | Some(CallerNow::Nobody) => {}
        Some(CallerNow::Known(ShownCertificates::Verified(shown))) => {
            extensions.insert(shown);
        }
        Some(CallerNow::Known(ShownCertificates::Unverified(shown))) => {
            extensions.insert(shown);
        }
        Some(CallerNow::Refused) => {
            tracing::debug!("a caller is refused whose certificate counts no more");
            return Err(NotServed::Certificate);
        }
    }
    Ok(())
}

/// The response to a request that does not reach the service.
pub(crate) fn refused<B>(not_served: NotServed, body: B) -> Response<B> {
    let mut refused = Response::new(body);
    *refused.status_mut() = match not_served {
        NotServed::Host | NotServed::Certificate => StatusCode::BAD_REQUEST,
        NotServed::Framing(fault) => fault.status(),
    };
    refused
}
