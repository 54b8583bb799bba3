//! From a trait's specification, the configuration and the code's own wishes to a client.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::settings::FeignClientSettings;
use hallpass_client::{Identity, WhenAbsent};
use hallpass_upstream::{Address, BulkheadSettings, UpstreamSettings};
use hallpass_upstream::{BreakerSettings, EndpointUrl, RetrySettings};

use crate::build_error::BuildError;
use crate::client::{Client, ClientInner, Method};
use crate::feign::Feign;
use crate::identity::{IdentityLayers, IdentityPlan, Wishes};
use crate::layers::retry::RetryRules;
use crate::method_stack::{self, Transport};
use crate::spec::{ClientSpec, MethodSpec};

/// Longest answer that is read into memory when nothing else is said, in bytes. Streams have no limit.
pub const DEFAULT_MAX_ANSWER_BYTES: usize = 2 * 1024 * 1024;

/// A client that `#[feign_client]` has made. Implemented by the macro only.
pub trait GeneratedClient: Sized {
    /// The boxed form of the trait: what a fallback is.
    type Fallback;

    /// What the trait says.
    #[doc(hidden)]
    const SPEC: &'static ClientSpec;

    /// The client around what the builder has made.
    #[doc(hidden)]
    fn assemble(client: Client, fallback: Option<Self::Fallback>) -> Self;

    /// The fallback named in the attribute.
    #[doc(hidden)]
    fn default_fallback() -> Option<Self::Fallback>;
}

/// Settings of one client, where they differ from what configuration and attribute say.
///
/// What is said here goes over the configuration, which goes over a method's attribute, which goes over the trait's.
pub struct ClientBuilder<C: GeneratedClient> {
    feign: Feign,
    overrides: Overrides,
    fallback: Option<C::Fallback>,
    client: PhantomData<fn() -> C>,
}

#[derive(Default)]
struct Overrides {
    url: Option<EndpointUrl>,
    wishes: Wishes,
    deadline: Option<Duration>,
    retry: Option<RetrySettings>,
    breaker: Option<BreakerSettings>,
    bulkhead: Option<BulkheadSettings>,
    isolate: Option<bool>,
    max_answer_bytes: Option<usize>,
}

impl<C: GeneratedClient> ClientBuilder<C> {
    /// Begins with what attribute and configuration say.
    #[must_use]
    pub fn new(feign: &Feign) -> Self {
        Self {
            feign: feign.clone(),
            overrides: Overrides::default(),
            fallback: C::default_fallback(),
            client: PhantomData,
        }
    }

    /// Where the service is: `lb://`, `https://`, or plain `http://` to a loopback address.
    #[must_use]
    pub fn url(mut self, url: EndpointUrl) -> Self {
        self.overrides.url = Some(url);
        self
    }

    /// Whose identity all methods carry.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.overrides.wishes.identity = Some(identity);
        self
    }

    /// What relay and exchange do without a caller.
    #[must_use]
    pub fn when_absent(mut self, when_absent: WhenAbsent) -> Self {
        self.overrides.wishes.when_absent = Some(when_absent);
        self
    }

    /// Whom a service token for these calls is made for; default: what the configuration or the code says, else the
    /// client's name.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.overrides.wishes.audience = Some(audience.into());
        self
    }

    /// For each call with its retries, at most [`MAX_DEADLINE`](crate::MAX_DEADLINE); default
    /// [`FeignClientSettings::DEFAULT_DEADLINE`](crate::FeignClientSettings::DEFAULT_DEADLINE).
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.overrides.deadline = Some(deadline);
        self
    }

    /// Retries. Clients of one name share breakers, bulkheads and retry budget as long as their address and their
    /// settings for these are the same.
    #[must_use]
    pub fn retry(mut self, retry: RetrySettings) -> Self {
        self.overrides.retry = Some(retry);
        self
    }

    /// Circuit breakers.
    #[must_use]
    pub fn breaker(mut self, breaker: BreakerSettings) -> Self {
        self.overrides.breaker = Some(breaker);
        self
    }

    /// Calls under way to one instance.
    #[must_use]
    pub fn bulkhead(mut self, bulkhead: BulkheadSettings) -> Self {
        self.overrides.bulkhead = Some(bulkhead);
        self
    }

    /// Whether each attempt runs on a task of its own; default `false`. A panic or a long computation below the
    /// breaker then does not hold up the caller's task. The identity goes along.
    #[must_use]
    pub fn isolate(mut self, isolate: bool) -> Self {
        self.overrides.isolate = Some(isolate);
        self
    }

    /// Longest answer that is read into memory; default [`DEFAULT_MAX_ANSWER_BYTES`].
    #[must_use]
    pub fn max_answer_bytes(mut self, bytes: usize) -> Self {
        self.overrides.max_answer_bytes = Some(bytes);
        self
    }

    /// Answers when the service can not; replaces the fallback of the attribute. The boxed form takes any
    /// implementation: `.fallback(BoxLogistics::new(MyFallback))`.
    #[must_use]
    pub fn fallback(mut self, fallback: C::Fallback) -> Self {
        self.fallback = Some(fallback);
        self
    }

    /// No fallback, whatever the attribute says.
    #[must_use]
    pub fn without_fallback(mut self) -> Self {
        self.fallback = None;
        self
    }

    /// The client. Opens no connection and asks for no token.
    ///
    /// # Errors
    /// When the address, the audience or the scope can not be used.
    pub fn build(self) -> Result<C, BuildError> {
        let client = build(&self.feign, C::SPEC, &self.overrides)?;
        Ok(C::assemble(client, self.fallback))
    }
}

impl<C: GeneratedClient> fmt::Debug for ClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("trait", &C::SPEC.trait_name)
            .finish_non_exhaustive()
    }
}

fn build(
    feign: &Feign,
    spec: &'static ClientSpec,
    overrides: &Overrides,
) -> Result<Client, BuildError> {
    let shared = feign.shared();
    let configured = shared.settings.client(spec.name);
    let (address, base_path) = address(spec, overrides, configured)?;
    let retry = overrides.retry.unwrap_or(configured.retry);
    let settings = UpstreamSettings {
        breaker: overrides.breaker.unwrap_or(configured.breaker),
        bulkhead: overrides.bulkhead.unwrap_or_default(),
        retry_budget: retry.budget,
    };
    let upstream = feign.upstream(spec.name, &address, &settings);
    let isolate = overrides.isolate.unwrap_or(spec.isolate);
    let rules = RetryRules {
        client: spec.name,
        upstream: Arc::clone(&upstream),
        max_attempts: retry.max_attempts.max(1),
        metrics: shared.metrics.clone(),
    };
    let methods = spec.methods.iter().map(|method| {
        let transport = transport(feign, spec, method, overrides, upstream.name())?;
        Ok(Method {
            spec: method,
            deadline: deadline(spec, method, overrides, configured),
            stack: method_stack::new(
                rules.clone(),
                &upstream,
                isolate,
                &shared.network.clock,
                transport,
            ),
        })
    });
    Ok(Client::new(ClientInner {
        spec,
        methods: methods.collect::<Result<_, BuildError>>()?,
        base_path,
        max_answer_bytes: overrides
            .max_answer_bytes
            .unwrap_or(DEFAULT_MAX_ANSWER_BYTES),
        clock: Arc::clone(&shared.network.clock),
        metrics: shared.metrics.clone(),
        observers: Arc::clone(&shared.observers),
    }))
}

/// Where the service is, and the path that goes before every other.
fn address(
    spec: &ClientSpec,
    overrides: &Overrides,
    configured: &FeignClientSettings,
) -> Result<(Address, String), BuildError> {
    let url = match (overrides.url.as_ref().or(configured.url.as_ref()), spec.url) {
        (Some(url), _) => url.clone(),
        (None, Some(text)) => text.parse().map_err(|problem| BuildError::Url {
            client: spec.name,
            problem,
        })?,
        (None, None) => return Ok((Address::LoadBalanced(spec.name.into()), String::new())),
    };
    let (address, path) = match &url {
        EndpointUrl::LoadBalanced { service, path } => (
            Address::LoadBalanced(service.as_str().into()),
            path.as_str(),
        ),
        EndpointUrl::Https(url) | EndpointUrl::LoopbackHttp(url) => {
            let origin = url.origin().ascii_serialization();
            let instance = origin.parse().map_err(|problem| BuildError::Host {
                client: spec.name,
                problem,
            })?;
            (Address::Fixed(instance), url.path())
        }
    };
    if url.to_string().contains('?') {
        return Err(BuildError::Query { client: spec.name });
    }
    Ok((address, path.trim_end_matches('/').to_owned()))
}

fn deadline(
    spec: &ClientSpec,
    method: &MethodSpec,
    overrides: &Overrides,
    configured: &FeignClientSettings,
) -> Duration {
    overrides
        .deadline
        .or(configured.deadline)
        .or(method.shared.deadline())
        .or(spec.shared.deadline())
        .unwrap_or(FeignClientSettings::DEFAULT_DEADLINE)
}

fn transport(
    feign: &Feign,
    spec: &ClientSpec,
    method: &MethodSpec,
    overrides: &Overrides,
    service: &Arc<str>,
) -> Result<Transport, BuildError> {
    let shared = feign.shared();
    let configured = shared.settings.client(spec.name);
    let configured = Wishes {
        identity: configured.identity,
        audience: configured.audience.clone(),
        when_absent: configured.when_absent,
    };
    let withheld = feign.withheld(spec.name);
    let plan = IdentityPlan::decide(spec, method, &overrides.wishes, &configured, withheld)?;
    let layers = IdentityLayers::new(
        &plan,
        service,
        shared.tokens.as_ref(),
        &shared.network.clock,
        !shared.observers.is_empty(),
    );
    Ok(method_stack::transport(
        layers,
        &shared.network.clock,
        shared.network.transport.clone(),
    ))
}
