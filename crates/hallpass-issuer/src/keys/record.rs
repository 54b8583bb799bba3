//! A signing key as it is stored.

use std::fmt;

use hallpass_token::{Algorithm, Jwk, KeyId, SigningKey, UnixTime};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::Error;

/// A key with its private half in clear. No `Debug` on purpose.
pub(crate) struct KeyRecord {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) state: KeyState,
    pub(crate) origin: KeyOrigin,
    /// The public JWK as JSON.
    pub(crate) public_jwk: String,
    /// PKCS #8; `None` when only the public half is known.
    pub(crate) private: Option<Zeroizing<Vec<u8>>>,
    pub(crate) created_at: u64,
    /// When its state began, as an issuer noted it; `None` until one has seen the key in this state.
    pub(crate) since: Option<u64>,
    /// Announced, and does not sign before the known verifiers have fetched it.
    pub(crate) awaits_adoption: bool,
}

/// The life of a key: `Announced`, `Signing`, `Retired`, and then it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// Published, and will sign when verifiers know it.
    Announced,
    /// Signs new tokens of its algorithm, and is published.
    Signing,
    /// Signed before: published until the last token that it signed has ended, then deleted. Its private half is gone.
    Retired,
    /// Imported and published only, without an end: somebody else may sign with it.
    Published,
    /// Withdrawn in an emergency: not published, and its tokens count no more. Deleted when the last of them has ended.
    Tainted,
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyOrigin {
    Generated,
    Imported,
}

impl KeyRecord {
    /// A new key. RSA takes long enough to find its primes that it must not hold an async thread.
    ///
    /// # Errors
    /// [`Error::Internal`] when the machine cannot make one.
    pub(crate) async fn generate(
        algorithm: Algorithm,
        state: KeyState,
        now: UnixTime,
    ) -> Result<Self, Error> {
        let crypto = Error::Internal {
            operation: "creating a signing key",
        };
        let made = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await;
        let Ok(Ok(key)) = made else {
            return Err(crypto);
        };
        Self::of(&key, state, KeyOrigin::Generated, now)
    }

    /// A key to be kept: its private half as PKCS #8, its public half as JSON.
    ///
    /// # Errors
    /// [`Error::Internal`] when the private half cannot be written.
    pub(crate) fn of(
        key: &SigningKey,
        state: KeyState,
        origin: KeyOrigin,
        now: UnixTime,
    ) -> Result<Self, Error> {
        Ok(Self {
            kid: key.key_id().to_string(),
            algorithm: key.algorithm(),
            state,
            origin,
            public_jwk: key.public_jwk().to_json().to_string(),
            private: Some(key.to_pkcs8().map_err(|_| Error::Internal {
                operation: "writing a private key",
            })?),
            created_at: now.as_secs(),
            since: None,
            awaits_adoption: false,
        })
    }

    /// The public half to be published: it says of itself what the row says, and is the one of the private half, if that
    /// is known.
    ///
    /// # Errors
    /// What is wrong, naming the key.
    pub(crate) fn checked_public_half(&self) -> Result<String, String> {
        let wrong = |what: &str| Err::<String, _>(format!("key {:?}: {what}", self.kid));
        let json: Option<Value> = serde_json::from_str(&self.public_jwk).ok();
        let Some(public) = json.and_then(|json| Jwk::from_value(&json).ok()) else {
            return wrong("its public half cannot be used");
        };
        if public.key_id().map(KeyId::as_str) != Some(self.kid.as_str())
            || public.algorithm() != self.algorithm
        {
            return wrong("its public half has another name or algorithm");
        }
        if self.private.is_some() && self.signing_key()?.public_jwk() != public {
            return wrong(
                "its public half is not the one of its private half: nobody could verify its tokens",
            );
        }
        // Written anew: members that we do not know are not handed on.
        Ok(public.to_json().to_string())
    }

    /// Puts the key into a state that begins at `now`. Whoever reads the store later cannot sign with a key that has ended.
    pub(crate) fn enter(&mut self, state: KeyState, now: UnixTime) {
        self.state = state;
        self.since = Some(now.as_secs());
        self.awaits_adoption = false;
        if matches!(state, KeyState::Retired | KeyState::Tainted) {
            self.private = None;
        }
    }

    /// When its state began, as far as that is known.
    pub(crate) fn since(&self) -> Option<UnixTime> {
        self.since.map(UnixTime::from_secs)
    }

    /// Whether verifiers get its public half.
    pub(crate) fn is_published(&self) -> bool {
        self.state.is_published()
    }

    /// Whether new tokens of `algorithm` are signed with this key.
    pub(crate) fn signs(&self, algorithm: Algorithm) -> bool {
        self.state == KeyState::Signing && self.algorithm == algorithm
    }

    /// The key, ready to sign; the error says what is wrong with the record.
    pub(crate) fn signing_key(&self) -> Result<SigningKey, String> {
        let unusable = |why: &dyn fmt::Display| format!("signing key {:?}: {why}", self.kid);
        let private = self
            .private
            .as_ref()
            .ok_or_else(|| unusable(&"its private half is missing"))?;
        let kid: KeyId = self.kid.parse().map_err(|error| unusable(&error))?;
        let key =
            SigningKey::from_pkcs8(self.algorithm, private).map_err(|error| unusable(&error))?;
        Ok(key.with_key_id(kid))
    }
}

impl KeyState {
    const ALL: [Self; 5] = [
        Self::Announced,
        Self::Signing,
        Self::Retired,
        Self::Published,
        Self::Tainted,
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the key set has keys in this state.
    #[must_use]
    pub const fn is_published(self) -> bool {
        !matches!(self, Self::Tainted)
    }

    /// Its name in the store, in metrics and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Signing => "signing",
            Self::Retired => "retired",
            Self::Published => "published",
            Self::Tainted => "tainted",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl KeyOrigin {
    const ALL: [Self; 2] = [Self::Generated, Self::Imported];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.as_str() == name)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Imported => "imported",
        }
    }
}
