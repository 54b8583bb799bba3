//! The keys of `internal-token`.

use hallpass_config::{Key, Kind};

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "enabled",
        Kind::Flag,
        "Whether this service gets tokens of its own. What stands beside `false` must be right all the same, but \
        nothing has to be there.",
    )
    .or("true"),
    CLIENT_ID.required(),
    CLIENT_SECRET.otherwise("required, here or in a file, unless `client-authentication` needs none"),
    CLIENT_SECRET_FILE,
    PRIVATE_KEY_FILE.otherwise("required with `private_key_jwt`"),
    KEY_ID.otherwise("its thumbprint (RFC 7638)"),
    ASSERTION_AUDIENCE.otherwise("`issuer`"),
    ASSERTION_TYP.or("client-authentication+jwt"),
    CLIENT_ASSERTION_FILE.otherwise("required with `federated_jwt`"),
    CLIENT_ASSERTION_TYPE.or("jwt-bearer"),
    CACHE_SECRET.otherwise("none: its tokens stay in the memory of the process"),
    CACHE_SECRET_FILE,
    TOKEN_URL.required(),
    SCOPE.or(""),
    AUDIENCE.otherwise("each call names its own"),
    GRANT_TYPE.or("client_credentials"),
    ISSUER,
    CACHE_EXPIRE.or("540"),
    REFRESH_AHEAD.or("60"),
    CLIENT_AUTHENTICATION.or("basic"),
    TARGET_PARAMETER.or("audience"),
    DPOP.or("false"),
    DPOP_KEY.otherwise("made when the first token is asked for, and kept in memory alone"),
    DPOP_KEY_FILE,
    REVOCATIONS_URL.otherwise("`revocations` beside a `token-url` that ends with `/token`"),
    OF_CACHE,
    OF_GRANT,
    OF_AUTHENTICATION,
    OF_ISSUER,
    Key::not_ours("registration", OF_REGISTRATIONS),
    Key::not_ours("provider", OF_REGISTRATIONS),
    Key::new(
        "clients",
        Kind::Sections(CLIENT_KEYS),
        "Further credentials. A declared client uses the one that `feign.clients.NAME.credential` names, else the one that is called \
        like it, else the one for the audience of the call, else that of the section. Each inherits from the section what it \
        leaves out, except for the audience.",
    )
    .told_apart_by("name"),
    Key::new("memory-cache", Kind::Section(MEMORY_CACHE_KEYS), "Tokens kept in the memory of this process."),
    Key::new("feign", Kind::Section(FEIGN_KEYS), "Which outgoing calls get a token by themselves."),
];

// What people write who come from Spring.
const OF_CACHE: Key = Key::not_ours(
    "cache-expire",
    "here it is `cache-expire-seconds`, which takes a duration such as `9m` as it is",
);
const OF_GRANT: Key = Key::not_ours("authorization-grant-type", "here it is `grant-type`");
const OF_AUTHENTICATION: Key = Key::not_ours(
    "client-authentication-method",
    "here it is `client-authentication`",
);

const OF_ISSUER: Key = Key::not_ours(
    "issuer-uri",
    "here it is `token-url`: the `token_endpoint` of its metadata, which are not looked up",
);
const OF_REGISTRATIONS: &str = "the keys of a registration and of its provider stand in this section itself, and those of a further one in `clients`";

const INHERITED: &str = "that of the section";

const CLIENT_KEYS: &[Key] = &[
    Key::new(
        "name",
        Kind::Text {
            what: "letters, digits, `-`, `_`, `.`",
        },
        "Unique in the list. The declared client of this name uses the credential, and those that name it in \
        `feign.clients.NAME.credential`.",
    )
    .required(),
    CLIENT_ID.otherwise(INHERITED),
    CLIENT_SECRET.otherwise(INHERITED),
    CLIENT_SECRET_FILE.otherwise(INHERITED),
    PRIVATE_KEY_FILE.otherwise(INHERITED),
    KEY_ID.otherwise(INHERITED),
    ASSERTION_AUDIENCE.otherwise(INHERITED),
    ASSERTION_TYP.otherwise(INHERITED),
    CLIENT_ASSERTION_FILE.otherwise(INHERITED),
    CLIENT_ASSERTION_TYPE.otherwise(INHERITED),
    CACHE_SECRET.otherwise(INHERITED),
    CACHE_SECRET_FILE.otherwise(INHERITED),
    TOKEN_URL.otherwise(INHERITED),
    SCOPE.otherwise(INHERITED),
    CLIENT_AUDIENCE.otherwise("none: it is chosen by its name alone"),
    GRANT_TYPE.otherwise(INHERITED),
    ISSUER.otherwise(INHERITED),
    CACHE_EXPIRE.otherwise(INHERITED),
    REFRESH_AHEAD.otherwise(INHERITED),
    CLIENT_AUTHENTICATION.otherwise(INHERITED),
    TARGET_PARAMETER.otherwise(INHERITED),
    DPOP.otherwise(INHERITED),
    DPOP_KEY.otherwise(INHERITED),
    DPOP_KEY_FILE.otherwise(INHERITED),
    REVOCATIONS_URL.otherwise("that of the section, beside a `token-url` of its own that beside this one"),
    OF_CACHE,
    OF_GRANT,
    OF_AUTHENTICATION,
    OF_ISSUER,
];

const CLIENT_ID: Key = Key::new(
    "client-id",
    Kind::Text { what: "" },
    "The name of this service at the issuer (RFC 6749 section 2.2).",
);
const DPOP: Key = Key::new(
    "dpop",
    Kind::Flag,
    "Binds the tokens to a key of this service (DPoP, RFC 9449): each request with one carries a proof that is made for it, and a stolen \
    token is of no use. Such tokens stay in the memory of the process; no shared cache gets them. Where `token-url` begins with `lb://`, our \
    issuer must know the addresses of its instances (`issuer.dpop.further-base-urls`).",
);
const DPOP_KEY: Key = Key::new(
    "dpop-key",
    Kind::Secret,
    "The private key of the proofs in PEM (P-256, Ed25519 or RSA). Another one counts from the next load on: tokens are then asked for anew, and \
    calls under way go on with the old ones.",
);
const DPOP_KEY_FILE: Key = Key::new(
    "dpop-key-file",
    Kind::File,
    "The file that contains `dpop-key`.",
);
const CLIENT_SECRET: Key = Key::new("client-secret", Kind::Secret, "What it proves itself with.");
const CLIENT_SECRET_FILE: Key = Key::new(
    "client-secret-file",
    Kind::File,
    "The file that `client-secret` stands in. It is read again before each token request and when the issuer refuses the \
    secret, so a mounted secret may change without a restart.",
);
const PRIVATE_KEY_FILE: Key = Key::new(
    "private-key-file",
    Kind::File,
    "For `private_key_jwt`: the private key, in PEM, not encrypted (P-256, Ed25519 or RSA), as `hallpass client key` makes it. \
    It is read again before each token request, so a mounted key may change without a restart.",
);
const KEY_ID: Key = Key::new(
    "key-id",
    Kind::Text { what: "" },
    "The name of that key at the issuer (`kid`).",
);
const ASSERTION_AUDIENCE: Key = Key::new(
    "assertion-audience",
    Kind::Text { what: "" },
    "To whom the signed JWTs are addressed: the issuer identifier of the authorization server, as its metadata have it. Some \
    older servers want the URL of the token endpoint.",
);
const ASSERTION_TYP: Key = Key::new(
    "assertion-typ",
    Kind::Choice(&["client-authentication+jwt", "JWT"]),
    "What the header of the signed JWTs says that they are (`typ`). `JWT` is for servers that refuse the explicit type of \
    draft-ietf-oauth-rfc7523bis, such as Spring Authorization Server.",
);
const CLIENT_ASSERTION_FILE: Key = Key::new(
    "client-assertion-file",
    Kind::File,
    "For `federated_jwt`: the file of a token that another issuer has given this service, such as the projected token of its service account in \
    Kubernetes. It is read again before each token request, so whoever renews it need tell nobody; at most 16 KiB. Where it \
    cannot be read the last token is used until its own end, and never after it.",
);
const CLIENT_ASSERTION_TYPE: Key = Key::new(
    "client-assertion-type",
    Kind::Choice(&["jwt-bearer", "jwt-spiffe"]),
    "What that token is sent as: `jwt-bearer` (RFC 7523), or `jwt-spiffe` for a JWT-SVID (draft-ietf-oauth-spiffe-client-auth).",
);
const CACHE_SECRET: Key = Key::new(
    "cache-secret",
    Kind::Secret,
    "For `federated_jwt`: what tokens are sealed with in a shared cache (`redis`), in place of the secret that this service does not have. \
    The same in all of its instances; it proves nothing to anybody, and gets no token.",
);
const CACHE_SECRET_FILE: Key = Key::new(
    "cache-secret-file",
    Kind::File,
    "The file that contains `cache-secret`.",
);
const TOKEN_URL: Key = Key::new(
    "token-url",
    Kind::Text {
        what: "`https://`, `lb://service/path`, or `http://` to loopback",
    },
    "The issuer's token endpoint.",
);
const SCOPE: Key = Key::new(
    "scope",
    Kind::Texts {
        what: "scopes, also with spaces between them",
    },
    "What to ask for. Empty asks for what the issuer gives by default.",
);
const AUDIENCE: Key = Key::new(
    "audience",
    Kind::Text { what: "" },
    "The service that tokens are for when a call does not say.",
);
const CLIENT_AUDIENCE: Key = Key::new(
    "audience",
    Kind::Text { what: "" },
    "The service whose calls use this credential, whatever client makes them; and the audience of tokens where it is chosen by its \
    name. Unique in the list.",
);
const GRANT_TYPE: Key = Key::new(
    "grant-type",
    Kind::Choice(&["client_credentials"]),
    "How tokens are asked for (RFC 6749 section 4.4).",
);
const ISSUER: Key = Key::new(
    "issuer",
    Kind::Text { what: "" },
    "The name that tokens of this endpoint bear in `iss`. It only keeps the cache entries of issuers apart.",
);
const CACHE_EXPIRE: Key = Key::new(
    "cache-expire-seconds",
    Kind::seconds(1, 86_400),
    "How long a token is used at most. Make it a little shorter than the life the issuer gives; a token is never \
    used after its own end.",
);
const REFRESH_AHEAD: Key = Key::new(
    "refresh-ahead-seconds",
    Kind::seconds(0, 86_400),
    "How long before that it is renewed in the background. Must be below `cache-expire-seconds`.",
);
const CLIENT_AUTHENTICATION: Key = Key::new(
    "client-authentication",
    Kind::Choice(&[
        "basic",
        "post",
        "private_key_jwt",
        "federated_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
    ]),
    "How this service proves who it is: by its secret in the `Authorization` header or in the form (RFC 6749 section 2.3.1), by a \
    JWT that it signs for each request (RFC 7523), by a token of another issuer (`client-assertion-file`), or by the certificate of `tls.certificate-file` (RFC 8705).",
);
const TARGET_PARAMETER: Key = Key::new(
    "target-parameter",
    Kind::Choice(&["audience", "resource"]),
    "Which form field names the audience: `audience`, or `resource` for issuers that follow RFC 8707.",
);

const REVOCATIONS_URL: Key = Key::new(
    "revocations-url",
    Kind::Text {
        what: "as `token-url`, or `none`",
    },
    "Where it is followed what the issuer has revoked, so that a token is dropped within a second: the deny-list of an issuer of \
    ours. One that has none (404) is asked again every ten minutes. `none`: nowhere.",
);

const MEMORY_CACHE_KEYS: &[Key] = &[
    Key::new(
        "enabled",
        Kind::Flag,
        "Without it each call asks the shared tier (`redis`) or, where there is none, the issuer.",
    )
    .or("true"),
    Key::new(
        "max-entries",
        Kind::count(1, 1_000_000),
        "How many tokens are kept: one for each issuer, client, audience and scope.",
    )
    .or("10000"),
];

const FEIGN_KEYS: &[Key] = &[
    Key::new(
        "enabled",
        Kind::Flag,
        "Whether outgoing calls get tokens of this service at all. Callers are relayed all the same, and the headers of `context` go on.",
    )
    .or("true"),
    Key::new(
        "skip-clients",
        Kind::Texts {
            what: "names of declared clients",
        },
        "Which ones never get a token, nobody's, and none of the headers of `context`: third parties. Holds beside `enabled: false` above as well.",
    )
    .or(""),
];
