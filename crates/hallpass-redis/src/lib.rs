//! A tier of the token cache that the processes of an estate share, in Redis.
//!
//! * [`RedisTokenCache`] is the tier: it keeps sealed tokens, grants leases, so that many processes make one token request, and
//!   carries eviction notices to all of them.
//! * [`RedisRevocations`] tells those who follow an issuer's deny-list, over the same connections, that there is something new on it.
//! * [`RedisReplayStore`] knows which messages that count once were shown to any of the processes, such as proofs of possession.
//! * [`RedisBlacklist`] looks for the keys that an estate writes when a token is logged out.
//! * [`RedisTierSettings`] reads the section `redis`: one server, a primary behind Sentinel, or Redis Cluster, each with TLS, an
//!   ACL user and a key prefix.
//!
//! **Promise.** Redis never makes a call fail or wait: it is asked within 30 ms, behind a breaker, over connections that a task
//! of its own keeps and makes again. What is in Redis is of no use to a thief: the token service seals every entry.
//!
//! **What it does not do.** It opens no entry and judges none. It does not make Redis durable: an empty Redis costs one token
//! request for each key. It needs Redis 6 or newer (RESP3), or a server that speaks like one.

mod address;
mod blacklist;
mod bounded;
mod breaker;
mod connection;
mod error;
mod examination;
mod link;
mod metrics;
mod notices;
mod plan;
mod publishing;
mod rate_store;
mod redis_keys;
mod replay_store;
mod response;
mod revocations;
mod routes;
mod sentinel;
mod settings;
mod token_cache;

pub use address::{InvalidNodeAddress, NodeAddress};
pub use blacklist::RedisBlacklist;
pub use error::{ConnectionFault, RedisError};
pub use examination::{
    ClusterCoverage, ExaminedRedis, ExaminedSentinel, RedisExamination, RedisInfo, RedisNeeds,
    UnableCommand, examine,
};
pub use metrics::RedisMetrics;
pub use rate_store::RedisRateStore;
pub use replay_store::RedisReplayStore;
pub use revocations::RedisRevocations;
pub use settings::{
    RedisForm, RedisLoginSettings, RedisSettings, RedisTierSettings, SentinelSettings,
};
pub use token_cache::RedisTokenCache;
