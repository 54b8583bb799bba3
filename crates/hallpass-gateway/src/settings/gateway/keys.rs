//! The keys of `gateway`.

use std::sync::LazyLock;

use hallpass_config::{Key, Kind};
use hallpass_tls::ServerTlsSettings;

use crate::settings::access_log::AccessLogSettings;
use crate::settings::cors::CorsSettings;
use crate::settings::forwarded::ForwardedSettings;
use crate::settings::identity::IdentityHeaderSettings;
use crate::settings::logout::LogoutSettings;
use crate::settings::management::HOSTS;
use crate::settings::rate::RateLimitSettings;
use crate::settings::route::{DEFAULT_KEYS, FILTERS, OF_A_ROUTE, RouteSettings};
use crate::settings::service::ServiceSettings;

/// The keys of the section. Those of a route hold what the rules of `security` have too, so that they are put together here.
pub(super) static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let routes = Key::new(
        "routes",
        Kind::Sections(RouteSettings::keys()),
        "Which requests go where, as whom. The first entry that fits a request is taken, in the order of the file; a request \
        that none fits gets 404, and not before it has been decided about by the rules.",
    );
    let defaults = Key::new(
        "defaults",
        Kind::Section(&OF_DEFAULTS),
        "What routes inherit that do not say it themselves.",
    );
    let own = [defaults, routes];
    [OF_THE_LISTENER, OF_REQUESTS, &own, NOT_OURS].concat()
});

static OF_DEFAULTS: LazyLock<Vec<Key>> =
    LazyLock::new(|| [DEFAULT_KEYS, OF_A_ROUTE, FILTERS].concat());

const OF_THE_LISTENER: &[Key] = &[
    Key::new(
        "listen",
        Kind::Texts {
            what: "IP addresses with ports",
        },
        "Where callers come in. A change needs a restart.",
    )
    .or("127.0.0.1:8080"),
    Key::new(
        "tls",
        Kind::Section(ServerTlsSettings::KEYS),
        "TLS on `listen`: with this section nothing else is spoken there. Files are looked at again while it runs; that the section \
        comes or goes needs a restart.",
    ),
    Key::new(
        "management",
        Kind::Section(MANAGEMENT_KEYS),
        "Health, metrics and the state of routes and services, which are never on `listen`.",
    ),
    Key::new(
        "connections",
        Kind::count(1, 1_000_000),
        "Most connections open at once. More wait in the queue of the operating system. A change needs a restart.",
    )
    .or("20000"),
    Key::new(
        "connections-per-address",
        Kind::count(1, 1_000_000),
        "Most of them from one address, or from one network of 64 bits with IPv6; more are closed as they come. Behind a proxy all \
        come from its address. A change needs a restart.",
    )
    .or("1024"),
    Key::new(
        "head-bytes",
        Kind::Whole {
            unit: "bytes",
            min: 8_192,
            max: 262_144,
        },
        "The longest head of a request, by HTTP/1.1 and HTTP/2 alike. A longer one gets 431. A change needs a restart.",
    )
    .or("32768"),
    Key::new(
        "streams",
        Kind::count(1, 10_000),
        "Most requests under way on one connection of HTTP/2. A change needs a restart.",
    )
    .or("128"),
    Key::new(
        "decision-timeout-ms",
        Kind::millis(1, 60_000),
        "How long a decision may take, with the keys of an issuer where they are not there yet. After that the request is \
        refused with 503; nothing has been sent by then.",
    )
    .or("2000"),
    Key::new(
        "drain-delay-seconds",
        Kind::seconds(0, 300),
        "How long it goes on after SIGTERM, while readiness says 503. Ctrl-C, or a second signal, ends the wait.",
    )
    .or("5"),
    Key::new(
        "drain-limit-seconds",
        Kind::seconds(0, 3_600),
        "How long requests under way get after that. What is left then is cut off, WebSockets among it.",
    )
    .or("30"),
];

const MANAGEMENT_KEYS: &[Key] = &[Key::new(
    "listen",
    Kind::Text {
        what: "IP address and port",
    },
    "Where `/health/live`, `/health/ready`, `/metrics`, `/routes`, `/upstreams` and `/rates` are, over plain HTTP and for everybody \
    who reaches it. Nothing there changes anything.",
)
.or("127.0.0.1:9901"), HOSTS];

const OF_REQUESTS: &[Key] = &[
    Key::new(
        "forwarded",
        Kind::Section(ForwardedSettings::KEYS),
        "What upstreams are told of the caller's connection, and whose word about it counts.",
    ),
    Key::new(
        "identity-headers",
        Kind::Section(IdentityHeaderSettings::KEYS),
        "The headers that name the verified caller to upstreams. Each is removed from every request, in every spelling, and \
        written anew where there is something to say.",
    ),
    Key::new(
        "access-log",
        Kind::Section(AccessLogSettings::KEYS),
        "A line a request. What was decided stands in the audit log of `security`.",
    ),
    Key::new(
        "logout",
        Kind::Section(LogoutSettings::KEYS),
        "Where callers take their token back. Nowhere without this section.",
    ),
    Key::new(
        "cors",
        Kind::Section(CorsSettings::KEYS),
        "Which pages of other origins browsers let call, on routes that say nothing else. Without it upstreams answer for themselves.",
    )
    .or_value_of("enabled"),
    Key::new(
        "rates",
        Kind::Sections(RateLimitSettings::KEYS),
        "How many requests one caller may send; routes name the entries that count for them.",
    ),
    Key::new(
        "service-defaults",
        Kind::Section(ServiceSettings::KEYS),
        "How services are called that `services` does not name.",
    ),
    Key::new(
        "services",
        Kind::Named(ServiceSettings::KEYS),
        "How each service is called, by its name in `lb://`, or by the host of a URL, without its port: a name with dots stands in brackets, `\"[partner.example]\"`. What an entry leaves out it inherits from \
        `service-defaults`.",
    ),
];

// What people write who come from Spring Cloud Gateway.
const NOT_OURS: &[Key] = &[
    Key::not_ours(
        "default-filters",
        "what holds for all routes stands in `defaults`",
    ),
    Key::not_ours("globalcors", "here it is `cors`"),
    Key::not_ours(
        "httpclient",
        "how upstreams are called stands in `service-defaults`, in `services` and in `transport`",
    ),
    Key::not_ours(
        "discovery",
        "a route names its service here, `to: lb://order-service`; where services live is said by `discovery` beside `gateway`",
    ),
    Key::not_ours(
        "enabled",
        "leave it out: a gateway is what `hallpass gateway` runs",
    ),
    Key::not_ours(
        "loadbalancer",
        "how instances are chosen stands in `services.NAME.balance`; without one the response is 502 or 503",
    ),
    Key::not_ours(
        "metrics",
        "leave it out: they are always there, on `management.listen`",
    ),
    Key::not_ours(
        "filter",
        "here headers are `forwarded`, `identity-headers`, `defaults.response-headers`, and quotas `rates`",
    ),
    Key::not_ours(
        "server",
        "what stands below `server.webflux` in Spring stands in `gateway` itself; docs/migration-from-spring.md has each word",
    ),
    Key::not_ours(
        "redis-rate-limiter",
        "here each entry of `rates` has `count` and `burst`, and `across: redis`",
    ),
    Key::not_ours(
        "fail-on-route-definition-error",
        "leave it out: routes that cannot be used change nothing",
    ),
    Key::not_ours(
        "streaming-media-types",
        "leave it out: every body goes on as it comes",
    ),
    Key::not_ours("forwarded-enabled", "here it is `forwarded.write`"),
    Key::not_ours("x-forwarded", "here it is `forwarded`"),
    Key::not_ours(
        "trusted-proxies",
        "here it is `forwarded.trust`, with addresses and networks",
    ),
];
