//! Taking a token back: the issuer is told, or the estate's list in Redis, and this gateway lets it in no more from the moment at which its caller asks.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hallpass_client::{AuthTokenService, Credential, RevokeError, TokenRevoker};
use hallpass_resource::Authorized;
use hallpass_token::{AccessToken, SecurityContext, UnixTime};
use hallpass_upstream::{BlacklistError, EndpointUrl, Network};
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use tokio::time::timeout;

use super::rescue::Trouble;
use crate::settings::logout::LogoutSettings;

/// Most tokens that are remembered as taken back, whatever the issuer's list says. The ones that end first are forgotten first.
const MOST_REMEMBERED: usize = 10_000;
/// How long the issuer, or the list, may take.
const LIMIT: Duration = Duration::from_secs(1);

/// `gateway.logout`.
#[derive(Clone, Debug)]
pub(crate) struct Logout {
    settings: LogoutSettings,
}

impl Logout {
    pub(crate) fn new(settings: &LogoutSettings) -> Self {
        Self {
            settings: settings.clone(),
        }
    }

    /// Whether a request asks for it.
    pub(crate) fn is_asked_by(&self, parts: &Parts) -> bool {
        parts.method == Method::POST && parts.uri.path() == self.settings.path
    }

    /// Tells all who are to be told that the token of this caller is not to count any more.
    ///
    /// # Errors
    /// [`NotTold`]: the token may count elsewhere.
    async fn tell(
        &self,
        context: &SecurityContext,
        listed: Option<String>,
        issuer: Issuer<'_>,
    ) -> Result<(), NotTold> {
        let to = self.settings.report_to;
        let told = async {
            match to.has_issuer() {
                true => self.tell_issuer(context.token(), issuer).await,
                false => Ok(()),
            }
        };
        let written = async {
            match to.has_redis() {
                true => list(context, listed, issuer.network).await,
                false => Ok(()),
            }
        };
        // Both, whatever becomes of the other.
        let (told, written) = tokio::join!(told, written);
        told.and(written)
    }

    async fn tell_issuer(&self, token: &AccessToken, issuer: Issuer<'_>) -> Result<(), NotTold> {
        let name = self.settings.credential.as_deref();
        let credential = issuer
            .tokens
            .credential(name)
            .ok_or(NotTold::NoCredential)?;
        let endpoint = match &self.settings.revoke_url {
            Some(url) => url.clone(),
            None => beside(&credential).ok_or(NotTold::NoEndpoint)?,
        };
        let revoker = TokenRevoker::new(credential.at(endpoint), issuer.network, LIMIT);
        Ok(revoker.revoke(token.expose()).await?)
    }
}

/// How the issuer is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Issuer<'a> {
    pub(crate) tokens: &'a AuthTokenService,
    pub(crate) network: &'a Network,
}

/// Writes the token into the list of the estate, until nobody takes it any more.
async fn list(
    context: &SecurityContext,
    name: Option<String>,
    network: &Network,
) -> Result<(), NotTold> {
    let name = name.ok_or(NotTold::NoList)?;
    let store = network.blacklist().ok_or(NotTold::NoList)?;
    let end = context.claims().expires_at.saturating_add(LEEWAY);
    let rest = end.duration_since(UnixTime::from(network.clock.now()));
    let written = timeout(LIMIT, store.list(&name, rest)).await;
    written
        .map_err(|_| NotTold::ListTimeout)?
        .map_err(NotTold::List)
}

/// `revoke` beside `token`.
fn beside(credential: &Credential) -> Option<EndpointUrl> {
    let url = credential.endpoint().to_string();
    let before = url.strip_suffix("/token")?;
    format!("{before}/revoke").parse().ok()
}

/// Why nobody else knows that a token was taken back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTold {
    /// There is no client to tell it.
    #[error("there is no credential in `internal-token` for it")]
    NoCredential,
    /// It is not known where.
    #[error("there is no `logout.revoke-url`, and the token endpoint does not end with `/token`")]
    NoEndpoint,
    /// It has not taken it.
    #[error(transparent)]
    Revoke(#[from] RevokeError),
    /// Nobody looks for it.
    #[error(
        "there is no section `redis`, or `security.internal-jwt.blacklist` does not look for tokens of this issuer"
    )]
    NoList,
    /// The list has not taken it.
    #[error(transparent)]
    List(BlacklistError),
    /// The list does not say whether it has.
    #[error("it was not written in time")]
    ListTimeout,
}

/// Tokens that their callers have taken back here, until they end.
pub(crate) struct LoggedOut {
    /// How many there are: most gateways know none, and look no further.
    count: AtomicUsize,
    /// By hashes of tokens that nobody can aim. Locked for a few instructions.
    known: Mutex<HashMap<[u64; 2], TakenBack>>,
    hashers: [RandomState; 2],
}

/// What is known of a token that was taken back.
#[derive(Clone, Copy, Debug)]
struct TakenBack {
    end: UnixTime,
    /// Whether the issuer, and the list of the estate, have heard it.
    is_told: bool,
}

impl Default for LoggedOut {
    fn default() -> Self {
        Self {
            count: AtomicUsize::new(0),
            known: Mutex::default(),
            hashers: [RandomState::new(), RandomState::new()],
        }
    }
}

impl LoggedOut {
    /// What becomes of a request whose caller may pass, as far as its token was taken back, or is to be: an answer, or nothing.
    ///
    /// # Errors
    /// [`Trouble::LoggedOut`], [`Trouble::NotLoggedOut`].
    pub(crate) async fn answer(
        &self,
        logout: Option<&Logout>,
        parts: &Parts,
        authorized: &Authorized,
        issuer: Issuer<'_>,
    ) -> Result<Option<Response<Full<Bytes>>>, Trouble> {
        let Some(context) = authorized.context() else {
            return Ok(None);
        };
        let Some(logout) = logout.filter(|it| it.is_asked_by(parts)) else {
            return match self.holds(context.token()) {
                true => Err(Trouble::LoggedOut),
                false => Ok(None),
            };
        };
        // First: whatever becomes of the others, this gateway lets it in no more, and ends what goes on with it.
        authorized.withdraw();
        let is_told = self.note(context, UnixTime::from(issuer.network.clock.now()));
        // Once a token: an issuer hears so much a second of this gateway, and who asks again and again must not take that from others.
        if !is_told {
            let told = Box::pin(logout.tell(context, authorized.blacklist_name(), issuer)).await;
            if let Err(error) = told {
                tracing::warn!(%error, "a token was taken back here, and others could not be told");
                return Err(Trouble::NotLoggedOut);
            }
            self.told(context.token());
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(CACHE_CONTROL, no_store);
        Ok(Some(response))
    }

    /// From now on the token of this caller is let in no more. Whether others have heard that already.
    fn note(&self, context: &SecurityContext, now: UnixTime) -> bool {
        let key = self.key(context.token());
        let mut known = self.known();
        known.retain(|_, it| it.end > now);
        let is_told = known.get(&key).is_some_and(|it| it.is_told);
        if known.len() >= MOST_REMEMBERED && !known.contains_key(&key) {
            let first = known.iter().min_by_key(|(_, it)| it.end);
            if let Some(first) = first.map(|(key, _)| *key) {
                known.remove(&first);
            }
        }
        // What clocks may differ by: the verifier takes a token for so much longer.
        let end = context.claims().expires_at.saturating_add(LEEWAY);
        known.insert(key, TakenBack { end, is_told });
        self.count.store(known.len(), Ordering::Relaxed);
        is_told
    }

    /// Others have heard it.
    fn told(&self, token: &AccessToken) {
        let key = self.key(token);
        if let Some(it) = self.known().get_mut(&key) {
            it.is_told = true;
        }
    }

    /// Whether it was taken back here.
    fn holds(&self, token: &AccessToken) -> bool {
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        // Before the lock, which every request takes while one token is remembered.
        let key = self.key(token);
        self.known().contains_key(&key)
    }

    fn key(&self, token: &AccessToken) -> [u64; 2] {
        let [one, other] = &self.hashers;
        [one, other].map(|it| it.hash_one(named_by(token.expose())))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u64; 2], TakenBack>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of a token names it: of a JWS all but its signature. Whoever has one that ECDSA has signed can write another signature that is as good
/// (`n - s` in place of `s`), and would have another token by that.
fn named_by(token: &str) -> &str {
    // The base64 of a brace and what follows it. Of other tokens nothing is known.
    let is_jws = token.starts_with("ey") && token.matches('.').count() == 2;
    match token.rsplit_once('.') {
        Some((signed, _signature)) if is_jws => signed,
        _ => token,
    }
}

/// The longest `leeway-seconds`.
const LEEWAY: Duration = Duration::from_secs(300);

impl fmt::Debug for LoggedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedOut")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::{TokenClaims, VerifiedClaims};

    use super::*;

    fn context(token: &str, end: u64) -> SecurityContext {
        let (issuer, audience) = ("login".parse().unwrap(), "shop".parse().unwrap());
        let claims = TokenClaims::new(
            issuer,
            "alice".parse().unwrap(),
            audience,
            UnixTime::from_secs(end),
        );
        let claims = VerifiedClaims::dangerous_unverified(claims);
        SecurityContext::new(claims, AccessToken::new(token))
    }

    #[test]
    fn a_token_that_was_taken_back_stays_so_until_its_end_and_no_other_is() {
        let gone = LoggedOut::default();
        let now = UnixTime::from_secs(1_000);
        assert!(!gone.holds(&AccessToken::new("a")));
        gone.note(&context("a", 2_000), now);
        assert!(gone.holds(&AccessToken::new("a")));
        assert!(!gone.holds(&AccessToken::new("b")));
        gone.note(&context("b", 9_000), UnixTime::from_secs(2_299));
        assert!(gone.holds(&AccessToken::new("a")), "within the leeway");
        gone.note(&context("b", 9_000), UnixTime::from_secs(2_301));
        assert!(!gone.holds(&AccessToken::new("a")));
    }

    #[test]
    fn another_signature_makes_no_other_token_of_it() {
        let gone = LoggedOut::default();
        let now = UnixTime::from_secs(1_000);
        for (taken_back, other, is_gone) in [
            ("eyJh.eyJz.AAAA", "eyJh.eyJz.BBBB", true),
            ("eyJh.eyJ0.AAAA", "eyJh.eyJ1.AAAA", false),
            // Of what these mean only their issuer knows.
            ("v4.public.AAAA", "v4.public.BBBB", false),
            ("opaque.a", "opaque.b", false),
        ] {
            gone.note(&context(taken_back, 2_000), now);
            assert!(gone.holds(&AccessToken::new(taken_back)));
            assert_eq!(gone.holds(&AccessToken::new(other)), is_gone, "{other}");
        }
    }

    #[test]
    fn no_number_of_logouts_takes_more_memory() {
        let gone = LoggedOut::default();
        let now = UnixTime::from_secs(1);
        for number in 0..10_100_u64 {
            gone.note(&context(&number.to_string(), 1_000 + number), now);
        }
        assert_eq!(gone.count.load(Ordering::Relaxed), MOST_REMEMBERED);
        assert!(!gone.holds(&AccessToken::new("0")), "the first to end");
        assert!(gone.holds(&AccessToken::new("10099")));
    }
}
