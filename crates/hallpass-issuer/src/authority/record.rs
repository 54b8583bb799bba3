//! An authority as it is stored.

use std::fmt;
use std::time::Duration;

use hallpass_token::UnixTime;
use rcgen::PublicKeyData as _;
use zeroize::Zeroizing;

use super::ca_key::CaKey;
use super::certificate::{self, BEGINS_BEFORE, Circumstances, Serial};
use crate::error::Error;

/// Bytes of the name of an authority.
const ID_BYTES: usize = 8;

/// One generation, with its private half in clear. No `Debug` on purpose.
pub(crate) struct AuthorityRecord {
    /// A random word; it stands in the name of its certificate.
    pub(crate) id: String,
    pub(crate) state: AuthorityState,
    /// `shop.example`.
    pub(crate) trust_domain: String,
    /// In DER, signed by itself.
    pub(crate) certificate: Vec<u8>,
    /// PKCS #8; `None` once it signs no more.
    pub(crate) private: Option<Zeroizing<Vec<u8>>>,
    pub(crate) created_at: UnixTime,
    /// When its certificate ends.
    pub(crate) not_after: UnixTime,
    /// When its state began.
    pub(crate) since: UnixTime,
}

/// The life of an authority: `Announced`, `Signing`, `Retired`, and then it is deleted. In every state peers trust it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthorityState {
    /// In the bundle, and will sign when every peer has that.
    Announced,
    /// Signs new certificates.
    Signing,
    /// Signed before: in the bundle until the last certificate of it has ended. Its private half is gone.
    Retired,
}

impl AuthorityRecord {
    /// A new one, whose certificate ends a `life` later than now.
    ///
    /// # Errors
    /// [`Error::Internal`] when the machine cannot make one.
    pub(crate) fn generate(
        state: AuthorityState,
        trust_domain: &str,
        now: UnixTime,
        life: Duration,
    ) -> Result<Self, Error> {
        let failed = Error::Internal {
            operation: "creating a certificate authority",
        };
        let not_after = now.saturating_add(life);
        let made = || {
            let id = random_id()?;
            let key = CaKey::generate()?;
            let it = Circumstances {
                not_before: now.saturating_sub(BEGINS_BEFORE),
                not_after,
                serial: Serial::draw()?,
            };
            let params = certificate::authority(&id, trust_domain, &it).ok()?;
            let certificate = params.self_signed(&key).ok()?;
            Some((id, certificate.der().to_vec(), key.to_pkcs8()))
        };
        let (id, certificate, private) = made().ok_or(failed)?;
        Ok(Self {
            id,
            state,
            trust_domain: trust_domain.to_owned(),
            certificate,
            private: Some(private),
            created_at: now,
            not_after,
            since: now,
        })
    }

    /// Puts it into a state that begins at `now`. Whoever reads the store later cannot sign with one that has ended.
    pub(crate) fn enter(&mut self, state: AuthorityState, now: UnixTime) {
        self.state = state;
        self.since = now;
        if state == AuthorityState::Retired {
            self.private = None;
        }
    }

    /// Its private key, which is the one of its certificate.
    ///
    /// # Errors
    /// What is wrong, naming it.
    pub(crate) fn key(&self) -> Result<CaKey, String> {
        let unusable = |why: &str| format!("certificate authority {:?}: {why}", self.id);
        let private = self.private.as_ref();
        let private = private.ok_or_else(|| unusable("its private half is missing"))?;
        let key = CaKey::from_pkcs8(private)
            .ok_or_else(|| unusable("its private half cannot be used"))?;
        let public = key.der_bytes();
        let mut parts = self.certificate.windows(public.len());
        match parts.any(|part| part == public) {
            true => Ok(key),
            false => Err(unusable(
                "its certificate is not the one of its private half",
            )),
        }
    }
}

fn random_id() -> Option<String> {
    let mut bytes = [0; ID_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl AuthorityState {
    /// In the order of a life.
    pub(crate) const ALL: [Self; 3] = [Self::Announced, Self::Signing, Self::Retired];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Its name in the store, in metrics and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Signing => "signing",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for AuthorityState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
