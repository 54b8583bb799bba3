//! What bounds the calls of a client, by its settings.

use std::sync::Arc;

use hallpass_upstream::{Http2, RetrySettings, Upstream, UpstreamSettings};

use super::method_names;
use super::overrides::Overrides;
use crate::layers::guarded::CallGuards;
use crate::layers::hedge::HedgePlan;
use crate::layers::retry::RetryRules;
use crate::settings::{FeignClientSettings, HedgeSettings, MethodName};
use crate::shared::{Configured, Shared};
use crate::spec::{ClientSpec, MethodSpec, Verb};
use crate::upstreams::Whose;

/// What is the same for all instances of its service.
pub(super) fn upstream_settings(
    overrides: &Overrides,
    settings: &FeignClientSettings,
    (retry, http2): (&RetrySettings, Http2),
) -> UpstreamSettings {
    let bulkhead = overrides.bulkhead.unwrap_or(settings.bulkhead);
    UpstreamSettings {
        breaker: overrides.breaker.unwrap_or(settings.breaker),
        bulkhead: match http2 {
            Http2::Never => bulkhead,
            Http2::Auto | Http2::Always => bulkhead.on_shared_connections(),
        },
        retry_budget: retry.budget,
        balance: settings.balance,
        eject: settings.eject,
    }
}

/// The retries of its methods.
pub(super) fn retries(
    shared: &Shared,
    spec: &ClientSpec,
    upstream: &Arc<Upstream>,
    settings: RetrySettings,
) -> RetryRules {
    RetryRules {
        client: spec.name,
        upstream: Arc::clone(upstream),
        settings,
        metrics: shared.metrics.retries.clone(),
        constants: Arc::default(),
        constant: None,
    }
}

/// The hedges of a method. Twice at the same time is worse than twice in a row: the second DELETE finds nothing, the second PUT
/// with a condition is refused, and a key says that its call is under way already. So only those of GET, and of calls that
/// change nothing although their verb may.
pub(super) fn hedge(
    shared: &Shared,
    method: &MethodSpec,
    settings: Option<HedgeSettings>,
    (upstream, whose): (&Arc<Upstream>, Whose<'_>),
) -> Option<HedgePlan> {
    let changes_nothing = match method.verb {
        Verb::Get | Verb::Head | Verb::Options => true,
        Verb::Post | Verb::Patch => !method.idempotency_key,
        Verb::Put | Verb::Delete => false,
    };
    let settings = settings.filter(|_| method.idempotent && changes_nothing)?;
    Some(HedgePlan {
        settings,
        upstream: Arc::clone(upstream),
        budget: shared.hedge_budgets.get(whose, settings.budget),
        counters: shared.metrics.hedges.of(whose.client),
    })
}

/// What guards a method: its own guard, and that of the service.
pub(super) fn guards(
    shared: &Shared,
    (spec, method): (&ClientSpec, &MethodSpec),
    configured: &Configured,
    whose: Whose<'_>,
) -> CallGuards {
    let settings = configured.clients.client(spec.name);
    let named = configured.clients.named_method(spec, method);
    let name = MethodName::of(method);
    let own = method_names::said(&settings.methods, spec, method);
    let own = own.or(named.map(|named| (&name, &named.guards)));
    CallGuards {
        method: own.and_then(|(name, own)| shared.guards.get(whose, Some(name), own)),
        service: shared.guards.get(whose, None, &settings.service),
        clock: Arc::clone(&shared.network.clock),
    }
}
