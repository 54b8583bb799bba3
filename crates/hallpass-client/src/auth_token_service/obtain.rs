//! What a token request asks for. A flight, the tiers and the entries are the same for every kind of token.

use std::fmt;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use hallpass_config::Secret;
use hallpass_token::{AccessToken, Audience, Scope};
use hallpass_upstream::RevocationSource;

use super::moment::Moment;
use super::seals::Seals;
use crate::credential::Credential;
use crate::credential::cache_life::CacheLife;
use crate::credential::secret_source::SecretSource;
use crate::error::TokenError;
use crate::grant::response::{Granted, NotGranted};
use crate::grant::{Asking, TokenClient, Wanted};
use crate::internal_token_cache::TokenKey;
use crate::prover::Prover;

/// How tokens are obtained from an issuer, and for how long they are used: all that a flight has to know of a grant.
pub(crate) trait Obtain: fmt::Debug + Send + Sync + 'static {
    /// The grant's label in metrics.
    fn grant(&self) -> &'static str;

    /// How long a token is used at most, and when it is renewed.
    fn cache_life(&self) -> CacheLife;

    /// How tokens are sealed for the tiers.
    fn seals(&self) -> Seals;

    /// Whether its tokens are of no use to other processes, so that no tier gets them and none is looked for there.
    fn is_private(&self) -> bool {
        false
    }

    /// What the issuer has revoked, where that is followed.
    fn revocations(&self) -> Option<&RevocationSource> {
        None
    }

    /// Makes one request. It ends within a limit of its own: those who wait for it have no other.
    fn obtain<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<Granted, NotGranted>>;
}

/// A service's own tokens (`client_credentials`, RFC 6749 section 4.4).
#[derive(Debug)]
pub(crate) struct ClientCredentials {
    pub(crate) credential: Credential,
    secrets: Arc<SecretSource>,
    client: Arc<TokenClient>,
    /// Proves that its tokens are its own; `None` where they are bearer tokens.
    prover: Option<Arc<Prover>>,
    revocations: Option<RevocationSource>,
    /// It came while the service ran, in the place of another credential or of none, so the tiers may hold tokens that were asked for
    /// otherwise: those up to this moment are not taken. `None` where another secret tells them apart.
    pub(crate) trusts_tiers_from: Option<Moment>,
}

impl ClientCredentials {
    pub(crate) fn new(credential: Credential, client: Arc<TokenClient>) -> Self {
        Self {
            secrets: Arc::new(credential.secrets()),
            prover: Prover::of(&credential.binding).map(Arc::new),
            revocations: client.revocations(&credential),
            credential,
            client,
            trusts_tiers_from: None,
        }
    }

    /// Whether both ask as the same client of the same endpoint.
    pub(crate) fn is_client_of(&self, other: &Self) -> bool {
        let (one, other) = (&self.credential, &other.credential);
        one.client_id == other.client_id && one.endpoint == other.endpoint
    }

    /// In the place of `before`, which asked as the same client.
    pub(crate) fn following(mut self, before: &Self) -> Self {
        let secrets = self.credential.secrets().following(&before.secrets);
        self.secrets = Arc::new(secrets);
        if self.credential.binding == before.credential.binding {
            self.prover.clone_from(&before.prover);
        }
        self
    }

    /// A token of the service's own for `audience`.
    pub(crate) async fn own(
        &self,
        audience: &Audience,
        scope: &Scope,
    ) -> Result<Granted, NotGranted> {
        self.request(&Wanted {
            audience,
            scope,
            subject_token: None,
        })
        .await
    }

    /// A token for `audience` in exchange for `subject_token`, that of a caller (RFC 8693).
    pub(crate) async fn exchange(
        &self,
        subject_token: &AccessToken,
        audience: &Audience,
        scope: &Scope,
    ) -> Result<Granted, NotGranted> {
        self.request(&Wanted {
            audience,
            scope,
            subject_token: Some(subject_token),
        })
        .await
    }

    /// One request, and one more with another secret where the issuer refuses the first.
    async fn request(&self, wanted: &Wanted<'_>) -> Result<Granted, NotGranted> {
        let secret = self.secrets.current(self.client.now()).await;
        let secret = secret.map_err(TokenError::ClientAssertion)?;
        let first = self.ask(wanted, &secret).await;
        let is_refused = first
            .as_ref()
            .is_err_and(|failure| failure.error.refuses_the_client());
        if !is_refused {
            return first;
        }
        let Some(other) = self.secrets.after_refusal(&secret, self.client.now()).await else {
            return first;
        };
        let (client_id, audience) = (self.credential.client_id.as_str(), wanted.audience.as_str());
        tracing::warn!(
            client_id,
            audience,
            "the issuer refused the client secret, trying the other one once"
        );
        self.ask(wanted, &other).await
    }

    async fn ask(&self, wanted: &Wanted<'_>, secret: &Secret) -> Result<Granted, NotGranted> {
        let asking = Asking {
            credential: &self.credential,
            secret,
            prover: self.prover.as_ref(),
        };
        let granted = self.client.ask(&asking, wanted).await?;
        self.secrets.was_accepted(secret);
        Ok(granted)
    }

    pub(crate) const fn trusting_tiers_from(mut self, moment: Moment) -> Self {
        self.trusts_tiers_from = Some(moment);
        self
    }

    /// Whether what one has sealed the other would open.
    pub(crate) fn has_secret_of(&self, other: &Self) -> bool {
        match (
            &self.credential.cache_secret,
            &other.credential.cache_secret,
        ) {
            (None, None) => self.secrets.seals_like(&other.secrets),
            (Some(one), Some(other)) => one.expose() == other.expose(),
            _ => false,
        }
    }

    /// The same credential, whose tokens are used for another time.
    pub(crate) fn with_cache_life(&self, life: CacheLife) -> Self {
        Self {
            credential: self.credential.clone().with_cache_life(life),
            secrets: Arc::clone(&self.secrets),
            client: Arc::clone(&self.client),
            prover: self.prover.clone(),
            revocations: self.revocations.clone(),
            trusts_tiers_from: self.trusts_tiers_from,
        }
    }
}

impl Obtain for ClientCredentials {
    fn grant(&self) -> &'static str {
        "client_credentials"
    }

    fn cache_life(&self) -> CacheLife {
        self.credential.life
    }

    fn seals(&self) -> Seals {
        if let Some(secret) = &self.credential.cache_secret {
            return Seals::new(secret.clone(), Vec::new());
        }
        let (newest, older) = self.secrets.for_sealing();
        Seals::new(newest, older)
    }

    fn is_private(&self) -> bool {
        self.prover.is_some() || self.credential.is_alone()
    }

    fn revocations(&self) -> Option<&RevocationSource> {
        self.revocations.as_ref()
    }

    fn obtain<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<Granted, NotGranted>> {
        Box::pin(self.own(key.audience(), key.scope()))
    }
}

/// A second kind of token, for tests: stands for one that is exchanged for another.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    pub(crate) requests: std::sync::atomic::AtomicUsize,
    pub(crate) fails: std::sync::atomic::AtomicBool,
    /// The secrets before the present one.
    pub(crate) older: Vec<Secret>,
}

#[cfg(test)]
impl Obtain for Scripted {
    fn grant(&self) -> &'static str {
        crate::grant::TOKEN_EXCHANGE
    }

    fn cache_life(&self) -> CacheLife {
        CacheLife::DEFAULT
    }

    fn seals(&self) -> Seals {
        Seals::new(Secret::from("scripted"), self.older.clone())
    }

    fn obtain<'a>(&'a self, key: &'a TokenKey) -> BoxFuture<'a, Result<Granted, NotGranted>> {
        use std::sync::atomic::Ordering::Relaxed;
        use std::time::Duration;

        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let number = self.requests.fetch_add(1, Relaxed) + 1;
            if self.fails.load(Relaxed) {
                let failed = TokenError::Status { status: 503 };
                return Err(failed.into());
            }
            Ok(Granted {
                access_token: AccessToken::new(format!("{}-{number}", key.audience())),
                expires_in: Some(Duration::from_secs(600)),
                prover: None,
                certificate: None,
            })
        })
    }
}
