//! The exchanged tokens in memory, and what is known of the requests for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_token::{AccessToken, Audience, ClientId, Scope};
use hallpass_upstream::RevocationSource;
use tokio::sync::watch;

use crate::auth_token_service::entry_state::Outcome;
use crate::auth_token_service::issued::IssuedToken;
use crate::auth_token_service::obtain::{ClientCredentials, Obtain as _};
use crate::error::TokenError;

/// What a slot takes beside its texts, generously, in bytes.
const SLOT_BYTES: usize = 640;

/// How long a token is used that came of a rejection and was rejected too, before another one is tried: the fault is
/// hardly the token's.
const IN_VAIN_WAIT: Duration = Duration::from_secs(30);

/// A caller's token, by its SHA-256, and what it is exchanged for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ExchangeKey {
    /// Who asks, as far as two credentials may ask for one audience.
    pub(super) client: ClientId,
    pub(super) subject: Box<[u8]>,
    pub(super) audience: Audience,
    pub(super) scope: Scope,
}

/// Most bytes of exchanged tokens in memory, with what belongs to them.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// All slots of one token service, which those share who bring tokens and who take them away.
#[derive(Clone, Debug)]
pub(crate) struct SharedKept(Arc<Mutex<Kept>>);

impl SharedKept {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Kept::new(MAX_BYTES))))
    }

    /// For a few instructions, never across an await.
    pub(super) fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the tokens for which this holds of the deny-list of their issuer, if it is followed, and them. Gives how many there
    /// were.
    pub(crate) fn drop_where(
        &self,
        is_to_go: impl Fn(Option<&RevocationSource>, &AccessToken) -> bool,
    ) -> usize {
        let tokens: Vec<_> = {
            let kept = self.lock();
            let slots = kept.slots.iter();
            let token = |(key, slot): (&ExchangeKey, &Slot)| {
                let token = slot.token.clone()?;
                Some((key.clone(), Arc::clone(&slot.source), token))
            };
            slots.filter_map(token).collect()
        };
        // Looked into without the lock: there may be many.
        let goes = tokens
            .into_iter()
            .filter(|(_, source, token)| is_to_go(source.revocations(), token.access_token()));
        let goes: Vec<_> = goes.collect();
        let mut kept = self.lock();
        goes.iter()
            .filter(|(key, source, token)| kept.forget(key, source, token.generation()))
            .count()
    }
}

/// All slots, the least recently used of which make room.
#[derive(Debug)]
pub(crate) struct Kept {
    slots: HashMap<ExchangeKey, Slot>,
    bytes: usize,
    max_bytes: usize,
    uses: u64,
    /// While the issuer does not work, nobody asks it for another caller either.
    outage: Option<(Arc<ClientCredentials>, Failure)>,
}

/// What is known of one key.
#[derive(Debug)]
pub(super) struct Slot {
    source: Arc<ClientCredentials>,
    pub(super) token: Option<IssuedToken>,
    /// The request under way.
    pub(super) flight: Option<watch::Receiver<Outcome>>,
    failures: u32,
    failure: Option<Failure>,
    /// When a callee's rejection last had the token forgotten.
    rejected_at: Option<Duration>,
    /// The next token comes of a rejection.
    is_forced: bool,
    /// The generation that the last rejection brought: rejected too, the fault is not the token's.
    forced_token: Option<u64>,
    last_use: u64,
}

/// A callee has rejected a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rejected {
    pub(super) generation: u64,
    pub(super) now: Duration,
    /// The least time between two tokens that rejections force.
    pub(super) interval: Duration,
}

/// A failure that is remembered for a moment.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) until: Duration,
    pub(super) cause: Arc<TokenError>,
}

impl Kept {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            slots: HashMap::new(),
            bytes: 0,
            max_bytes,
            uses: 0,
            outage: None,
        }
    }

    /// The slot of `key`, an empty one where there is none or where `source` is another one than before.
    pub(super) fn slot(&mut self, key: &ExchangeKey, source: &Arc<ClientCredentials>) -> &mut Slot {
        self.uses += 1;
        let known = self.slots.get(key);
        if known.is_none_or(|slot| !Arc::ptr_eq(&slot.source, source)) {
            self.make_room();
            let before = self.slots.remove(key);
            let before = before.map_or(0, |slot| slot.bytes(key));
            self.resize(before, Slot::new(source).bytes(key));
        }
        let slot = self.slots.entry(key.clone());
        let slot = slot.or_insert_with(|| Slot::new(source));
        slot.last_use = self.uses;
        slot
    }

    /// A request has brought `token`; `None`: it is not kept.
    pub(super) fn obtained(
        &mut self,
        key: &ExchangeKey,
        source: &Arc<ClientCredentials>,
        token: Option<&IssuedToken>,
    ) {
        self.outage = None;
        let Some(slot) = self.of(key, source) else {
            return;
        };
        let before = slot.bytes(key);
        slot.failures = 0;
        slot.failure = None;
        slot.token = token.cloned();
        if std::mem::take(&mut slot.is_forced) {
            slot.forced_token = token.map(IssuedToken::generation);
        }
        let after = slot.bytes(key);
        self.resize(before, after);
        self.make_room();
    }

    pub(super) fn failures(&mut self, key: &ExchangeKey, source: &Arc<ClientCredentials>) -> u32 {
        self.of(key, source).map_or(0, |slot| slot.failures)
    }

    pub(super) fn failed(
        &mut self,
        key: &ExchangeKey,
        source: &Arc<ClientCredentials>,
        failure: Failure,
    ) {
        if is_of_everybody(&failure.cause) {
            self.outage = Some((Arc::clone(source), failure.clone()));
        }
        if let Some(slot) = self.of(key, source) {
            slot.failures = slot.failures.saturating_add(1);
            slot.failure = Some(failure);
        }
    }

    /// Forgets a token that a callee has rejected; whether another one is worth a try.
    pub(super) fn reject(
        &mut self,
        key: &ExchangeKey,
        source: &Arc<ClientCredentials>,
        rejected: Rejected,
    ) -> bool {
        let Rejected {
            generation,
            now,
            interval,
        } = rejected;
        let Some(slot) = self.of(key, source) else {
            return true;
        };
        let current = slot.token.as_ref().map(IssuedToken::generation);
        if current != Some(generation) {
            // Another call has had it forgotten already.
            return true;
        }
        let wait = match slot.forced_token == Some(generation) {
            true => IN_VAIN_WAIT.max(interval),
            false => interval,
        };
        let rejected_at = slot.rejected_at;
        if rejected_at.is_some_and(|at| now < at.saturating_add(wait)) {
            return false;
        }
        let before = slot.bytes(key);
        slot.rejected_at = Some(now);
        slot.is_forced = true;
        slot.token = None;
        let after = slot.bytes(key);
        self.resize(before, after);
        true
    }

    /// Forgets the token of `generation`; whether it was still there.
    fn forget(
        &mut self,
        key: &ExchangeKey,
        source: &Arc<ClientCredentials>,
        generation: u64,
    ) -> bool {
        let Some(slot) = self.of(key, source) else {
            return false;
        };
        if slot.token.as_ref().map(IssuedToken::generation) != Some(generation) {
            return false;
        }
        let before = slot.bytes(key);
        slot.token = None;
        let after = slot.bytes(key);
        self.resize(before, after);
        true
    }

    fn resize(&mut self, before: usize, after: usize) {
        self.bytes = self.bytes.saturating_sub(before).saturating_add(after);
    }

    /// The request of `key` has ended.
    pub(super) fn landed(&mut self, key: &ExchangeKey, source: &Arc<ClientCredentials>) {
        if let Some(slot) = self.of(key, source) {
            slot.flight = None;
        }
    }

    /// The error for a caller who comes while the issuer is known not to work.
    pub(super) fn held(
        &self,
        source: &Arc<ClientCredentials>,
        now: Duration,
    ) -> Option<TokenError> {
        let (of, failure) = self.outage.as_ref()?;
        failure.at(now).filter(|_| Arc::ptr_eq(of, source))
    }

    fn of(&mut self, key: &ExchangeKey, source: &Arc<ClientCredentials>) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(key)?;
        Some(slot).filter(|slot| Arc::ptr_eq(&slot.source, source))
    }

    /// When there is too much, until a quarter is free; what a request is under way for stays.
    fn make_room(&mut self) {
        if self.bytes <= self.max_bytes {
            return;
        }
        let idle = self.slots.iter().filter(|(_, slot)| slot.flight.is_none());
        let mut idle: Vec<_> = idle
            .map(|(key, slot)| (slot.last_use, key.clone()))
            .collect();
        idle.sort_unstable_by_key(|(last_use, _)| *last_use);
        for (_, key) in idle {
            if self.bytes <= self.max_bytes / 4 * 3 {
                return;
            }
            let gone = self.slots.remove(&key);
            self.resize(gone.map_or(0, |slot| slot.bytes(&key)), 0);
        }
    }
}

impl Slot {
    fn new(source: &Arc<ClientCredentials>) -> Self {
        Self {
            source: Arc::clone(source),
            token: None,
            flight: None,
            failures: 0,
            failure: None,
            rejected_at: None,
            is_forced: false,
            forced_token: None,
            last_use: 0,
        }
    }

    /// The token stands in it twice: as it came, and as a header.
    fn bytes(&self, key: &ExchangeKey) -> usize {
        let token = self.token.as_ref();
        let token = token.map_or(0, |token| token.access_token().expose().len() * 2);
        SLOT_BYTES + token + 2 * (key.audience.as_str().len() + key.scope.as_str().len())
    }

    /// The error for a caller who comes too early after a failure.
    pub(super) fn backing_off(&self, now: Duration) -> Option<TokenError> {
        self.failure.as_ref().and_then(|failure| failure.at(now))
    }
}

impl Failure {
    fn at(&self, now: Duration) -> Option<TokenError> {
        (now < self.until).then(|| TokenError::BackingOff {
            cause: Arc::clone(&self.cause),
            retry_in: self.until.saturating_sub(now),
        })
    }
}

/// Whether a failure says that the issuer does not work for anybody. A status 500 may be the fault of one caller's token; 502 and 504
/// are those of a proxy that does not reach the issuer.
fn is_of_everybody(error: &TokenError) -> bool {
    match error {
        TokenError::Status { status } => matches!(status, 429 | 502..=504),
        TokenError::Timeout { .. } | TokenError::NoInstance(_) => true,
        TokenError::Unreachable(_) => error.is_outage(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use hallpass_clock::ManualClock;
    use hallpass_config::Secret;
    use hallpass_token::{AccessToken, UnixTime};
    use hallpass_upstream::{TransportError, TransportErrorKind};

    use super::*;
    use crate::auth_token_service::minting::Mint;
    use crate::auth_token_service::moment::Moment;
    use crate::auth_token_service::seals::StoredToken;
    use crate::credential::Credential;
    use crate::credential::cache_life::CacheLife;
    use crate::grant::{Issuers, TokenClient, TokenTransport};

    fn source() -> Arc<ClientCredentials> {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH));
        let nobody = tower::service_fn(|_| async {
            Err(TransportError::new(TransportErrorKind::Connect, "refused"))
        });
        let transport = TokenTransport::new(nobody);
        let client = TokenClient::new(transport, Issuers::new(None, clock), Duration::ZERO);
        let endpoint = "https://issuer.example/oauth2/token".parse().unwrap();
        let credential = Credential::new("c".parse().unwrap(), Secret::from("s"), endpoint);
        Arc::new(ClientCredentials::new(credential, Arc::new(client)))
    }

    fn token(length: usize) -> IssuedToken {
        let mint = Mint::new(Arc::new(ManualClock::at(UNIX_EPOCH)));
        let stored = StoredToken {
            access_token: AccessToken::new("t".repeat(length)),
            moment: Moment::from_micros(0),
            issued_at: UnixTime::from_secs(0),
            expires_at: UnixTime::from_secs(600),
        };
        mint.adopted(stored, CacheLife::DEFAULT).unwrap()
    }

    fn key(number: usize) -> ExchangeKey {
        ExchangeKey {
            client: "c".parse().unwrap(),
            subject: number.to_be_bytes().into(),
            audience: "callee".parse().unwrap(),
            scope: Scope::empty(),
        }
    }

    fn real_bytes(kept: &Kept) -> usize {
        kept.slots.iter().map(|(key, slot)| slot.bytes(key)).sum()
    }

    #[test]
    fn what_a_proxy_says_of_an_issuer_that_it_does_not_reach_is_of_everybody() {
        let of_everybody = |status| is_of_everybody(&TokenError::Status { status });
        assert!([429, 502, 503, 504].into_iter().all(of_everybody));
        assert!(![400, 403, 500, 501].into_iter().any(of_everybody));
    }

    #[test]
    fn a_stream_of_callers_stays_within_the_bytes_and_those_in_use_stay() {
        let (source, token) = (source(), token(1_000));
        let mut kept = Kept::new(100_000);
        let (under_way, used) = (key(1_000_000), key(1_000_001));
        let (_sender, waiting) = watch::channel(Outcome::UnderWay);
        kept.slot(&under_way, &source).flight = Some(waiting);
        for number in 0..1_000 {
            for key in [&used, &key(number)] {
                kept.slot(key, &source);
                kept.obtained(key, &source, Some(&token));
            }
            assert!(kept.bytes <= 100_000, "{number}: {}", kept.bytes);
            assert_eq!(kept.bytes, real_bytes(&kept), "{number}");
        }
        assert!(kept.slots.len() > 20);
        assert!(kept.slot(&used, &source).token.is_some());
        assert!(kept.slot(&under_way, &source).flight.is_some());
    }

    #[test]
    fn callers_without_a_token_count_too_and_a_rejected_one_gives_its_bytes_back() {
        let (source, token) = (source(), token(1_000));
        let mut kept = Kept::new(10_000);
        for number in 0..1_000 {
            kept.slot(&key(number), &source);
            assert!(kept.bytes <= 10_000 + SLOT_BYTES * 2);
        }
        let (key, mut kept) = (key(7), Kept::new(10_000));
        kept.slot(&key, &source);
        let without = kept.bytes;
        kept.obtained(&key, &source, Some(&token));
        assert!(kept.bytes >= without + 2_000);
        let rejected = Rejected {
            generation: token.generation(),
            now: Duration::from_secs(1),
            interval: Duration::from_secs(1),
        };
        assert!(kept.reject(&key, &source, rejected));
        assert_eq!(kept.bytes, without);
        assert!(kept.slot(&key, &source).token.is_none());
    }

    #[test]
    fn another_credential_finds_no_token_and_what_the_old_one_brings_is_not_kept() {
        let (old, new, token) = (source(), source(), token(10));
        let mut kept = Kept::new(10_000);
        kept.slot(&key(1), &old);
        kept.obtained(&key(1), &old, Some(&token));
        assert!(kept.slot(&key(1), &new).token.is_none());
        kept.obtained(&key(1), &old, Some(&token));
        assert!(kept.slot(&key(1), &new).token.is_none());
        assert_eq!(kept.bytes, real_bytes(&kept));
    }
}
