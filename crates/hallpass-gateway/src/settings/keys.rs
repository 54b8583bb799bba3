//! The keys of `authz`.

use hallpass_config::{Key, Kind};
use hallpass_tls::ServerTlsSettings;

use super::management::HOSTS;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "listen",
        Kind::Text {
            what: "IP address and port",
        },
        "Where proxies ask by HTTP: `/authz/envoy`, `/authz/nginx`, `/authz/forward`. A response of 2xx there always means \
        that a request may pass.",
    )
    .or("127.0.0.1:9191"),
    Key::new(
        "grpc-listen",
        Kind::Text {
            what: "IP address and port",
        },
        "Where Envoy asks by gRPC (`envoy.service.auth.v3.Authorization`), and what monitors it (`grpc.health.v1.Health`). No HTTP is \
        answered there.",
    )
    .otherwise("nowhere"),
    Key::new(
        "management",
        Kind::Section(MANAGEMENT_KEYS),
        "Health and metrics, which are never on `listen`.",
    ),
    Key::new(
        "tls",
        Kind::Section(ServerTlsSettings::KEYS),
        "TLS on the addresses where proxies ask: with this section they speak nothing else. With `client-auth: need` only \
        proxies with a certificate of `client-ca-file` may ask.",
    ),
    Key::new(
        "trusted-proxies",
        Kind::Texts {
            what: "IP addresses, and networks such as `10.0.0.0/8`",
        },
        "Who may ask. Connections from elsewhere are closed as they come: whoever may ask can find out what the rules are, and gets \
        the tokens that `upstreams` hands out.",
    )
    .or("127.0.0.0/8, ::1"),
    Key::new(
        "connections",
        Kind::count(1, 65_536),
        "Most connections open at once from all proxies together.",
    )
    .or("4096"),
    Key::new(
        "head-bytes",
        Kind::Whole {
            unit: "bytes",
            min: 8_192,
            max: 262_144,
        },
        "The longest head of a question, which holds the headers of the request that is asked about. A longer one gets 431: the \
        request is refused.",
    )
    .or("65536"),
    Key::new(
        "decision-timeout-ms",
        Kind::millis(100, 60_000),
        "How long a decision may take, with the keys of an issuer and a token for the upstream where they are not there yet. \
        After that the request is refused with 503. The proxy's own limit should be longer.",
    )
    .or("5000"),
    Key::new(
        "drain-delay-seconds",
        Kind::seconds(0, 300),
        "How long it goes on after SIGTERM, while readiness says 503. Ctrl-C, or a second signal, ends the wait.",
    )
    .or("2"),
    Key::new(
        "identity-headers",
        Kind::Choice(&["set", "strip"]),
        "`set`: requests that pass bear `X-User-Id`, `X-Username`, `X-Authorities` and `X-Client-Id` of the verified token, and \
        lose what their sender wrote there. `strip`: they lose it, and bear none.",
    )
    .or("set"),
    Key::new(
        "source-certificates",
        Kind::Choice(&["ignore", "believe"]),
        "Whether a certificate that Envoy names in `source.certificate` (`include_peer_certificate`) counts as shown by the caller, for \
        tokens that are bound to it (RFC 8705). Only where nobody but Envoy reaches `grpc-listen`.",
    )
    .or("ignore"),
    Key::new(
        "upstreams",
        Kind::Sections(UPSTREAM_KEYS),
        "What requests that pass bear in `Authorization`, by host and path; the first entry that fits counts. Without one that \
        fits it stays as it came.",
    ),
];

const MANAGEMENT_KEYS: &[Key] = &[Key::new(
    "listen",
    Kind::Text {
        what: "IP address and port",
    },
    "Where `/health/live`, `/health/ready` and `/metrics` are, over plain HTTP and for everybody who reaches it.",
)
.or("127.0.0.1:9192"), HOSTS];

const UPSTREAM_KEYS: &[Key] = &[
    Key::new(
        "hosts",
        Kind::Texts {
            what: "host names without port, or `*.` and a domain",
        },
        "The hosts that callers name. Empty: all.",
    )
    .or(""),
    Key::new(
        "paths",
        Kind::Texts {
            what: "path patterns",
        },
        "Paths as callers write them, by patterns as in `security.internal-jwt.routes`. Empty: all.",
    )
    .or(""),
    Key::new(
        "identity",
        Kind::Choice(&["relay", "service", "exchange", "none"]),
        "`relay`: the caller's own token stays. `service`: a token of this service (`internal-token`) takes its place. \
        `exchange`: one for the caller, with this service as the actor (RFC 8693); without a caller, none. `none`: it is \
        removed.",
    )
    .required(),
    Key::new(
        "audience",
        Kind::Text { what: "audience" },
        "Whom the token is for.",
    )
    .otherwise("required with `service` and `exchange`"),
    Key::new("scope", Kind::Text { what: "scope" }, "What it is asked for. Empty: as `internal-token` says; with `exchange`, \
        all that the issuer lets this service pass on.").or(""),
    Key::new(
        "credential",
        Kind::Text {
            what: "letters, digits, `-`, `_`, `.`",
        },
        "The entry of `internal-token.clients` that asks for it.",
    )
    .otherwise("that for the audience, else that of the section"),
];
