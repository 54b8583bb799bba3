//! What the estate has switched on for its Feign clients. A section that is there says nothing about them by itself: it may be for a gateway, or
//! for methods that an annotation names.

use hallpass_config::{Foreign, How, Section, Trial};

/// The circuit breakers of Spring Cloud around Feign clients, off by default there; the second one is the name of before 2022.
const CIRCUIT_BREAKER: [&[&str]; 2] = [
    &["spring", "cloud", "openfeign", "circuitbreaker", "enabled"],
    &["feign", "circuitbreaker", "enabled"],
];
const HYSTRIX: &[&str] = &["feign", "hystrix", "enabled"];
const SENTINEL: &[&str] = &["feign", "sentinel", "enabled"];
const RESILIENCE4J: [&str; 4] = ["spring", "cloud", "circuitbreaker", "resilience4j"];
/// All of Sentinel in Spring Cloud Alibaba, on by default.
const ALL_OF_SENTINEL: &[&str] = &["spring", "cloud", "sentinel", "enabled"];

/// What is switched on there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Switches<'s, 'a> {
    feign: &'s Section<'a>,
    /// Whether `feign.estate` names the products that count, whatever is switched on there.
    are_named: bool,
}

impl<'s, 'a> Switches<'s, 'a> {
    pub(super) const fn of(feign: &'s Section<'a>, are_named: bool) -> Self {
        Self { feign, are_named }
    }

    /// Whether Spring Cloud puts circuit breakers around Feign clients.
    pub(super) fn circuit_breakers(self) -> bool {
        let is_off = self
            .of_resilience4j("enabled")
            .is_some_and(|it| is_false(&it));
        self.are_named || (self.is_any(&CIRCUIT_BREAKER) && !is_off)
    }

    /// Whether there are commands of Hystrix around Feign clients.
    pub(super) fn hystrix(self) -> bool {
        self.are_named || self.is_any(&[HYSTRIX])
    }

    /// Whether Sentinel looks at the calls of Feign clients.
    pub(super) fn sentinel(self) -> bool {
        self.are_named || self.is_any(&[SENTINEL])
    }

    /// What switches off all rules of data sources.
    pub(super) fn no_sentinel(self) -> Option<Foreign<'a>> {
        self.feign.foreign(ALL_OF_SENTINEL).filter(is_false)
    }

    /// Whether calls are counted by semaphores although there is a pool of threads.
    pub(super) fn semaphores(self) -> bool {
        let found = self.of_resilience4j("enableSemaphoreDefaultBulkhead");
        found.is_some_and(|it| is_true(&it))
    }

    /// Who has no time limiter.
    pub(super) fn no_time_limiter(self) -> NoTimeLimiter<'a> {
        NoTimeLimiter {
            all: self.of_resilience4j("disableTimeLimiter").filter(is_true),
            named: self.of_resilience4j("disableTimeLimiterMap"),
        }
    }

    /// By its whole path: a switch may stand in the environment alone.
    fn of_resilience4j(self, key: &str) -> Option<Foreign<'a>> {
        let [a, b, c, d] = RESILIENCE4J;
        self.feign.foreign(&[a, b, c, d, key])
    }

    fn is_any(self, switches: &[&[&str]]) -> bool {
        let mut found = switches.iter().filter_map(|it| self.feign.foreign(it));
        found.any(|found| is_true(&found))
    }
}

/// Who has no time limiter, although one is configured.
#[derive(Clone, Debug, Default)]
pub(super) struct NoTimeLimiter<'a> {
    /// What says that nobody has.
    pub(super) all: Option<Foreign<'a>>,
    /// By the name of a group or a method, whether it has none: over what is said of all.
    pub(super) named: Option<Foreign<'a>>,
}

/// Whether it is one of the words that Spring takes for true.
pub(super) fn is_true(found: &Foreign<'_>) -> bool {
    is_one_of(found, &["true", "on", "yes", "1"])
}

/// Whether it is one of the words that Spring takes for false.
fn is_false(found: &Foreign<'_>) -> bool {
    is_one_of(found, &["false", "off", "no", "0"])
}

/// What cannot be read may be filled in by a file that services of Spring alone read: it stops nothing.
fn is_one_of(found: &Foreign<'_>, words: &[&str]) -> bool {
    let trial = Trial::new();
    let text = found.within(&trial).text();
    found.say(
        trial.into_findings(),
        How::Warned("it counts as if it were not there"),
    );
    text.is_some_and(|text| words.iter().any(|word| text.eq_ignore_ascii_case(word)))
}
