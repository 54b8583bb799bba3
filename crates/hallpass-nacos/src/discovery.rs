//! The instances of services, as Nacos knows them, and this process among them.

mod naming;
mod own_instance;
mod services;

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_core::future::BoxFuture;
use hallpass_upstream::{Discover, DiscoverError, Instances, Place, Reminders, random_below};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::connection::{Module, Push};
use crate::error::NacosError;
use crate::parts::NacosParts;
use crate::session::Session;
use crate::settings::{DiscoverySettings, RegisterSettings};
use naming::Naming;
use services::{Known, Services};

pub use own_instance::OwnInstance;

/// The id of the namespace that has none.
const PUBLIC: &str = "public";

/// Finds the instances of services in Nacos. Cheap to clone; clones share everything, and the last one that is dropped
/// ends the connection, and with it the registrations.
///
/// Instances that are healthy and enabled and have a weight count, in proportion to their weights, those of all clusters: with
/// `prefer-own-cluster`, [`Upstream`](hallpass_upstream::Upstream) calls the own one first, while enough of it is well. `secure=true` among the metadata means https, `zone` is the zone, and
/// the metadata that `discovery.gray-metadata` names marks instances that are not for every call. That the server knows no
/// instance is an answer.
///
/// A service is subscribed to when it is first asked for, at most 4096 services. While no server answers,
/// [`instances`](Discover::instances) says so, upon which [`Upstream`](hallpass_upstream::Upstream) goes on with what it knew;
/// a process that has not reached a server yet goes by its snapshot, where there is one that is not older than a day.
#[derive(Clone, Debug)]
pub struct NacosDiscovery {
    naming: Arc<Naming>,
    _following: Arc<Following>,
}

#[derive(Debug)]
struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl NacosDiscovery {
    /// Begins to connect. Needs a runtime. Blocks the thread while the snapshot is read.
    ///
    /// # Errors
    /// When the files of the section `tls` cannot be used.
    pub fn start(parts: &NacosParts, settings: &DiscoverySettings) -> Result<Self, NacosError> {
        let namespace = settings.namespace.as_ref();
        let namespace = match namespace.unwrap_or(&parts.settings.namespace).as_str() {
            // To this half of Nacos an empty id is a namespace of its own, where nobody else looks.
            "" => PUBLIC.to_owned(),
            id => id.to_owned(),
        };
        let (session, pushes) = Session::start(parts.session(Module::Naming, &namespace)?);
        let folder = parts.settings.snapshot_directory.as_deref();
        let services = Services::new(settings, &namespace, folder, Arc::clone(&parts.clock));
        let naming = Arc::new(Naming {
            session,
            settings: settings.clone(),
            namespace,
            services,
            metrics: parts.metrics.clone(),
            said: Reminders::default(),
            registered: Mutex::default(),
        });
        let following = tokio::spawn(follow(Arc::downgrade(&naming), pushes, settings.pull));
        Ok(Self {
            naming,
            _following: Arc::new(Following(following)),
        })
    }

    /// Tells Nacos that this process is an instance of a service. It is told again after each outage, and forgotten by the
    /// server when the connection ends, however this process does.
    ///
    /// A server that does not answer now is no error: it is told when it does. One service can be registered once: the
    /// server keeps one instance of it for each connection.
    ///
    /// # Errors
    /// When a server answers and refuses; when the service has no name or no port, or is registered already.
    pub async fn register(
        &self,
        own: &OwnInstance,
        settings: &RegisterSettings,
    ) -> Result<Registration, NacosError> {
        let naming = &self.naming;
        let host = own.host(&naming.settings.cluster, settings);
        if own.service.is_empty() || host.port == 0 {
            let reason = "a name and a port are needed: see `service.name` and `service.listen`";
            return Err(NacosError::Registration { reason });
        }
        let service: Arc<str> = own.service.as_str().into();
        if !naming.register(&service, host).await? {
            let reason = "it is registered already, or there are more than 64";
            return Err(NacosError::Registration { reason });
        }
        Ok(Registration {
            discovery: self.clone(),
            service,
            wait: settings.deregister_wait,
        })
    }
}

/// An instance that Nacos was told of. Dropped without [`withdraw`](Self::withdraw), it stays until the last clone of the
/// [`NacosDiscovery`] is gone.
#[derive(Debug)]
#[must_use = "withdraw it before the process stops serving"]
pub struct Registration {
    discovery: NacosDiscovery,
    service: Arc<str>,
    wait: Duration,
}

impl Registration {
    /// Tells Nacos that this instance goes away, and waits until callers have heard of it (`deregister-wait-ms`): go on
    /// serving meanwhile, and drain the listener afterwards. A server that does not answer is not waited for long: it
    /// forgets the instance when the connection ends.
    pub async fn withdraw(self) {
        self.discovery.naming.withdraw(&self.service).await;
        sleep(self.wait).await;
    }
}

impl Discover for NacosDiscovery {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoverError>> {
        Box::pin(async move {
            let naming = &self.naming;
            let is_connected = naming.session.is_connected();
            match naming.services.recall(service) {
                Known::Live(instances) if is_connected => return found(service, instances),
                // What others were told is theirs to remember.
                Known::Live(_) | Known::Stale => {
                    return Err(DiscoverError::unavailable(service, "no server"));
                }
                Known::FromDisk(instances) if !is_connected => return found(service, instances),
                Known::FromDisk(_) | Known::Nothing => {}
            }
            if naming.session.is_down() {
                return Err(DiscoverError::unavailable(service, "no server"));
            }
            match naming.subscribe(service).await {
                Ok(instances) => found(service, instances),
                Err(error) => match naming.services.recall(service) {
                    Known::FromDisk(instances) => found(service, instances),
                    _ => Err(DiscoverError::unavailable(service, error)),
                },
            }
        })
    }

    fn at_hand(&self, service: &str) -> Option<Instances> {
        let naming = &self.naming;
        match naming.services.recall(service) {
            Known::Live(instances) if naming.session.is_connected() && !instances.is_empty() => {
                Some(instances)
            }
            _ => None,
        }
    }

    fn place(&self) -> Place {
        let settings = &self.naming.settings;
        let place = match settings.prefer_own_cluster {
            true => Place::default().in_cluster(&settings.cluster),
            false => Place::default(),
        };
        match &settings.gray_metadata {
            Some(gray) => place.gray_by(gray),
            None => place,
        }
    }
}

fn found(service: &str, instances: Instances) -> Result<Instances, DiscoverError> {
    match instances.is_empty() {
        true => Err(DiscoverError::no_instance(service)),
        false => Ok(instances),
    }
}

async fn follow(naming: Weak<Naming>, mut pushes: mpsc::Receiver<Push>, every: Duration) {
    let Some(mut connections) = naming.upgrade().map(|naming| naming.session.watch()) else {
        return;
    };
    loop {
        let jitter = random_below(u64::try_from(every.as_millis() / 5).unwrap_or(0).max(1));
        let pause = every.mul_f64(0.9) + Duration::from_millis(jitter);
        let push = tokio::select! {
            push = pushes.recv() => match push {
                Some(push) => Some(push),
                None => return,
            },
            changed = connections.changed() => match changed {
                Ok(()) if connections.borrow_and_update().is_some() => None,
                Ok(()) => continue,
                Err(_) => return,
            },
            () = sleep(pause) => None,
        };
        let Some(naming) = naming.upgrade() else {
            return;
        };
        match push {
            Some(Push::Instances(info, _room)) => naming.take(&info),
            Some(Push::ConfigChanged) => {}
            None => naming.redo().await,
        }
    }
}
