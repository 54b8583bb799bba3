//! What is tried, one row a fault.

use super::redis::Form;

/// What happens in the middle of a row, and ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    Calm,
    /// The primary that has the tokens is killed; a single server is started again at the end of the fault.
    RedisKilled,
    /// It is killed and at once started again, empty.
    RedisEmpty,
    /// `SIGSTOP`, then `SIGCONT`.
    RedisHangs,
    /// The network takes everything and brings nothing.
    RedisSilent,
    NacosKilled,
    /// Slow answers, then half answers, then none.
    NacosHalfAnswers,
    IssuerDown,
    /// `SIGSTOP`, then `SIGCONT`.
    IssuerHangs,
    SecretRotated,
    InstanceWithdrawn,
    /// One after the other, each announced and then signing.
    KeysRotated,
    /// One after the other, each signing at once, as after a theft: verifiers see its first token before they know the key.
    KeysRotatedNow,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) fault: Fault,
    /// The shared tier. With it, `service-order` has no memory of its own, so that each of its calls needs Redis.
    pub(super) redis: Option<Form>,
    /// Services find each other in Nacos.
    pub(super) nacos: bool,
}

impl Row {
    /// From when to when the fault lasts, in percent of the row: for a minute, four fifths of a token's life. Tokens that were got
    /// before the row are renewed after 10 to 12 seconds where an issuer goes away: then it goes, so that they live for longer.
    pub(super) fn percent(&self) -> (u32, u32) {
        match self.fault {
            Fault::IssuerDown | Fault::IssuerHangs => (20, 60),
            // As many as there is time for.
            Fault::KeysRotated | Fault::KeysRotatedNow => (2, 98),
            _ => (30, 70),
        }
    }
}

pub(super) const ROWS: [Row; 15] = [
    with_redis("calm", Fault::Calm, Form::Standalone),
    with_redis("redis-killed", Fault::RedisKilled, Form::Standalone),
    with_redis("redis-sentinel-killed", Fault::RedisKilled, Form::Sentinel),
    with_redis("redis-cluster-killed", Fault::RedisKilled, Form::Cluster),
    with_redis("redis-hangs", Fault::RedisHangs, Form::Standalone),
    with_redis("redis-silent", Fault::RedisSilent, Form::Standalone),
    with_redis("redis-empty", Fault::RedisEmpty, Form::Standalone),
    with_nacos("nacos-killed", Fault::NacosKilled),
    with_nacos("nacos-half-answers", Fault::NacosHalfAnswers),
    Row {
        name: "issuer-down",
        fault: Fault::IssuerDown,
        redis: None,
        nacos: false,
    },
    with_redis("issuer-hangs", Fault::IssuerHangs, Form::Standalone),
    Row {
        name: "secret-rotated",
        fault: Fault::SecretRotated,
        redis: Some(Form::Standalone),
        nacos: true,
    },
    with_nacos("instance-withdrawn", Fault::InstanceWithdrawn),
    Row {
        name: "keys-rotated",
        fault: Fault::KeysRotated,
        redis: None,
        nacos: false,
    },
    Row {
        name: "keys-rotated-now",
        fault: Fault::KeysRotatedNow,
        redis: None,
        nacos: false,
    },
];

const fn with_redis(name: &'static str, fault: Fault, form: Form) -> Row {
    Row {
        name,
        fault,
        redis: Some(form),
        nacos: false,
    }
}

const fn with_nacos(name: &'static str, fault: Fault) -> Row {
    Row {
        name,
        fault,
        redis: None,
        nacos: true,
    }
}
