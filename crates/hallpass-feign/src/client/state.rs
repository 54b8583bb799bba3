//! What a client does by the settings in force: built whole, and replaced whole when they change.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hallpass_upstream::{Address, EndpointUrl, Http2, Instance, Reminders};
use http::{HeaderName, HeaderValue};

use super::overrides::Overrides;
use super::{limits, method_names};
use crate::build_error::BuildError;
use crate::headers::{self, Header};
use crate::identity::{IdentityLayers, IdentityOverrides, IdentityPlan};
use crate::layers::context_headers::{self, HeaderRules};
use crate::layers::observe::metrics::MethodMetrics;
use crate::layers::sent::{self, TimeLeft};
use crate::method_stack::{self, AttemptParts, MethodStack};
use crate::origin::OriginRules;
use crate::settings::{DeadlineHeader, FeignClientSettings, PathValues};
use crate::shared::{Configured, Shared};
use crate::spec::{ClientSpec, MethodSpec};
use crate::upstreams::{Wanted, Whose};

/// Where a client calls and how, with all that can be decided before a call.
pub(crate) struct ClientState {
    pub(crate) methods: Vec<Method>,
    /// The one place where the service is, if settings or code name one.
    pub(crate) fixed: Option<Instance>,
    /// The path that goes before every other.
    pub(crate) base_path: String,
    pub(crate) path_values: PathValues,
    pub(crate) http2: Http2,
    /// For requests that a program has made.
    pub(crate) kept: Kept,
}

/// What of a request does not go on as it stands there.
pub(crate) struct Kept {
    /// Whether the callee is a service of this estate.
    pub(crate) is_ours: bool,
    /// The headers that the context bears.
    pub(crate) context: Box<[HeaderName]>,
    /// Under which name calls say how long they have, if they do.
    pub(crate) deadline: Option<HeaderName>,
}

/// One method of a client.
pub(crate) struct Method {
    pub(crate) spec: &'static MethodSpec,
    /// What each call begins with.
    pub(crate) headers: Arc<[(HeaderName, HeaderValue)]>,
    pub(crate) deadline: Duration,
    pub(crate) stack: MethodStack,
    pub(crate) origin: OriginRules,
    /// What its calls count into.
    pub(crate) metrics: MethodMetrics,
    /// While the fallback answers, each call would say so.
    pub(crate) said: Reminders,
    /// For transports of the caller's own.
    pub(crate) parts: AttemptParts,
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
        let http2 = overrides.http2.or(settings.http2).unwrap_or_default();
        let upstream_settings = limits::upstream_settings(overrides, settings, (&retry, http2));
        let upstream = shared.upstreams.get(&Wanted {
            client: spec.name,
            address: &address,
            settings: &upstream_settings,
            configured: settings,
            is_kept: !overrides.change_upstream(),
        });
        let rules = limits::retries(shared, spec, &upstream, retry);
        let whose = Whose {
            client: spec.name,
            address: &address,
            configured: settings.url.as_ref(),
            is_kept: overrides.url.is_none(),
        };
        let origin = origin(shared, configured);
        let hedges = overrides.hedge.or(settings.hedge);
        let methods = spec.methods.iter().map(|method| {
            let plan = identity(spec, method, overrides, configured)?;
            let deadline = deadline(spec, method, overrides, configured);
            let list = &configured.clients.context.headers;
            let constants = headers::of_method(spec, method, &settings.headers);
            let (own, of_context) = headers::beside_context(constants, list);
            let place = (upstream.name(), deadline, of_context);
            let parts = parts(shared, configured, (spec, overrides), &plan, place);
            let attempt = parts.before_ours(shared.network.transport.clone());
            Ok(Method {
                spec: method,
                headers: Arc::clone(&own),
                deadline,
                stack: method_stack::new(
                    limits::guards(shared, (spec, method), configured, whose),
                    (
                        rules.for_method(method, &own),
                        limits::hedge(shared, method, hedges, (&upstream, whose)),
                    ),
                    overrides.isolate.unwrap_or(spec.isolate),
                    attempt,
                ),
                origin: origin.clone(),
                metrics: MethodMetrics::default(),
                said: Reminders::default(),
                parts,
            })
        });
        let methods = methods.collect::<Result<_, BuildError>>()?;
        warn(spec, overrides, configured);
        let fixed = match address {
            Address::Fixed(instance) => Some(instance),
            Address::LoadBalanced(_) => None,
        };
        Ok(Self {
            methods,
            fixed,
            base_path,
            path_values: settings.path_values,
            http2,
            kept: kept(spec, overrides, configured)?,
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

/// For a [`ServiceCaller`](crate::ServiceCaller), whose methods are all alike.
fn kept(
    spec: &ClientSpec,
    overrides: &Overrides,
    configured: &Configured,
) -> Result<Kept, BuildError> {
    let plan = spec.methods.first();
    let plan = plan.map(|method| identity(spec, method, overrides, configured));
    let deadline = match &configured.clients.client(spec.name).deadline_header {
        DeadlineHeader::Named(name) => Some(name.clone()),
        DeadlineHeader::None => None,
    };
    Ok(Kept {
        is_ours: plan.transpose()?.is_some_and(|plan| plan.is_for_ours()),
        context: configured.clients.context.headers.names().into(),
        deadline,
    })
}

/// Where the context and the trace of its calls come from.
fn origin(shared: &Shared, configured: &Configured) -> OriginRules {
    OriginRules {
        sampled: configured.clients.context.sampled,
        source: shared.trace_source.clone(),
        gray: configured.clients.context.gray_header.clone(),
    }
}

/// Says what probably does not do what it was written for.
fn warn(spec: &ClientSpec, overrides: &Overrides, configured: &Configured) {
    let settings = configured.clients.client(spec.name);
    warn_of_others(spec, settings);
    let list = &configured.clients.context.headers;
    let is_third_party = |method| {
        let plan = identity(spec, method, overrides, configured);
        plan.is_ok_and(|plan| {
            context_headers::are_kept(list, &settings.context_headers, plan.is_for_ours())
        })
    };
    if spec.methods.iter().any(is_third_party) {
        context_headers::warn_of_third_party(spec.name);
    }
}

/// Methods that one line of the log names; there may be thousands of rules.
const MAX_OTHERS_SAID: usize = 20;

/// The configuration knows no traits, so it cannot tell a method that is there from one that is misspelt.
fn warn_of_others(spec: &ClientSpec, settings: &FeignClientSettings) {
    let own = method_names::names(spec);
    let named = settings
        .methods
        .keys()
        .chain(settings.method_deadlines.keys());
    let mut others: BTreeSet<_> = named.collect();
    others.retain(|name| !own.contains(name));
    if others.is_empty() {
        return;
    }
    let named = others.iter().take(MAX_OTHERS_SAID);
    let named: Vec<_> = named.map(ToString::to_string).collect();
    tracing::warn!(
        client = spec.name,
        in_trait = spec.trait_name,
        methods = named.join(", "),
        count = others.len(),
        "the settings of the client name methods that this trait of it does not have"
    );
}

fn deadline(
    spec: &ClientSpec,
    method: &MethodSpec,
    overrides: &Overrides,
    configured: &Configured,
) -> Duration {
    let named = configured.clients.named_method(spec, method);
    let (settings, defaults) = (
        configured.clients.client(spec.name),
        &configured.clients.defaults,
    );
    let single = method_names::said(&settings.method_deadlines, spec, method);
    let single = single.map(|(_, deadline)| *deadline);
    // A limit for all clients is made with none of their methods in mind, so it does not cut the one that is known to be slow.
    let is_of_all = settings.is_deadline_of_all || std::ptr::eq(settings, defaults);
    let (of_client, of_all) = match is_of_all {
        true => (None, settings.deadline),
        false => (settings.deadline, None),
    };
    overrides
        .deadline
        .or(single)
        .or(named.and_then(|named| named.deadline))
        .or(of_client)
        .or(method.shared.deadline())
        .or(of_all)
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

/// What each attempt of a method has: its headers, its identity, and what is said when it is sent.
fn parts(
    shared: &Shared,
    configured: &Configured,
    (spec, overrides): (&ClientSpec, &Overrides),
    plan: &IdentityPlan,
    (service, deadline, constants): (&Arc<str>, Duration, Box<[Header]>),
) -> AttemptParts {
    let settings = configured.clients.client(spec.name);
    let clock = &shared.network.clock;
    let reports = !shared.observers.is_empty();
    let identity = IdentityLayers::new(plan, service, shared.tokens.as_ref(), clock, reports)
        .renewing_on(settings.renew_on)
        .relaying_within(shared.relay_leeway());
    // Others than the services of this estate need not know how long its callers wait.
    let time_left = match &settings.deadline_header {
        DeadlineHeader::Named(name) if plan.is_for_ours() => {
            Some(TimeLeft::new(name.clone(), deadline))
        }
        DeadlineHeader::Named(_) | DeadlineHeader::None => None,
    };
    let sent = sent::Plan {
        clock: Arc::clone(clock),
        time_left,
    };
    let headers = HeaderRules::new(
        spec.name,
        &configured.clients.context.headers,
        &settings.context_headers,
        plan.is_for_ours(),
        &shared.metrics.context,
    );
    AttemptParts {
        headers: Arc::new(headers.with_constants(constants)),
        interceptors: overrides.interceptors.clone(),
        identity,
        sent: Arc::new(sent),
    }
}
