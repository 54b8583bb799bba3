//! The services that routes lead to, each with its breakers and its budget of retries.

mod breaker_gauges;
mod looks;
pub(super) mod trouble;

use std::collections::HashMap;
use std::sync::Arc;

use hallpass_config::Percent;
use hallpass_upstream::{
    Address, EndpointUrl, Guard, Http2, Instance, Network, Upstream, UpstreamSettings,
};

use super::caller_places::CallerPlaces;
use super::metrics::{ProxyMetrics, ServiceCounters};
use super::spare_timers::SpareTimers;
use crate::said::Said;
use crate::settings::gateway::GatewaySettings;
use crate::settings::route::RouteSettings;
use crate::settings::service::ServiceSettings;

use breaker_gauges::BreakerGauges;
pub(crate) use breaker_gauges::BreakerMetrics;
use looks::Looks;

/// A service as this process sees it, whichever routes lead there.
#[derive(Debug)]
pub(crate) struct ServiceState {
    pub(crate) upstream: Upstream,
    pub(crate) guard: Guard,
    pub(crate) callers: CallerPlaces,
    pub(crate) http2: Http2,
    pub(crate) counters: ServiceCounters,
    pub(crate) said: Said,
    pub(crate) looks: Looks,
    /// For responses that do not come.
    pub(crate) timers: SpareTimers,
    /// What it was made of.
    settings: ServiceSettings,
}

/// All of them, by where they are.
pub(crate) type Services = HashMap<Address, Arc<ServiceState>>;

/// What services are made with.
#[derive(Clone, Debug)]
pub(crate) struct ServiceMaker {
    pub(crate) network: Network,
    pub(crate) metrics: ProxyMetrics,
    pub(crate) breakers: BreakerMetrics,
}

impl ServiceMaker {
    /// The services of these settings. One that was there `before` with the same settings goes on, with all that it knows; one whose settings have changed
    /// begins with what is known of its instances.
    pub(crate) fn services(&self, settings: &GatewaySettings, before: &Services) -> Services {
        let mut services = Services::new();
        for route in &settings.routes {
            let Some(address) = address_of(&route.to) else {
                continue;
            };
            if services.contains_key(&address) {
                continue;
            }
            let own = match &address {
                Address::LoadBalanced(name) => settings.services.get(&**name),
                Address::Fixed(instance) => {
                    let host = instance.authority().host().to_ascii_lowercase();
                    settings.services.get(&host)
                }
            };
            let wanted = own.unwrap_or(&settings.service_defaults);
            let known = before.get(&address);
            let budget = route.retry.budget;
            let state = match known {
                Some(known) if known.is_as(wanted, budget) => Arc::clone(known),
                _ => Arc::new(self.make(&address, route, wanted, known.map(|it| &**it))),
            };
            services.insert(address, state);
        }
        services
    }

    fn make(
        &self,
        address: &Address,
        route: &RouteSettings,
        settings: &ServiceSettings,
        before: Option<&ServiceState>,
    ) -> ServiceState {
        let name: Arc<str> = match address {
            Address::LoadBalanced(service) => Arc::clone(service),
            Address::Fixed(instance) => instance.authority().as_str().into(),
        };
        let (discovery, clock) = (
            Arc::clone(&self.network.discovery),
            Arc::clone(&self.network.clock),
        );
        let counters = self.metrics.of_service(&name);
        let upstream = Upstream::new(
            Arc::clone(&name),
            address.clone(),
            discovery,
            Arc::clone(&clock),
        )
        .with_settings(UpstreamSettings {
            breaker: settings.breaker,
            bulkhead: settings.bulkhead,
            retry_budget: route.retry.budget,
            balance: settings.balance,
            eject: settings.eject,
        })
        .with_observer(BreakerGauges::new(&name, &self.breakers, &counters));
        let told = self.breakers.of_guard(&name);
        let guard = Guard::new(Arc::clone(&name), settings.guard.clone(), clock, told);
        let callers = CallerPlaces::new(settings.caller_bulkhead.as_ref(), &settings.bulkhead);
        let (upstream, guard, callers) = match before {
            Some(before) => (
                upstream.succeeding(&before.upstream),
                guard.succeeding(&before.guard),
                callers.succeeding(&before.callers),
            ),
            None => (upstream, guard, callers),
        };
        ServiceState {
            upstream,
            guard,
            callers,
            http2: settings.http2,
            counters,
            said: Said::default(),
            looks: Looks::default(),
            timers: SpareTimers::default(),
            settings: settings.clone(),
        }
    }
}

impl ServiceState {
    fn is_as(&self, settings: &ServiceSettings, budget: Percent) -> bool {
        self.settings == *settings && self.upstream.settings().retry_budget == budget
    }
}

/// Where the requests of a route go; `None` of a URL whose host nobody can call.
pub(crate) fn address_of(to: &EndpointUrl) -> Option<Address> {
    let (scheme, url) = match to {
        EndpointUrl::LoadBalanced { service, .. } => {
            return Some(Address::LoadBalanced(service.as_str().into()));
        }
        EndpointUrl::Https(url) => ("https", url),
        EndpointUrl::LoopbackHttp(url) => ("http", url),
    };
    let host = url.host_str()?;
    let port = url.port().map(|port| format!(":{port}"));
    let instance = format!("{scheme}://{host}{}", port.unwrap_or_default());
    instance.parse::<Instance>().ok().map(Address::Fixed)
}
