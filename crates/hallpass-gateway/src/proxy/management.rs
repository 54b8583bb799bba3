//! What the gateway shows of itself on its management address: its routes, the instances of its services, and its rates.

use std::sync::Arc;

use hallpass_upstream::InstanceReport;
use serde_json::{Value, json};

use super::pipeline::Proxy;
use super::plan::{ProxyPlan, Route};
use super::rates::Limit;
use super::upstreams::ServiceState;
use crate::management::Pages;
use crate::settings::rate::{RateAcross, RateBy};

/// The pages of one gateway.
pub(crate) struct GatewayPages(pub(crate) Arc<Proxy>);

impl Pages for GatewayPages {
    fn page(&self, path: &str) -> Option<Value> {
        let plan = self.0.plan.load_full();
        match path {
            "/routes" => Some(routes(&plan)),
            "/upstreams" => Some(upstreams(&plan)),
            "/rates" => Some(plan.rates.iter().map(rate).collect()),
            _ => None,
        }
    }

    fn title(&self) -> &'static str {
        "There are /health/live, /health/ready, /metrics, /routes, /upstreams and /rates here."
    }
}

fn routes(plan: &ProxyPlan) -> Value {
    plan.routes().map(route).collect()
}

/// In the order in which they are tried.
fn route(route: &Route) -> Value {
    let it = &route.settings;
    let texts = |texts: &[String]| texts.join(", ");
    let hosts: Vec<_> = it.hosts.iter().map(ToString::to_string).collect();
    let methods: Vec<_> = it.methods.iter().map(ToString::to_string).collect();
    let headers: Vec<_> = it.headers.iter().map(|it| it.name.to_string()).collect();
    json!({
        "name": it.name,
        "hosts": hosts,
        "path": it.path.to_string(),
        "methods": methods,
        "headers": headers,
        "to": it.to.to_string(),
        "identity": route.token.identity(),
        "has_rule": it.rule.is_some(),
        "rates": texts(&it.rates),
        "written_at": it.written_at,
    })
}

fn upstreams(plan: &ProxyPlan) -> Value {
    let mut services: Vec<_> = plan.services.values().collect();
    services.sort_by(|one, other| one.upstream.name().cmp(other.upstream.name()));
    services.into_iter().map(|it| service(it)).collect()
}

fn service(service: &ServiceState) -> Value {
    let mut instances = service.upstream.report();
    instances.sort_by_key(|it| it.instance.to_string());
    let instances: Value = instances.iter().map(instance).collect();
    json!({
        "service": **service.upstream.name(),
        "callers": service.callers.known(),
        "instances": instances,
    })
}

fn instance(report: &InstanceReport) -> Value {
    json!({
        "instance": report.instance.to_string(),
        "weight": report.weight,
        "own_zone": report.is_own_zone,
        "in_flight": report.in_flight,
        "latency_ms": report.latency.as_secs_f64() * 1e3,
        "state": report.standing.as_str(),
    })
}

fn rate(limit: &Limit) -> Value {
    let it = limit.settings();
    let by = match &it.by {
        RateBy::Caller => "caller".to_owned(),
        RateBy::Client => "client".to_owned(),
        RateBy::Address => "address".to_owned(),
        RateBy::Route => "route".to_owned(),
        RateBy::Header(name) => format!("header:{name}"),
    };
    json!({
        "name": it.name,
        "by": by,
        "count": it.count,
        "per_seconds": it.per.as_secs(),
        "burst": it.burst,
        "across": match it.across {
            RateAcross::Process => "process",
            RateAcross::Redis => "redis",
        },
        "known": limit.known(),
    })
}
