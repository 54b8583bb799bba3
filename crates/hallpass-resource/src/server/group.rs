//! The resource servers of one process, which follow the same settings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{ResourceServer, Shared};
use crate::error::SetupError;
use crate::metrics::ResourceMetrics;
use crate::settings::SecuritySettings;

/// Resource servers that take settings together, or none of them does, and count together. Usually a process has one
/// server; a group also finds it again for those who only know the settings. Clones are the same group.
///
/// It keeps no server alive. Gauges show the server that changed them last.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_clock::SystemClock;
/// use hallpass_resource::{Mode, ResourceServer, ResourceServers, SecuritySettings};
///
/// let servers = ResourceServers::default();
/// let server = ResourceServer::builder("order-service", Arc::new(SystemClock::new())).group(&servers).build()?;
///
/// let mut settings = SecuritySettings::default();
/// settings.internal_jwt.mode = Mode::Report;
/// servers.apply(&settings)?;
/// # let _ = server;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ResourceServers {
    /// Locked while a server is built or settings are taken, so that a server which is built meanwhile misses none.
    /// Calls do not touch it.
    members: Arc<Mutex<Members>>,
    metrics: ResourceMetrics,
}

#[derive(Debug, Default)]
struct Members {
    servers: Vec<Weak<Shared>>,
    applied: Option<SecuritySettings>,
}

impl ResourceServers {
    /// [`ResourceServer::apply`] for every server that is alive. A server that is built later starts with these settings.
    ///
    /// # Errors
    /// When one of the servers cannot take them; then none has.
    pub fn apply(&self, settings: &SecuritySettings) -> Result<(), SetupError> {
        let mut members = self.members();
        let servers = members.alive();
        for server in &servers {
            server.check(settings)?;
        }
        for server in &servers {
            server.apply(settings)?;
        }
        members.applied = Some(settings.clone());
        Ok(())
    }

    /// Whether [`apply`](Self::apply) would take these settings. Changes nothing.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn check(&self, settings: &SecuritySettings) -> Result<(), SetupError> {
        let servers = self.members().alive();
        servers.iter().try_for_each(|server| server.check(settings))
    }

    /// What all servers of the group count, for a registry.
    #[must_use]
    pub fn metrics(&self) -> &ResourceMetrics {
        &self.metrics
    }

    /// Adds the server that `build` makes of the settings that were taken last, if any were.
    pub(super) fn add(
        &self,
        build: impl FnOnce(
            Option<&SecuritySettings>,
            ResourceMetrics,
        ) -> Result<ResourceServer, SetupError>,
    ) -> Result<ResourceServer, SetupError> {
        let mut members = self.members();
        let server = build(members.applied.as_ref(), self.metrics.clone())?;
        members.servers.retain(|server| server.strong_count() > 0);
        members.servers.push(Arc::downgrade(&server.shared));
        Ok(server)
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    fn alive(&self) -> Vec<ResourceServer> {
        let shared = self.servers.iter().filter_map(Weak::upgrade);
        shared.map(|shared| ResourceServer { shared }).collect()
    }
}
