//! How connections are made for each form of Redis, and how they are checked.

use std::time::Duration;

use crate::address::NodeAddress;
use crate::connection::{Connection, Dialer, Login};
use crate::error::RedisError;
use crate::routes::Routes;
use crate::routes::cluster::ClusterRoutes;
use crate::sentinel;
use crate::settings::{RedisForm, RedisSettings, SentinelSettings};

/// A server that does not respond to a ping within this time is left.
const PING_LIMIT: Duration = Duration::from_millis(500);

/// Makes [`Routes`].
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) dialer: Dialer,
    pub(crate) login: Login,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Standalone(NodeAddress),
    Sentinel {
        settings: SentinelSettings,
        login: Box<Login>,
    },
    Cluster(Vec<NodeAddress>),
}

impl Plan {
    pub(crate) fn new(settings: &RedisSettings, dialer: Dialer) -> Self {
        let form = match &settings.form {
            RedisForm::Standalone(address) => Form::Standalone(address.clone()),
            RedisForm::Sentinel(sentinel) => Form::Sentinel {
                login: Box::new(Login::new(&sentinel.login, 0)),
                settings: sentinel.clone(),
            },
            RedisForm::Cluster(nodes) => Form::Cluster(nodes.clone()),
        };
        Self {
            dialer,
            login: Login::new(&settings.login, settings.database),
            form,
        }
    }

    /// New connections. `before`: what was in use last; its nodes are asked as well.
    pub(crate) async fn connect(&self, before: Option<&Routes>) -> Result<Routes, RedisError> {
        match &self.form {
            Form::Standalone(address) => {
                let server = self.dialer.open(address, &self.login).await?;
                Ok(Routes::One(server))
            }
            Form::Sentinel { settings, login } => {
                let address = sentinel::primary(&self.dialer, settings, login).await?;
                let server = self.dialer.open(&address, &self.login).await?;
                match sentinel::is_primary(&server).await {
                    true => Ok(Routes::One(server)),
                    false => Err(RedisError::NotPrimary(address)),
                }
            }
            Form::Cluster(seeds) => {
                let before = match before {
                    Some(Routes::Cluster(before)) => Some(before),
                    Some(Routes::One(_)) | None => None,
                };
                let found = ClusterRoutes::find(&self.dialer, &self.login, seeds, before).await?;
                Ok(Routes::Cluster(found))
            }
        }
    }

    /// What of `routes` can go on being used; `None` when new connections are needed. `is_doubted`: a server has said that
    /// it is not the right one.
    pub(crate) async fn check(&self, routes: &Routes, is_doubted: bool) -> Option<Routes> {
        let is_good = match (routes, &self.form) {
            (Routes::Cluster(_), _) => return self.connect(Some(routes)).await.ok(),
            (Routes::One(server), Form::Sentinel { settings, login }) => {
                self.is_still_primary(server, settings, login).await
            }
            (Routes::One(server), _) => !is_doubted && responds(server).await,
        };
        is_good.then(|| routes.clone())
    }

    /// While no sentinel responds, a primary that does is kept.
    async fn is_still_primary(
        &self,
        server: &Connection,
        settings: &SentinelSettings,
        login: &Login,
    ) -> bool {
        if !responds(server).await || !sentinel::is_primary(server).await {
            return false;
        }
        let named = sentinel::primary(&self.dialer, settings, login).await;
        named.map_or(true, |named| named == *server.address())
    }
}

async fn responds(server: &Connection) -> bool {
    server.is_open() && server.responds(PING_LIMIT).await
}
