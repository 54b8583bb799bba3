//! One token request: the form, the way to an instance of the issuer, the answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallpass_config::EndpointUrl;
use hallpass_token::{Audience, Scope};
use hallpass_upstream::{
    Body, Discover, DiscoverError, Instance, LastKnown, Target, TransportError, TransportErrorKind,
};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, Uri};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use url::form_urlencoded;

use crate::credential::{ClientAuthentication, Credential, TargetParameter};
use crate::error::TokenError;

mod answer;

pub(crate) use answer::Granted;
pub use answer::{MAX_ACCESS_TOKEN_BYTES, MAX_ANSWER_BYTES, MAX_EXPIRES_IN};

/// Attempts of one token request. A second one is made only when the first got no answer at all, and goes
/// to the next instance where there are several.
pub const MAX_ATTEMPTS: usize = 2;

/// The label of this grant in metrics.
pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";

/// A transport as the token request needs it. It must not add an identity of its own.
pub(crate) type TokenTransport = BoxCloneSyncService<Request<Body>, Response<Body>, TransportError>;

/// Makes token requests. It stands beside the bearer layer, never behind it, and knows no identity context.
#[derive(Debug)]
pub(crate) struct TokenClient {
    transport: TokenTransport,
    discovery: Option<LastKnown>,
    next_instance: AtomicUsize,
    timeout: Duration,
}

impl TokenClient {
    pub(crate) fn new(
        transport: TokenTransport,
        discovery: Option<LastKnown>,
        timeout: Duration,
    ) -> Self {
        Self {
            transport,
            discovery,
            next_instance: AtomicUsize::new(0),
            timeout,
        }
    }

    /// The `client_credentials` grant (RFC 6749 section 4.4).
    pub(crate) async fn client_credentials(
        &self,
        credential: &Credential,
        audience: &Audience,
        scope: &Scope,
    ) -> Result<Granted, TokenError> {
        let form = client_credentials_form(credential, audience, scope);
        let attempts = self.attempts(credential, &form);
        tokio::time::timeout(self.timeout, attempts)
            .await
            .unwrap_or(Err(TokenError::Timeout {
                after: self.timeout,
            }))
    }

    async fn attempts(&self, credential: &Credential, form: &str) -> Result<Granted, TokenError> {
        let first = self.next_instance.fetch_add(1, Ordering::Relaxed);
        let mut attempt = 0;
        loop {
            let uri = self
                .locate(&credential.endpoint, first.wrapping_add(attempt))
                .await?;
            attempt += 1;
            match self.send(token_request(credential, uri, form)?).await {
                Err(TokenError::Unreachable(error))
                    if error.is_retryable() && attempt < MAX_ATTEMPTS =>
                {
                    tracing::debug!(%error, "the token endpoint could not be reached, trying once more");
                }
                outcome => return outcome,
            }
        }
    }

    async fn send(&self, request: Request<Body>) -> Result<Granted, TokenError> {
        let response = self
            .transport
            .clone()
            .oneshot(request)
            .await
            .map_err(TokenError::Unreachable)?;
        answer::read(response).await
    }

    /// The address of the endpoint; `turn` picks among several instances.
    async fn locate(&self, endpoint: &EndpointUrl, turn: usize) -> Result<Uri, TokenError> {
        match endpoint {
            EndpointUrl::Https(url) | EndpointUrl::LoopbackHttp(url) => {
                url.as_str().parse().map_err(unusable_address)
            }
            EndpointUrl::LoadBalanced { service, path } => {
                let instance = self
                    .pick(service, turn)
                    .await
                    .map_err(TokenError::NoInstance)?;
                let mut request = Request::new(());
                *request.uri_mut() = path.parse().map_err(unusable_address)?;
                Target::new(service.as_str(), instance)
                    .apply_to(&mut request)
                    .map_err(unusable_address)?;
                Ok(request.uri().clone())
            }
        }
    }

    async fn pick(&self, service: &str, turn: usize) -> Result<Instance, DiscoverError> {
        let no_instance = || DiscoverError::no_instance(service);
        let discovery = self.discovery.as_ref().ok_or_else(no_instance)?;
        let instances = discovery.instances(service).await?;
        let turn = turn.checked_rem(instances.len()).unwrap_or_default();
        instances.get(turn).cloned().ok_or_else(no_instance)
    }
}

fn client_credentials_form(credential: &Credential, audience: &Audience, scope: &Scope) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", CLIENT_CREDENTIALS);
    if !scope.is_empty() {
        form.append_pair("scope", scope.as_str());
    }
    match credential.target {
        TargetParameter::Audience => _ = form.append_pair("audience", audience.as_str()),
        TargetParameter::Resource => _ = form.append_pair("resource", audience.as_str()),
        // A parameter that this version does not know is left out: the issuer decides.
        _ => {}
    }
    if credential.authentication == ClientAuthentication::Post {
        form.append_pair("client_id", credential.client_id.as_str());
        form.append_pair("client_secret", credential.client_secret.expose());
    }
    form.finish()
}

fn token_request(
    credential: &Credential,
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
            .basic_header()
            .ok_or_else(|| unusable_address("client id or secret"))?;
        headers.insert(AUTHORIZATION, header);
    }
    Ok(request)
}

fn unusable_address(error: impl Into<hallpass_upstream::BoxError>) -> TokenError {
    TokenError::Unreachable(TransportError::new(TransportErrorKind::Request, error))
}
