//! The secrets of a client: in clear, in files or as digests.

use hallpass_config::{Preferred, Secret, Section};
use hallpass_token::UnixTime;

use crate::clients::authentication::SecretPlace;
use crate::clients::moment;
use crate::clients::secret_digest::{SecretDigest, check_clear};

/// Shortest secret that may be called generated, in bytes.
const MIN_GENERATED_BYTES: usize = 32;

/// The secrets that a client proves itself with.
#[derive(Clone, Debug)]
pub struct ClientSecrets {
    /// `client-secret`, `client-secret-file` or `client-secret-digest`.
    pub current: ClientSecret,
    /// `previous-client-secret` (or `-file`, or `-digest`), and `previous-client-secret-until`.
    pub previous: Option<PreviousSecret>,
    /// `secret-kind`: whether secrets that are given in clear can be guessed; a digest says it itself.
    pub kind: SecretKind,
    /// `token-endpoint-auth-method`: the one place where a secret may stand; `None`: in the header or in the form.
    pub place: Option<SecretPlace>,
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

impl ClientSecrets {
    pub(super) fn read(section: &Section<'_>, place: Option<SecretPlace>) -> Option<Self> {
        let current = match section.has("client-secret-digest") {
            true => ClientSecret::read(section, "client-secret"),
            false => section.required("client-secret", ClientSecret::read),
        };
        let previous = PreviousSecret::read(section);
        let kind = section.choice("secret-kind", SecretKind::named);
        let old = previous.iter().flatten().map(|old| &old.secret);
        for secret in current.iter().chain(old) {
            report_weak_secret(section, secret, kind);
        }
        Some(Self {
            current: current?,
            previous: previous?,
            kind: kind?,
            place,
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
