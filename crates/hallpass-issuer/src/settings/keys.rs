//! The keys of the section `issuer`, as the reference page has them.

use hallpass_config::{Key, Kind};
use hallpass_tls::ServerTlsSettings;

use crate::settings::client::{self, CLIENT_KEYS};
use crate::settings::{admin, audience, audit, ca, database, dpop, sources, trusted_issuer};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "listen",
        Kind::Text {
            what: "IP address and port",
        },
        "Where it listens.",
    )
    .or("127.0.0.1:9000"),
    Key::new(
        "management",
        Kind::Section(MANAGEMENT_KEYS),
        "An address of its own for health and metrics.",
    ),
    Key::new(
        "connections-per-address",
        Kind::count(1, 4_096),
        "Most connections open at once from one address, an IPv6 address being its /64 network; 4096 is the limit for all \
        addresses together. Behind a proxy all connections come from the proxy's address, unless `proxy-protocol` or `forwarded` names it.",
    )
    .or("1024"),
    Key::new(
        "proxy-protocol",
        Kind::Section(sources::PROXY_PROTOCOL_KEYS),
        "Proxies of connections in front, which say by the PROXY protocol whom they have a connection from.",
    ),
    Key::new(
        "forwarded",
        Kind::Section(sources::FORWARDED_KEYS),
        "Proxies of HTTP in front, which say in a header whom they have a request from.",
    ),
    Key::new(
        "drain-delay-seconds",
        Kind::seconds(0, 300),
        "How long it goes on serving after SIGTERM, while readiness says 503, so that a load balancer can look elsewhere; \
        only then does it take no new connections. Ctrl-C, or a second signal, ends the wait.",
    )
    .or("2"),
    Key::new(
        "name",
        Kind::Text {
            what: "a word, or an https URL",
        },
        "The `iss` of its tokens. Strict third-party clients expect the URL that `base-url` names.",
    )
    .or("internal"),
    Key::new(
        "base-url",
        Kind::Text {
            what: "https URL, or http to loopback",
        },
        "The address clients reach it at, for the metadata documents (RFC 8414).",
    )
    .otherwise("`name` if that is a URL, else the listening address"),
    Key::new(
        "tls",
        Kind::Section(ServerTlsSettings::KEYS),
        "TLS on the listening address: with this section it speaks nothing else.",
    ),
    Key::new(
        "store",
        Kind::File,
        "The file of the embedded database: signing keys and stored clients.",
    )
    .or("hallpass.db"),
    Key::new(
        "database",
        Kind::Section(database::KEYS),
        "A PostgreSQL in place of `store`, for any number of issuers behind one address: they have the same keys, clients and revocations, \
        and what one of them writes counts at the others within a second.",
    ),
    Key::new(
        "key-encryption-key",
        Kind::Secret,
        "Seals the private keys in the store. Without it the sealing key is a file beside the store.",
    ),
    Key::new(
        "key-encryption-key-file",
        Kind::File,
        "The file that contains `key-encryption-key`.",
    ),
    Key::new(
        "previous-key-encryption-key",
        Kind::Secret,
        "What sealed the store before `key-encryption-key`: the next start seals it anew, and then this can go.",
    ),
    Key::new(
        "previous-key-encryption-key-file",
        Kind::File,
        "The file that contains `previous-key-encryption-key`: the one beside the store, when there was no other.",
    ),
    Key::new(
        "algorithm",
        Kind::Choice(&["ES256", "EdDSA", "Ed25519", "RS256"]),
        "What new signing keys are made for.",
    )
    .or("ES256"),
    Key::new(
        "token-life-seconds",
        Kind::seconds(30, 86_400),
        "Life of a token unless its client says otherwise.",
    )
    .or("600"),
    Key::new(
        "jwks-max-age-seconds",
        Kind::seconds(0, 86_400),
        "How long verifiers may keep the public keys before they ask again.",
    )
    .or("300"),
    Key::new(
        "key-announce-seconds",
        Kind::seconds(0, 604_800),
        "How long a new or imported key is published before it signs, so that verifiers know it by then; until then the \
        key before it signs on. At least as long as verifiers keep the key set. At the first start nothing waits.",
    )
    .otherwise("`jwks-max-age-seconds`, 60 at least"),
    Key::new(
        "key-rotation-seconds",
        Kind::seconds(0, 315_360_000),
        "How long a key signs. Its successor is announced ahead, so that verifiers know it by then. `0`: until \
        `hallpass key rotate`.",
    )
    .or("90d"),
    Key::new(
        "key-retention-seconds",
        Kind::seconds(0, 315_360_000),
        "How long a key that signs no more is published, before it is deleted. It is never shorter than the longest life \
        of a token, and five minutes.",
    )
    .or("25h"),
    Key::new(
        "refresh-token-grace-seconds",
        Kind::seconds(0, 60),
        "How long a refresh token that was used brings the same successor again, because the response was lost or two callers \
        used it at once. Later, or when the successor was used, it is taken for stolen, and all that follows from the same first token is revoked.",
    )
    .or("10"),
    Key::new(
        "revocations-per-client-per-second",
        Kind::count(1, 10_000),
        "How often a second one client may have tokens revoked at `/oauth2/revoke`; ten seconds' worth may come at once. Beyond \
        it the response is 429, and other clients notice nothing.",
    )
    .or("20"),
    Key::new(
        "refresh-tokens-per-client",
        Kind::count(1, 10_000),
        "Most refresh tokens that count at once for one client; beyond it the one goes that began first.",
    )
    .or("1000"),
    Key::new(
        "refresh-tokens-per-subject",
        Kind::count(1, 10_000),
        "Most of them that one client has for one subject that it is not itself; beyond it the one of that subject goes that began \
        first, and those of others stay.",
    )
    .or("100"),
    Key::new(
        "audiences",
        Kind::Sections(audience::KEYS),
        "Services whose tokens look different, because their verifiers are not Hallpass.",
    ),
    Key::new(
        "clients",
        Kind::Sections(CLIENT_KEYS),
        "Who may ask for tokens.",
    )
    .told_apart_by("client-id"),
    Key::new(
        "trusted-issuers",
        Kind::Sections(trusted_issuer::KEYS),
        "Other issuers that this one believes: whose tokens clients may exchange, as their `exchange` says. An entry alone \
        allows nobody anything.",
    )
    .told_apart_by("name"),
    Key::new(
        "audit",
        Kind::Section(audit::KEYS),
        "Audit events: one for each decision.",
    ),
    Key::new(
        "dpop",
        Kind::Section(dpop::KEYS),
        "Tokens that are bound to a key of their client (DPoP, RFC 9449): a token request with a proof gets such a one.",
    ),
    Key::new(
        "client-keys-tls",
        Kind::Section(client::keys::TLS_KEYS),
        "How the connections to the public keys of clients (`jwks-url`) are protected.",
    ),
    Key::new(
        "introspection-clients",
        Kind::Texts { what: "client ids" },
        "Who may introspect tokens that are for other services (RFC 7662), a gateway say. Every client may introspect tokens \
        of which it is an audience by its client id.",
    )
    .or(""),
    Key::new(
        "ca",
        Kind::Section(ca::KEYS),
        "The certificate authority: short-lived certificates for the clients that have `certificate`, so that services have mutual TLS without \
        a mesh. Without this section there is none.",
    ),
    Key::new(
        "admin",
        Kind::Section(admin::KEYS),
        "The interface for administrators (`/admin/v1`), on an address of its own: keys, revocations, certificate authorities, clients. Without \
        this section there is none.",
    ),
    Key::not_ours("datasource", "here it is `database`, with `url`, `username` and `password`"),
    Key::not_ours("client", "here they are a list: `clients`, each with its `client-id`"),
    Key::not_ours("issuer", "here it is `name`"),
    Key::not_ours("endpoint", "here the paths of the endpoints are fixed: see `base-url` for what stands before them"),
];

const MANAGEMENT_KEYS: &[Key] = &[Key::new(
    "listen",
    Kind::Text {
        what: "IP address and port",
    },
    "Where `/health/live`, `/health/ready` and `/metrics` are served; they are then no longer on `issuer.listen`, as \
    with Spring's `management.server.port`.",
)
.otherwise("they are on `issuer.listen`")];
