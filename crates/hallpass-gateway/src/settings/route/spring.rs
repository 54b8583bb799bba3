//! What people write in a route who come from Spring Cloud Gateway, whose predicates and filters have names.

use hallpass_config::Key;

const NO_CHOICE_OF_CALLERS: &str = "there is none here: whoever sends a request chooses its query and cookies. Tell routes apart by `path`, `hosts`, `methods` or `headers`";
const NO_CHOICE_BY_TIME: &str =
    "there is none here: change the file when the time has come, which no connection notices";
const NO_CHOICE_BY_ADDRESS: &str =
    "there is none here: who may call is said by `rule`, and addresses by the network";
const NO_BODIES: &str = "there is none here: bodies go on as they come";
const NO_PARAMETERS: &str = "there is none here: the query goes on as it came";
const REQUEST_HEADERS: &str = "here it is `set-headers` of the route: in place of what the caller wrote, and without variables";
const RESPONSE_HEADERS: &str = "here it is `response-headers`: in place of what the upstream wrote";
const NO_FALLBACK: &str =
    "there are no fallback routes here: callers get 502, 503 or 504 with a `code`";
const BREAKER: &str = "here it is `gateway.services.NAME.breaker`, with no fallback route";
const RATES: &str = "here it is `rates`, by the name of an entry of `gateway.rates`";
const RETRY: &str = "here it is in `retry`";
const HOST: &str =
    "here it is `preserve-host`: the host of the caller, or else that of the upstream";
const NO_SESSION: &str = "leave it out: there is no session here";
const ANSWERS: &str = "there is none here: the gateway forwards, and has no answers of its own";

/// Predicates: what a request must have for a route.
pub(crate) const PREDICATES: &[Key] = &[
    Key::not_ours(
        "host",
        "here it is `hosts`: `*.shop.example` stands for all below",
    ),
    Key::not_ours("method", "here it is `methods`"),
    Key::not_ours(
        "header",
        "here it is `headers`, a mapping, with values and no expressions",
    ),
    Key::not_ours("query", NO_CHOICE_OF_CALLERS),
    Key::not_ours("cookie", NO_CHOICE_OF_CALLERS),
    Key::not_ours("after", NO_CHOICE_BY_TIME),
    Key::not_ours("before", NO_CHOICE_BY_TIME),
    Key::not_ours("between", NO_CHOICE_BY_TIME),
    Key::not_ours("remote-addr", NO_CHOICE_BY_ADDRESS),
    Key::not_ours("x-forwarded-remote-addr", NO_CHOICE_BY_ADDRESS),
    Key::not_ours(
        "weight",
        "weights stand at instances here: `weight` in `discovery`, or in Nacos",
    ),
    Key::not_ours("version", "here it is `headers`, or part of the `path`"),
];

/// Filters: what becomes of a request and of its response.
pub(crate) const FILTERS: &[Key] = &[
    Key::not_ours("prefix-path", "here it is `prefix` of the route"),
    Key::not_ours(
        "rewrite-path",
        "here it is `rewrite` of the route, with patterns and no expressions: `{ from: \"/red/{*rest}\", to: \"/{rest}\" }`",
    ),
    Key::not_ours(
        "set-path",
        "here it is `rewrite` of the route, from the pattern of its `path`",
    ),
    Key::not_ours("token-relay", "here it is `identity: relay` of the route"),
    Key::not_ours("add-request-header", REQUEST_HEADERS),
    Key::not_ours("add-request-headers-if-not-present", REQUEST_HEADERS),
    Key::not_ours("set-request-header", REQUEST_HEADERS),
    Key::not_ours(
        "map-request-header",
        "there is none here: upstreams read the header by its own name",
    ),
    Key::not_ours(
        "remove-request-header",
        "identity headers are always removed; others by `gateway.identity-headers.strip`, for all routes",
    ),
    Key::not_ours("preserve-host-header", HOST),
    Key::not_ours("set-request-host-header", HOST),
    Key::not_ours("add-response-header", RESPONSE_HEADERS),
    Key::not_ours("set-response-header", RESPONSE_HEADERS),
    Key::not_ours(
        "secure-headers",
        "here it is `response-headers`, each by its name: `X-Content-Type-Options: nosniff`",
    ),
    Key::not_ours(
        "remove-response-header",
        "here it is `remove-response-headers`, a list, by route or in `defaults`",
    ),
    Key::not_ours(
        "rewrite-response-header",
        "there is none here: upstreams write what callers are to see; `response-headers` replaces a header and `remove-response-headers` removes it",
    ),
    Key::not_ours(
        "rewrite-location-response-header",
        "there is none here: upstreams write what callers are to see, from `X-Forwarded-Host` and its like",
    ),
    Key::not_ours(
        "dedupe-response-header",
        "leave it out: with `cors` the gateway replaces what upstreams say of origins, and what stands in `response-headers` is there once",
    ),
    Key::not_ours("request-rate-limiter", RATES),
    Key::not_ours("request-size", "here it is `max-body-bytes`"),
    Key::not_ours(
        "request-header-size",
        "here it is `gateway.head-bytes`, for all routes",
    ),
    Key::not_ours("circuit-breaker", BREAKER),
    Key::not_ours("fallback-uri", NO_FALLBACK),
    Key::not_ours("fallback-headers", NO_FALLBACK),
    Key::not_ours("retries", RETRY),
    Key::not_ours("statuses", RETRY),
    Key::not_ours("backoff", RETRY),
    Key::not_ours("save-session", NO_SESSION),
    Key::not_ours("add-request-parameter", NO_PARAMETERS),
    Key::not_ours("remove-request-parameter", NO_PARAMETERS),
    Key::not_ours("rewrite-request-parameter", NO_PARAMETERS),
    Key::not_ours("cache-request-body", NO_BODIES),
    Key::not_ours("modify-request-body", NO_BODIES),
    Key::not_ours("modify-response-body", NO_BODIES),
    Key::not_ours("remove-json-attributes-response-body", NO_BODIES),
    Key::not_ours("json-to-grpc", NO_BODIES),
    Key::not_ours(
        "local-response-cache",
        "there is none here: nothing is cached",
    ),
    Key::not_ours("redirect-to", ANSWERS),
    Key::not_ours("set-status", ANSWERS),
];

/// What stands in a route alone, for those who look for it in `defaults`.
pub(crate) const OF_A_ROUTE: &[Key] = &[
    Key::not_ours(
        "filters",
        "here they are keys, `rates`, `retry`, `response-headers` and others; what changes paths stands in each route",
    ),
    Key::not_ours("identity", EACH_ROUTE),
    Key::not_ours("rule", EACH_ROUTE),
    Key::not_ours("strip-prefix", EACH_ROUTE),
    Key::not_ours("rewrite", EACH_ROUTE),
    Key::not_ours("prefix", EACH_ROUTE),
    Key::not_ours("preserve-host", EACH_ROUTE),
    Key::not_ours("set-headers", EACH_ROUTE),
    Key::not_ours("cors", "here it is `gateway.cors`"),
];

const EACH_ROUTE: &str = "each route says it for itself";
