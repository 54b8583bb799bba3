//! The keys of a rule: an entry of `routes`, and the paths of `internal-only`.

use hallpass_config::{Key, Kind};

use super::spring;
use crate::policy::Bound;

/// The names of the modes of a roll-out.
pub(super) const MODES: &[&str] = &["off", "report", "enforce"];

pub(super) const ROUTE_KEYS: &[Key] = &[
    Key::new(
        "path",
        Kind::Text { what: "path pattern" },
        "Segments are literal, `*` or `{name}` for any one, and at the end `**` for any number or `{*name}` for one \
        or more.",
    )
    .required(),
    Key::new("methods", Kind::Texts { what: "HTTP methods" }, "Which methods; left out, all. `GET` speaks for `HEAD` too.").or(""),
    Key::new(
        "rule",
        Kind::Choice(&["anonymous", "authenticated", "internal-only", "scopes"]),
        "Who may call: anybody, callers with a valid token, services with `scope`, or tokens with the scopes in \
        `all` and `any`.",
    )
    .required(),
    Key::new("scope", Kind::Text { what: "scope" }, "For `internal-only`: what a service's token must bear.")
        .otherwise("that of `internal-only`"),
    Key::new("all", Kind::Texts { what: "scopes" }, "For `scopes`: each of these.").or(""),
    Key::new("any", Kind::Texts { what: "scopes" }, "For `scopes`: at least one of these.").or(""),
    Key::new(
        "hosts",
        Kind::Texts { what: "hosts, as `shop.example` or `*.shop.example`" },
        "The hosts that the rule is for; without it, all. Whoever sends a request chooses its host, so a request must satisfy \
        the rules for all hosts too, and one that names no host, or several, is refused.",
    )
    .or(""),
    Key::new("roles", Kind::Texts { what: "roles" }, "Demanded besides: each of these roles. See [policy.md](policy.md).").or(""),
    Key::new("any-role", Kind::Texts { what: "roles" }, "Demanded besides: one of these roles.").or(""),
    Key::new(
        "authorities",
        Kind::Texts { what: "authorities" },
        "Demanded besides: each of these, as Spring Security names them (`SCOPE_orders`, `ROLE_ADMIN`).",
    )
    .or(""),
    Key::new("any-authority", Kind::Texts { what: "authorities" }, "Demanded besides: one of these.").or(""),
    Key::new(
        "callers",
        Kind::Texts { what: "client ids, as `order-service` or `web@login`" },
        "Demanded besides: that the token was issued to one of these clients, of an issuer that is `internal`, or of the issuer \
        behind the `@`.",
    )
    .or(""),
    Key::new(
        "actors",
        Kind::Texts { what: "as `callers`, or `none`" },
        "Demanded besides: that nobody else acts for the caller (`act` of an exchanged token; the outermost counts).",
    )
    .otherwise("whoever the issuer lets act"),
    Key::new(
        "peers",
        Kind::Texts { what: "SPIFFE ids or DNS names" },
        "Demanded besides: that the certificate of the caller has one of these names, the one of its connection to this service or the one that its \
        [mesh](mtls.md#behind-a-mesh) has checked.",
    )
    .or(""),
    Key::new(
        "claims",
        Kind::Texts { what: "conditions" },
        "Demanded besides: that all of these hold, written as in `service-when`: `tenant=acme`, `!guest`.",
    )
    .or(""),
    spring::ACCESS_KEY,
    spring::HAS_ANY_AUTHORITY,
    spring::HAS_ANY_ROLE,
    spring::HAS_ANY_SCOPE,
    spring::HAS_AUTHORITY,
    spring::HAS_ROLE,
    spring::HAS_SCOPE,
    spring::PATHS_OF_ROUTE,
    spring::PATTERN,
    spring::PERMIT_ALL,
    spring::SCOPES_KEY,
    spring::URL,
    Key::new("bound", Kind::Choice(Bound::NAMES), "What a token must be bound to here, beside what `internal-jwt.bound` and other \
        rules demand.").or("no"),
    Key::new("mode", Kind::Choice(MODES), "Roll-out switch of this rule. Where it meets rules of the code or of \
        `internal-only`, the strictest mode that one of them names holds for all.").otherwise("that of `internal-jwt`"),
    ENFORCE_PERCENT,
];

const ENFORCE_PERCENT: Key = Key::new(
    "enforce-percent",
    Kind::percent(0),
    "For how many of the callers this is enforced; without `mode` beside it, as `mode: enforce`.",
)
.otherwise("100 with a `mode` of its own, else that of `internal-jwt`");

pub(super) const INTERNAL_ONLY_KEYS: &[Key] = &[
    Key::new(
        "paths",
        Kind::Texts {
            what: "path patterns",
        },
        "Patterns as in `routes`.",
    )
    .or(""),
    Key::new(
        "scope",
        Kind::Text { what: "scope" },
        "What a service's token must bear there.",
    )
    .or("internal-service"),
    Key::new(
        "mode",
        Kind::Choice(MODES),
        "Roll-out switch of these paths.",
    )
    .otherwise("that of `internal-jwt`"),
    ENFORCE_PERCENT,
    Key::new(
        "bound",
        Kind::Choice(Bound::NAMES),
        "What a service's token must be bound to there, as in `routes`.",
    )
    .or("no"),
    spring::URLS_OF_INTERNAL,
    spring::URL_PATTERNS,
];
