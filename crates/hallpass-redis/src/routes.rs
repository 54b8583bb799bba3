//! The connections over which calls go now.

pub(crate) mod cluster;
mod slot;

use redis::{Cmd, Value};

use crate::address::NodeAddress;
use crate::connection::Connection;
use crate::error::RedisError;
use cluster::ClusterRoutes;

/// Where calls go. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Routes {
    /// All to one server.
    One(Connection),
    /// Each to the node that has its key.
    Cluster(ClusterRoutes),
}

impl Routes {
    /// One command about one key. It has no limit of its own.
    pub(crate) async fn call(&self, key: &[u8], command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Self::One(server) => Ok(server.call(command).await?),
            Self::Cluster(cluster) => cluster.call(key, command).await,
        }
    }

    /// Ends when something has happened that should be looked at.
    pub(crate) async fn changed(&self) {
        match self {
            Self::One(server) => server.closed().await,
            Self::Cluster(cluster) => cluster.changed().await,
        }
    }

    /// Whether every key can be reached.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Self::One(_) => true,
            Self::Cluster(cluster) => cluster.is_complete(),
        }
    }

    /// Where to subscribe: what is published anywhere arrives there.
    pub(crate) fn listen_at(&self) -> Option<&NodeAddress> {
        match self {
            Self::One(server) => Some(server.address()),
            Self::Cluster(cluster) => cluster.any(),
        }
    }

    /// Whether calls may go to that server.
    pub(crate) fn lead_to(&self, address: &NodeAddress) -> bool {
        match self {
            Self::One(server) => server.address() == address,
            Self::Cluster(cluster) => cluster.is_connected_to(address),
        }
    }
}
