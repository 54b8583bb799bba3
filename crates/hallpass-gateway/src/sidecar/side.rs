//! One of the two sides of a sidecar: a gateway of its own.

use std::sync::Arc;

use hallpass_listen::RunningServer;
use hallpass_resource::EncodedCharacters;
use prometheus_client::registry::Registry;

use crate::error::Error;
use crate::proxy::access_log::AccessLog;
use crate::proxy::pipeline::Proxy;
use crate::proxy::plan::{Before, PlanParts, ProxyPlan};
use crate::proxy::upstreams::ServiceMaker;
use crate::settings::gateway::GatewaySettings;

/// What the metrics of a side are called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names {
    prefix: &'static str,
    breaker_state: &'static str,
}

pub(super) const INBOUND_NAMES: Names = Names {
    prefix: "sidecar_inbound",
    breaker_state: "hallpass_sidecar_inbound_breaker_state",
};
pub(super) const OUTBOUND_NAMES: Names = Names {
    prefix: "sidecar_outbound",
    breaker_state: "hallpass_sidecar_outbound_breaker_state",
};

/// One of its sides.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) proxy: Arc<Proxy>,
    pub(super) maker: ServiceMaker,
    pub(super) serving: Vec<RunningServer>,
}

impl Side {
    /// Shows what it counts.
    pub(super) fn register(&self, registry: &mut Registry, names: Names) {
        self.maker.breakers.register(registry, names.breaker_state);
        let ours = registry.sub_registry_with_prefix("hallpass");
        let own = ours.sub_registry_with_prefix(names.prefix);
        self.maker.metrics.register(own);
    }

    /// What these settings come to, over what is known of the services.
    pub(super) fn plan(
        &self,
        settings: &GatewaySettings,
        encoded: EncodedCharacters,
        access_log: AccessLog,
    ) -> Result<ProxyPlan, Error> {
        let plan = self.proxy.plan.load();
        let parts = PlanParts {
            maker: &self.maker,
            tokens: &self.proxy.tokens,
            resource: &self.proxy.resource,
        };
        let before = Before {
            services: Some(&plan.services),
            rates: None,
        };
        ProxyPlan::new(settings, encoded, parts, before, access_log)
    }
}
