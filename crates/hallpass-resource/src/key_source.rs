//! Where an issuer's public keys come from, and how long they are believed.
//!
//! Requests read an immutable snapshot without a lock. A request that finds it old starts a fetch in a task of its own, one
//! at a time; a caller that goes away does not cancel the fetch of the others.
//!
//! | the snapshot is | a request |
//! |---|---|
//! | fresh | uses it |
//! | near its end (the last quarter of its age, with jitter) | uses it and starts a fetch in the background |
//! | past its end | waits for the fetch, at most 500 ms, then goes on with the last good keys |
//! | past its end by [`KeyLimits::last_good_for`], or not there yet | waits for the fetch; without result: unavailable |
//! | lacking the token's `kid` | waits for one fetch, if the budget for such allows it; unavailable when that fetch fails |
//! | not fitting the signature of a token | waits for one fetch, if the budget for such allows it: a key may have been replaced under its name |
//!
//! Nothing is fetched while no request comes, so an idle service bothers no issuer.

mod budget;
mod described;
mod fetch;
mod flight;
mod freshness;
mod here;
mod limits;
mod metrics;
mod shared;
mod snapshot;
mod unknown_kids;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hallpass_clock::Clock;
use hallpass_token::{
    Algorithm, Issuer, JwkSet, KeyId, Thumbprint, UnixTime, UnverifiedToken, VerifiedClaims,
    VerifyError, VerifyPolicy,
};
use hallpass_upstream::{EndpointUrl, EndpointUrlError, Network, Reminders};
use tokio::runtime::Handle;
use tokio::time::timeout;

use self::described::Described;
use self::fetch::HttpKeys;
use self::flight::{FetchReason, FetchStart, Flight};
use self::freshness::Freshness;
pub use self::limits::KeyLimits;
use self::limits::MIN_COOLDOWN;
use self::metrics::IssuerKeyMetrics;
pub use self::metrics::KeyMetrics;
use self::shared::{Origin, Shared};
pub use self::snapshot::KeySnapshot;
use crate::error::{Denial, KeysError};

/// An issuer's public keys, kept up to date. Cheap to clone; clones share the keys.
#[derive(Clone)]
pub struct KeySource {
    shared: Arc<Shared>,
}

impl KeySource {
    /// Keys at a URL. Nothing is fetched before the first request (or [`KeySource::load`]), so services start in any
    /// order.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use hallpass_resource::{KeyLimits, KeySource, TrustedIssuer};
    /// use hallpass_upstream::{Network, StaticDiscovery};
    ///
    /// let network = Network::system(Arc::new(StaticDiscovery::new()))?;
    /// let url = "https://auth.example/oauth2/jwks".parse()?;
    /// let keys = KeySource::http(url, &network, KeyLimits::default());
    /// let issuer = TrustedIssuer::new("internal".parse()?, "order-service".parse()?, keys);
    /// # let _ = issuer;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn http(url: EndpointUrl, network: &Network, limits: KeyLimits) -> Self {
        let keys = HttpKeys::new(url, network);
        Self::new(
            Origin::Http(Box::new(keys)),
            Arc::clone(&network.clock),
            limits,
        )
    }

    /// Keys where `issuer` says in its document `.well-known/openid-configuration` that they are (OpenID Discovery 1.0). Each
    /// fetch reads the document first. It must be of this very issuer, and name an `https` URL (`http` when the issuer is
    /// on this machine, and its keys are).
    ///
    /// # Errors
    /// The name of the issuer is no address that keys may be trusted from: neither `https` nor `http` to loopback.
    pub fn discovered(
        issuer: &Issuer,
        network: &Network,
        limits: KeyLimits,
    ) -> Result<Self, EndpointUrlError> {
        let keys = HttpKeys::described(Described::new(issuer)?, network);
        Ok(Self::new(
            Origin::Http(Box::new(keys)),
            Arc::clone(&network.clock),
            limits,
        ))
    }

    /// Keys in a file with a JWK set, read anew at most once in [`KeyLimits::cooldown`]. A file that cannot be used
    /// leaves the last good keys in place.
    #[must_use]
    pub fn file(path: PathBuf, clock: Arc<dyn Clock>, limits: KeyLimits) -> Self {
        let age = limits.cooldown;
        let limits = KeyLimits {
            default_age: age,
            min_age: age,
            max_age: age,
            ..limits
        };
        Self::new(Origin::File(path), clock, limits)
    }

    /// Keys that never change.
    #[must_use]
    pub fn fixed(keys: JwkSet, clock: Arc<dyn Clock>) -> Self {
        let source = Self::new(Origin::Fixed, clock, KeyLimits::default());
        let snapshot = KeySnapshot {
            keys: Arc::new(keys),
            etag: None,
            freshness: Freshness::FOREVER,
            epoch: 0,
        };
        source.shared.current.store(Some(Arc::new(snapshot)));
        source
    }

    fn new(origin: Origin, clock: Arc<dyn Clock>, limits: KeyLimits) -> Self {
        let limits = KeyLimits {
            cooldown: limits.cooldown.max(MIN_COOLDOWN),
            ..limits
        };
        let (current, metrics) = (ArcSwapOption::empty(), OnceLock::new());
        Self {
            shared: Arc::new(Shared {
                origin,
                limits,
                clock,
                current,
                flight: Mutex::new(Flight::new(limits.cooldown)),
                metrics,
                said: Reminders::default(),
            }),
        }
    }

    /// Begins with the keys that `other`, a source of the same place, has at this moment.
    pub(crate) fn take_keys_of(&self, other: &Self) {
        self.shared.current.store(other.shared.current.load_full());
    }

    /// Tells an issuer of ours who asks, so that an operator sees which verifiers have a new key before it signs. The first
    /// call counts; a text that cannot stand in a header is not sent, and a file is not told anything.
    pub fn introduce_as(&self, name: &str) {
        if let (Origin::Http(keys), Ok(name)) = (&self.shared.origin, name.parse()) {
            keys.introduce_as(name);
        }
    }

    /// Sends what stands in this file as a bearer token with each request for the keys, read anew each time: some issuers give
    /// their keys to those alone who prove who they are, as a Kubernetes API server does. Keys that the issuer's document says to
    /// be at another host, port or scheme are asked for without it. The first call counts, and a file of keys
    /// is not asked for any.
    pub fn authorize_by(&self, file: PathBuf) {
        if let Origin::Http(keys) = &self.shared.origin {
            keys.authorize_by(file);
        }
    }

    /// Counts from now on what this source does, under the label `issuer`. The first call counts; later ones do nothing.
    pub fn count_in(&self, metrics: &KeyMetrics, issuer: &str) {
        self.attach(metrics.of_issuer(issuer));
    }

    /// Counts from now on what this source does. The first call counts; later ones do nothing.
    pub(crate) fn attach(&self, metrics: IssuerKeyMetrics) {
        // A source that two servers share is counted by the first.
        let _ = self.shared.metrics.set(metrics);
    }

    /// Fetches the keys now unless they are fresh: for a readiness check, or to spare the first request the wait.
    ///
    /// # Errors
    /// As [`KeySource::keys_for`].
    pub async fn load(&self) -> Result<Arc<KeySnapshot>, KeysError> {
        self.keys_for(None).await
    }

    /// The keys to judge a token with this `kid` by. The `kid` may still be missing in them: then a fetch succeeded
    /// without bringing it, or too many such fetches were made of late.
    ///
    /// # Errors
    /// Why there are no keys that may be used, or why the fetch failed that could have brought this `kid`.
    pub async fn keys_for(&self, kid: Option<&KeyId>) -> Result<Arc<KeySnapshot>, KeysError> {
        let snapshot = self.usable(kid).await?;
        match kid {
            Some(kid) if self.shared.origin.changes() && !snapshot.keys.contains(kid) => {
                self.look_for(kid).await?;
                Ok(self.shared.current.load_full().unwrap_or(snapshot))
            }
            _ => Ok(snapshot),
        }
    }

    /// Verifies a token by the keys that are here, and once more by newer ones when the issuer may have replaced a key without
    /// giving it another name. `now` is asked once the keys are there. Gives the keys that fitted, too.
    ///
    /// **Not checked**: what [`verify`](hallpass_token::verify) does not check.
    ///
    /// # Errors
    /// [`Denial::Token`], or [`Denial::Unavailable`] when the token cannot be judged.
    pub async fn verify(
        &self,
        token: &UnverifiedToken<'_>,
        policy: &VerifyPolicy,
        now: impl Fn() -> UnixTime,
    ) -> Result<(VerifiedClaims, Arc<KeySnapshot>), Denial> {
        let snapshot = self.keys_for(token.key_id()).await;
        let snapshot = snapshot.map_err(Denial::Unavailable)?;
        let error = match token.verify(snapshot.keys(), policy, now()) {
            Ok(claims) => return Ok((claims, snapshot)),
            Err(error) => error,
        };
        let may_be_replaced = match error {
            VerifyError::Signature | VerifyError::AlgorithmMismatch => true,
            VerifyError::UnknownKey => token.key_id().is_none(),
            _ => false,
        };
        if !may_be_replaced {
            return Err(error.into());
        }
        let newer = self.newer_than(&snapshot).await.ok_or(error)?;
        let claims = token.verify(newer.keys(), policy, now())?;
        Ok((claims, newer))
    }

    /// Whether the issuer still publishes the key with this thumbprint (RFC 7638), for this algorithm: for who has verified
    /// something with it before and rests on that. `kid` is what the key was called then. Keys that are not here are looked for
    /// as [`verify`](Self::verify) does.
    ///
    /// # Errors
    /// As [`KeySource::keys_for`].
    pub async fn still_has(
        &self,
        kid: Option<&KeyId>,
        thumbprint: Thumbprint,
        algorithm: Algorithm,
    ) -> Result<bool, KeysError> {
        let has = |snapshot: &KeySnapshot| {
            let mut keys = snapshot.keys.keys().iter();
            keys.any(|key| key.is_for(algorithm) && key.thumbprint() == thumbprint)
        };
        let snapshot = self.keys_for(kid).await?;
        if has(&snapshot) {
            return Ok(true);
        }
        let newer = self.newer_than(&snapshot).await;
        Ok(newer.is_some_and(|newer| has(&newer)))
    }

    /// A snapshot that may be used, as the table of this module says.
    async fn usable(&self, kid: Option<&KeyId>) -> Result<Arc<KeySnapshot>, KeysError> {
        let now = self.shared.clock.monotonic();
        let Some(snapshot) = self
            .shared
            .current
            .load_full()
            .filter(|it| now < it.freshness.last_use)
        else {
            self.begin(FetchReason::Needed { kid }).wait().await?;
            let now = self.shared.clock.monotonic();
            let loaded = self
                .shared
                .current
                .load_full()
                .filter(|it| now < it.freshness.last_use);
            return loaded.ok_or(KeysError::Cancelled);
        };
        if now < snapshot.freshness.renew_at {
            return Ok(snapshot);
        }
        if let FetchStart::Wait(fetch) = self.begin(FetchReason::Renewal)
            && now >= snapshot.freshness.fresh_until
        {
            // A failure was logged by the fetch; the last good keys go on.
            let _ = timeout(fetch.patience, fetch.outcome()).await;
            return Ok(self.shared.current.load_full().unwrap_or(snapshot));
        }
        Ok(snapshot)
    }

    /// Other keys than those of `snapshot`, by one fetch if one may be made now: for a token whose signature these do
    /// not fit. None when there are no others.
    async fn newer_than(&self, snapshot: &KeySnapshot) -> Option<Arc<KeySnapshot>> {
        let newer = || {
            let current = self.shared.current.load_full();
            current.filter(|it| it.keys != snapshot.keys)
        };
        if !self.shared.origin.changes() {
            return None;
        }
        // Somebody else may have fetched since.
        if let Some(newer) = newer() {
            return Some(newer);
        }
        match self.begin(FetchReason::BadSignature) {
            FetchStart::TooEarly(_) => self.shared.count(IssuerKeyMetrics::suppressed),
            // A failure was logged by the fetch; the token is judged by the keys that are here.
            FetchStart::Wait(fetch) => drop(fetch.outcome().await),
        }
        newer()
    }

    /// One fetch for a `kid` that is not in the set, if one may be made now.
    ///
    /// It is an error that it failed, or that the last one failed just now: then nobody knows whether the issuer has
    /// such a key. A `kid` that a fetch did not bring, or for which none may be made, is no error.
    async fn look_for(&self, kid: &KeyId) -> Result<(), KeysError> {
        self.shared.count(IssuerKeyMetrics::unknown_kid);
        let is_known = || {
            let current = self.shared.current.load();
            current.as_ref().is_some_and(|it| it.keys.contains(kid))
        };
        // A fetch that was already under way may have asked before the key was there: after such a one, a second try.
        for _ in 0..2 {
            match self.begin(FetchReason::UnknownKid { kid }) {
                FetchStart::TooEarly(failed) => {
                    self.shared.count(IssuerKeyMetrics::suppressed);
                    return failed.map_or(Ok(()), Err);
                }
                FetchStart::Wait(fetch) => {
                    let joined = fetch.joined;
                    let outcome = fetch.outcome().await;
                    if is_known() || !joined {
                        return if is_known() { Ok(()) } else { outcome };
                    }
                }
            }
        }
        Ok(())
    }

    /// Joins the fetch under way, or starts one if it is time.
    fn begin(&self, start: FetchReason<'_>) -> FetchStart {
        // Outside tokio there is nothing to run a fetch on; spawning would panic.
        let Ok(runtime) = Handle::try_current() else {
            return FetchStart::TooEarly(Some(KeysError::TooEarly {
                last: KeysError::Cancelled.to_string(),
                retry_in: Duration::ZERO,
            }));
        };
        let now = self.shared.clock.monotonic();
        let mut flight = self
            .shared
            .flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (begin, result) = flight.begin(start, now);
        drop(flight);
        if let Some(result) = result {
            let (shared, kid) = (Arc::clone(&self.shared), start.kid().cloned());
            runtime.spawn(async move {
                let outcome = shared.fetch_and_swap().await;
                shared.finish(&outcome, kid.as_ref());
                // Nobody may be waiting; that is fine.
                let _ = result.send(Some(outcome));
            });
        }
        begin
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.origin.fmt(f)
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySource")
            .field("origin", &self.to_string())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::UNIX_EPOCH;

    use hallpass_clock::ManualClock;
    use hallpass_upstream::{HttpTransport, StaticDiscovery};

    use super::*;

    const RENEW_AT: Duration = Duration::from_secs(10);
    const FRESH_UNTIL: Duration = Duration::from_secs(20);
    const LAST_USE: Duration = Duration::from_secs(30);
    const A_MOMENT: Duration = Duration::from_nanos(1);

    /// A source that has keys at this moment, and whose issuer is down.
    fn source(now: Duration) -> KeySource {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let url = format!("http://{}/jwks", port.unwrap()).parse().unwrap();
        let discovery = Arc::new(StaticDiscovery::new());
        let network = Network::new(HttpTransport::new().unwrap(), discovery, clock.clone());
        let source = KeySource::http(url, &network, KeyLimits::default());
        let begun = clock.monotonic();
        let snapshot = KeySnapshot {
            keys: Arc::new(JwkSet::new([])),
            etag: None,
            freshness: Freshness {
                renew_at: begun + RENEW_AT,
                fresh_until: begun + FRESH_UNTIL,
                last_use: begun + LAST_USE,
            },
            epoch: 0,
        };
        source.shared.current.store(Some(Arc::new(snapshot)));
        clock.advance(now);
        source
    }

    /// Whether a fetch is under way or has just failed.
    fn has_fetched(source: &KeySource) -> bool {
        let mut flight = source.shared.flight.lock().unwrap();
        match flight.begin(FetchReason::Renewal, source.shared.clock.monotonic()) {
            (FetchStart::Wait(fetch), _) => fetch.joined,
            (FetchStart::TooEarly(error), _) => error.is_some(),
        }
    }

    /// Whether a fetch has come to its end.
    fn has_failed(source: &KeySource) -> bool {
        let mut flight = source.shared.flight.lock().unwrap();
        let begin = flight.begin(FetchReason::Renewal, source.shared.clock.monotonic());
        matches!(begin.0, FetchStart::TooEarly(Some(_)))
    }

    #[test]
    fn keys_are_fresh_until_just_before_their_renewal() {
        assert!(source(RENEW_AT - A_MOMENT).fresh().is_some());
        assert!(source(RENEW_AT).fresh().is_none());
    }

    #[tokio::test]
    async fn a_renewal_starts_at_its_moment_and_not_before() {
        for (now, starts) in [(RENEW_AT - A_MOMENT, false), (RENEW_AT, true)] {
            let source = source(now);
            assert!(source.keys_for(None).await.is_ok());
            assert_eq!(has_fetched(&source), starts, "at {now:?}");
        }
    }

    #[tokio::test]
    async fn a_request_waits_for_the_renewal_from_the_end_of_the_age_on() {
        for (now, waits) in [(FRESH_UNTIL - A_MOMENT, false), (FRESH_UNTIL, true)] {
            let source = source(now);
            assert!(source.keys_for(None).await.is_ok());
            assert_eq!(has_failed(&source), waits, "at {now:?}");
        }
    }

    #[tokio::test]
    async fn the_last_good_keys_are_used_until_just_before_their_last_moment() {
        assert!(source(LAST_USE - A_MOMENT).keys_for(None).await.is_ok());
        assert!(source(LAST_USE).keys_for(None).await.is_err());
    }

    #[test]
    fn a_source_is_named_by_its_place() {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH));
        let file = KeySource::file("/etc/keys.json".into(), clock, KeyLimits::default());
        assert_eq!(file.to_string(), "/etc/keys.json");
        assert!(format!("{file:?}").contains("/etc/keys.json"), "{file:?}");
    }
}
