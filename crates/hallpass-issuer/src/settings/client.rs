//! `issuer.clients`: who may ask for tokens.

use std::time::Duration;

use hallpass_config::{Key, Kind, Secret, Section};
use hallpass_token::{Audience, ClientId, Scope, UnixTime};

use crate::clients::registration::{GrantType, GrantTypes, check_client_id};
use crate::settings::moment;

/// Shortest secret that may be called generated, in bytes.
const MIN_GENERATED_BYTES: usize = 32;

pub(super) const CLIENT_KEYS: &[Key] = &[
    Key::new("client-id", Kind::Text { what: "" }, "Unique in the list; the subject of its tokens. Printable ASCII (RFC 6749 appendix A.1). With a colon, a space, `%` or `+` in \
        it the client must form-encode it for HTTP Basic (RFC 6749 section 2.3.1), or send it in the form.").required(),
    Key::new("client-secret", Kind::Secret, "What the client proves itself with.")
        .otherwise("required, here or in a file"),
    Key::new("client-secret-file", Kind::File, "The file that contains `client-secret`."),
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
        that `hallpass` generates counts as generated either way.",
    )
    .or("chosen"),
    Key::new("scopes", Kind::Texts { what: "scopes" }, "What it may ask for; by default nothing.").or(""),
    Key::new("audiences", Kind::Texts { what: "service names" }, "Which services it may call; by default none.")
        .or(""),
    Key::new("grant-types", Kind::Texts { what: "`client_credentials`" }, "How it may ask.").or("client_credentials"),
    Key::new("token-life-seconds", Kind::seconds(30, 86_400), "Life of its tokens.").otherwise("that of the issuer"),
];

/// A client that may ask for tokens.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// `client-id`: unique in the list.
    pub client_id: ClientId,
    /// `client-secret` or `client-secret-file`.
    pub client_secret: Secret,
    /// `previous-client-secret` or `previous-client-secret-file`, and `previous-client-secret-until`.
    pub previous_secret: Option<PreviousSecret>,
    /// `secret-kind`: whether the secret can be guessed.
    pub secret_kind: SecretKind,
    /// `scopes`: what it may ask for; nothing by default.
    pub scope: Scope,
    /// `audiences`: which services it may call; none by default.
    pub audiences: Vec<Audience>,
    /// `grant-types`.
    pub grant_types: GrantTypes,
    /// `token-life-seconds`: by default that of the issuer.
    pub token_life: Option<Duration>,
}

/// A secret that is being replaced.
#[derive(Clone, Debug)]
pub struct PreviousSecret {
    /// The old secret; of the same kind as the new one.
    pub secret: Secret,
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
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let client_id = section.required("client-id", |section, key| {
            section.checked(key, check_client_id)
        });
        let client_secret = section.required("client-secret", Section::secret);
        let previous_secret = PreviousSecret::read(section);
        let secret_kind = section.choice("secret-kind", SecretKind::named);
        let scopes = section.words("scopes", Scope::from_word);
        let scope = scopes.and_then(|scopes| all_of(section, &scopes));
        let audiences = section.texts("audiences", str::parse::<Audience>);
        let grant_types = section.texts("grant-types", check_grant_type);
        let token_life = section.seconds("token-life-seconds");
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
        })
    }
}

impl PreviousSecret {
    /// `None` when it cannot be used, `Some(None)` without one.
    fn read(section: &Section<'_>) -> Option<Option<Self>> {
        const UNTIL: &str = "previous-client-secret-until";
        let secret = section.secret("previous-client-secret");
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
fn report_weak_secret(section: &Section<'_>, secret: &Secret, kind: Option<SecretKind>) {
    let is_short = secret.expose().len() < MIN_GENERATED_BYTES;
    if is_short && kind == Some(SecretKind::Generated) {
        let message =
            format!("is `generated`, but a secret has fewer than {MIN_GENERATED_BYTES} characters");
        section.problem("secret-kind", message);
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
    GrantType::named(text).ok_or("must be `client_credentials`")
}

/// The scopes of a list as one; a problem when they are too long together.
fn all_of(section: &Section<'_>, scopes: &[Scope]) -> Option<Scope> {
    let all = Scope::from_words(scopes.iter().map(Scope::as_str));
    if let Err(error) = &all {
        section.problem("scopes", error.to_string());
    }
    all.ok()
}
