//! What a request to an issuer is made of: who asks, and what proves that.

use hallpass_config::Secret;
use hallpass_upstream::{Body, TransportError, TransportErrorKind};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use url::form_urlencoded;

use crate::credential::Credential;
use crate::credential::request::ClientAuthentication;
use crate::error::TokenError;

/// Adds to a form what proves who the client is, as far as it stands there.
pub(crate) fn prove_in(
    form: &mut form_urlencoded::Serializer<'_, String>,
    credential: &Credential,
    secret: &Secret,
) {
    match credential.authentication {
        ClientAuthentication::Basic => {}
        // What is signed is for one attempt, and is added there. RFC 7521 section 4.2 can do without the id; Spring Authorization Server cannot.
        ClientAuthentication::PrivateKeyJwt => {
            form.append_pair("client_id", credential.client_id.as_str());
        }
        ClientAuthentication::Post => {
            form.append_pair("client_id", credential.client_id.as_str());
            form.append_pair("client_secret", secret.expose());
        }
        ClientAuthentication::Certificate => {
            form.append_pair("client_id", credential.client_id.as_str());
        }
        ClientAuthentication::FederatedJwt => {
            let kind = credential.assertion_type.as_str();
            form.append_pair("client_id", credential.client_id.as_str());
            form.append_pair("client_assertion_type", kind);
            form.append_pair("client_assertion", secret.expose());
        }
    }
}

/// A form for an issuer, from the client of `credential`.
pub(crate) fn token_request(
    credential: &Credential,
    secret: &Secret,
    uri: Uri,
    form: &str,
) -> Result<Request<Body>, TokenError> {
    let mut request = Request::new(Body::from(form.to_owned()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if credential.authentication == ClientAuthentication::Basic {
        let header = credential
            .basic_header(secret)
            .ok_or_else(|| unusable_address("client id or secret"))?;
        headers.insert(AUTHORIZATION, header);
    }
    Ok(request)
}

pub(super) fn unusable_address(error: impl Into<hallpass_upstream::BoxError>) -> TokenError {
    TokenError::Unreachable(TransportError::new(TransportErrorKind::Request, error))
}
