//! The keys of `security`.

use hallpass_config::{Key, Kind};

use super::deadline::DEADLINE_KEYS;
use super::route_keys::{INTERNAL_ONLY_KEYS, MODES, ROUTE_KEYS};
use super::spring;
use crate::caller_mapping::IssuerPreset;
use crate::policy::Bound;

pub(crate) const KEYS: &[Key] = &[
    Key::new(
        "permit-all",
        Kind::Flag,
        "Lets every request through unverified. For development alone: a program refuses to start with it when the \
        environment says that this is production (`HALLPASS_ENV`, `SPRING_PROFILES_ACTIVE`, `APP_ENV` or `RUST_ENV` \
        is `production` or `prod`, or `KUBERNETES_SERVICE_HOST` is set).",
    )
    .or("false"),
    Key::new(
        "max-token-bytes",
        Kind::Whole {
            unit: "bytes",
            min: 1_024,
            max: 65_536,
        },
        "The longest token that is looked at. A longer one gets a 431 `token_too_large`; on open routes it counts as no \
        token. The listener of a service has room for so many and 8 KiB more, of what stood here when it was started.",
    )
    .or("8192"),
    Key::new("paths", Kind::Section(PATH_KEYS), "Which paths are read; see [paths.md](paths.md)."),
    Key::new("deadline", Kind::Section(DEADLINE_KEYS), "What becomes of a request whose caller has stopped waiting; see [resilience.md](resilience.md#deadlines)."),
    Key::new("internal-jwt", Kind::Section(INTERNAL_JWT_KEYS), "How tokens are verified, and what each route demands. `true` or `false` in its place is its `mode`.")
        .or_value_of("mode"),
    Key::not_ours("internal-only", "routes for services only stand in `internal-jwt.internal-only` here"),
    Key::not_ours("internal-only-urls", "routes for services only stand in `internal-jwt.internal-only` here"),
];

const PATH_KEYS: &[Key] = &[Key::new(
    "allow-encoded",
    Kind::Texts {
        what: "`slash`, `backslash`, `semicolon`, `percent`",
    },
    "Characters that may stand in a path in percent encoding (`%2F`, `%5C`, `%3B`, and `%25` in front of two \
    hexadecimal digits), as part of a value. Otherwise such a path is refused, because other programs take them for \
    structure; where one is allowed, the rules of the path that such a program would read must allow the call too.",
)
.or("")];

const INTERNAL_JWT_KEYS: &[Key] = &[
    Key::new(
        "mode",
        Kind::Choice(MODES),
        "Roll-out switch of the service, for rules that name no mode and for requests that no rule is for: `off` lets \
        requests pass, `report` lets them pass and counts what would have been denied, `enforce` denies. A good token \
        gives its identity in each of them. A path with more than one meaning is denied as soon as any rule is enforced.",
    )
    .or("enforce"),
    Key::new(
        "enforce-percent",
        Kind::percent(0),
        "For how many of the callers `enforce` counts, always the same ones; the others are judged as in `report`. A greater \
        number only adds callers. Beside another mode it means nothing. See [roll-out.md](roll-out.md).",
    )
    .or("100"),
    Key::new(
        "audience",
        Kind::Texts { what: "audiences" },
        "What tokens must bear in `aud`: one of these.",
    )
    .otherwise("`service.name`"),
    Key::new("leeway-seconds", Kind::seconds(0, 300), "How far the clocks of issuer and service may differ.")
        .or("10"),
    Key::new(
        "jwks-cooldown-seconds",
        Kind::seconds(1, 3_600),
        "How long it takes until a token whose signature does not fit may cause one more key fetch, since a key may have been \
        replaced under its name; four such fetches may follow one another at once. A token with an unknown `kid` may cause two \
        at once and one more a second, so that a stranger's tokens keep no rotation away for longer. After a failed fetch, the \
        longest wait until the next, unless its `Retry-After` asks for more (30 s at most).",
    )
    .or("10"),
    Key::new(
        "issuer",
        Kind::Text { what: "" },
        "The `iss` of the one internal issuer, in the short form that names no `issuers`; its keys are at `jwks-url` \
        or in `jwks-file`.",
    )
    .or("internal"),
    JWKS_URL,
    JWKS_FILE,
    REVOCATIONS_URL,
    PRESET,
    CLIENT_CLAIMS,
    SERVICE_WHEN,
    USER_WHEN,
    ROLE_CLAIMS,
    AUTHORITY_CLAIMS,
    Key::new("issuers", Kind::Sections(ISSUER_KEYS), "Issuers whose tokens are accepted."),
    Key::new(
        "routes",
        Kind::Sections(ROUTE_KEYS),
        "What paths demand. The most specific pattern that fits a request decides, whatever the order here; two \
        entries for the same paths and method are a problem. They hold in addition to the rules in code: \
        configuration tightens, and never opens what code has closed.",
    ),
    Key::new(
        "bound",
        Kind::Choice(Bound::NAMES),
        "What every token must be bound to, whatever else the rules demand, those in code too: `any` (a key or a certificate), `key` (DPoP, \
        RFC 9449), `certificate` (RFC 8705), `both`, or `no`: nothing. Where no token is asked for (`anonymous`), one that is sent \
        must be bound so all the same. A bound token needs its proof in any case.",
    )
    .or("no"),
    Key::new(
        "internal-only",
        Kind::Section(INTERNAL_ONLY_KEYS),
        "Paths that only services may call; in addition to `routes` and to the rules in code.",
    ),
    super::audit::LEVEL,
    super::audit::FILE,
    Key::new(
        "identity-headers",
        Kind::Choice(&["strip", "set"]),
        "`X-User-Id`, `X-Username` and `X-Authorities` from outside are removed; `set` writes them anew from \
        the verified token.",
    )
    .or("strip"),
    Key::new(
        "dangerous-keep-identity-headers",
        Kind::Flag,
        "Leaves `X-User-Id`, `X-Username` and `X-Authorities` as they came to requests that pass in mode `off` or \
        `report`, for code that still trusts them. Only for a service that nobody but a gateway which writes them can \
        reach: whoever else reaches it is whom he says. With `set`, a verified token still writes them anew; in \
        `enforce` they are removed in any case.",
    )
    .or("false"),
    Key::new(
        "dpop",
        Kind::Section(super::dpop::KEYS),
        "Tokens that are bound to a key of their sender (DPoP, RFC 9449), and the proofs that come with them.",
    ),
    INTROSPECTION,
    Key::new(
        "streams-end-with-token",
        Kind::Flag,
        "Whether what streams for longer than its token lives is ended: responses, uploads, WebSockets and other upgraded connections; also when the         token is taken back meanwhile. Only where the call passes because of its token: not in `off` and `report`. See [streams.md](streams.md).",
    )
    .or("true"),
    Key::new(
        "stream-grace-seconds",
        Kind::seconds(0, 86_400),
        "How long after the end of its token (`leeway-seconds` included) a stream goes on. A token that is taken back has none.",
    )
    .or("30"),
    Key::new(
        "denied",
        Kind::Section(super::denied::KEYS),
        "What this service refuses at once although its issuer vouches for it, whichever issuer that is: for a stolen token, client or key while the issuer cannot         be reached. It counts from the next load on, for tokens that are remembered and for streams that are open too, and for as long as         it stands here; at most 1,000 entries. Where the issuer can be reached, `hallpass revoke` does this for all services.",
    ),
    Key::new(
        "blacklist",
        Kind::Section(super::blacklist::KEYS),
        "Tokens that the estate lists in Redis when their user logs out (`jwt:blacklist:{jti}`): they are refused, remembered or not, and streams that they began end. \
        Needs a section `redis`. See [redis.md](redis.md#tokens-that-were-logged-out).",
    ),
    Key::new(
        "mesh",
        Kind::Section(super::mesh::KEYS),
        "Behind a mesh (Istio, Linkerd, Envoy): who calls by the certificate that its proxy has checked, for tokens that are bound to it, for `peers` of rules and for \
        `demand: match`. It is a condition, and never takes the place of a token. See [mtls.md](mtls.md#behind-a-mesh). A listener that runs has to be started anew when this section is new.",
    ),
    Key::new(
        "resource",
        Kind::Text {
            what: "https URL, or http to loopback; no query, no fragment",
        },
        "The address of this service as a protected resource; with it the metadata of RFC 9728 are served.",
    ),
    OF_ISSUER_URI,
    OF_KEY_LOCATION,
    Key::not_ours("jws-algorithms", "here they are `algorithms` of an entry of `issuers`"),
    spring::AUTHORITIES_CLAIM,
    spring::AUTHORITIES_DELIMITER,
    spring::AUTHORITY_PREFIX,
    spring::CLOCK_SKEW,
    spring::ENABLED,
    spring::OPAQUE_TOKEN,
    OF_PRINCIPAL,
];

// What people write who come from Spring.
const OF_ISSUER_URI: Key = Key::not_ours(
    "issuer-uri",
    "here they are two: `issuer`, as `iss` of the tokens has it, and `jwks-url`, the `jwks_uri` of its metadata, which are not looked up",
);
const OF_KEY_LOCATION: Key = Key::not_ours(
    "public-key-location",
    "here it is `jwks-file`, a JWK set and not PEM",
);
const OF_PRINCIPAL: Key = Key::not_ours(
    "principal-claim-name",
    "the user is always `sub` here: leave it out",
);

const JWKS_URL: Key = Key::new(
    "jwks-url",
    Kind::Text {
        what: "`https://`, `lb://service/path`, or `http://` to loopback",
    },
    "Where the public keys are fetched.",
);
const JWKS_FILE: Key = Key::new(
    "jwks-file",
    Kind::File,
    "The file that the public keys are read from instead.",
);

const INTROSPECTION: Key = Key::new(
    "introspection",
    Kind::Section(super::introspection::KEYS),
    "Where the issuer is asked about tokens that are not verified by keys (RFC 7662), such as opaque ones; see     [introspection.md](introspection.md). In the short form it is of the one issuer.",
);

const REVOCATIONS_URL: Key = Key::new(
    "revocations-url",
    Kind::Text {
        what: "as `jwks-url`, or `none`",
    },
    "Where revoked tokens are followed: the deny-list of an issuer of ours. `none`: nowhere; then a token counts until it ends.",
)
.otherwise("`revocations` beside a `jwks-url` that ends with `/jwks`, for an `internal` issuer");

const PRESET: Key = Key::new(
    "preset",
    Kind::Choice(IssuerPreset::NAMES),
    "Which product writes the tokens, and so how a service's token is told from a user's. What is neither for \
    certain passes neither internal-only routes nor handlers that want a user. See `docs/interop.md`. In the short form it \
    is of the one issuer.",
)
.or("hallpass");
const CLIENT_CLAIMS: Key = Key::new(
    "client-claims",
    Kind::Texts { what: "claims" },
    "The claims that name the client. The first that is there counts: when it is not one text, the token is neither a \
    service's nor a user's. `aud` is passed over unless it is one name, and not that of `internal-jwt.audience`.",
)
.otherwise("that of `preset`");
const SERVICE_WHEN: Key = Key::new(
    "service-when",
    Kind::Texts { what: "marks" },
    "Marks of a service's token; one is enough. A mark is one or more of `claim`, `!claim`, `claim=text` and \
    `claim!=text`, joined by ` and `; in a text, `*` stands for anything, `{client}` for the client and `{name}` \
    for another claim.",
)
.otherwise("that of `preset`");
const USER_WHEN: Key = Key::new(
    "user-when",
    Kind::Texts { what: "marks" },
    "Marks of a user's token, written likewise.",
)
.otherwise("that of `preset`");

const ROLE_CLAIMS: Key = Key::new(
    "role-claims",
    Kind::Texts { what: "claims" },
    "The claims that roles stand in. A dot goes into an object (`realm_access.roles`) unless a claim has just this name; `{aud}` stands for \
    an audience of this service.",
)
.otherwise("that of `preset`");
const AUTHORITY_CLAIMS: Key = Key::new(
    "authority-claims",
    Kind::Texts { what: "claims" },
    "The claims that authorities stand in, likewise; `SCOPE_x` for each scope and `ROLE_x` for each role come to them.",
)
.otherwise("that of `preset`");

const ISSUER_KEYS: &[Key] = &[
    Key::new(
        "name",
        Kind::Text { what: "letters, digits, `-`, `_`, `.`" },
        "Unique in the list; logs and metrics name the issuer by it. The short form is called `internal`.",
    )
    .required(),
    Key::new("issuer", Kind::Text { what: "" }, "The exact value of `iss`.").required(),
    Key::new(
        "audience",
        Kind::Texts { what: "audiences" },
        "What its tokens must bear in `aud`: one of these. Several entries may name the same `issuer` when they have no \
        audience in common; a token for two of them is judged by one that is not `internal`.",
    )
    .otherwise("that of `internal-jwt`"),
    JWKS_URL.otherwise("required, or `jwks-file`, unless there is `introspection`"),
    JWKS_FILE,
    INTROSPECTION,
    REVOCATIONS_URL,
    Key::new("algorithms", Kind::Texts { what: "`ES256`, `EdDSA`, `RS256`" }, "Signature algorithms accepted from it.")
        .or("ES256, EdDSA, RS256"),
    Key::new("internal", Kind::Flag, "Whether its service tokens open internal-only routes.").or("false"),
    PRESET,
    CLIENT_CLAIMS,
    SERVICE_WHEN,
    USER_WHEN,
    ROLE_CLAIMS,
    AUTHORITY_CLAIMS,
    Key::new(
        "dangerous-accept-untyped",
        Kind::Flag,
        "Takes tokens whose `typ` is not `at+jwt` (RFC 9068 section 2.1), as Spring and Keycloak write them. An ID \
        token of that issuer then passes as an access token if its audience fits.",
    )
    .or("false"),
    OF_ISSUER_URI,
    OF_KEY_LOCATION,
    Key::not_ours("jws-algorithms", "here it is `algorithms`"),
    spring::AUTHORITIES_CLAIM,
    spring::AUTHORITIES_DELIMITER,
    spring::AUTHORITY_PREFIX,
    spring::CLOCK_SKEW,
    spring::OPAQUE_TOKEN,
    OF_PRINCIPAL,
];
