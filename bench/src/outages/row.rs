//! What is tried, one row a fault.

use std::time::Duration;

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
    /// Each of its answers comes two seconds later.
    IssuerSlow,
    /// It answers all with this.
    IssuerAnswers(&'static str),
    SecretRotated,
    InstanceWithdrawn,
    /// One after the other, each announced and then signing.
    KeysRotated,
    /// One after the other, each signing at once, as after a theft: verifiers see its first token before they know the key.
    KeysRotatedNow,
    /// The clock of the caller jumps by so many seconds, and back.
    ClockJumps(i64),
    /// One of three is killed and started again, and later stopped in an orderly way and started again.
    InstanceRestarts,
    /// One of three: `SIGSTOP`, then `SIGCONT`, and whoever calls waits for a moment only.
    InstanceHangs,
    /// The answers of one of three come late.
    InstanceSlow,
    /// The network to the two of four that are near takes everything and brings nothing.
    ZoneGone,
}

const ERROR: &str =
    "HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const HTML: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/html\r\ncontent-length: 33\r\n\r\n\
    <html><body>Sign in</body></html>";
const EMPTY: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// More than an issuer and its verifiers let clocks differ by.
const JUMP: i64 = 60;
/// A caller that has no time.
const HURRY: Duration = Duration::from_millis(100);
/// Callers that may have given up on the instance that hangs until nobody is sent there: some 20 in each of the looks at whether
/// it is back, and what was on its way at first.
const GIVE_UP: usize = 400;

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
    /// How many instances `service-system` has.
    pub(super) fn instances(&self) -> usize {
        match self.fault {
            Fault::InstanceWithdrawn => 2,
            Fault::InstanceRestarts | Fault::InstanceHangs | Fault::InstanceSlow => 3,
            Fault::ZoneGone => 4,
            _ => 1,
        }
    }

    /// Which of them are reached by a network that misbehaves: so many of the first.
    pub(super) fn proxied(&self) -> usize {
        match self.fault {
            Fault::InstanceSlow => 1,
            Fault::ZoneGone => 2,
            _ => 0,
        }
    }

    /// For how long a caller waits, where that is less than the call layer does.
    pub(super) fn hurry(&self) -> Option<Duration> {
        (self.fault == Fault::InstanceHangs).then_some(HURRY)
    }

    /// How many callers may give up.
    pub(super) fn most_given_up(&self) -> usize {
        self.hurry().map_or(0, |_| GIVE_UP)
    }

    /// From when to when the fault lasts, in percent of the row. Where an issuer goes away, tokens that were got before the row are
    /// renewed after 9.5 to 13 seconds, and it goes for 22 of a minute right after that: nobody can do without one for longer than tokens live.
    pub(super) fn percent(&self) -> (u32, u32) {
        match self.fault {
            Fault::IssuerDown | Fault::IssuerHangs | Fault::IssuerAnswers(_) => (23, 60),
            // As many as there is time for.
            Fault::KeysRotated | Fault::KeysRotatedNow => (2, 98),
            _ => (30, 70),
        }
    }
}

pub(super) const ROWS: [Row; 25] = [
    with_redis("calm", Fault::Calm, Form::Standalone),
    with_redis("redis-killed", Fault::RedisKilled, Form::Standalone),
    with_redis("redis-sentinel-killed", Fault::RedisKilled, Form::Sentinel),
    with_redis("redis-cluster-killed", Fault::RedisKilled, Form::Cluster),
    with_redis("redis-hangs", Fault::RedisHangs, Form::Standalone),
    with_redis("redis-silent", Fault::RedisSilent, Form::Standalone),
    with_redis("redis-empty", Fault::RedisEmpty, Form::Standalone),
    with_nacos("nacos-killed", Fault::NacosKilled),
    with_nacos("nacos-half-answers", Fault::NacosHalfAnswers),
    plain("issuer-down", Fault::IssuerDown),
    with_redis("issuer-hangs", Fault::IssuerHangs, Form::Standalone),
    Row {
        name: "secret-rotated",
        fault: Fault::SecretRotated,
        redis: Some(Form::Standalone),
        nacos: true,
    },
    with_nacos("instance-withdrawn", Fault::InstanceWithdrawn),
    plain("keys-rotated", Fault::KeysRotated),
    plain("keys-rotated-now", Fault::KeysRotatedNow),
    plain("issuer-slow", Fault::IssuerSlow),
    plain("issuer-500", Fault::IssuerAnswers(ERROR)),
    plain("issuer-html", Fault::IssuerAnswers(HTML)),
    plain("issuer-empty", Fault::IssuerAnswers(EMPTY)),
    plain("clock-ahead", Fault::ClockJumps(JUMP)),
    plain("clock-behind", Fault::ClockJumps(-JUMP)),
    plain("instance-restarts", Fault::InstanceRestarts),
    plain("instance-hangs", Fault::InstanceHangs),
    plain("instance-slow", Fault::InstanceSlow),
    plain("zone-gone", Fault::ZoneGone),
];

const fn plain(name: &'static str, fault: Fault) -> Row {
    Row {
        name,
        fault,
        redis: None,
        nacos: false,
    }
}

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
