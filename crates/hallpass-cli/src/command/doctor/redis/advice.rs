//! What to do about what a server of Redis says.

use hallpass::redis::{RedisError, RedisForm, RedisSettings};

/// For one that takes connections and says nothing.
pub(super) const HANGS: &str =
    "look at that server: it runs and is stopped, or busy (a slow disk, a slow command, no memory)";

/// How sentences call what the section names.
pub(super) fn form(settings: &RedisSettings) -> String {
    match &settings.form {
        RedisForm::Standalone(address) => address.to_string(),
        RedisForm::Sentinel(sentinel) => format!("the primary `{}`", sentinel.master),
        RedisForm::Cluster(_) => "the cluster".to_owned(),
    }
}

/// For whoever is told this error.
pub(super) fn what_to_do(error: &RedisError) -> &'static str {
    match error {
        RedisError::Tls(_) => "correct the files of `redis.ssl`",
        RedisError::Refused { code } => match &**code {
            "NOAUTH" | "WRONGPASS" => {
                "correct `redis.username` and `redis.password`, or the user at the server"
            }
            "NOPERM" => "give the user its rights: see docs/redis.md",
            "NOREPLICAS" => {
                "start its replicas, or set its `min-replicas-to-write` to 0: tokens need no copy"
            }
            "CLUSTERDOWN" => {
                "wait until the cluster has found itself; if it does not, look at its nodes"
            }
            "OOM" => {
                "set `maxmemory-policy` to volatile-ttl or allkeys-lru, or give it more memory"
            }
            "MISCONF" => {
                "make room on its disk, or switch saving off (`save \"\"`): tokens need no persistence"
            }
            "LOADING" => "wait until the server has loaded its data",
            "ERR" => {
                "see that the server is what the section says: one server, a sentinel, or a node of a cluster"
            }
            _ => "look at the log of the server",
        },
        RedisError::NoPrimary => {
            "write the name that the sentinels have for it into `redis.sentinel.master`"
        }
        RedisError::NotPrimary(_) => {
            "wait for the failover to end; if it does not, look at the sentinels"
        }
        RedisError::NoNode => {
            "give the slots of the cluster to its nodes (`redis-cli --cluster fix`)"
        }
        RedisError::Stalled(_) | RedisError::TimedOut => HANGS,
        RedisError::PlainPassword(_) => "set `redis.ssl`, or leave the password out",
        _ => "start Redis, or correct its address in `redis`; look for a packet filter in between",
    }
}
