//! The bundle of authorities: fetched beside the certificates, and kept.

use bytes::Bytes;
use hallpass_upstream::{AskedUrl, Body, EndpointUrl, HttpTransport, Network};
use http::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use http::{Request, StatusCode};
use std::time::Duration;
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::error::CertificateError;
use crate::given::check_bundle;

/// Largest bundle that is read, in bytes.
const MAX_BUNDLE_BYTES: usize = 64 * 1024;

/// Where the bundle is, and which one is known.
pub(crate) struct Bundle {
    /// `None` where the authority has a path of its own, which says of no bundle.
    url: Option<AskedUrl>,
    etag: Option<HeaderValue>,
}

/// One that was fetched.
pub(crate) struct Fetched {
    pub(crate) text: String,
    etag: Option<HeaderValue>,
}

impl Bundle {
    /// It stands beside the certificates of `authority`.
    pub(crate) fn beside(authority: &EndpointUrl, network: &Network) -> Self {
        let url = authority.to_string();
        let base = url.strip_suffix("/certificate");
        let url = base.and_then(|base| format!("{base}/bundle").parse().ok());
        Self {
            url: url.map(|url: EndpointUrl| AskedUrl::new(url, network)),
            etag: None,
        }
    }

    /// Another one than the known one; `None` while there is none.
    pub(crate) async fn fetch(&self, limit: Duration) -> Result<Option<Fetched>, CertificateError> {
        let Some(url) = &self.url else {
            return Ok(None);
        };
        let known = self.etag.as_ref();
        let fetched = url.ask(limit, |address| fetch(url.transport(), address, known));
        let unusable = |problem| CertificateError::Unusable { problem };
        let fetched = timeout(limit, fetched).await;
        let fetched = fetched.map_err(|_| unusable("the bundle did not come in time"))?;
        let fetched = fetched.map_err(|_| unusable("the bundle cannot be fetched"))?;
        if let Some(fetched) = &fetched {
            check_bundle(&fetched.text)?;
        }
        Ok(fetched)
    }

    /// `fetched` is what is in use now.
    pub(crate) fn is(&mut self, fetched: Fetched) {
        self.etag = fetched.etag;
    }

    /// What is in use came another way: it is compared at the next time.
    pub(crate) fn is_another(&mut self) {
        self.etag = None;
    }
}

/// The bundle; `None` while it is the one that is known.
async fn fetch(
    transport: HttpTransport,
    address: String,
    known: Option<&HeaderValue>,
) -> Result<Option<Fetched>, &'static str> {
    let mut request = Request::get(address).body(Body::empty());
    if let (Ok(request), Some(known)) = (&mut request, known) {
        request.headers_mut().insert(IF_NONE_MATCH, known.clone());
    }
    let request = request.map_err(|_| "no address")?;
    let response = transport.oneshot(request).await;
    let (head, body) = response.map_err(|_| "the connection failed")?.into_parts();
    match head.status {
        StatusCode::NOT_MODIFIED => return Ok(None),
        StatusCode::OK => {}
        _ => return Err("no bundle"),
    }
    let body = body.collect_within(MAX_BUNDLE_BYTES).await;
    let body: Bytes = body.map_err(|_| "the bundle broke off, or is too large")?;
    let text = String::from_utf8(body.to_vec()).map_err(|_| "no text")?;
    let etag = head.headers.get(ETAG).cloned();
    Ok(Some(Fetched { text, etag }))
}
