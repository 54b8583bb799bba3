//! `feign`: deadlines, retries and circuit breakers of outgoing calls.

mod context_headers;
mod deadline_header;
mod estate;
mod hedge;
mod method_name;
mod named_method;
mod of_methods;
mod path_values;
mod reading;
mod single_methods;

use std::collections::BTreeMap;
use std::time::Duration;

use hedge::HEDGE_KEYS;

use hallpass_client::{ContextSettings, Identity, RenewOn, WhenAbsent};
use hallpass_config::{Configuration, Key, Kind, Section};
use hallpass_upstream::{
    BalanceSettings, BreakerSettings, BulkheadSettings, EjectSettings, EndpointUrl, GuardSettings,
    Http2, RetrySettings,
};

use crate::headers::HeaderSettings;
use single_methods::{METHOD_KEYS, SingleMethods};

pub use context_headers::ContextHeadersSettings;
pub use deadline_header::{DeadlineHeader, InvalidDeadlineHeader};
pub use estate::sentinel::{RuleDocument, SENTINEL_DOCUMENTS, SkippedRules, UNREADABLE_RULES};
pub use hedge::HedgeSettings;
pub use method_name::{InvalidMethodName, MethodName};
pub use named_method::NamedMethod;
pub use path_values::PathValues;

const KEYS: &[Key] = &[
    Key::new(
        "defaults",
        Kind::Section(CLIENT_KEYS),
        "For every declared client that `clients` does not name.",
    ),
    Key::new(
        "clients",
        Kind::Named(CLIENT_KEYS),
        "By the name of the declared client. What an entry leaves out it inherits from `defaults`.",
    ),
    Key::new(
        "estate",
        Kind::Texts {
            what: "`resilience4j`, `hystrix`, `sentinel`, `openfeign`",
        },
        "Whose words at the root of the documents are read, whatever is switched on there, the first one going first where two speak of the \
        same thing. None with an empty list. [What each means](resilience.md#the-words-of-the-estate).",
    )
    .otherwise("what the estate has switched on for Feign; two that speak of the same thing are a problem"),
    Key::new(
        "sentinel",
        Kind::Section(estate::sentinel::KEYS),
        "Rules of Sentinel. Those of `spring.cloud.sentinel.datasource` count as well, in files and in Nacos.",
    ),
    Key::not_ours(
        "client",
        "`feign.client.config.NAME` is `clients.NAME` here, and `default` is `defaults`",
    ),
    Key::not_ours(
        "circuitbreaker",
        "a circuit breaker is part of each client here: `defaults.breaker`",
    ),
    Key::not_ours(
        "hystrix",
        "a circuit breaker is part of each client here: `defaults.breaker`",
    ),
    Key::not_ours(
        "httpclient",
        "how connections are made is said by `transport` here",
    ),
    Key::not_ours(
        "okhttp",
        "how connections are made is said by `transport` here",
    ),
    Key::not_ours(
        "compression",
        "bodies are sent as they are here: leave it out",
    ),
];

const CLIENT_KEYS: &[Key] = &[
    Key::new(
        "url",
        Kind::Text { what: "`https://`, `lb://service/path`, or `http://` to loopback" },
        "Where to call instead of the service that the code names.",
    )
    .otherwise("as the code declares"),
    Key::new(
        "identity",
        Kind::Choice(&["service", "relay", "exchange", "none"]),
        "Whose identity calls carry: that of this service, the caller's own token, the caller with this service as \
        the actor, or nobody's.",
    )
    .otherwise("as the code declares"),
    Key::new(
        "audience",
        Kind::Text { what: "" },
        "The service that a service token for these calls is made for, where its name in tokens is another one here.",
    )
    .otherwise("as the code declares, else the client's name"),
    Key::new(
        "credential",
        Kind::Text { what: "a name in `internal-token.clients`" },
        "The credential with which a service token for these calls is asked for.",
    )
    .otherwise("the one that is called like the client, else the one for the audience, else that of the section"),
    Key::new(
        "when-absent",
        Kind::Choice(&["fail", "service", "none"]),
        "What happens when that identity is missing: the call fails before anything is sent, goes out as this \
        service, or goes out without an identity.",
    )
    .otherwise("as the code declares"),
    Key::new(
        "renew-on",
        Kind::Choice(RenewOn::NAMES),
        "Which response 401 to a call with a service token has the token renewed and the call repeated, once: `invalid-token`, \
        one with `error=\"invalid_token\"` in a `Bearer` challenge (RFC 6750), or `any-401`, for services that give no reason.",
    )
    .or("invalid-token"),
    Key::new(
        "deadline-ms",
        Kind::millis(1, 3_600_000),
        "Longest time of a call, with all its attempts. What stands in `defaults` goes over what the code has for a client, and not over what it \
        has for a single method.",
    )
    .otherwise("as the code declares, else 5000"),
    Key::new(
        "deadline-header",
        Kind::Text { what: "the name of a header, or `none`" },
        "Under which header each request says how many milliseconds its caller still waits, so that a callee can stop in time; \
        a request of gRPC says it in `grpc-timeout`. Clients without identity say nothing: it is nobody else's business.",
    )
    .or("x-request-timeout-ms"),
    Key::new(
        "path-values",
        Kind::Choice(&["safe", "any"]),
        "Which values may stand in a path: `safe` refuses, before anything is sent, those with a slash, backslash, semicolon, \
        control character or escape (`%41`), as Hallpass and Spring's firewall do when they arrive; `any` sends them \
        percent-encoded, for servers that read them. Dot segments are always refused.",
    )
    .or("safe"),
    HeaderSettings::KEY,
    ContextHeadersSettings::KEY,
    Key::new(
        "http2",
        Kind::Choice(Http2::NAMES),
        "Whether calls are sent by HTTP/2, many on one connection: `auto` where the service takes it with TLS, `always` over plain http \
        too, for a service that is known to speak it (gRPC).",
    )
    .otherwise("as the code declares, else `never`"),
    Key::new("retry", Kind::Section(RetrySettings::KEYS), "When a failed attempt is made again."),
    Key::new(
        "hedge",
        Kind::Section(HEDGE_KEYS),
        "A further attempt at another instance while the first is under way; the first answer counts. For GET, and for POST and PATCH \
        that the trait calls idempotent, without a key and with a body that can be sent twice. None without this section.",
    ),
    Key::new(
        "breaker",
        Kind::Section(BreakerSettings::KEYS),
        "When calls to an instance that fails or crawls are stopped for a while. It works as \
        Resilience4j's does, with its defaults, except that 10 calls are enough for a rate (there: 100).",
    ),
    Key::new(
        "balance",
        Kind::Section(BalanceSettings::KEYS),
        "Which of the instances that are well are preferred.",
    ),
    Key::new(
        "eject",
        Kind::Section(EjectSettings::KEYS),
        "When an instance that fails again and again is left out for a while.",
    ),
    Key::new(
        "bulkhead",
        Kind::Section(BulkheadSettings::KEYS),
        "How many calls are under way to one instance at once. With `http2`, 100 stands for 256: most servers take no more on a connection.",
    ),
    Key::new(
        "service",
        Kind::Section(GuardSettings::KEYS),
        "What the service as a whole allows, whatever instance is called. It counts calls with all their attempts.",
    ),
    Key::new(
        "methods",
        Kind::Named(METHOD_KEYS),
        "The same of single methods, and their deadlines, by verb and path as the trait has them, its `path` included: `\"GET /orders/{order_id}\"`, whatever stands in braces. A call has to pass \
        the guard of its method and that of the service.",
    ),
    Key::not_ours("connect-timeout", "here `deadline-ms` bounds a call with all its attempts"),
    Key::not_ours("read-timeout", "here `deadline-ms` bounds a call with all its attempts"),
    Key::not_ours("timeout-duration", "here it is `deadline-ms`"),
    Key::not_ours("retryer", "here it is `retry`"),
    Key::not_ours("max-attempts", "here it is `retry.max-attempts`"),
    Key::not_ours("circuitbreaker", "here it is `breaker`"),
    Key::not_ours("logger-level", "what is logged is said by `RUST_LOG` here"),
    Key::not_ours("request-interceptors", "here code gives them to a client, `FeignX::builder(..).intercept(..)`: leave it out"),
    Key::not_ours("default-request-headers", "here it is `headers`"),
    Key::not_ours("failure-rate-threshold", "here it is `breaker.failure-rate-percent`"),
    Key::not_ours("slow-call-rate-threshold", "here it is `breaker.slow-call-rate-percent`"),
    Key::not_ours("slow-call-duration-threshold", "here it is `breaker.slow-call-ms`"),
    Key::not_ours("sliding-window-size", "here it is `breaker.window`"),
    Key::not_ours("minimum-number-of-calls", "here it is `breaker.minimum-calls`"),
    Key::not_ours("wait-duration-in-open-state", "here it is `breaker.open-ms`"),
    Key::not_ours("permitted-number-of-calls-in-half-open-state", "here it is `breaker.half-open-calls`"),
];

/// `feign`: how the declared clients call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeignSettings {
    /// `defaults`: for every client that `clients` does not name.
    pub defaults: FeignClientSettings,
    /// `clients`: by name; what an entry leaves out it inherits from `defaults`.
    pub clients: BTreeMap<String, FeignClientSettings>,
    /// What travels beside the identity: sections of their own (`context`, `trace`), which whoever reads this one puts here.
    pub context: ContextSettings,
    /// What the estate says of methods by their names in Java, without signs. Names of clients are among them.
    pub named_methods: BTreeMap<String, NamedMethod>,
    /// What the estate says of names that `clients` does not have, and that cannot be had here: a problem for a client or a method of
    /// that name alone, found when it is built.
    pub unusable: BTreeMap<String, String>,
    /// Rules that others write, and that were left out.
    pub skipped_rules: SkippedRules,
}

/// How one declared client calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeignClientSettings {
    /// `url`: where to call instead of the service named in code.
    pub url: Option<EndpointUrl>,
    /// `identity`: whose identity calls carry; overrides what the code declares.
    pub identity: Option<Identity>,
    /// `audience`: whom a service token for these calls is made for; overrides what the code declares.
    pub audience: Option<String>,
    /// `credential`: with which of `internal-token.clients` a service token for these calls is asked for.
    pub credential: Option<String>,
    /// `when-absent`: what happens when that identity is missing; overrides what the code declares.
    pub when_absent: Option<WhenAbsent>,
    /// `renew-on`: which 401 has the service token renewed and the call repeated.
    pub renew_on: RenewOn,
    /// `deadline-ms`: for the whole call, with all its attempts. `None` leaves it to the code's declaration,
    /// which by default is [`DEFAULT_DEADLINE`](Self::DEFAULT_DEADLINE).
    pub deadline: Option<Duration>,
    /// Whether that was said of all clients (`defaults`, or the estate's own words for all): then the deadline that the code has for a single
    /// method goes over it.
    pub is_deadline_of_all: bool,
    /// `deadline-header`: how callees learn what is left of it.
    pub deadline_header: DeadlineHeader,
    /// `path-values`: which values may stand in a path.
    pub path_values: PathValues,
    /// `headers`: of each call.
    pub headers: HeaderSettings,
    /// `context-headers`: what of a request's context leaves with calls.
    pub context_headers: ContextHeadersSettings,
    /// `http2`: which version of HTTP is spoken, unless a builder says so.
    pub http2: Option<Http2>,
    /// `retry`.
    pub retry: RetrySettings,
    /// `hedge`: further attempts while the first is under way.
    pub hedge: Option<HedgeSettings>,
    /// `breaker`.
    pub breaker: BreakerSettings,
    /// `balance`: which instances are preferred.
    pub balance: BalanceSettings,
    /// `eject`: when an instance is left out for a while.
    pub eject: EjectSettings,
    /// `bulkhead`: of each instance.
    pub bulkhead: BulkheadSettings,
    /// `service`: what the service as a whole allows.
    pub service: GuardSettings,
    /// `methods`: what single methods of it allow.
    pub methods: BTreeMap<MethodName, GuardSettings>,
    /// `methods.METHOD.deadline-ms`: how long calls of single methods may take.
    pub method_deadlines: BTreeMap<MethodName, Duration>,
    /// Which keys of the estate count for it, each with what it is about: for the log.
    pub estate: Vec<String>,
}

impl FeignClientSettings {
    /// The deadline of a call when neither configuration nor code names one.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(5);
}

impl Configuration for FeignSettings {
    fn keys() -> Vec<Key> {
        vec![
            Key::new(
                "feign",
                Kind::Section(KEYS),
                "Deadlines, retries and circuit breakers of outgoing calls.",
            )
            .shared(),
        ]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        root.section("feign").read_all(Self::read_section)
    }
}

impl FeignClientSettings {
    /// Whether an [`Upstream`](hallpass_upstream::Upstream) by the ones would be the same by the others: its breakers then remember.
    pub(crate) fn means_same_upstream(&self, other: &Self) -> bool {
        let limits = |it: &Self| (it.url.clone(), it.breaker, it.bulkhead, it.retry.budget);
        let chosen = |it: &Self| (it.balance, it.eject, it.http2);
        limits(self) == limits(other) && chosen(self) == chosen(other)
    }

    fn read(section: &Section<'_>) -> Option<Self> {
        let url = section.parsed("url");
        let identity = section.choice("identity", Identity::named);
        let audience = section.name("audience");
        let credential = section.service_name("credential");
        let when_absent = section.choice("when-absent", WhenAbsent::named);
        let renew_on = section.choice("renew-on", RenewOn::named);
        let deadline = section.millis("deadline-ms");
        let deadline_header = section.parsed("deadline-header");
        let path_values = section.choice("path-values", PathValues::named);
        let headers = HeaderSettings::read(section);
        let context_headers = ContextHeadersSettings::read(section);
        let http2 = section.choice("http2", Http2::named);
        let retry = RetrySettings::read(&section.section("retry"));
        let hedge = HedgeSettings::read(&section.section("hedge"));
        let breaker = BreakerSettings::read(&section.section("breaker"));
        let balance = BalanceSettings::read(&section.section("balance"));
        let eject = EjectSettings::read(&section.section("eject"));
        let bulkhead = BulkheadSettings::read(&section.section("bulkhead"));
        let service = GuardSettings::read(&section.section("service"));
        let methods = SingleMethods::read(section);
        let SingleMethods { guards, deadlines } = methods?;
        Some(Self {
            url,
            identity,
            audience,
            credential,
            when_absent,
            renew_on: renew_on?,
            deadline,
            is_deadline_of_all: false,
            deadline_header: deadline_header?,
            path_values: path_values?,
            headers: headers?,
            context_headers: context_headers?,
            http2,
            retry: retry?,
            hedge: hedge?,
            breaker: breaker?,
            balance: balance?,
            eject: eject?,
            bulkhead: bulkhead?,
            service: service?,
            methods: guards,
            method_deadlines: deadlines,
            estate: Vec::new(),
        })
    }
}
