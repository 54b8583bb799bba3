//! What code adds to each request of a client.

use std::fmt;
use std::sync::Arc;

use hallpass_upstream::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use crate::error::ArgumentProblem;
use crate::headers::{is_owned, is_per_call};

/// Most headers that the interceptors of a client set in one request.
const MAX_HEADERS: usize = 32;
/// Longest value of a header that an interceptor sets, in bytes: long enough for a signature, and for a token of another system.
const MAX_VALUE_BYTES: usize = 8 * 1024;

/// A request that is about to be sent, as an interceptor sees it: its method, its path with the query, its headers so far, its body where
/// that is in memory; and a way to set headers.
///
/// The identity of the call is not in it yet, and cannot be set. Where it goes is not a matter of interceptors either.
pub struct Intercepted<'a> {
    request: &'a mut Request<Body>,
    /// How many headers may still be set.
    left: usize,
}

impl<'a> Intercepted<'a> {
    pub(crate) const fn new(request: &'a mut Request<Body>) -> Self {
        Self {
            request,
            left: MAX_HEADERS,
        }
    }

    /// The verb.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.request.method()
    }

    /// Where it goes: the chosen instance, the path and the query, as they are sent.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        self.request.uri()
    }

    /// What it says so far: what the trait, the configuration and arguments say, and the headers of the context. Not its identity.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// The body as it is sent; `None` for one that is a stream.
    #[must_use]
    pub fn body(&self) -> Option<bytes::Bytes> {
        self.request.body().try_clone()?.into_bytes()
    }

    /// Sets a header, in place of one that has the name. Its value counts as secret, whatever the name says: it is not shown by `Debug`, and
    /// leaves over plain http for addresses on loopback alone.
    ///
    /// # Errors
    /// For a name that is none, or that belongs to the identity of the call, to its body or to the connection; for one that is set for a
    /// call and not for an attempt, in every spelling (`Idempotency-Key`, which would be another key for each repetition, what says a
    /// deadline, `traceparent`, `tracestate`, `X-User-Id`); for a value that is not printable ASCII or is longer than 8 KiB; and for more
    /// than 32 headers. Whoever hands the error on with `?` stops the call.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), ArgumentProblem> {
        let name = name
            .parse::<HeaderName>()
            .map_err(|_| ArgumentProblem::HeaderText)?;
        if is_owned(&name) || is_per_call(&name) {
            return Err(ArgumentProblem::OwnedHeader);
        }
        let printable = value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        let value = HeaderValue::from_str(value).ok().filter(|_| printable);
        let mut value = value.ok_or(ArgumentProblem::HeaderText)?;
        value.set_sensitive(true);
        if value.len() > MAX_VALUE_BYTES || self.left == 0 {
            return Err(ArgumentProblem::TooManyHeaders);
        }
        self.left -= 1;
        self.request.headers_mut().insert(name, value);
        Ok(())
    }
}

impl fmt::Debug for Intercepted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intercepted")
            .field("method", self.request.method())
            .finish_non_exhaustive()
    }
}

type Intercept = dyn Fn(&mut Intercepted<'_>) -> Result<(), ArgumentProblem> + Send + Sync;

/// All interceptors of a client, in the order in which the code gave them.
#[derive(Clone, Default)]
pub(crate) struct Interceptors(Option<Arc<Vec<Box<Intercept>>>>);

impl Interceptors {
    pub(crate) fn add(
        &mut self,
        interceptor: impl Fn(&mut Intercepted<'_>) -> Result<(), ArgumentProblem>
        + Send
        + Sync
        + 'static,
    ) {
        let all = self.0.get_or_insert_default();
        // A builder is not cloned, so nobody else holds them yet.
        if let Some(all) = Arc::get_mut(all) {
            all.push(Box::new(interceptor));
        }
    }

    /// Asks all of them, until one stops the call.
    pub(crate) fn see(&self, request: &mut Request<Body>) -> Result<(), ArgumentProblem> {
        let Some(all) = &self.0 else { return Ok(()) };
        let mut seen = Intercepted::new(request);
        all.iter()
            .try_for_each(|interceptor| interceptor(&mut seen))
    }
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.as_ref().map_or(0, |all| all.len());
        write!(f, "Interceptors({count})")
    }
}
