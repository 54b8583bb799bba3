//! The keys of a route, and of what routes inherit.

use std::sync::LazyLock;

use hallpass_config::{Key, Kind};
use hallpass_resource::RuleDemands;
use hallpass_upstream::RetrySettings;

use super::spring::{FILTERS, PREDICATES};
use crate::settings::cors::CorsSettings;

/// The keys of `defaults`; each stands in a route too.
pub(crate) const DEFAULT_KEYS: &[Key] = &[
    Key::new(
        "max-body-bytes",
        Kind::Whole {
            unit: "bytes",
            min: 0,
            max: 1 << 40,
        },
        "The longest body of a request. A longer one gets 413, and where that is known before, nothing is sent.",
    )
    .or("10485760"),
    Key::new(
        "websocket",
        Kind::Flag,
        "Whether a connection may become one of WebSocket. Any other upgrade is never passed on.",
    )
    .or("true"),
    Key::new(
        "rates",
        Kind::Texts {
            what: "names of entries of `gateway.rates`",
        },
        "What limits it, in this order: a request must be within each. Those by `address` come first.",
    )
    .or(""),
    Key::new("timeouts", Kind::Section(TIMEOUT_KEYS), "How long is waited for what."),
    Key::new(
        "retry",
        Kind::Section(RetrySettings::KEYS),
        "When a request is sent again: one that reached nobody always, others where the method says that it may be repeated (RFC 9110 \
        section 9.2.2) or the request has an `Idempotency-Key`.",
    ),
    Key::new(
        "remove-response-headers",
        Kind::Texts {
            what: "names of headers",
        },
        "Headers of the upstream's responses that are not handed on: `X-Powered-By`. Headers of HTTP itself cannot stand here.",
    )
    .or(""),
    Key::new(
        "response-headers",
        Kind::NamedTexts {
            what: "values",
        },
        "Headers that responses bear in place of what the upstream wrote there, after `remove-response-headers`: `Strict-Transport-Security: max-age=31536000`.",
    ),
];

const TIMEOUT_KEYS: &[Key] = &[
    Key::new(
        "response-ms",
        Kind::millis(1, 3_600_000),
        "Until the head of the response has come, with all attempts. After that 504.",
    )
    .or("15000"),
    Key::new(
        "idle-ms",
        Kind::millis(1, 3_600_000),
        "The longest pause within a body, of the request (408) or of the response (it is cut off).",
    )
    .or("60000"),
    Key::new(
        "stream-idle-ms",
        Kind::millis(1, 86_400_000),
        "The same of a response that is an event stream, or of gRPC.",
    )
    .or("600000"),
    Key::new(
        "websocket-idle-ms",
        Kind::millis(1, 86_400_000),
        "The longest pause of a WebSocket, whichever side is silent.",
    )
    .or("3600000"),
    Key::new(
        "total-ms",
        Kind::millis(1, 86_400_000),
        "From the request to the end of the response. WebSockets have none.",
    )
    .otherwise("no limit"),
    Key::not_ours(
        "connect-timeout",
        "here it is `transport.connect-timeout-ms`, for all",
    ),
    Key::not_ours("response-timeout", "here it is `response-ms`"),
];

/// All keys of a route: its own, those that it inherits, and what a rule demands.
pub(super) static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let cors = Key::new(
        "cors",
        Kind::Section(CorsSettings::KEYS),
        "In place of `gateway.cors`; what it leaves out it inherits from there. `off`: the upstream answers for itself.",
    )
    .or_value_of("enabled");
    let rules = RuleDemands::keys();
    [
        OF_MATCHING,
        OF_SENDING,
        DEFAULT_KEYS,
        &[cors],
        &rules,
        NOT_OURS,
        PREDICATES,
        FILTERS,
    ]
    .concat()
});

const OF_MATCHING: &[Key] = &[
    Key::new(
        "name",
        Kind::Text {
            what: "letters, digits, `-`, `_`, `.`",
        },
        "Unique in the list; logs and metrics call it so.",
    )
    .required(),
    Key::new(
        "path",
        Kind::Text {
            what: "path pattern",
        },
        "Which paths, by a pattern as in `security.internal-jwt.routes`. A path whose escapes would choose another route once they \
        are decoded gets 400.",
    )
    .required(),
    Key::new(
        "hosts",
        Kind::Texts {
            what: "hosts, as `shop.example` or `*.shop.example`",
        },
        "Which hosts. Empty: all.",
    )
    .or(""),
    Key::new(
        "methods",
        Kind::Texts {
            what: "HTTP methods",
        },
        "Which methods. Empty: all. `GET` speaks for `HEAD` too.",
    )
    .or(""),
    Key::new(
        "headers",
        Kind::NamedTexts {
            what: "values, or `*`",
        },
        "What headers must say: each of these, one of its values exactly; `*` for any. Whoever sends a request chooses them: they say where it goes, \
        never who may call.",
    ),
];

const OF_SENDING: &[Key] = &[
    Key::new(
        "to",
        Kind::Text {
            what: "`lb://service`, `https://host`, or `http://` to loopback; with a base path",
        },
        "Where requests go. The path comes behind the base path.",
    )
    .required(),
    Key::new(
        "strip-prefix",
        Kind::count(0, 32),
        "So many segments are left out at the beginning of the path; one with fewer gets 400.",
    )
    .or("0"),
    Key::new(
        "rewrite",
        Kind::Section(REWRITE_KEYS),
        "After that, a path of the form `from` becomes one of the form `to`; others stay as they are.",
    ),
    Key::new(
        "prefix",
        Kind::Text { what: "path" },
        "After that, this stands before the path.",
    )
    .otherwise("nothing"),
    Key::new(
        "preserve-host",
        Kind::Flag,
        "Whether the upstream sees the host that the caller named, and not its own.",
    )
    .or("false"),
    Key::new(
        "set-headers",
        Kind::NamedTexts {
            what: "values",
        },
        "Headers that requests bear in place of what the caller wrote there. Identity headers cannot be set so.",
    ),
    Key::new(
        "identity",
        Kind::Choice(&["relay", "service", "exchange", "none"]),
        "Whose token is sent. `relay`: the caller's own. `service`: one of this service (`internal-token`). `exchange`: one for the \
        caller, with this service as the actor (RFC 8693); without a caller, none. `none`: no token.",
    )
    .required(),
    Key::new(
        "audience",
        Kind::Text { what: "audience" },
        "Whom the token is for.",
    )
    .otherwise("the service of `lb://`, with `service` and `exchange`"),
    Key::new(
        "token-scope",
        Kind::Text { what: "scope" },
        "What it is asked for. Empty: as `internal-token` says; with `exchange`, all that the issuer lets this service pass on.",
    )
    .or(""),
    Key::new(
        "credential",
        Kind::Text {
            what: "letters, digits, `-`, `_`, `.`",
        },
        "The entry of `internal-token.clients` that asks for it.",
    )
    .otherwise("that for the audience, else that of the section"),
];

const REWRITE_KEYS: &[Key] = &[
    Key::new(
        "from",
        Kind::Text {
            what: "path pattern",
        },
        "With names: `/red/{id}`, `/red/{*rest}`.",
    )
    .required(),
    Key::new(
        "to",
        Kind::Text { what: "path" },
        "With these names: `/{*rest}`, `/items/{id}`.",
    )
    .required(),
];

// What people write who come from Spring Cloud Gateway.
const NOT_OURS: &[Key] = &[
    Key::not_ours("id", "here it is `name`"),
    Key::not_ours("uri", "here it is `to`"),
    Key::not_ours(
        "predicates",
        "here they are keys of the route: `path`, `hosts`, `methods`, `headers`; docs/migration-from-spring.md has each",
    ),
    Key::not_ours(
        "filters",
        "here they are keys of the route: `strip-prefix`, `rewrite`, `prefix`, `identity: relay`, `rates`, `set-headers`; \
        docs/migration-from-spring.md has each",
    ),
    Key::not_ours("order", "the order of the file counts here"),
    Key::not_ours(
        "metadata",
        "timeouts of a route are its `timeouts`; leave out the rest",
    ),
    Key::not_ours("enabled", "leave the route out"),
];
