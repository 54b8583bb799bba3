//! `issuer.clients`: who may ask for tokens.

use std::time::Duration;

use hallpass_config::{Key, Kind, Section};
use hallpass_token::{Audience, ClientId, Scope};
use serde_json::{Map, Value};

use crate::clients::certificate_names::CertificateNames;
use crate::clients::exchange_rule::ExchangeRule;
use crate::clients::profile::ClientProfile;
use crate::clients::registration::{ClientCall, GrantType, GrantTypes, check_client_id};
use crate::settings::audience::CLAIM_KEYS;
use crate::settings::client::authentication::ClientAuthentication;
use crate::settings::exchange;
use crate::settings::exchange::Issuers;
use crate::settings::names::{all_scopes, check_service};

mod assertions;
pub(crate) mod authentication;
mod calls;
mod certificate;
pub(crate) mod certificate_names;
mod claims;
mod combinations;
pub(crate) mod keys;
pub(crate) mod secrets;
mod spring;

const OWN_KEYS: &[Key] = &[
    Key::new("client-id", Kind::Text { what: "" }, "Unique in the list; the subject of its tokens. Printable ASCII (RFC 6749 appendix A.1), but not `.` or `..`. With a colon, a space, `%` or `+` in \
        it the client must form-encode it for HTTP Basic (RFC 6749 section 2.3.1), or send it in the form.").required(),
    Key::new(
        "token-endpoint-auth-method",
        Kind::Choice(&[
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
            "tls_client_auth",
            "self_signed_tls_client_auth",
            "federated_jwt",
        ]),
        "How the client proves who it is, at the endpoints for tokens, revocation and introspection alike; no other way counts \
        then. `private_key_jwt`: it signs a JWT with a private key that it alone has (OpenID Connect Core section 9), which \
        `hallpass client key` makes; it has no secret. `tls_client_auth` (RFC 8705): its connection shows a certificate of an authority in \
        `issuer.tls.client-ca-file`, with the name that one of the keys `tls-client-auth-...` says. `self_signed_tls_client_auth`: its \
        connection shows a certificate that `jwks` has, whoever made it; needs `issuer.tls.client-auth: any`. With both it \
        sends its `client_id` alone. `federated_jwt`: it shows a token of a trusted issuer, that of its Kubernetes \
        service account say, as `assertions` has it.",
    )
    .otherwise("a secret, in the header or in the form"),
    Key::new(
        "jwks",
        Kind::Text { what: "a JWK set" },
        "For `private_key_jwt`: the public keys of the client, as `hallpass client key` prints them. Several during a change of keys. \
        An RSA key is for RS256 and PS256 unless it has an `alg`. For `self_signed_tls_client_auth`: keys with their certificates in \
        `x5c`, or the thumbprints of those in `x5t#S256`; each of them counts, so a new certificate is registered beside the old one \
        before the client shows it. Until when a certificate says that it counts is not looked at: what is registered counts.",
    )
    .otherwise("with `private_key_jwt` and `self_signed_tls_client_auth` required, or `jwks-url` or `jwks-file`"),
    Key::new(
        "tls-client-auth-subject-dn",
        Kind::Text { what: "a distinguished name as RFC 4514 writes it, such as `CN=order-service,O=Example`" },
        "For `tls_client_auth`: the whole subject of the client's certificate, the last part first, compared character by character.",
    )
    .otherwise("with `tls_client_auth` required, or exactly one of the next four"),
    Key::new("tls-client-auth-san-dns", Kind::Text { what: "" }, "For `tls_client_auth`: a DNS name among the alternative names of the client's certificate. No patterns."),
    Key::new("tls-client-auth-san-uri", Kind::Text { what: "" }, "For `tls_client_auth`: a URI among them, such as a SPIFFE ID, compared character by character."),
    Key::new("tls-client-auth-san-ip", Kind::Text { what: "an IP address" }, "For `tls_client_auth`: an address among them."),
    Key::new("tls-client-auth-san-email", Kind::Text { what: "" }, "For `tls_client_auth`: a mail address among them, compared character by character."),
    Key::new(
        "jwks-url",
        Kind::Text { what: "`https://`, or `http://` to loopback" },
        "Where they are fetched instead, so that the client changes its keys by itself. While they cannot be fetched at all, the \
        client gets 503.",
    ),
    Key::new("jwks-file", Kind::File, "The file that they are read from instead; a change is noticed within ten seconds."),
    Key::new(
        "dangerous-token-endpoint-audience",
        Kind::Flag,
        "For `private_key_jwt`: takes JWTs whose `aud` is the URL of the token endpoint, as older clients write it (Spring Security's, \
        unless told otherwise). Another authorization server of the client can then have it make one that is good here \
        (draft-ietf-oauth-rfc7523bis).",
    )
    .or("false"),
    Key::new("client-secret", Kind::Secret, "What the client proves itself with.")
        .otherwise("required, here, in a file or as a digest"),
    Key::new("client-secret-file", Kind::File, "The file that contains `client-secret`."),
    Key::new(
        "client-secret-digest",
        Kind::Secret,
        "In place of `client-secret`: its digest, as `hallpass client hash` prints it, so that who reads the configuration has no \
        secret. `$sha256$...` is of a generated secret, `$argon2id$...` (at most 19 MiB and 10 passes) of a chosen one; those that Spring writes as \
        `{argon2}$argon2id$...` are read too.",
    ),
    Key::new(
        "previous-client-secret",
        Kind::Secret,
        "The secret before this one, for a change without a gap: first the issuer learns the new one, then the client, then \
        the old one ends.",
    ),
    Key::new(
        "previous-client-secret-file",
        Kind::File,
        "The file that contains `previous-client-secret`.",
    ),
    Key::new(
        "previous-client-secret-digest",
        Kind::Secret,
        "In place of `previous-client-secret`: its digest, as `hallpass client hash` prints it.",
    ),
    Key::new(
        "previous-client-secret-until",
        Kind::Text { what: "a moment such as 2026-12-31T18:00:00Z" },
        "From when on the previous secret is refused.",
    )
    .otherwise("required with a previous secret"),
    Key::new(
        "secret-kind",
        Kind::Choice(&["chosen", "generated"]),
        "Whether the secret can be guessed: for one that a person has chosen, failures are counted before anything is \
        compared; a generated one (32 characters at least) is compared whatever others try. A secret of the shape \
        that `hallpass` generates counts as generated either way, and a digest says itself of which kind it is.",
    )
    .or("chosen"),
    Key::new(
        "assertions",
        Kind::Sections(assertions::KEYS),
        "With `federated_jwt`: which tokens of trusted issuers prove that somebody is the client, so that it needs no secret. One entry \
        that fits is enough; a token that fits two clients is refused unless `client_id` names one of them.",
    ),
    Key::new("scopes", Kind::Texts { what: "scopes" }, "What it may ask for; by default nothing.").or(""),
    Key::new("audiences", Kind::Texts { what: "service names" }, "Which services it may call; by default none.")
        .or(""),
    Key::new(
        "calls",
        Kind::Sections(calls::KEYS),
        "Further services that it may call, each with scopes of its own: who may call whom with which scopes. A token for one of `audiences` may \
        have any of `scopes`, one for a service of this list those of its entry alone.",
    ),
    Key::new(
        "claims",
        Kind::Sections(CLAIM_KEYS),
        "Claims of the tokens that it gets for itself, beside the usual ones: a tenant, say. None of the names that tokens have of their own, and 2 KiB \
        in all. What `audiences` of the issuer say for a service goes before them. Tokens for others, by exchange, do not have them: `exchange[].claims` says \
        what these take over of their subject.",
    ),
    Key::new("grant-types", Kind::Texts { what: "`client_credentials`, `urn:ietf:params:oauth:grant-type:token-exchange`, `urn:ietf:params:oauth:grant-type:jwt-bearer`, `refresh_token`" }, "How it may ask. With `refresh_token` each token of another grant comes with a refresh token; RFC 6749 section 4.4.3 advises against that for `client_credentials`, where the client can ask again.").or("client_credentials"),
    Key::new("token-life-seconds", Kind::seconds(30, 86_400), "Life of its tokens.").otherwise("that of the issuer"),
    Key::new(
        "dpop-bound-access-tokens",
        Kind::Flag,
        "Whether each of its token requests must come with a proof of possession (DPoP, RFC 9449), so that none of its tokens \
        can be used without its key. A request with a proof gets a bound token either way.",
    )
    .or("false"),
    Key::new(
        "tls-client-certificate-bound-access-tokens",
        Kind::Flag,
        "Whether its tokens are bound to the certificate of the connection that it asks over (`cnf`, RFC 8705 section 3), whatever its \
        way to prove who it is; over a connection without one it gets none. Services take such a token over connections that show the \
        very certificate alone, and a refresh token that comes with it counts over such ones too: a client that changes its \
        certificate asks anew. Needs `issuer.tls.client-auth`.",
    )
    .or("false"),
    Key::new(
        "profile",
        Kind::Choice(&["fapi2"]),
        "What it is held to beyond what every client is. `fapi2` (FAPI 2.0 Security Profile): it proves who it is by `private_key_jwt`, \
        `tls_client_auth` or `self_signed_tls_client_auth`; what it signs for that has the issuer identifier as its one `aud`, as a text; \
        its tokens are bound to a key or a certificate; and PS256, ES256 and EdDSA alone sign assertions, proofs and its tokens. What \
        contradicts that here is a problem at start. Pushed authorization requests, and all else with a browser, there are not.",
    )
    .otherwise("none"),
    Key::new(
        "refresh-token-life-seconds",
        Kind::seconds(60, 86_400),
        "How long all refresh tokens count that follow from one first token. After a token exchange never longer than the token that was exchanged. Needs `refresh_token` among its `grant-types`.",
    )
    .otherwise("a day"),
    Key::new(
        "exchange",
        Kind::Sections(exchange::KEYS),
        "Whose tokens it may exchange (RFC 8693), or whose assertions bring it tokens (RFC 7523), and which: what no entry allows \
        is refused. Needs the grant of the entry among its `grant-types`.",
    ),
    Key::new(
        "may-revoke",
        Kind::Texts { what: "names of `trusted-issuers`" },
        "Whose tokens it may take back at `/oauth2/revoke` beside its own: those of these trusted issuers, by their `name`, that are for \
        one of `audiences` of that entry, or of `subject-audiences` where `exchange` of the client is about it. For a gateway where users \
        log out: services refuse such a token that follow the deny-list here for that issuer (`revocations-url`).",
    )
    .or(""),
    Key::new(
        "certificate",
        Kind::Section(certificate_names::KEYS),
        "Certificates that it gets of the authority of the issuer (`issuer.ca`), at `/ca/v1/certificate`: the names in them. Without it, none.",
    ),
    Key::new(
        "enabled",
        Kind::Flag,
        "`false`: it gets no token, by a refresh token neither, as if there were no such client. `hallpass client disable` writes it for \
        a client of the store, and takes back what it has.",
    )
    .or("true"),
];

/// Its keys, and what people write who come from elsewhere.
pub(super) const CLIENT_KEYS: &[Key] = &with_spring();

const fn with_spring() -> [Key; OWN_KEYS.len() + spring::KEYS.len()] {
    let mut all = [Key::not_ours("", ""); OWN_KEYS.len() + spring::KEYS.len()];
    let (own, others) = all.split_at_mut(OWN_KEYS.len());
    own.copy_from_slice(OWN_KEYS);
    others.copy_from_slice(&spring::KEYS);
    all
}

/// A client that may ask for tokens.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `client-id`: unique in the list.
    pub client_id: ClientId,
    /// `token-endpoint-auth-method`, and what belongs to it.
    pub authentication: ClientAuthentication,
    /// `scopes`: what it may ask for; nothing by default.
    pub scope: Scope,
    /// `audiences`: which services it may call; none by default.
    pub audiences: Vec<Audience>,
    /// `calls`: further services, each with scopes of its own; none by default.
    pub calls: Vec<ClientCall>,
    /// `claims`: what its tokens for itself say beside the usual claims; nothing by default. A reserved name makes each of them fail.
    pub claims: Map<String, Value>,
    /// `grant-types`.
    pub grant_types: GrantTypes,
    /// `token-life-seconds`: by default that of the issuer.
    pub token_life: Option<Duration>,
    /// `dpop-bound-access-tokens`: whether it gets no token without a proof of possession.
    pub dpop_bound_access_tokens: bool,
    /// `tls-client-certificate-bound-access-tokens`: whether its tokens are bound to the certificate of its connection.
    pub tls_client_certificate_bound_access_tokens: bool,
    /// `profile`: what it is held to beyond what every client is; nothing by default.
    pub profile: Option<ClientProfile>,
    /// `refresh-token-life-seconds`: how long refresh tokens count that follow from one first token; by default a day.
    pub refresh_token_life: Option<Duration>,
    /// `exchange`: whose tokens it may exchange, and into which; none by default.
    pub exchange: Vec<ExchangeRule>,
    /// `may-revoke`: the names of trusted issuers whose tokens it may take back; none by default.
    pub may_revoke: Vec<String>,
    /// `certificate`: the names in certificates that it gets; none by default.
    pub certificate: Option<CertificateNames>,
    /// `enabled`: whether it gets tokens at all; `true` by default.
    pub enabled: bool,
    /// Where it is written: the file, the line and the column. Empty where a program has made it.
    pub written_at: String,
}

impl ClientSettings {
    /// A client that may have nothing yet, by `client_credentials`.
    #[must_use]
    pub fn new(client_id: ClientId, authentication: ClientAuthentication) -> Self {
        Self {
            client_id,
            authentication,
            scope: Scope::empty(),
            audiences: Vec::new(),
            calls: Vec::new(),
            claims: Map::new(),
            grant_types: [GrantType::ClientCredentials].into_iter().collect(),
            token_life: None,
            dpop_bound_access_tokens: false,
            tls_client_certificate_bound_access_tokens: false,
            profile: None,
            refresh_token_life: None,
            exchange: Vec::new(),
            may_revoke: Vec::new(),
            certificate: None,
            enabled: true,
            written_at: String::new(),
        }
    }

    /// `issuers` are those whose tokens it may exchange, when they can be read.
    pub(super) fn read(section: &Section<'_>, issuers: Issuers<'_>) -> Option<Self> {
        let client_id = section.required("client-id", |section, key| {
            section.checked(key, check_client_id)
        });
        let authentication = ClientAuthentication::read(section, issuers);
        let scopes = section.words("scopes", Scope::from_word);
        let scope = scopes.and_then(|scopes| all_scopes(section, "scopes", &scopes));
        let audiences = section.texts("audiences", check_service);
        let grant_types = section.texts("grant-types", check_grant_type);
        let token_life = section.seconds("token-life-seconds");
        let dpop_bound_access_tokens = section.flag("dpop-bound-access-tokens");
        let profile = match section.has("profile") {
            true => section.choice("profile", profile_named).map(Some),
            false => Some(None),
        };
        let certificate_bound = section.flag("tls-client-certificate-bound-access-tokens");
        let refresh_token_life = section.seconds(combinations::REFRESH_LIFE);
        combinations::check_refresh(section, grant_types.as_deref());
        let exchange = read_exchange(section, issuers, grant_types.as_deref());
        let may_revoke = section.texts("may-revoke", |name| issuers.check_named(name));
        let certificate = certificate_names::read(section);
        let enabled = section.flag("enabled");
        let calls = calls::read(section);
        let claims = claims::read(section);
        let client = Self {
            client_id: client_id?,
            authentication: authentication?,
            scope: scope?,
            audiences: audiences?,
            calls: calls?,
            claims: claims?,
            grant_types: grant_types?.into_iter().collect(),
            token_life,
            dpop_bound_access_tokens: dpop_bound_access_tokens?,
            tls_client_certificate_bound_access_tokens: certificate_bound?,
            profile: profile?,
            refresh_token_life,
            exchange: exchange?,
            may_revoke: may_revoke?,
            certificate: certificate?,
            enabled: enabled?,
            written_at: section.position(),
        };
        let asked = combinations::Asked {
            grants: client.grant_types,
            scope: &client.scope,
            audiences: &client.audiences,
            calls: &client.calls,
        };
        combinations::report(section, &asked);
        Some(client)
    }
}

fn profile_named(name: &str) -> Option<ClientProfile> {
    (name == "fapi2").then_some(ClientProfile::Fapi2)
}

fn check_grant_type(text: &str) -> Result<GrantType, String> {
    GrantType::named(text).ok_or_else(|| {
        let names = GrantType::ALL.map(|grant| format!("`{}`", grant.as_str()));
        format!("must be {}", names.join(" or "))
    })
}

/// The rules of `exchange`, which belong to their grants and the grants to them.
fn read_exchange(
    section: &Section<'_>,
    issuers: Issuers<'_>,
    grant_types: Option<&[GrantType]>,
) -> Option<Vec<ExchangeRule>> {
    let rules = section.sections("exchange");
    let rules: Vec<_> = rules
        .iter()
        .map(|rule| exchange::read(rule, issuers))
        .collect();
    let is_whole = rules.iter().all(Option::is_some);
    let read: Vec<_> = rules.into_iter().flatten().collect();
    for (grant, by_assertion) in [
        (GrantType::TokenExchange, false),
        (GrantType::JwtBearer, true),
    ] {
        let has_grant = grant_types.map(|grants| grants.contains(&grant));
        let has_rules = read.iter().any(|rule| rule.by_assertion == by_assertion);
        let name = grant.as_str();
        match (has_grant, has_rules) {
            (Some(false), true) => {
                let message = format!("is of no use without `{name}` in `grant-types`");
                section.problem("exchange", message);
            }
            (Some(true), false) if is_whole => {
                let message = format!("has `{name}`, but `exchange` has no entry for it");
                section.problem("grant-types", message);
            }
            _ => {}
        }
    }
    is_whole.then_some(read)
}
