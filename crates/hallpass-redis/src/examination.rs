//! A look at Redis, for a program that tells people what is wrong with it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hallpass_clock::{Clock, SystemClock};
use hallpass_tls::{ClientTls, ClientTlsSettings, TlsMetrics};
use redis::Cmd;
use tokio::time::{Instant, timeout};

use crate::address::NodeAddress;
use crate::connection::{Connection, Dialer, Login};
use crate::error::RedisError;
use crate::plan::Plan;
use crate::response::text_of;
use crate::routes::Routes;
use crate::routes::cluster::ClusterRoutes;
use crate::sentinel;
use crate::settings::{RedisForm, RedisSettings};

/// How often a server is pinged, and how long one response may take.
const PINGS: usize = 5;
const RESPONSE_LIMIT: Duration = Duration::from_millis(500);
/// How long the key that is written to try it stays where it cannot be deleted.
const PROBE_MILLIS: u64 = 5_000;
/// Servers that are asked and written to; a cluster may have more primaries.
const MAX_ASKED: usize = 16;
/// Keys that are thought of until each primary has one of them: of a primary with a single slot one is found nearly always.
const MAX_KEYS: u32 = 100_000;

/// What servers of Redis say of themselves, and how they respond. Nothing of it is a secret.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RedisExamination {
    /// Why there is no connection as a service needs one; `None` when there is.
    pub failure: Option<RedisError>,
    /// The servers that a service would use: one, or the primaries of a cluster that are connected to, at most 16 of them.
    pub servers: Vec<ExaminedRedis>,
    /// The sentinels, in the order of the settings; empty in another form of Redis.
    pub sentinels: Vec<ExaminedSentinel>,
    /// What the cluster says of its slots; `None` in another form of Redis, or when no node of it says anything.
    pub cluster: Option<ClusterCoverage>,
    /// Whether the server takes this user and has no database of the number that `redis.database` says.
    pub has_no_database: bool,
    /// Commands that a service needs and that were refused, or not responded to, each with the key that it was about.
    pub unable: Vec<UnableCommand>,
}

/// What the service does with Redis, beside connecting.
#[derive(Clone, Debug, Default)]
pub struct RedisNeeds {
    /// Whether it writes below `redis.key-prefix`, as a cache of tokens and quotas do.
    pub writes: bool,
    /// Keys of others of which it asks whether they exist, such as one of a blacklist.
    pub looks_for: Vec<String>,
}

/// A command that a server did not do.
#[derive(Clone, Debug)]
pub struct UnableCommand {
    /// The primary of a cluster that has the key; `None` in another form of Redis.
    pub primary: Option<NodeAddress>,
    /// Its name.
    pub command: &'static str,
    /// The key that it was about; no secret.
    pub key: String,
    /// Why.
    pub error: RedisError,
}

/// One server.
#[derive(Clone, Debug)]
pub struct ExaminedRedis {
    /// Where it is.
    pub address: NodeAddress,
    /// How long it took to respond to a ping, the median of five; `None` when it did not respond to one within 500 ms.
    pub latency: Option<Duration>,
    /// Whether it calls itself a primary. One that does not let its user ask is believed to be one.
    pub is_primary: bool,
    /// What it says when it is asked for `INFO`, for which a user needs a right that services need not have.
    pub info: Result<RedisInfo, RedisError>,
}

/// What of `INFO` counts for a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisInfo {
    /// `maxmemory`, in bytes; 0 is none.
    pub max_memory: u64,
    /// `used_memory`, in bytes.
    pub used_memory: u64,
    /// `maxmemory_policy`, such as `noeviction`.
    pub eviction: Box<str>,
    /// `connected_slaves`.
    pub replicas: u64,
    /// `cluster_enabled`.
    pub is_of_a_cluster: bool,
    /// Whether the last attempt to save to disk failed (`rdb_last_bgsave_status`, `aof_last_write_status`), after which a server may take no
    /// writes.
    pub cannot_save: bool,
}

/// One sentinel.
#[derive(Clone, Debug)]
pub struct ExaminedSentinel {
    /// Where it is.
    pub address: NodeAddress,
    /// Which server it calls the primary.
    pub primary: Result<NodeAddress, RedisError>,
}

/// Who serves the keys of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterCoverage {
    /// Slots that have a primary, of 16384.
    pub slots: u32,
    /// The primaries.
    pub primaries: Vec<NodeAddress>,
    /// Those of them that cannot be reached from here.
    pub unreachable: Vec<NodeAddress>,
}

impl ClusterCoverage {
    /// How many slots a cluster has.
    pub const ALL_SLOTS: u32 = 16_384;
}

/// Connects as a service with these settings does, and looks at what it finds: it pings, and asks for `ROLE` and `INFO`, sentinels for the
/// primary, a cluster for its slots. Where the service [needs](RedisNeeds) to write it writes one key of its own, `<key-prefix>probe`, which ends
/// after 5 s, and deletes it; in a cluster one for each primary, of 16 at most, such as `<key-prefix>probe-3`. It reads no key. It ends within some seconds: each connection has `connect_timeout`, each response 500 ms.
pub async fn examine(settings: &RedisSettings, needs: &RedisNeeds) -> RedisExamination {
    let files = settings.tls.clone();
    let load = move |files: &ClientTlsSettings| {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        ClientTls::load(files, clock, &TlsMetrics::default())
    };
    // On a thread of its own: a disk may have stalled, or a pipe.
    let loaded = tokio::task::spawn_blocking(move || files.as_ref().map(load).transpose()).await;
    let dialer = match loaded {
        Ok(Ok(tls)) => Dialer::new(settings, tls),
        Ok(Err(error)) => return failed(RedisError::Tls(Arc::new(error))),
        // The runtime is ending.
        Err(_) => return failed(RedisError::TimedOut),
    };
    let plan = Plan::new(settings, dialer.clone());
    let prefix = &settings.key_prefix;
    let (routes, sentinels) =
        tokio::join!(plan.connect(None), examine_sentinels(settings, &dialer));
    let (servers, cluster) = match &routes {
        Ok(Routes::One(server)) => (vec![examine_server(server).await], None),
        Ok(Routes::Cluster(cluster)) => {
            let asked = cluster.connections().take(MAX_ASKED).map(examine_server);
            let mut servers = join_all(asked).await;
            servers.sort_by(|one, other| one.address.cmp(&other.address));
            (servers, Some(coverage(cluster)))
        }
        Err(_) => (Vec::new(), None),
    };
    let unable = match &routes {
        Ok(routes) => try_commands(routes, prefix, needs).await,
        Err(_) => Vec::new(),
    };
    let has_no_database = match &routes {
        Err(RedisError::Refused { .. }) => is_taken_elsewhere(settings, dialer).await,
        _ => false,
    };
    RedisExamination {
        failure: routes.err(),
        servers,
        sentinels,
        cluster,
        has_no_database,
        unable,
    }
}

/// Whether all is well with the first database.
async fn is_taken_elsewhere(settings: &RedisSettings, dialer: Dialer) -> bool {
    let first = RedisSettings {
        database: 0,
        ..settings.clone()
    };
    settings.database != 0 && Plan::new(&first, dialer).connect(None).await.is_ok()
}

/// What a token goes through, at each server that a token may be kept by.
async fn try_commands(routes: &Routes, prefix: &str, needs: &RedisNeeds) -> Vec<UnableCommand> {
    let written = match needs.writes {
        true => probe_keys(routes, prefix),
        false => Vec::new(),
    };
    let written = written.iter().map(|key| (key, writing(key)));
    let asked = needs.looks_for.iter().map(|key| {
        let mut exists = redis::cmd("EXISTS");
        exists.arg(key);
        (key, vec![("EXISTS", exists)])
    });
    let tried = written.chain(asked);
    let tried = tried.map(|(key, commands)| try_with(routes, key, commands));
    join_all(tried).await.into_iter().flatten().collect()
}

/// With a key that ends by itself should it not be deleted.
fn writing(key: &str) -> Vec<(&'static str, Cmd)> {
    let mut set = redis::cmd("SET");
    set.arg(key).arg(1).arg("PX").arg(PROBE_MILLIS);
    let mut get = redis::cmd("GETRANGE");
    get.arg(key).arg(0).arg(0);
    let mut delete = redis::cmd("DEL");
    delete.arg(key);
    vec![("SET", set), ("GETRANGE", get), ("DEL", delete)]
}

/// `<prefix>probe`; in a cluster a key for each primary, with a number behind it where that one is another's.
fn probe_keys(routes: &Routes, prefix: &str) -> Vec<String> {
    let first = format!("{prefix}probe");
    let Routes::Cluster(cluster) = routes else {
        return vec![first];
    };
    let primaries: BTreeSet<_> = cluster.ranges().map(|(_, primary)| primary).collect();
    let mut without = primaries;
    without.retain(|it| cluster.is_connected_to(it));
    let more = (1..MAX_KEYS).map(|number| format!("{prefix}probe-{number}"));
    let mut keys = Vec::new();
    for key in std::iter::once(first).chain(more) {
        if without.is_empty() || keys.len() >= MAX_ASKED {
            break;
        }
        let primary = cluster.primary_of(key.as_bytes());
        if primary.is_some_and(|it| without.remove(it)) {
            keys.push(key);
        }
    }
    keys
}

/// One after the other, as a service does.
async fn try_with(
    routes: &Routes,
    key: &str,
    commands: Vec<(&'static str, Cmd)>,
) -> Vec<UnableCommand> {
    let primary = match routes {
        Routes::One(_) => None,
        Routes::Cluster(cluster) => cluster.primary_of(key.as_bytes()).cloned(),
    };
    let mut unable = Vec::new();
    for (command, built) in commands {
        let called = timeout(RESPONSE_LIMIT, routes.call(key.as_bytes(), &built)).await;
        if let Err(error) = called.unwrap_or(Err(RedisError::TimedOut)) {
            unable.push(UnableCommand {
                primary: primary.clone(),
                command,
                key: key.to_owned(),
                error,
            });
        }
    }
    unable
}

fn coverage(cluster: &ClusterRoutes) -> ClusterCoverage {
    let primaries: BTreeSet<_> = cluster.ranges().map(|(_, primary)| primary).collect();
    let is_away = |address: &&&NodeAddress| !cluster.is_connected_to(address);
    ClusterCoverage {
        slots: cluster.ranges().map(|(slots, _)| slots).sum(),
        unreachable: primaries.iter().filter(is_away).copied().cloned().collect(),
        primaries: primaries.into_iter().cloned().collect(),
    }
}

fn failed(error: RedisError) -> RedisExamination {
    RedisExamination {
        failure: Some(error),
        ..RedisExamination::default()
    }
}

async fn examine_sentinels(settings: &RedisSettings, dialer: &Dialer) -> Vec<ExaminedSentinel> {
    let RedisForm::Sentinel(of) = &settings.form else {
        return Vec::new();
    };
    let login = Login::new(&of.login, 0);
    let ask = async |node: &NodeAddress| ExaminedSentinel {
        address: node.clone(),
        primary: sentinel::ask(dialer, node, &of.master, &login).await,
    };
    join_all(of.nodes.iter().map(ask)).await
}

async fn examine_server(server: &Connection) -> ExaminedRedis {
    ExaminedRedis {
        address: server.address().clone(),
        latency: latency(server).await,
        is_primary: sentinel::is_primary(server).await,
        info: info(server).await,
    }
}

async fn latency(server: &Connection) -> Option<Duration> {
    let mut taken = Vec::new();
    for _ in 0..PINGS {
        let begun = Instant::now();
        let ping = redis::cmd("PING");
        match timeout(RESPONSE_LIMIT, server.call(&ping)).await.ok()? {
            Ok(_) => {}
            // One that cannot save refuses pings too (`MISCONF`).
            Err(error) if RedisError::from(error.clone()).is_response() => {}
            Err(_) => return None,
        }
        taken.push(begun.elapsed());
    }
    taken.sort();
    taken.get(PINGS / 2).copied()
}

async fn info(server: &Connection) -> Result<RedisInfo, RedisError> {
    let command = redis::cmd("INFO");
    let response = timeout(RESPONSE_LIMIT, server.call(&command)).await;
    let response = response.map_err(|_| RedisError::TimedOut)??;
    text_of(&response).map(read).ok_or(RedisError::Response)
}

/// `name:value`, one a line; what is not there is as in an empty server.
fn read(text: &str) -> RedisInfo {
    let value = |name: &str| {
        let of_line = |line: &'_ str| line.split_once(':').is_some_and(|(it, _)| it == name);
        let line = text.lines().find(|line| of_line(line));
        line.and_then(|line| line.split_once(':'))
            .map_or("", |(_, value)| value.trim())
    };
    let number = |name: &str| value(name).parse().unwrap_or(0);
    let has_failed = |name: &str| value(name) == "err";
    let is_name = |text: &&str| text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let eviction = Some(value("maxmemory_policy")).filter(is_name);
    RedisInfo {
        max_memory: number("maxmemory"),
        used_memory: number("used_memory"),
        eviction: eviction.unwrap_or_default().into(),
        replicas: number("connected_slaves"),
        is_of_a_cluster: number("cluster_enabled") == 1,
        cannot_save: has_failed("rdb_last_bgsave_status") || has_failed("aof_last_write_status"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_read_line_by_line_and_what_it_leaves_out_is_nothing() {
        let text = "# Memory\r\nused_memory:7\r\nmaxmemory:9\r\nmaxmemory_human:8K\r\nmaxmemory_policy:allkeys-lru\r\n\
                    # Persistence\r\nrdb_last_bgsave_status:err\r\naof_last_write_status:ok\r\nconnected_slaves:2\r\ncluster_enabled:1\r\n";
        let expected = RedisInfo {
            max_memory: 9,
            used_memory: 7,
            eviction: "allkeys-lru".into(),
            replicas: 2,
            is_of_a_cluster: true,
            cannot_save: true,
        };
        assert_eq!(read(text), expected);
        assert_eq!(read("maxmemory_policy:\u{1b}[2J"), RedisInfo::default());
    }
}
