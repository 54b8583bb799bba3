//! How large the estate is, and what happens to it when.

use std::time::Duration;

/// What is simulated.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) services: usize,
    pub(crate) instances_of_each: usize,
    /// How many services each calls.
    pub(crate) audiences: usize,
    /// Tokens that all replicas of the issuer together can issue in a second.
    pub(crate) issued_per_second: f64,
    /// Streams that all of them together have room for.
    pub(crate) streams: usize,
    pub(crate) has_shared_cache: bool,
    /// Each instance calls each of its audiences once in this time.
    pub(crate) calls_every: Duration,
    /// How long the simulation lasts.
    pub(crate) length: Duration,
    /// Instances are started for the first time within this.
    pub(crate) start_within: Duration,
    /// One instance of each service after the other is replaced, each service within a span of its own of this one.
    pub(crate) deployments: (Duration, Duration),
    pub(crate) rotation: Duration,
    /// When the issuer is away, and until when.
    pub(crate) outages: Vec<(Duration, Duration)>,
    pub(crate) taint: Duration,
}

/// Between two instances of a service that are replaced.
pub(crate) const BETWEEN_RESTARTS: Duration = Duration::from_secs(15);
/// A replaced instance is away for as long.
pub(crate) const RESTART_TAKES: Duration = Duration::from_secs(3);
/// Before the issuer signs with a new key, verifiers have it; as `key-announce-seconds` has it.
pub(crate) const ANNOUNCED: Duration = Duration::from_secs(300);
/// As the issuer's `token-life-seconds` has it.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(600);
/// ES256 on one core: `token-endpoint` of `bench/README.md`.
pub(crate) const TOKENS_A_CORE: f64 = 31_257.0;
/// Of one replica: `MAX_STREAMS` of the issuer.
pub(crate) const STREAMS_OF_A_REPLICA: usize = 2_048;

pub(crate) const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

impl Plan {
    pub(crate) const fn instances(&self) -> usize {
        self.services * self.instances_of_each
    }

    pub(crate) const fn tokens(&self) -> usize {
        self.instances() * self.audiences
    }
}
