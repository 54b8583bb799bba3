//! One token request: the form, the way to an instance of the issuer, the response.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_config::Secret;
use hallpass_token::{AccessToken, Audience, JWT_BEARER_ASSERTION, Scope, UnixTime};
use hallpass_upstream::{
    AfterError, Body, Discover, DiscoverError, EndpointUrl, HttpTransport, Instance, Network,
    Outcome, Refusal, RetryAdvice, RevocationSource, Target, TransportError, Upstream, Walk,
    WalkError,
};
use http::{Request, Response, Uri};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use url::form_urlencoded;

use crate::credential::Credential;
use crate::credential::request::TargetParameter;
use crate::error::{TokenError, TokenSettingsError};
use crate::prover::{DPOP, Prover, origin};

pub(crate) mod form;
pub(crate) mod response;

use form::{prove_in, token_request, unusable_address};
use response::{Granted, NotGranted};

/// Attempts of one token request at one address. The second one is made only when the first got no response at all.
const MAX_ATTEMPTS: usize = 2;
/// The same where there may be several instances: each attempt goes to another one as long as there is one.
const MAX_ATTEMPTS_IN_TURN: usize = 3;

/// `grant_type` of RFC 8693.
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 8693 section 3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What a token is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) audience: &'a Audience,
    pub(crate) scope: &'a Scope,
    /// The token that is exchanged (RFC 8693); without one the client asks for itself (RFC 6749 section 4.4).
    pub(crate) subject_token: Option<&'a AccessToken>,
}

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) credential: &'a Credential,
    pub(crate) secret: &'a Secret,
    /// For tokens that are bound to a key.
    pub(crate) prover: Option<&'a Arc<Prover>>,
}

/// A transport as the token request needs it. It must not add an identity of its own.
pub(crate) type TokenTransport = BoxCloneSyncService<Request<Body>, Response<Body>, TransportError>;

/// Makes token requests. It stands beside the bearer layer, never behind it, and knows no identity context.
#[derive(Debug)]
pub(crate) struct TokenClient {
    transport: TokenTransport,
    issuers: Issuers,
    timeout: Duration,
    /// The way to what the issuers have revoked, where that is followed.
    network: Option<Network>,
    /// The same as `transport`, where that is one whose certificate is known.
    shows: Option<HttpTransport>,
    /// Whether nothing is attempted twice.
    once: bool,
}

/// The issuers behind `lb://` endpoints, by the name of their service.
///
/// They have no circuit breakers: the token service holds requests back by itself after a failed one.
#[derive(Debug)]
pub(crate) struct Issuers {
    by_name: HashMap<Box<str>, Arc<Upstream>>,
    discovery: Option<Arc<dyn Discover>>,
    clock: Arc<dyn Clock>,
}

impl Issuers {
    /// None yet. Without a discovery there never is one.
    pub(crate) fn new(discovery: Option<Arc<dyn Discover>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            by_name: HashMap::new(),
            discovery,
            clock,
        }
    }

    /// Those that `endpoints` name. One that is known already goes on, with its last known instances.
    fn of<'a>(&self, endpoints: impl Iterator<Item = &'a EndpointUrl>) -> Self {
        let mut issuers = Self::new(self.discovery.clone(), Arc::clone(&self.clock));
        for endpoint in endpoints {
            if let (EndpointUrl::LoadBalanced { service, .. }, Some(discovery)) =
                (endpoint, &self.discovery)
            {
                let name = service.as_str();
                let known = self.by_name.get(name).map(Arc::clone);
                let issuer = known.unwrap_or_else(|| self.new_issuer(name, discovery));
                issuers.by_name.insert(name.into(), issuer);
            }
        }
        issuers
    }

    fn new_issuer(&self, service: &str, discovery: &Arc<dyn Discover>) -> Arc<Upstream> {
        let (discovery, clock) = (Arc::clone(discovery), Arc::clone(&self.clock));
        Arc::new(Upstream::without_breaker(service, discovery, clock))
    }
}

impl TokenClient {
    pub(crate) fn new(transport: TokenTransport, issuers: Issuers, timeout: Duration) -> Self {
        Self {
            transport,
            issuers,
            timeout,
            network: None,
            shows: None,
            once: false,
        }
    }

    /// Makes one attempt and no second one, whatever comes of it.
    pub(crate) fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// `transport` is what it was made with.
    pub(crate) fn showing(mut self, transport: Option<HttpTransport>) -> Self {
        self.shows = transport;
        self
    }

    /// Follows over `network` what the issuers have revoked.
    pub(crate) fn following_over(mut self, network: Option<Network>) -> Self {
        self.network = network;
        self
    }

    /// What time it is.
    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::from(self.issuers.clock.now())
    }

    /// What the issuer of this credential has revoked, where that is followed.
    pub(crate) fn revocations(&self, credential: &Credential) -> Option<RevocationSource> {
        let url = credential.revocations.clone()?;
        Some(RevocationSource::http(url, self.network.as_ref()?))
    }

    /// The same for other endpoints.
    pub(crate) fn with_endpoints<'a>(
        &self,
        endpoints: impl Iterator<Item = &'a EndpointUrl>,
    ) -> Self {
        let issuers = self.issuers.of(endpoints);
        let mut client = Self::new(self.transport.clone(), issuers, self.timeout);
        client.once = self.once;
        let client = client.following_over(self.network.clone());
        client.showing(self.shows.clone())
    }

    /// Whether there is a way to find the endpoint; not whether it is there.
    ///
    /// # Errors
    /// For `lb://`, when there is no discovery.
    pub(crate) fn check_endpoint(&self, endpoint: &EndpointUrl) -> Result<(), TokenSettingsError> {
        match endpoint {
            EndpointUrl::LoadBalanced { service, .. } if self.issuers.discovery.is_none() => {
                Err(TokenSettingsError::NoDiscovery {
                    service: service.to_string(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Asks for one token.
    pub(crate) async fn ask(
        &self,
        asking: &Asking<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<Granted, NotGranted> {
        let credential = asking.credential;
        let form = form(credential, asking.secret, wanted);
        let timeout = TokenError::Timeout {
            after: self.timeout,
        };
        match &credential.endpoint {
            EndpointUrl::Https(url) | EndpointUrl::LoopbackHttp(url) => {
                let uri: Uri = url.as_str().parse().map_err(unusable_address)?;
                let attempts = self.attempts_at(&uri, asking, &form);
                let granted = tokio::time::timeout(self.timeout, attempts).await;
                granted.unwrap_or_else(|_| Err(timeout.into()))
            }
            EndpointUrl::LoadBalanced { service, path } => {
                let walk = Walk {
                    within: self.timeout,
                    attempts: self.at_most(MAX_ATTEMPTS_IN_TURN),
                    again: true,
                };
                let form = form.as_str();
                let ask = |instance: Instance| async move {
                    let uri = uri_at(service, path, instance)?;
                    self.send(asking, uri, form).await
                };
                let granted = self.issuer(service)?.ask_in_turn(walk, ask, after).await;
                granted.map_err(|error| match error {
                    WalkError::Failed(error) => error,
                    WalkError::TooLong => timeout.into(),
                    WalkError::Refused(refusal) => no_instance(refusal).into(),
                })
            }
        }
    }

    const fn at_most(&self, attempts: usize) -> usize {
        if self.once { 1 } else { attempts }
    }

    async fn attempts_at(
        &self,
        uri: &Uri,
        asking: &Asking<'_>,
        form: &str,
    ) -> Result<Granted, NotGranted> {
        for _ in 1..self.at_most(MAX_ATTEMPTS) {
            match self.send(asking, uri.clone(), form).await {
                Err(failure) if after(&failure) == AfterError::GoesOn => {}
                outcome => return outcome,
            }
        }
        self.send(asking, uri.clone(), form).await
    }

    /// One request, and one more where the issuer has just given the nonce that its proof must repeat.
    async fn send(&self, asking: &Asking<'_>, uri: Uri, form: &str) -> Result<Granted, NotGranted> {
        let (first, has_nonce) = self.send_once(asking, uri.clone(), form).await?;
        let wants_nonce = first
            .as_ref()
            .is_err_and(|failure| failure.error.wants_nonce());
        if !(wants_nonce && has_nonce) {
            return first;
        }
        self.send_once(asking, uri, form).await?.0
    }

    /// What came of it, and whether a nonce came with it.
    async fn send_once(
        &self,
        asking: &Asking<'_>,
        uri: Uri,
        form: &str,
    ) -> Result<(Result<Granted, NotGranted>, bool), NotGranted> {
        let origin = origin(&uri);
        let form = asking.proven(form, self.issuers.clock.as_ref())?;
        let mut request = token_request(asking.credential, asking.secret, uri, &form)?;
        if let Some(prover) = asking.prover {
            let now = UnixTime::from(self.issuers.clock.now());
            let proof = prover.prove(request.method(), request.uri(), None, now)?;
            request.headers_mut().insert(DPOP, proof);
        }
        // By the same ones it is known afterwards what was shown.
        let connections = self.shows.as_ref().map(HttpTransport::connections);
        if let Some(connections) = &connections {
            request.extensions_mut().insert(connections.clone());
        }
        let response = self
            .transport
            .clone()
            .oneshot(request)
            .await
            .map_err(TokenError::Unreachable)?;
        let prover = asking.prover.zip(origin);
        let learned = prover.map(|(prover, origin)| prover.learn(&origin, response.headers()));
        let granted = response::read(response, asking.prover).await;
        let granted = granted.and_then(|it| it.bound(self.shows.as_ref(), connections.as_ref()));
        Ok((granted, learned.unwrap_or(false)))
    }

    fn issuer(&self, service: &str) -> Result<&Upstream, TokenError> {
        let issuer = self.issuers.by_name.get(service);
        issuer
            .map(|issuer| &**issuer)
            .ok_or_else(|| TokenError::NoInstance(DiscoverError::no_instance(service)))
    }
}

impl Asking<'_> {
    /// `form`, with what a client that signs has signed for this attempt: it counts once.
    pub(crate) fn proven<'f>(
        &self,
        form: &'f str,
        clock: &dyn Clock,
    ) -> Result<Cow<'f, str>, TokenError> {
        let now = UnixTime::from(clock.now());
        let Some(made) = self.credential.assertion(self.secret, now) else {
            return Ok(Cow::Borrowed(form));
        };
        let made = made.map_err(unusable_address)?;
        let mut form = form_urlencoded::Serializer::new(form.to_owned());
        form.append_pair("client_assertion_type", JWT_BEARER_ASSERTION);
        form.append_pair("client_assertion", made.expose());
        Ok(Cow::Owned(form.finish()))
    }
}

/// Whether to ask once more, another instance where there is one. A token more does no harm, so the request is sent again
/// also when the issuer may have seen it. What one instance says of its own trouble (5xx, a page) is no answer of the others: else who
/// began with it would ask it for as long as it is there.
fn after(NotGranted { error, .. }: &NotGranted) -> AfterError {
    if error.retry_advice() != RetryAdvice::Stands {
        tracing::debug!(%error, "the token endpoint could not be reached");
        return AfterError::GoesOn;
    }
    match error.is_outage() && error.instance_failed() == Some(true) {
        true => AfterError::Elsewhere,
        false => AfterError::Stands,
    }
}

fn uri_at(service: &str, path: &str, instance: Instance) -> Result<Uri, TokenError> {
    let mut request = Request::new(());
    *request.uri_mut() = path.parse().map_err(unusable_address)?;
    let target = Target::new(service, instance);
    target.apply_to(&mut request).map_err(unusable_address)?;
    Ok(request.into_parts().0.uri)
}

fn no_instance(refusal: Refusal) -> TokenError {
    match refusal {
        Refusal::NoInstance(error) => TokenError::NoInstance(error),
        // Without breakers and without entering bulkhead or guard there is no other refusal.
        Refusal::BreakerOpen { service, .. }
        | Refusal::BulkheadFull { service }
        | Refusal::RateLimited { service, .. } => {
            TokenError::NoInstance(DiscoverError::no_instance(&service))
        }
    }
}

fn form(credential: &Credential, secret: &Secret, wanted: &Wanted<'_>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    match wanted.subject_token {
        None => _ = form.append_pair("grant_type", "client_credentials"),
        Some(token) => {
            form.append_pair("grant_type", TOKEN_EXCHANGE);
            form.append_pair("subject_token", token.expose());
            form.append_pair("subject_token_type", ACCESS_TOKEN);
        }
    }
    if !wanted.scope.is_empty() {
        form.append_pair("scope", wanted.scope.as_str());
    }
    let target = match credential.target {
        TargetParameter::Audience => "audience",
        TargetParameter::Resource => "resource",
    };
    form.append_pair(target, wanted.audience.as_str());
    prove_in(&mut form, credential, secret);
    form.finish()
}
