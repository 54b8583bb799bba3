//! A store in one sealed file, and out of it again.

use aws_lc_rs::hmac::Tag;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use hallpass_token::Sealer;
use zeroize::Zeroizing;

use super::dump::Dump;
use crate::error::Error;

/// What the file begins with.
const HEAD: &str = "hallpass store backup 1";
/// The purpose that its key is derived for.
const LABEL: &str = "hallpass issuer backup v1";
/// What it is sealed as.
const NAME: &[u8] = b"backup";

/// The text of the file. It opens with the key that sealed the store.
///
/// # Errors
/// The error of the sealer.
pub(super) fn seal(dump: &Dump, secret: &Tag) -> Result<String, Error> {
    let salt = Sealer::generate_salt()?;
    let text = serde_json::to_vec(dump).map(Zeroizing::new);
    let text = text.map_err(|_| Error::Internal {
        operation: "writing a backup",
    })?;
    let sealed = sealer(secret, &salt)?.seal(&text, NAME)?;
    Ok(format!("{HEAD}\n{}\n{sealed}\n", BASE64.encode(salt)))
}

/// What the file holds.
///
/// # Errors
/// [`Error::Backup`].
pub(super) fn open(text: &str, secrets: &[Tag]) -> Result<Dump, Error> {
    let problem = |problem: &str| Error::Backup {
        problem: problem.to_owned(),
    };
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    if head != HEAD {
        let is_newer = head.starts_with(HEAD.trim_end_matches('1'));
        return Err(problem(match is_newer {
            true => "a newer version has made it: restore it with that one",
            false => "it is no backup of a store",
        }));
    }
    let salt = lines.next().and_then(|salt| BASE64.decode(salt).ok());
    let (Some(salt), Some(sealed)) = (salt, lines.next()) else {
        return Err(problem("it was cut short"));
    };
    if lines.next().is_some() {
        return Err(problem("it was changed: something stands after its end"));
    }
    for secret in secrets {
        if let Some(opened) = sealer(secret, &salt)?.open(sealed, NAME) {
            let dump = serde_json::from_slice(&opened);
            return dump
                .map_err(|_| problem("a newer version has made it: restore it with that one"));
        }
    }
    Err(problem(
        "it does not open: it was changed or cut short, or the key-encryption-key is not the one of the store that it was made of",
    ))
}

fn sealer(secret: &Tag, salt: &[u8]) -> Result<Sealer, Error> {
    let material = Zeroizing::new(BASE64.encode(secret.as_ref()));
    Ok(Sealer::derive(&material, salt, LABEL)?)
}
