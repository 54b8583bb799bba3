//! What is asked and told of services, over one session.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hallpass_upstream::{Instances, Reminders};

use super::services::Services;
use crate::credential::Resource;
use crate::error::NacosError;
use crate::messages::{Host, InstanceRequest, ServiceInfo, SubscribeServiceRequest};
use crate::metrics::NacosMetrics;
use crate::session::Session;
use crate::settings::DiscoverySettings;

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
    pub(super) said: Reminders,
    /// What the server has to be told again over a new connection. Locked for a few instructions.
    pub(super) registered: Mutex<BTreeMap<Arc<str>, Host>>,
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
        let resource = self.resource(service);
        let answer = self.session.ask(&request, resource).await?;
        let age = self.session.connected_for();
        let instances = self.services.learn(service, &answer.service_info, age);
        self.metrics.subscribed(self.services.names().len());
        Ok(instances)
    }

    /// Takes what the server says by itself.
    pub(super) fn take(&self, info: &ServiceInfo) {
        // `group@@service` where an older server writes both into one.
        let name = info.name.rsplit("@@").next().unwrap_or(&info.name);
        if self.services.is_known(name) && info.group_name == self.settings.group {
            let age = self.session.connected_for();
            self.services.learn(name, info, age);
        }
    }

    /// Everything anew: over a new connection the server knows nothing of us.
    pub(super) async fn redo(&self) {
        let hosts = self.registered().clone();
        for (service, host) in hosts {
            // One that is withdrawn meanwhile must not come back.
            if !self.registered().contains_key(&service) {
                continue;
            }
            match self.tell("registerInstance", &service, &host).await {
                Ok(()) => {}
                Err(error) if self.said.is_due(error.kind()) => {
                    tracing::warn!(%error, service = &*service, "could not be registered with Nacos; trying on");
                }
                Err(error) => {
                    tracing::debug!(%error, service = &*service, "still not registered with Nacos");
                }
            }
        }
        for service in self.services.names() {
            if let Err(error) = self.subscribe(&service).await {
                // What the server refuses for one service it may say of the next.
                tracing::debug!(%error, service, "the instances could not be asked for");
                if error.is_outage() {
                    return;
                }
            }
        }
        self.services.keep().await;
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
            registered.insert(Arc::clone(service), host.clone());
            self.metrics.registered(registered.len());
        }
        match self.tell("registerInstance", service, &host).await {
            Ok(()) => {
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
        host
    }

    fn resource<'a>(&'a self, service: &'a str) -> Resource<'a> {
        let group = &self.settings.group;
        Resource::Naming { group, service }
    }

    fn registered(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Host>> {
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
