//! The keys of `sidecar`.

use hallpass_config::{Key, Kind};
use hallpass_tls::ServerTlsSettings;
use hallpass_upstream::Http2;

use crate::settings::access_log::AccessLogSettings;
use crate::settings::management::HOSTS;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "inbound",
        Kind::Section(INBOUND_KEYS),
        "What comes to the program. The rules of `security` say who may call.",
    ),
    Key::new(
        "outbound",
        Kind::Section(OUTBOUND_KEYS),
        "What the program sends: it calls `http://SERVICE/path` through this proxy (`HTTP_PROXY`), or a port of the service.",
    ),
    Key::new(
        "management",
        Kind::Section(MANAGEMENT_KEYS),
        "Health and metrics.",
    ),
    Key::new(
        "access-log",
        Kind::Section(AccessLogSettings::KEYS),
        "A line a request, of both sides.",
    ),
    Key::new(
        "drain-delay-seconds",
        Kind::seconds(0, 3_600),
        "How long it goes on after SIGTERM while readiness says 503. A change needs a restart.",
    )
    .or("5"),
    Key::new(
        "drain-limit-seconds",
        Kind::seconds(0, 3_600),
        "How long requests under way get after that. A change needs a restart.",
    )
    .or("30"),
];

const MANAGEMENT_KEYS: &[Key] = &[
    Key::new(
        "listen",
        Kind::Text {
            what: "IP address with port",
        },
        "Where they are, open to whoever can reach it. A change needs a restart.",
    )
    .or("127.0.0.1:9902"),
    HOSTS,
];

const INBOUND_KEYS: &[Key] = &[
    Key::new(
        "listen",
        Kind::Text {
            what: "IP address with port",
        },
        "Where callers come in. A change needs a restart.",
    )
    .or("127.0.0.1:8080"),
    Key::new(
        "tls",
        Kind::Section(ServerTlsSettings::KEYS),
        "TLS on `listen`: with this section nothing else is spoken there. That it comes or goes needs a restart.",
    ),
    Key::new(
        "forward-to",
        Kind::Text {
            what: "`http://127.0.0.1:PORT`",
        },
        "The program. It must listen on loopback alone: who reaches it beside the sidecar is whom he says.",
    )
    .required(),
    Key::new(
        "identity",
        Kind::Choice(&["relay", "none"]),
        "Whether the program gets the token that the call came with, to pass it on, or none. Who calls stands in the identity headers in any case.",
    )
    .or("relay"),
    Key::new(
        "http2",
        Kind::Choice(Http2::NAMES),
        "Whether the program is called by HTTP/2: `always` where it speaks it over plain http, as servers of gRPC do; the host that callers name is in `X-Forwarded-Host` then. Callers speak what they like.",
    )
    .or("never"),
    Key::new(
        "lend-context",
        Kind::Flag,
        "Whether the program gets a handle for its caller (`X-Hallpass-Context`), which it copies to its calls as it copies a request id, so that `exchange` and `relay` of \
        `outbound` know for whom it works. A handle stands for the token that the call came with until 30 s after its end, in this process alone. A change needs a restart.",
    )
    .or("false"),
    Key::new(
        "max-body-bytes",
        Kind::Whole {
            unit: "bytes",
            min: 0,
            max: 1_099_511_627_776,
        },
        "The longest body of a request.",
    )
    .or("10485760"),
    Key::new(
        "dangerous-forward-elsewhere",
        Kind::Flag,
        "Lets `forward-to` be another machine, over `https`.",
    )
    .or("false"),
];

const OUTBOUND_KEYS: &[Key] = &[
    Key::new(
        "listen",
        Kind::Text {
            what: "IP address with port",
        },
        "The proxy that the program names in `HTTP_PROXY`; without it there are the ports of `services` alone. A change needs a restart.",
    ),
    Key::new(
        "services",
        Kind::Sections(SERVICE_KEYS),
        "The services that the program calls. All other hosts are refused, but for those of `pass-through` and `connect`.",
    ),
    Key::new(
        "pass-through",
        Kind::Texts { what: "`host:port`" },
        "Hosts that are no services of the estate, which the program calls as `http://host:port` by `listen`. What it sends there goes without `Authorization` and without any other \
        word of who calls, over plain HTTP. A name that is resolved to this machine or to a link-local address is not called.",
    )
    .or(""),
    Key::new(
        "connect",
        Kind::Texts { what: "`host:port`" },
        "Hosts that `CONNECT` opens a tunnel to by `listen`, which clients send for `https://` URLs: the bytes go both ways as they are, without an identity. The same names are not \
        followed. Services are called with `http://`, and the sidecar makes TLS.",
    )
    .or(""),
    Key::new(
        "dangerous-listen-anywhere",
        Kind::Flag,
        "Lets the addresses of `outbound` be others than loopback, and takes connections from everywhere: whoever reaches one speaks as this service.",
    )
    .or("false"),
];

const SERVICE_KEYS: &[Key] = &[
    Key::new(
        "name",
        Kind::Text {
            what: "letters, digits, `-`, `_`, `.`",
        },
        "Its name in discovery, and the host that the program calls it by.",
    )
    .required(),
    Key::new(
        "listen",
        Kind::Text {
            what: "IP address with port",
        },
        "A port for this service alone: what the program sends there goes to it. A change needs a restart.",
    ),
    Key::new(
        "identity",
        Kind::Choice(&["service", "exchange", "relay", "none"]),
        "Whose token is sent: this service's own; one for the user whose token the program passes in `Authorization`, with this service as the actor; that token itself; or none.",
    )
    .required(),
    Key::new(
        "audience",
        Kind::Text { what: "audience" },
        "Whom a token of `service` and `exchange` is for.",
    )
    .otherwise("`name`"),
    Key::new(
        "token-scope",
        Kind::Texts { what: "scopes" },
        "What it is asked for; empty: as `internal-token` says.",
    )
    .or(""),
    Key::new(
        "when-absent",
        Kind::Choice(&["fail", "service", "none"]),
        "What becomes of a call with `exchange` or `relay` that brings neither a handle nor a token: it gets 401, it bears this service's own token, or none. \
        One whose handle or token counts no more gets 401 in any case.",
    )
    .or("fail"),
    Key::new(
        "http2",
        Kind::Choice(Http2::NAMES),
        "Whether it is called by HTTP/2: `auto` where it takes it with TLS, `always` over plain http too, for a service that is known to speak it (gRPC). The program speaks what it likes.",
    )
    .or("never"),
    Key::new(
        "response-ms",
        Kind::millis(1, 3_600_000),
        "How long the head of the response may take, with all attempts.",
    )
    .or("15000"),
];
