//! A form that the client of a credential posts to an endpoint of its issuer: the way to an instance, the proof of who it is, the response.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass_clock::Clock;
use hallpass_config::Secret;
use hallpass_token::UnixTime;
use hallpass_upstream::{
    AskedUrl, Body, CollectError, Network, WalkError, asked_wait, shortened, with_causes,
};
use http::header::CONTENT_TYPE;
use http::{Request, StatusCode, Uri};
use tokio::time::timeout;
use tower::ServiceExt;
use url::form_urlencoded;

use crate::credential::Credential;
use crate::credential::secret_source::SecretSource;
use crate::error::IntrospectionError;
use crate::grant::Asking;
use crate::grant::form::{prove_in, token_request};
use crate::grant::response::is_json;

/// Largest response that is read, in bytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// Posts forms to the endpoint of a credential. It holds nothing back and keeps nothing.
pub(crate) struct AskedForm {
    credential: Credential,
    secrets: SecretSource,
    endpoint: AskedUrl,
    clock: Arc<dyn Clock>,
    limit: Duration,
    /// Whether the body of a response is of no interest.
    takes_any_body: bool,
}

impl AskedForm {
    /// `limit` is the longest time of one question, all instances and the body included. Opens no connection.
    pub(crate) fn new(credential: Credential, network: &Network, limit: Duration) -> Self {
        Self {
            secrets: credential.secrets(),
            endpoint: AskedUrl::new(credential.endpoint.clone(), network),
            clock: Arc::clone(&network.clock),
            credential,
            limit,
            takes_any_body: false,
        }
    }

    /// The same for an endpoint that says all by its status (RFC 7009 section 2.2).
    pub(crate) fn for_any_body(mut self) -> Self {
        self.takes_any_body = true;
        self
    }

    /// The body of the response with status 200, at most 64 KiB of JSON by its content type. **Not checked**: what it says.
    ///
    /// Behind `lb://` up to three instances are asked, one after the other. A secret that the endpoint refuses (401) is read again where
    /// it stands in a file, and the other one is tried.
    ///
    /// # Errors
    /// [`IntrospectionError`].
    pub(crate) async fn ask(&self, form: &[(&str, &str)]) -> Result<Bytes, IntrospectionError> {
        let limit = self.limit;
        let asked = timeout(limit, self.ask_with_secrets(form)).await;
        asked.unwrap_or(Err(IntrospectionError::Timeout { limit }))
    }

    async fn ask_with_secrets(&self, form: &[(&str, &str)]) -> Result<Bytes, IntrospectionError> {
        let now = UnixTime::from(self.clock.now());
        let secret = self.secrets.current(now).await;
        let secret = secret.map_err(|fault| IntrospectionError::Credential(fault.to_string()))?;
        let mut sent = secret;
        let mut said = self.ask_in_turn(form, &sent).await;
        if let Err(IntrospectionError::Status { status: 401, .. }) = said
            && let Some(other) = self.secrets.after_refusal(&sent, now).await
        {
            said = self.ask_in_turn(form, &other).await;
            sent = other;
        }
        if said.is_ok() {
            self.secrets.was_accepted(&sent);
        }
        said
    }

    async fn ask_in_turn(
        &self,
        form: &[(&str, &str)],
        secret: &Secret,
    ) -> Result<Bytes, IntrospectionError> {
        let limit = self.limit;
        let ask = |address: String| async move { self.ask_at(&address, form, secret).await };
        self.endpoint
            .ask(limit, ask)
            .await
            .map_err(|error| match error {
                WalkError::Failed(error) => error,
                WalkError::TooLong => IntrospectionError::Timeout { limit },
                WalkError::Refused(refusal) => {
                    IntrospectionError::Discovery(shortened(&refusal.to_string()))
                }
            })
    }

    async fn ask_at(
        &self,
        address: &str,
        form: &[(&str, &str)],
        secret: &Secret,
    ) -> Result<Bytes, IntrospectionError> {
        let request = self.request(address, form, secret)?;
        let response = self.endpoint.transport().oneshot(request).await;
        let response = response.map_err(|error| failed(&error))?;
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            return Err(IntrospectionError::Status {
                status: head.status.as_u16(),
                retry_after: asked_wait(head.status, &head.headers),
            });
        }
        let content_type = head.headers.get(CONTENT_TYPE);
        if self.takes_any_body {
            // A page for people is that of somebody in its place, who has taken nothing. An empty one is what some frameworks call no body.
            let is_page = content_type.is_some_and(|value| is_page(value.as_bytes()));
            return match is_page && !http_body::Body::is_end_stream(&body) {
                true => Err(IntrospectionError::NotJson),
                false => Ok(Bytes::new()),
            };
        }
        if !content_type.is_some_and(|value| is_json(value.as_bytes())) {
            return Err(IntrospectionError::NotJson);
        }
        let body = body.collect_within(MAX_RESPONSE_BYTES).await;
        body.map_err(|error| match error {
            CollectError::TooLarge { limit } => IntrospectionError::TooLarge { limit },
            error @ CollectError::Broken(_) => failed(&error),
        })
    }

    fn request(
        &self,
        address: &str,
        form: &[(&str, &str)],
        secret: &Secret,
    ) -> Result<Request<Body>, IntrospectionError> {
        let credential = &self.credential;
        let mut serializer = form_urlencoded::Serializer::new(String::new());
        serializer.extend_pairs(form);
        prove_in(&mut serializer, credential, secret);
        let asking = Asking {
            credential,
            secret,
            prover: None,
        };
        let form = serializer.finish();
        let cannot_prove =
            |error: &dyn std::error::Error| IntrospectionError::Credential(with_causes(error));
        let form = asking.proven(&form, self.clock.as_ref());
        let form = form.map_err(|error| cannot_prove(&error))?;
        let uri: Uri = address.parse().map_err(|error| failed(&error))?;
        token_request(credential, secret, uri, &form).map_err(|error| cannot_prove(&error))
    }
}

/// Whether a media type is that of a page.
fn is_page(media_type: &[u8]) -> bool {
    let begin = media_type.get(..b"text/html".len());
    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(b"text/html"))
}

fn failed(error: &(dyn std::error::Error + 'static)) -> IntrospectionError {
    IntrospectionError::Transport(with_causes(error))
}

impl fmt::Debug for AskedForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AskedForm")
            .field("credential", &self.credential)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
