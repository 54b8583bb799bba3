//! What an operator does to the keys, before it is written.

use hallpass_token::{Algorithm, UnixTime};

use crate::error::Error;
use crate::keys::record::{KeyRecord, KeyState};
use crate::keys::room::check_room;
use crate::keys::rotation;

/// When a new key takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakeOver {
    /// After it was announced for `key_announce` of the settings.
    #[default]
    Announced,
    /// Then, but not before every verifier that is known by name has fetched it.
    WhenAdopted,
    /// At once: verifiers fetch the key set anew when they see the first token of it.
    Now,
}

/// What is done to the keys.
#[derive(Clone, Copy)]
pub(super) enum Edit<'a> {
    Rotate(Algorithm, TakeOver),
    Taint(&'a str),
}

impl Edit<'_> {
    /// Does it, and gives the key that signs, or will, because of it.
    pub(super) async fn apply(
        self,
        records: &mut Vec<KeyRecord>,
        in_use: &[Algorithm],
        now: UnixTime,
    ) -> Result<Option<String>, Error> {
        match self {
            Self::Rotate(algorithm, take_over) => {
                let kid = announced_or_new(records, algorithm, now).await?;
                put_in_place(records, (&kid, algorithm), take_over, now);
                Ok(Some(kid))
            }
            Self::Taint(kid) => {
                let Some(algorithm) = withdraw(records, kid, now)? else {
                    return Ok(None);
                };
                if !in_use.contains(&algorithm) {
                    return Ok(None);
                }
                let kid = announced_or_new(records, algorithm, now).await?;
                for key in records.iter_mut().filter(|key| key.kid == kid) {
                    key.enter(KeyState::Signing, now);
                }
                Ok(Some(kid))
            }
        }
    }
}

/// The key that is next for `algorithm`.
async fn announced_or_new(
    records: &mut Vec<KeyRecord>,
    algorithm: Algorithm,
    now: UnixTime,
) -> Result<String, Error> {
    let announced = rotation::first_announced(records, algorithm).map(|key| key.kid.clone());
    match announced {
        Some(kid) => Ok(kid),
        None => add_key(records, algorithm, now).await,
    }
}

fn put_in_place(
    records: &mut [KeyRecord],
    (kid, algorithm): (&str, Algorithm),
    take_over: TakeOver,
    now: UnixTime,
) {
    if take_over == TakeOver::Now {
        let before = |key: &&mut KeyRecord| key.signs(algorithm);
        if let Some(before) = records.iter_mut().find(before) {
            before.enter(KeyState::Retired, now);
        }
    }
    for key in records.iter_mut().filter(|key| key.kid == kid) {
        match take_over {
            TakeOver::Now => key.enter(KeyState::Signing, now),
            TakeOver::WhenAdopted => key.awaits_adoption = true,
            TakeOver::Announced => key.awaits_adoption = false,
        }
    }
}

/// Takes a key out of use; gives its algorithm when it signed.
fn withdraw(
    records: &mut [KeyRecord],
    kid: &str,
    now: UnixTime,
) -> Result<Option<Algorithm>, Error> {
    let names = || records.iter().map(|key| key.kid.clone()).collect();
    let unknown = Error::UnknownKey {
        kid: kid.to_owned(),
        known: names(),
    };
    let tainted = records.iter_mut().find(|key| key.kid == kid);
    let tainted = tainted.ok_or(unknown)?;
    let (signed, algorithm) = (tainted.state == KeyState::Signing, tainted.algorithm);
    if tainted.state != KeyState::Tainted {
        tainted.enter(KeyState::Tainted, now);
    }
    Ok(signed.then_some(algorithm))
}

/// Makes an announced key, when there is room for one.
async fn add_key(
    records: &mut Vec<KeyRecord>,
    algorithm: Algorithm,
    now: UnixTime,
) -> Result<String, Error> {
    let key = KeyRecord::generate(algorithm, KeyState::Announced, now).await?;
    check_room(records, std::slice::from_ref(&key))
        .map_err(|problem| Error::TooManyKeys { problem })?;
    let kid = key.kid.clone();
    records.push(key);
    Ok(kid)
}
