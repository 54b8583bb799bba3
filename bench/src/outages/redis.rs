//! Redis in its three forms.

use crate::measure::Failure;
use crate::redis_server::{RedisServer, until};

/// What a replica needs to be there soon.
const QUICK: [&str; 2] = ["--repl-diskless-sync-delay", "0"];
const CLUSTER: [&str; 8] = [
    "--cluster-enabled",
    "yes",
    "--cluster-config-file",
    "nodes.conf",
    "--cluster-node-timeout",
    "2000",
    "--cluster-require-full-coverage",
    "no",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Standalone,
    Sentinel,
    Cluster,
}

/// All servers of one form.
pub(super) struct RedisEstate {
    form: Form,
    pub(super) servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisEstate {
    pub(super) async fn start(form: Form) -> Result<Self, Failure> {
        match form {
            Form::Standalone => Ok(Self {
                form,
                servers: vec![RedisServer::start(&[]).await?],
                sentinels: Vec::new(),
            }),
            Form::Sentinel => Self::start_sentinel().await,
            Form::Cluster => Self::start_cluster().await,
        }
    }

    /// A primary, two replicas, and three sentinels that know each other.
    async fn start_sentinel() -> Result<Self, Failure> {
        let primary = RedisServer::start(&QUICK).await?;
        let at = primary.port;
        let port = at.to_string();
        let of = [&QUICK[..], &["--replicaof", "127.0.0.1", &port]].concat();
        let (first, second) = (
            RedisServer::start(&of).await?,
            RedisServer::start(&of).await?,
        );
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(RedisServer::start_sentinel(at).await?);
        }
        let knows_all = |sentinel: &RedisServer| {
            let told = sentinel.cli(&["SENTINEL", "MASTER", "mymaster"]);
            let told = told.unwrap_or_default();
            let lines: Vec<_> = told.lines().collect();
            let has = |name: &str| lines.windows(2).any(|pair| pair == [name, "2"]);
            has("num-slaves") && has("num-other-sentinels")
        };
        until("the sentinels know all", || sentinels.iter().all(knows_all)).await?;
        Ok(Self {
            form: Form::Sentinel,
            servers: vec![primary, first, second],
            sentinels,
        })
    }

    /// Three primaries with a replica each.
    async fn start_cluster() -> Result<Self, Failure> {
        let mut servers = Vec::new();
        for _ in 0..6 {
            servers.push(RedisServer::start(&[&CLUSTER[..], &QUICK].concat()).await?);
        }
        let addresses: Vec<_> = servers.iter().map(address).collect();
        let mut arguments = vec!["--cluster", "create"];
        arguments.extend(addresses.iter().map(String::as_str));
        arguments.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        let first = servers.first().ok_or("no server")?;
        let created = first.cli(&arguments)?;
        if !created.contains("All 16384 slots covered") {
            return Err(format!("no cluster: {created}").into());
        }
        let is_ready = |server: &RedisServer| {
            let info = server.cli(&["CLUSTER", "INFO"]).unwrap_or_default();
            let roles = server.cli(&["INFO", "replication"]).unwrap_or_default();
            info.contains("cluster_state:ok")
                && (roles.contains("role:slave") || roles.contains("connected_slaves:1"))
        };
        until("the cluster is complete", || servers.iter().all(is_ready)).await?;
        Ok(Self {
            form: Form::Cluster,
            servers,
            sentinels: Vec::new(),
        })
    }

    /// The section `redis` of a service, behind the proxy at that address if there is one.
    pub(super) fn yaml(&self, proxy: Option<std::net::SocketAddr>) -> String {
        let list = |servers: &[RedisServer]| {
            let all: Vec<_> = servers.iter().map(address).collect();
            all.join(", ")
        };
        match self.form {
            Form::Standalone => {
                let own = self.servers.first().map(|server| server.port);
                let port = proxy.map(|proxy| proxy.port()).or(own).unwrap_or_default();
                format!("  redis: {{ host: 127.0.0.1, port: {port} }}\n")
            }
            Form::Sentinel => format!(
                "  redis: {{ sentinel: {{ master: mymaster, nodes: '{}' }} }}\n",
                list(&self.sentinels)
            ),
            Form::Cluster => format!(
                "  redis: {{ cluster: {{ nodes: '{}' }} }}\n",
                list(&self.servers)
            ),
        }
    }

    /// The primary that holds the tokens for `audience`.
    pub(super) fn primary_of(&mut self, audience: &str) -> Result<&mut RedisServer, Failure> {
        let pattern = format!("*:{audience}:*");
        for server in &mut self.servers {
            let is_primary = server
                .cli(&["INFO", "replication"])?
                .contains("role:master");
            if is_primary && server.cli(&["KEYS", &pattern])?.contains(audience) {
                return Ok(server);
            }
        }
        Err("no primary holds the token".into())
    }
}

fn address(server: &RedisServer) -> String {
    format!("127.0.0.1:{}", server.port)
}
