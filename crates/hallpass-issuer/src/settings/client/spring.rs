//! What a client is registered with in Spring Authorization Server, and what that is here.

use hallpass_config::Key;

const NOBODY_LOGS_IN: &str = "nobody logs in here: leave it out";
const BESIDE_ID: &str = "its keys stand beside `client-id` here";

/// Words of its `RegisteredClient`, `ClientSettings` and `TokenSettings`, and of the properties of Spring Boot for them.
pub(super) const KEYS: [Key; 27] = [
    Key::not_ours("registration", BESIDE_ID),
    Key::not_ours("client-settings", BESIDE_ID),
    Key::not_ours("token-settings", BESIDE_ID),
    Key::not_ours("token", BESIDE_ID),
    Key::not_ours("client-name", "`client-id` is its name here: leave it out"),
    Key::not_ours(
        "client-authentication-methods",
        "here it is `token-endpoint-auth-method`, which takes one of them",
    ),
    Key::not_ours(
        "client-authentication-method",
        "here it is `token-endpoint-auth-method`",
    ),
    Key::not_ours(
        "authorization-grant-types",
        "here it is `grant-types`, with the same values",
    ),
    Key::not_ours(
        "authorization-grant-type",
        "here it is `grant-types`, with the same values",
    ),
    Key::not_ours(
        "access-token-time-to-live",
        "here it is `token-life-seconds`, which takes a duration such as `10m` or `PT10M` as it is",
    ),
    Key::not_ours(
        "refresh-token-time-to-live",
        "here it is `refresh-token-life-seconds`, which takes a duration as it is, counts from the first refresh token on, and is a day at most",
    ),
    Key::not_ours(
        "reuse-refresh-tokens",
        "here each use of a refresh token brings another one: leave it out",
    ),
    Key::not_ours(
        "access-token-format",
        "here tokens are JWTs, as with `self-contained`: leave it out",
    ),
    Key::not_ours("jwk-set-uri", "here it is `jwks-url`"),
    Key::not_ours("jwk-set-url", "here it is `jwks-url`"),
    Key::not_ours(
        "token-endpoint-authentication-signing-algorithm",
        "the keys of `jwks` say it here: leave it out",
    ),
    Key::not_ours(
        "x509-certificate-subject-dn",
        "here it is `tls-client-auth-subject-dn`",
    ),
    Key::not_ours(
        "x509-certificate-bound-access-tokens",
        "here it is `tls-client-certificate-bound-access-tokens`",
    ),
    Key::not_ours(
        "client-secret-expires-at",
        "here `previous-client-secret-until` ends the secret before this one; the present one has no end",
    ),
    Key::not_ours("redirect-uris", NOBODY_LOGS_IN),
    Key::not_ours("redirect-uri", NOBODY_LOGS_IN),
    Key::not_ours("post-logout-redirect-uris", NOBODY_LOGS_IN),
    Key::not_ours("require-proof-key", NOBODY_LOGS_IN),
    Key::not_ours("require-authorization-consent", NOBODY_LOGS_IN),
    Key::not_ours("authorization-code-time-to-live", NOBODY_LOGS_IN),
    Key::not_ours("device-code-time-to-live", NOBODY_LOGS_IN),
    Key::not_ours("id-token-signature-algorithm", NOBODY_LOGS_IN),
];
