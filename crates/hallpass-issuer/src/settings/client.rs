//! `issuer.clients`: who may ask for tokens.

use std::time::Duration;

use hallpass_config::{Key, Kind, Preferred, Secret, Section};
use hallpass_token::{Audience, ClientId, Issuer, Scope, UnixTime};

use crate::clients::exchange_rule::ExchangeRule;
use crate::clients::registration::{GrantType, GrantTypes, check_client_id};
use crate::clients::secret_digest::{SecretDigest, check_clear};
use crate::settings::names::all_scopes;
use crate::settings::{exchange, moment};

/// Shortest secret that may be called generated, in bytes.
const MIN_GENERATED_BYTES: usize = 32;

pub(super) const CLIENT_KEYS: &[Key] = &[
    Key::new("client-id", Kind::Text { what: "" }, "Unique in the list; the subject of its tokens. Printable ASCII (RFC 6749 appendix A.1). With a colon, a space, `%` or `+` in \
        it the client must form-encode it for HTTP Basic (RFC 6749 section 2.3.1), or send it in the form.").required(),
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
    Key::new("scopes", Kind::Texts { what: "scopes" }, "What it may ask for; by default nothing.").or(""),
    Key::new("audiences", Kind::Texts { what: "service names" }, "Which services it may call; by default none.")
        .or(""),
    Key::new("grant-types", Kind::Texts { what: "`client_credentials`, `urn:ietf:params:oauth:grant-type:token-exchange`" }, "How it may ask.").or("client_credentials"),
    Key::new("token-life-seconds", Kind::seconds(30, 86_400), "Life of its tokens.").otherwise("that of the issuer"),
    Key::new(
        "dpop-bound-access-tokens",
        Kind::Flag,
        "Whether each of its token requests must come with a proof of possession (DPoP, RFC 9449), so that none of its tokens \
        can be used without its key. A request with a proof gets a bound token either way.",
    )
    .or("false"),
    Key::new(
        "exchange",
        Kind::Sections(exchange::KEYS),
        "Whose tokens it may exchange (RFC 8693), and into which: what no entry allows is refused. Needs \
        `urn:ietf:params:oauth:grant-type:token-exchange` among its `grant-types`.",
    ),
];

/// A client that may ask for tokens.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `client-id`: unique in the list.
    pub client_id: ClientId,
    /// `client-secret`, `client-secret-file` or `client-secret-digest`.
    pub client_secret: ClientSecret,
    /// `previous-client-secret` (or `-file`, or `-digest`), and `previous-client-secret-until`.
    pub previous_secret: Option<PreviousSecret>,
    /// `secret-kind`: whether secrets that are given in clear can be guessed; a digest says it itself.
    pub secret_kind: SecretKind,
    /// `scopes`: what it may ask for; nothing by default.
    pub scope: Scope,
    /// `audiences`: which services it may call; none by default.
    pub audiences: Vec<Audience>,
    /// `grant-types`.
    pub grant_types: GrantTypes,
    /// `token-life-seconds`: by default that of the issuer.
    pub token_life: Option<Duration>,
    /// `dpop-bound-access-tokens`: whether it gets no token without a proof of possession.
    pub dpop_bound_access_tokens: bool,
    /// `exchange`: whose tokens it may exchange, and into which; none by default.
    pub exchange: Vec<ExchangeRule>,
}

/// What the settings know of a client's secret.
#[derive(Clone, Debug)]
pub enum ClientSecret {
    /// The secret itself.
    Clear(Secret),
    /// What a presented secret is compared with. One that a person chose is checked as those of the store are: by
    /// argon2id until it was right once, two checks at a time.
    Digest(SecretDigest),
}

/// A secret that is being replaced.
#[derive(Clone, Debug)]
pub struct PreviousSecret {
    /// The old secret; of the same kind as the new one.
    pub secret: ClientSecret,
    /// From when on it is refused.
    pub until: UnixTime,
}

/// Where a client's secret comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// `chosen`: by a person; it may be guessed, so failures are counted before it is compared.
    #[default]
    Chosen,
    /// `generated`: random, 128 bits at least; it is compared whatever others try.
    Generated,
}

impl ClientSettings {
    /// `issuer` is the issuer's own name, when that can be read.
    pub(super) fn read(section: &Section<'_>, issuer: Option<&Issuer>) -> Option<Self> {
        let client_id = section.required("client-id", |section, key| {
            section.checked(key, check_client_id)
        });
        let client_secret = match section.has("client-secret-digest") {
            true => ClientSecret::read(section, "client-secret"),
            false => section.required("client-secret", ClientSecret::read),
        };
        let previous_secret = PreviousSecret::read(section);
        let secret_kind = section.choice("secret-kind", SecretKind::named);
        let scopes = section.words("scopes", Scope::from_word);
        let scope = scopes.and_then(|scopes| all_scopes(section, "scopes", &scopes));
        let audiences = section.texts("audiences", str::parse::<Audience>);
        let grant_types = section.texts("grant-types", check_grant_type);
        let token_life = section.seconds("token-life-seconds");
        let dpop_bound_access_tokens = section.flag("dpop-bound-access-tokens");
        let exchange = read_exchange(section, issuer, grant_types.as_deref());
        let previous = previous_secret.iter().flatten().map(|old| &old.secret);
        for secret in client_secret.iter().chain(previous) {
            report_weak_secret(section, secret, secret_kind);
        }
        Some(Self {
            client_id: client_id?,
            client_secret: client_secret?,
            previous_secret: previous_secret?,
            secret_kind: secret_kind?,
            scope: scope?,
            audiences: audiences?,
            grant_types: grant_types?.into_iter().collect(),
            token_life,
            dpop_bound_access_tokens: dpop_bound_access_tokens?,
            exchange: exchange?,
        })
    }
}

impl From<Secret> for ClientSecret {
    fn from(secret: Secret) -> Self {
        Self::Clear(secret)
    }
}

impl ClientSecret {
    /// The value of `key`, of `key` with `-file` or of `key` with `-digest`: of those in one source one, else that of
    /// the uppermost.
    fn read(section: &Section<'_>, key: &str) -> Option<Self> {
        let (file_key, digest_key) = (format!("{key}-file"), format!("{key}-digest"));
        let in_clear = || in_clear(section, key).map(Self::Clear);
        let digest = || section.checked(&digest_key, str::parse).map(Self::Digest);
        let clear_key = match (section.has(key), section.has(&file_key)) {
            _ if !section.has(&digest_key) => return in_clear(),
            (false, false) => return digest(),
            (true, false) => key,
            (false, true) => &file_key,
            (true, true) => match section.prefer(key, &file_key)? {
                Preferred::First => key,
                Preferred::Second => &file_key,
            },
        };
        match section.prefer(clear_key, &digest_key)? {
            Preferred::First => in_clear(),
            Preferred::Second => digest(),
        }
    }
}

/// The secret in clear; a digest in its place would be taken for the secret.
fn in_clear(section: &Section<'_>, key: &str) -> Option<Secret> {
    let secret = section.secret(key)?;
    let Some(message) = check_clear(&secret) else {
        return Some(secret);
    };
    let file_key = format!("{key}-file");
    match section.prefer(key, &file_key) {
        Some(Preferred::Second) => section.problem(&file_key, message),
        _ => section.problem(key, message),
    }
    None
}

impl PreviousSecret {
    /// `None` when it cannot be used, `Some(None)` without one.
    fn read(section: &Section<'_>) -> Option<Option<Self>> {
        const UNTIL: &str = "previous-client-secret-until";
        let secret = ClientSecret::read(section, "previous-client-secret");
        let until = section.checked(UNTIL, moment::parse);
        match (secret, until, section.has(UNTIL)) {
            (Some(secret), Some(until), _) => Some(Some(Self { secret, until })),
            (Some(_), None, false) => {
                section.problem(UNTIL, "is required with a previous secret: it must end");
                None
            }
            (None, Some(_), _) => {
                section.problem(
                    UNTIL,
                    "is the end of no secret: give previous-client-secret too",
                );
                None
            }
            (Some(_), None, true) => None,
            (None, None, _) => Some(None),
        }
    }
}

/// One digest protects only a secret that cannot be guessed.
fn report_weak_secret(section: &Section<'_>, secret: &ClientSecret, kind: Option<SecretKind>) {
    if kind != Some(SecretKind::Generated) {
        return;
    }
    match secret {
        ClientSecret::Clear(secret) if secret.expose().len() < MIN_GENERATED_BYTES => {
            let message = format!(
                "is `generated`, but a secret has fewer than {MIN_GENERATED_BYTES} characters"
            );
            section.problem("secret-kind", message);
        }
        ClientSecret::Digest(digest) if digest.is_of_chosen() => {
            section.problem(
                "secret-kind",
                "is `generated`, but a digest is of a chosen secret",
            );
        }
        ClientSecret::Clear(_) | ClientSecret::Digest(_) => {}
    }
}

impl SecretKind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "chosen" => Some(Self::Chosen),
            "generated" => Some(Self::Generated),
            _ => None,
        }
    }
}

fn check_grant_type(text: &str) -> Result<GrantType, &'static str> {
    GrantType::named(text)
        .ok_or("must be `client_credentials` or `urn:ietf:params:oauth:grant-type:token-exchange`")
}

/// The rules of `exchange`, which belong to the grant and the grant to them.
fn read_exchange(
    section: &Section<'_>,
    issuer: Option<&Issuer>,
    grant_types: Option<&[GrantType]>,
) -> Option<Vec<ExchangeRule>> {
    let rules = section.sections("exchange");
    let has_grant = grant_types.map(|grants| grants.contains(&GrantType::TokenExchange));
    match (has_grant, rules.is_empty()) {
        (Some(false), false) => section.problem(
            "exchange",
            "is of no use without `urn:ietf:params:oauth:grant-type:token-exchange` in `grant-types`",
        ),
        (Some(true), true) => section.problem(
            "grant-types",
            "has token exchange, but `exchange` does not say what may be exchanged",
        ),
        _ => {}
    }
    let rules: Vec<_> = rules
        .iter()
        .map(|rule| exchange::read(rule, issuer))
        .collect();
    rules.into_iter().collect()
}
