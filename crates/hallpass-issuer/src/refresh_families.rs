//! The families of refresh tokens of an issuer that runs: each change of them, one at a time.
//!
//! Several processes may work on one store: what counts is what stands there, and it is changed in transactions that nobody else
//! writes in. So of two callers with the same token, wherever they ask, the second one finds that it was used.

pub(crate) mod ended;
mod lent;
pub(crate) mod metrics;
mod waiting;

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use hallpass_clock::Clock;
use hallpass_token::{ClientId, Revocation, RevocationDigest, RevocationKind, TokenId, UnixTime};
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use self::ended::EndedFamily;
use self::lent::Lent;
use self::metrics::{Done, RefreshMetrics};
use self::waiting::Waiting;
use crate::deny_list;
use crate::error::Error;
use crate::refresh::family::{Family, Granted, Holder, Standing};
use crate::refresh::token::RefreshToken;
use crate::store::Store;
use crate::store::refresh_families::{FamilyChange, KnownFamilies};
use crate::token::refusal::{RefreshFault, Refusal};

/// Most families of all clients together: some 20 MB of memory, and some 100 MB of the store. No further one begins.
const MAX_FAMILIES: u64 = 200_000;

/// What a presented token brought.
pub(crate) enum Presented<T> {
    /// What was decided, and the token that counts from now on.
    Taken(T, RefreshToken),
    /// It had been replaced before: its family is gone.
    Reused(EndedFamily),
}

/// Why it brought nothing, and nothing was changed; unless the error of the store says that this is not known.
#[derive(Debug)]
pub(crate) enum Failed {
    Refused(Refusal),
    Store(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// The families that this process knows.
#[derive(Debug)]
pub(crate) struct RefreshFamilies {
    /// Taken out while it is in use.
    known: Mutex<KnownFamilies>,
    /// What tells names of families from what somebody has made up.
    names: hmac::Key,
    turn: Semaphore,
    waiting: Waiting,
    metrics: RefreshMetrics,
}

impl RefreshFamilies {
    /// Those of `store`.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn open(store: &Store) -> Result<Self, Error> {
        let mut known = KnownFamilies::default();
        let names = store.see_families(&mut known).await?.names_key();
        let metrics = RefreshMetrics::default();
        metrics.counts(known.len());
        Ok(Self {
            known: Mutex::new(known),
            names,
            turn: Semaphore::new(1),
            waiting: Waiting::default(),
            metrics,
        })
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// What is done with them in `store`.
    pub(crate) const fn of<'a>(
        &'a self,
        store: &'a Store,
        clock: &'a dyn Clock,
    ) -> RefreshWork<'a> {
        RefreshWork {
            families: self,
            store,
            clock,
            commits: None,
        }
    }

    async fn lend(&self) -> Lent<'_> {
        // It is never closed.
        let turn = self.turn.acquire().await.ok();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Lent {
            known: mem::take(&mut *known),
            home: &self.known,
            metrics: &self.metrics,
            place: None,
            _turn: turn,
        }
    }
}

/// Most families at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    /// Of one client.
    pub(crate) of_client: u32,
    /// Of one client for one subject that it is not itself.
    pub(crate) of_subject: u32,
}

/// How a token is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use<'a> {
    pub(crate) client: &'a ClientId,
    /// For how long after its first use it brings the same successor again.
    pub(crate) grace: Duration,
    /// What the client has proven to hold, and its tokens are bound to.
    pub(crate) proven: Holder,
    /// Whether another one takes its place.
    pub(crate) rotates: bool,
}

/// What is done with families.
#[derive(Clone, Copy)]
pub(crate) struct RefreshWork<'a> {
    families: &'a RefreshFamilies,
    store: &'a Store,
    /// Asked once nobody else writes. Who waits for the store may wait for longer than the grace: by the time when he came, the one
    /// behind him would use a token that was used long ago, and look like a thief.
    clock: &'a dyn Clock,
    /// Set before what was changed is to count.
    commits: Option<&'a AtomicBool>,
}

impl<'a> RefreshWork<'a> {
    /// The same, which sets `commits` before it lets count what it has changed: whoever does not wait for the end knows by it whether that may count.
    pub(crate) const fn telling(self, commits: &'a AtomicBool) -> Self {
        Self {
            commits: Some(commits),
            ..self
        }
    }

    fn now(&self) -> UnixTime {
        UnixTime::from(self.clock.now())
    }

    /// Begins a family that ends at `ends_at`, whose first token this gives; the oldest ones of the subject and of the client beyond
    /// `most` go. `None` when there are too many of all clients, or when too many requests of this one wait for their turn.
    ///
    /// # Errors
    /// Those of the store; then there is no new family.
    pub(crate) async fn begin(
        &self,
        granted: Granted,
        ends_at: UnixTime,
        most: Most,
    ) -> Result<Option<RefreshToken>, Error> {
        let Some(_place) = self.families.waiting.place(&granted.client_id) else {
            return Ok(None);
        };
        let mut known = self.families.lend().await;
        let mut change = self.store.change_families(&mut known).await?;
        let now = self.now();
        let token = RefreshToken::generate(&self.families.names)?;
        let family = Family {
            id: token.family,
            digest: token.digest(),
            used_at: None,
            started_at: now,
            ends_at,
            granted,
        };
        let client = &family.granted.client_id;
        // First those of the same subject: whoever can have many tokens exchanged takes nothing from others.
        if family.granted.exchanged.is_some() {
            let (subject, kept) = (family.subject(), most.of_subject.saturating_sub(1));
            for oldest in change.beyond(client, Some(&subject), kept).await? {
                change.remove(&known, oldest).await?;
            }
        }
        let kept = most.of_client.saturating_sub(1);
        for oldest in change.beyond(client, None, kept).await? {
            change.remove(&known, oldest).await?;
        }
        if change.count() >= MAX_FAMILIES {
            return Ok(None);
        }
        change.put(&known, &family).await?;
        change.commit(&mut known).await?;
        Ok(Some(token))
    }

    /// Uses `token`: `decide` says what it brings, an access token among it, and its successor is what counts from then on, or the
    /// token itself where none takes its place. Within the grace of its first use it brings the same successor again.
    ///
    /// # Errors
    /// [`Failed`]; then `token` is what it was, unless the store cannot say whether its use counts.
    pub(crate) async fn present<T>(
        &self,
        token: &RefreshToken,
        Use {
            client,
            grace,
            proven,
            rotates,
        }: Use<'_>,
        decide: impl FnOnce(&Family) -> Result<(T, (TokenId, UnixTime)), Refusal> + Send,
    ) -> Result<Presented<T>, Failed> {
        let unknown = || Failed::Refused(Refusal::Refresh(RefreshFault::Unknown));
        let mut known = self.lend(token, client).await?.ok_or_else(unknown)?;
        let mut change = self.store.change_families(&mut known).await?;
        let now = self.now();
        let family = change.find(&known, token.family).await?;
        let family = family.filter(|family| now < family.ends_at);
        let mut family = family.ok_or(Failed::Refused(Refusal::Refresh(RefreshFault::Unknown)))?;
        if family.granted.client_id != *client {
            return Err(Failed::Refused(Refusal::Refresh(RefreshFault::Foreign)));
        }
        let key = change.successor_key();
        let standing = family.standing(token, &key, now, grace);
        if standing == Standing::Reused {
            // A client that uses tokens again on purpose gets no more of the list than one that revokes them.
            let most = deny_list::MOST_BY_CLIENTS;
            let ended = match end(&mut change, &known, &family, now, most).await {
                // What had no room ends by itself; the family does not.
                Err(error @ Error::TooManyRevocations { .. }) => {
                    tracing::error!(%error, family = family.id.alias(), "access tokens of a revoked refresh token live on");
                    EndedFamily::of(&family, 0)
                }
                ended => ended?,
            };
            self.commit(change, &mut known).await?;
            return Ok(Presented::Reused(ended));
        }
        let (decided, live) = decide(&family).map_err(Failed::Refused)?;
        let too_many = |retry_after| {
            Failed::Refused(Refusal::Refresh(RefreshFault::TooManyLiveTokens {
                retry_after,
            }))
        };
        family.granted.add_live(live, now).map_err(too_many)?;
        family.granted.bound_to = family.granted.bound_to.and(proven);
        let (next, done) = match standing {
            Standing::Current if !rotates => (token.clone(), Done::Kept),
            Standing::Current => (token.successor(&key), Done::Replaced),
            _ => (token.successor(&key), Done::Repeated),
        };
        if standing == Standing::Current {
            family.digest = next.digest();
            family.used_at = Some(now);
        }
        change.put(&known, &family).await?;
        self.commit(change, &mut known).await?;
        self.done(done);
        Ok(Presented::Taken(decided, next))
    }

    /// Revokes the family of `token`, when that is one of `client`, and its access tokens that are alive.
    ///
    /// # Errors
    /// [`Failed`], [`Error::TooManyRevocations`] among them; nothing is changed then.
    pub(crate) async fn revoke(
        &self,
        token: &RefreshToken,
        client: &ClientId,
        most: usize,
    ) -> Result<Option<EndedFamily>, Failed> {
        let Some(mut known) = self.lend(token, client).await? else {
            return Ok(None);
        };
        let mut change = self.store.change_families(&mut known).await?;
        let now = self.now();
        let family = change.find(&known, token.family).await?;
        let is_theirs = |family: &Family| family.granted.client_id == *client;
        let Some(family) = family.filter(|family| is_theirs(family) && now < family.ends_at) else {
            return Ok(None);
        };
        let ended = end(&mut change, &known, &family, now, most).await?;
        self.commit(change, &mut known).await?;
        Ok(Some(ended))
    }

    async fn commit(
        &self,
        change: FamilyChange<'_>,
        known: &mut KnownFamilies,
    ) -> Result<(), Error> {
        if let Some(commits) = self.commits {
            commits.store(true, Ordering::Relaxed);
        }
        change.commit(known).await
    }

    /// The family of `token`, which `client` asks about, whatever the token is to it, and whosever it is.
    ///
    /// # Errors
    /// [`Failed`].
    pub(crate) async fn find(
        &self,
        token: &RefreshToken,
        client: &ClientId,
    ) -> Result<Option<Family>, Failed> {
        let Some(mut known) = self.lend(token, client).await? else {
            return Ok(None);
        };
        let mut seen = self.store.see_families(&mut known).await?;
        let (family, now) = (seen.find(&known, token.family).await?, self.now());
        Ok(family.filter(|family| now < family.ends_at))
    }

    /// What is known, in the turn of `client`. `None` when there is no family of `token`: then nobody's turn was taken but for a
    /// name that was made up here once, and nothing is written for that one either.
    async fn lend(
        &self,
        token: &RefreshToken,
        client: &ClientId,
    ) -> Result<Option<Lent<'_>>, Failed> {
        if !token.family.was_made_with(&self.families.names) {
            return Ok(None);
        }
        let place = self.families.waiting.place(client);
        let place = place.ok_or(Failed::Refused(Refusal::Busy))?;
        let mut known = self.families.lend().await;
        known.place = Some(place);
        if !known.has(token.family) {
            // Another process may have begun it.
            self.store.see_families(&mut known).await?;
        }
        Ok(Some(known).filter(|known| known.has(token.family)))
    }

    /// Counts what was done.
    pub(crate) fn done(&self, result: Done) {
        self.families.metrics.done(result);
    }

    /// Deletes the families that have ended.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn forget_ended(&self) -> Result<(), Error> {
        let (mut known, now) = (self.families.lend().await, self.now());
        if !known.has_ended(now) {
            return Ok(());
        }
        let mut change = self.store.change_families(&mut known).await?;
        change.remove_ended(&known, now).await?;
        change.commit(&mut known).await
    }
}

/// Deletes `family`, and puts its access tokens on the deny-list.
async fn end(
    change: &mut FamilyChange<'_>,
    known: &KnownFamilies,
    family: &Family,
    now: UnixTime,
    most: usize,
) -> Result<EndedFamily, Error> {
    change.remove(known, family.id).await?;
    let live = family.granted.live.iter();
    let live = live.filter(|(_, ends_at)| now < *ends_at);
    let entry = |(id, ends_at): &(TokenId, UnixTime)| Revocation {
        kind: RevocationKind::Token,
        digest: RevocationDigest::new(RevocationKind::Token, id.as_str()),
        issued_before: None,
        ends_at: deny_list::end_of(*ends_at),
    };
    let entries: Vec<_> = live.map(entry).collect();
    change.revoke(&entries, most).await?;
    Ok(EndedFamily::of(family, entries.len()))
}
