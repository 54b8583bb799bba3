//! What is responded to a change: shown once, and remembered for who asks twice.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use serde::Serialize;
use zeroize::Zeroizing;

use super::fault::AdminFault;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A response, which may have a secret in it. No `Debug` on purpose.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) status: StatusCode,
    pub(super) etag: Option<HeaderValue>,
    pub(super) location: Option<HeaderValue>,
    /// JSON.
    pub(super) body: Arc<Zeroizing<Vec<u8>>>,
}

impl Made {
    /// 200 with this object.
    ///
    /// # Errors
    /// [`AdminFault::Internal`].
    pub(super) fn of(object: &impl Serialize) -> Result<Self, AdminFault> {
        let body = serde_json::to_vec(object).map_err(|_| AdminFault::Internal)?;
        Ok(Self {
            status: StatusCode::OK,
            etag: None,
            location: None,
            body: Arc::new(Zeroizing::new(body)),
        })
    }
}

impl IntoResponse for Made {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body.to_vec()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        for (name, value) in [(ETAG, self.etag), (LOCATION, self.location)] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        response
    }
}
