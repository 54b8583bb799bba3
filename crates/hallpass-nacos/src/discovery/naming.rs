//! What is asked and told of services, over one session.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_upstream::Instances;

use super::services::Services;
use crate::credential::Resource;
use crate::error::NacosError;
use crate::messages::{
    Host, InstanceRequest, ServiceInfo, ServiceQueryRequest, SubscribeServiceRequest,
};
use crate::metrics::NacosMetrics;
use crate::session::Session;
use crate::settings::DiscoverySettings;

/// After a connection has begun, an answer that there is nobody does not count for so long, where somebody was known.
const SETTLING: Duration = Duration::from_secs(30);
/// Most services that one process is an instance of.
const MAX_REGISTERED: usize = 64;

/// The half of Nacos that knows who is where.
#[derive(Debug)]
pub(super) struct Naming {
    pub(super) session: Session,
    pub(super) settings: DiscoverySettings,
    pub(super) namespace: String,
    pub(super) services: Services,
    pub(super) metrics: NacosMetrics,
    /// What the server has to be told again over a new connection. Locked for a few instructions.
    pub(super) registered: Mutex<BTreeMap<Arc<str>, Registered>>,
}

/// An instance of ours.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    host: Host,
    /// Whether the server at the other end of this connection knows it. It is not told again without need: it would tell
    /// all who follow the service.
    is_told: bool,
}

impl Naming {
    /// Asks for the instances now, and to be told of changes.
    pub(super) async fn subscribe(&self, service: &str) -> Result<Instances, NacosError> {
        let request = SubscribeServiceRequest {
            namespace: &self.namespace,
            service_name: service,
            group_name: &self.settings.group,
            subscribe: true,
            clusters: "",
        };
        let answer = self.session.ask(&request, self.resource(service)).await?;
        let instances = self.learn(service, &answer.service_info);
        self.metrics.subscribed(self.services.names().len());
        Ok(instances)
    }

    async fn query(&self, service: &str) -> Result<(), NacosError> {
        let request = ServiceQueryRequest {
            namespace: &self.namespace,
            service_name: service,
            group_name: &self.settings.group,
            cluster: "",
            healthy_only: false,
            udp_port: 0,
        };
        let answer = self.session.ask(&request, self.resource(service)).await?;
        self.learn(service, &answer.service_info);
        Ok(())
    }

    /// Takes an answer.
    fn learn(&self, service: &str, info: &ServiceInfo) -> Instances {
        // A server that has just come back knows nobody before everybody has told it again.
        let age = self.session.connected_for();
        let is_settled = age.is_some_and(|age| age >= SETTLING);
        self.services.learn(service, info, is_settled)
    }

    /// Takes what the server says by itself.
    pub(super) fn take(&self, info: &ServiceInfo) {
        // `group@@service` where an older server writes both into one.
        let name = info.name.rsplit("@@").next().unwrap_or(&info.name);
        if self.services.is_known(name) && info.group_name == self.settings.group {
            // What a server says by itself has happened.
            self.services.learn(name, info, true);
        }
    }

    /// Everything anew: over a new connection the server knows nothing of us.
    pub(super) async fn begin(&self) {
        for registered in self.registered().values_mut() {
            registered.is_told = false;
        }
        self.tell_untold().await;
        for service in self.services.names() {
            if let Err(error) = self.subscribe(&service).await {
                tracing::debug!(%error, service, "the instances could not be asked for");
                return;
            }
        }
        self.services.keep().await;
    }

    /// What may have been missed: asked for without the server telling anybody else.
    pub(super) async fn look(&self) {
        self.tell_untold().await;
        for service in self.services.names() {
            if let Err(error) = self.query(&service).await {
                tracing::debug!(%error, service, "the instances could not be asked for");
                return;
            }
        }
        self.services.keep().await;
    }

    async fn tell_untold(&self) {
        let untold: Vec<_> = {
            let registered = self.registered();
            let untold = registered.iter().filter(|(_, it)| !it.is_told);
            untold
                .map(|(service, it)| (Arc::clone(service), it.host.clone()))
                .collect()
        };
        for (service, host) in untold {
            // One that is withdrawn meanwhile must not come back.
            if !self.registered().contains_key(&service) {
                continue;
            }
            if let Err(error) = self.tell("registerInstance", &service, &host).await {
                tracing::warn!(%error, service = &*service, "could not be registered with Nacos; trying on");
                return;
            }
            self.mark_told(&service);
        }
    }

    fn mark_told(&self, service: &str) {
        if let Some(registered) = self.registered().get_mut(service) {
            registered.is_told = true;
        }
    }

    /// Notes an instance of ours, and tells the server; `false` when it is noted already or there are too many. A server
    /// that does not answer is told later.
    pub(super) async fn register(
        &self,
        service: &Arc<str>,
        host: Host,
    ) -> Result<bool, NacosError> {
        {
            let mut registered = self.registered();
            if registered.contains_key(service) || registered.len() >= MAX_REGISTERED {
                return Ok(false);
            }
            let (host, is_told) = (host.clone(), false);
            registered.insert(Arc::clone(service), Registered { host, is_told });
            self.metrics.registered(registered.len());
        }
        match self.tell("registerInstance", service, &host).await {
            Ok(()) => {
                self.mark_told(service);
                tracing::info!(
                    service = &**service,
                    port = host.port,
                    "registered with Nacos"
                );
                Ok(true)
            }
            Err(error) if error.is_outage() => {
                tracing::warn!(%error, service = &**service, "not registered yet: trying on");
                Ok(true)
            }
            Err(error) => {
                self.forget(service);
                Err(error)
            }
        }
    }

    /// Forgets an instance of ours, and tells the server.
    pub(super) async fn withdraw(&self, service: &str) {
        let Some(host) = self.forget(service) else {
            return;
        };
        match self.tell("deregisterInstance", service, &host).await {
            Ok(()) => tracing::info!(service, "withdrawn from Nacos"),
            Err(error) => tracing::warn!(%error, service, "Nacos could not be told of the end"),
        }
    }

    async fn tell(&self, action: &str, service: &str, host: &Host) -> Result<(), NacosError> {
        let mut host = host.clone();
        if host.ip.is_empty() {
            let connection = self.session.connection().await?;
            host.ip = connection.local_address().to_canonical().to_string();
        }
        let request = InstanceRequest {
            namespace: &self.namespace,
            service_name: service,
            group_name: &self.settings.group,
            action,
            instance: &host,
        };
        let done = self.session.ask(&request, self.resource(service)).await;
        done.map(|_| ())
    }

    fn forget(&self, service: &str) -> Option<Host> {
        let mut registered = self.registered();
        let host = registered.remove(service);
        self.metrics.registered(registered.len());
        host.map(|registered| registered.host)
    }

    fn resource<'a>(&'a self, service: &'a str) -> Resource<'a> {
        let group = &self.settings.group;
        Resource::Naming { group, service }
    }

    fn registered(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Registered>> {
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
