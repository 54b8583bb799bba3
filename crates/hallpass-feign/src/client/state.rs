//! What a client does by the settings in force: built whole, and replaced whole when they change.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hallpass_client::RenewOn;
use hallpass_upstream::{
    Address, BreakerSettings, BulkheadSettings, EndpointUrl, Http2, Reminders, RetrySettings,
    UpstreamSettings,
};
use http::{HeaderName, HeaderValue};

use crate::build_error::BuildError;
use crate::headers;
use crate::identity::{IdentityLayers, IdentityOverrides, IdentityPlan};
use crate::layers::context_headers::HeaderRules;
use crate::layers::retry::RetryRules;
use crate::method_stack::{self, MethodStack, Transport};
use crate::origin::OriginRules;
use crate::settings::{FeignClientSettings, PathValues};
use crate::shared::{Configured, Shared};
use crate::spec::{ClientSpec, MethodSpec};
use crate::upstreams::Wanted;

/// Where a client calls and how, with all that can be decided before a call.
pub(crate) struct ClientState {
    pub(crate) methods: Vec<Method>,
    /// The path that goes before every other.
    pub(crate) base_path: String,
    pub(crate) path_values: PathValues,
    pub(crate) http2: Http2,
}

/// One method of a client.
pub(crate) struct Method {
    pub(crate) spec: &'static MethodSpec,
    /// What each call begins with.
    pub(crate) headers: Box<[(HeaderName, HeaderValue)]>,
    pub(crate) deadline: Duration,
    pub(crate) stack: MethodStack,
    pub(crate) origin: OriginRules,
    /// While the fallback answers, each call would say so.
    pub(crate) said: Reminders,
}

/// What the code says about one client in its builder. It goes over configuration and attribute.
#[derive(Default)]
pub(crate) struct Overrides {
    pub(crate) url: Option<EndpointUrl>,
    pub(crate) identity: IdentityOverrides,
    pub(crate) deadline: Option<Duration>,
    pub(crate) retry: Option<RetrySettings>,
    pub(crate) breaker: Option<BreakerSettings>,
    pub(crate) bulkhead: Option<BulkheadSettings>,
    pub(crate) isolate: Option<bool>,
    pub(crate) max_response_bytes: Option<usize>,
    pub(crate) http2: Option<Http2>,
}

impl Overrides {
    /// Whether the code chose, for this one client, where and how it calls: then its state goes with it.
    const fn change_upstream(&self) -> bool {
        self.url.is_some()
            || self.retry.is_some()
            || self.breaker.is_some()
            || self.bulkhead.is_some()
    }
}

impl ClientState {
    /// Opens no connection and asks for no token.
    pub(crate) fn new(
        shared: &Shared,
        configured: &Configured,
        spec: &ClientSpec,
        overrides: &Overrides,
    ) -> Result<Self, BuildError> {
        let settings = configured.clients.client(spec.name);
        let (address, base_path) = address(spec, overrides, settings)?;
        let retry = overrides.retry.unwrap_or(settings.retry);
        let upstream_settings = UpstreamSettings {
            breaker: overrides.breaker.unwrap_or(settings.breaker),
            bulkhead: overrides.bulkhead.unwrap_or_default(),
            retry_budget: retry.budget,
            balance: settings.balance,
            eject: settings.eject,
        };
        let upstream = shared.upstreams.get(&Wanted {
            client: spec.name,
            address: &address,
            settings: &upstream_settings,
            configured: settings,
            is_kept: !overrides.change_upstream(),
        });
        let isolate = overrides.isolate.unwrap_or(spec.isolate);
        let rules = RetryRules {
            client: spec.name,
            upstream: Arc::clone(&upstream),
            max_attempts: retry.max_attempts.max(1),
            metrics: shared.metrics.retries.clone(),
        };
        let clock = &shared.network.clock;
        let origin = OriginRules {
            sampled: configured.clients.context.sampled,
            source: shared.trace_source.clone(),
            gray: configured.clients.context.gray_header.clone(),
        };
        let methods = spec.methods.iter().map(|method| {
            let plan = identity(spec, method, overrides, configured)?;
            let transport = transport(shared, &plan, settings.renew_on, upstream.name());
            let headers = HeaderRules::new(
                spec.name,
                &configured.clients.context.headers,
                &settings.context_headers,
                plan.carries_somebody(),
                &shared.metrics.context,
            );
            let attempt = method_stack::attempt(headers, transport);
            Ok(Method {
                spec: method,
                headers: headers::of_method(spec, method, &settings.headers),
                deadline: deadline(spec, method, overrides, settings),
                stack: method_stack::new(rules.clone(), &upstream, isolate, clock, attempt),
                origin: origin.clone(),
                said: Reminders::default(),
            })
        });
        Ok(Self {
            methods: methods.collect::<Result<_, BuildError>>()?,
            base_path,
            path_values: settings.path_values,
            http2: overrides.http2.or(settings.http2).unwrap_or_default(),
        })
    }
}

impl fmt::Debug for ClientState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientState")
            .field("base_path", &self.base_path)
            .finish_non_exhaustive()
    }
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

fn identity(
    spec: &ClientSpec,
    method: &MethodSpec,
    overrides: &Overrides,
    configured: &Configured,
) -> Result<IdentityPlan, BuildError> {
    let settings = configured.clients.client(spec.name);
    let asked_for = overrides.identity.credential.as_ref();
    let asked_for = asked_for.or(settings.credential.as_ref());
    let credential = configured.credential_of(spec.name, asked_for.map(String::as_str))?;
    let (credential, credential_audience) = credential.unzip();
    let says = IdentityOverrides {
        identity: settings.identity,
        audience: settings.audience.clone(),
        when_absent: settings.when_absent,
        credential,
        credential_audience: credential_audience.flatten(),
    };
    let skipped = configured.skipped_tokens(spec.name);
    IdentityPlan::decide(spec, method, &overrides.identity, &says, skipped)
}

fn transport(
    shared: &Shared,
    plan: &IdentityPlan,
    renew_on: RenewOn,
    service: &Arc<str>,
) -> Transport {
    let clock = &shared.network.clock;
    let reports = !shared.observers.is_empty();
    let layers = IdentityLayers::new(plan, service, shared.tokens.as_ref(), clock, reports)
        .renewing_on(renew_on)
        .relaying_within(shared.relay_leeway());
    method_stack::transport(layers, clock, shared.network.transport.clone())
}
