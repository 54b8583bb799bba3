//! `introspection`: an issuer that is asked about its tokens.

use std::time::Duration;

use hallpass_client::Credential;
use hallpass_config::{Key, Kind, Section};
use hallpass_upstream::EndpointUrl;

use crate::introspection::{AskedTokens, IntrospectionLimits};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "url",
        Kind::Text {
            what: "`https://`, `lb://service/path`, or `http://` to loopback",
        },
        "The introspection endpoint (RFC 7662).",
    )
    .required(),
    Key::new(
        "tokens",
        Kind::Choice(&["opaque", "jwt", "all"]),
        "Which tokens are asked about: `opaque`, those that are not in three parts as a JWT is, which one issuer of a service may \
        take; `jwt`, those that are and name this issuer; or both. All others are verified by keys, and never sent there.",
    )
    .or("opaque"),
    Key::new(
        "cache-seconds",
        Kind::seconds(0, 3_600),
        "How long a token that is good is not asked about again, and never past its own end. So late a revocation is noticed. 0: each request \
        asks.",
    )
    .or("30"),
    Key::new(
        "negative-cache-seconds",
        Kind::seconds(0, 3_600),
        "How long one that is not good is refused without a question.",
    )
    .or("10"),
    Key::new(
        "timeout-ms",
        Kind::millis(50, 30_000),
        "Longest time of one question, all instances and the body included.",
    )
    .or("2000"),
    Key::new(
        "new-per-second",
        Kind::count(1, 100_000),
        "Questions a second about tokens that were not good before; more of these get a 503. Those that were are asked about again \
        whatever strangers send.",
    )
    .or("50"),
    Key::new("client-id", Kind::Text { what: "" }, "Who asks: this service, as the issuer knows it.").required(),
    Key::new("client-secret", Kind::Secret, "What it proves itself with.")
        .otherwise("required, here or in a file, unless `client-authentication` needs none"),
    Key::new(
        "client-secret-file",
        Kind::File,
        "The file that `client-secret` stands in. It is read again before each question.",
    ),
    Key::new(
        "client-authentication",
        Kind::Choice(&[
            "basic",
            "post",
            "private_key_jwt",
            "federated_jwt",
            "tls_client_auth",
            "self_signed_tls_client_auth",
        ]),
        "How it proves who it is, as in `internal-token`.",
    )
    .or("basic"),
    Key::new(
        "private-key-file",
        Kind::File,
        "For `private_key_jwt`: the private key, in PEM, not encrypted.",
    )
    .otherwise("required with `private_key_jwt`"),
    Key::new("key-id", Kind::Text { what: "" }, "The name of that key at the issuer (`kid`).")
        .otherwise("its thumbprint (RFC 7638)"),
    Key::new(
        "assertion-audience",
        Kind::Text { what: "" },
        "To whom the signed JWTs are addressed: the issuer identifier of the authorization server.",
    )
    .otherwise("`issuer` of the entry"),
    Key::new(
        "assertion-typ",
        Kind::Choice(&["client-authentication+jwt", "JWT"]),
        "What the header of the signed JWTs says that they are (`typ`).",
    )
    .or("client-authentication+jwt"),
    Key::new(
        "client-assertion-file",
        Kind::File,
        "For `federated_jwt`: the file of a token that another issuer has given this service.",
    )
    .otherwise("required with `federated_jwt`"),
    Key::new(
        "client-assertion-type",
        Kind::Choice(&["jwt-bearer", "jwt-spiffe"]),
        "What that token is sent as.",
    )
    .or("jwt-bearer"),
    Key::not_ours("introspection-uri", "here it is `url`"),
];

/// An issuer that is asked about its tokens.
#[derive(Clone, Debug)]
pub struct IntrospectionSettings {
    /// `client-id` and what it proves itself by, at `url`.
    pub credential: Credential,
    /// `tokens`: which are asked about.
    pub tokens: AskedTokens,
    /// `cache-seconds`, `negative-cache-seconds`, `timeout-ms` and `new-per-second`.
    pub limits: IntrospectionLimits,
}

impl PartialEq for IntrospectionSettings {
    fn eq(&self, other: &Self) -> bool {
        self.credential.asks_like(&other.credential)
            && (self.tokens, self.limits) == (other.tokens, other.limits)
    }
}

impl Eq for IntrospectionSettings {}

impl IntrospectionSettings {
    /// Reads the section of that name of `issuer`, which has its `issuer`. `Some(None)`: there is none.
    pub(super) fn read_in(issuer: &Section<'_>) -> Option<Option<Self>> {
        let section = issuer.section("introspection");
        if !section.is_given() {
            return Some(None);
        }
        Self::read(&section.inheriting(issuer)).map(Some)
    }

    fn read(section: &Section<'_>) -> Option<Self> {
        let url: Option<EndpointUrl> = section.required("url", Section::parsed);
        // The other problems are told although there is no usable address.
        let nowhere = || "https://endpoint.invalid/".parse().ok();
        let endpoint = url.clone().or_else(nowhere);
        let credential = endpoint.and_then(|url| Credential::read_asking(section, &url));
        let tokens = section.choice("tokens", |name| match name {
            "opaque" => Some(AskedTokens::Opaque),
            "jwt" => Some(AskedTokens::Jwt),
            "all" => Some(AskedTokens::All),
            _ => None,
        });
        let cache = section.seconds("cache-seconds");
        let negative_cache = section.seconds("negative-cache-seconds");
        let timeout: Option<Duration> = section.millis("timeout-ms");
        let new_per_second = section.count("new-per-second");
        url?;
        Some(Self {
            credential: credential?,
            tokens: tokens?,
            limits: IntrospectionLimits {
                cache: cache?,
                negative_cache: negative_cache?,
                timeout: timeout?,
                new_per_second: new_per_second?,
            },
        })
    }
}
