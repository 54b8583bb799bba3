//! What the issuers of the tokens have revoked, followed while the service runs: what is revoked is not used any more, without a
//! callee having to refuse it first.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_token::{AccessToken, RevocationMarks, UnixTime, UnverifiedToken};
use hallpass_upstream::{RevocationChanges, RevocationSource};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::entries::Entries;
use super::entry::Entry;
use super::exchange::kept::SharedKept;
use super::issued::Minted;

/// Largest token that is looked into, in bytes; longer ones are none of ours.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Changes of the list that come so soon after another are taken together: each costs a look into every token.
const TOGETHER: Duration = Duration::from_millis(50);

/// After a change the tokens are looked into once more: one may have been on its way here when it was revoked.
const LATE_LOOK: Duration = Duration::from_secs(4);

/// Drops what is revoked, in a task of its own for each list, from the first token request on. The tasks end with this.
#[derive(Debug)]
pub(crate) struct Revoked {
    held: Held,
    following: Mutex<Vec<(RevocationSource, AbortHandle)>>,
}

/// All tokens that a service holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) entries: Arc<Entries>,
    pub(crate) exchanged: SharedKept,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: RevokedMetrics,
}

/// Whether `list` denies `token`, as the token itself says what it is. The issuer has given it over a connection of its own; and who
/// could make one up here would have it sent, not kept from being sent. Of a token that is none of ours nothing is known.
pub(crate) fn denies(list: Option<&RevocationSource>, token: &AccessToken, now: UnixTime) -> bool {
    list.is_some_and(|list| marks(token).is_some_and(|marks| list.denies(&marks, now)))
}

fn marks(token: &AccessToken) -> Option<RevocationMarks> {
    let unverified = UnverifiedToken::parse(token.expose(), MAX_TOKEN_BYTES).ok()?;
    let claims = unverified.unverified_claims().ok()?;
    Some(RevocationMarks::of(&claims, unverified.key_id()))
}

impl Revoked {
    pub(crate) const fn new(held: Held) -> Self {
        Self {
            held,
            following: Mutex::new(Vec::new()),
        }
    }

    /// Follows `list`, where it is not followed yet, or no more because the runtime has ended that did.
    pub(crate) fn follow(&self, list: Option<&RevocationSource>, runtime: &Handle) {
        let Some(list) = list else { return };
        let following = self.following.lock();
        let mut following = following.unwrap_or_else(PoisonError::into_inner);
        following.retain(|(_, task)| !task.is_finished());
        if following.iter().any(|(known, _)| known.is_same(list)) {
            return;
        }
        let (held, changes) = (self.held.clone(), list.changes());
        let task = runtime.spawn(follow(held, list.clone(), changes));
        following.push((list.clone(), task.abort_handle()));
    }
}

impl Drop for Revoked {
    fn drop(&mut self) {
        let following = self.following.get_mut();
        for (_, task) in following.unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

async fn follow(held: Held, list: RevocationSource, mut changes: RevocationChanges) {
    let mut is_late_look_due = false;
    loop {
        let limit = if is_late_look_due {
            LATE_LOOK
        } else {
            Duration::MAX
        };
        match timeout(limit, changes.next()).await {
            Ok(None) => return,
            Ok(Some(())) => is_late_look_due = true,
            Err(_) => is_late_look_due = false,
        }
        held.drop_revoked(&list);
        sleep(TOGETHER).await;
    }
}

impl Held {
    fn drop_revoked(&self, list: &RevocationSource) {
        let now = UnixTime::from(self.clock.now());
        let exchanged = self.exchanged.drop_where(|source, token| {
            let is_of_list = source.is_some_and(|source| source.is_same(list));
            is_of_list && denies(source, token, now)
        });
        self.metrics.dropped("exchanged", exchanged);
        let entries = self.entries.lock().all();
        for entry in entries {
            let of = entry.source.revocations();
            if of.is_some_and(|of| of.is_same(list)) {
                self.drop_of(&entry, list, now);
            }
        }
    }

    fn drop_of(&self, entry: &Arc<Entry>, list: &RevocationSource, now: UnixTime) {
        let is_denied = |token: &Minted| denies(Some(list), &token.access_token, now);
        // Tiers and other processes are told nothing: whoever follows the list knows by itself, takes no such token out of a tier, and has the next one put
        // in its place. A tainted key has every process drop all its tokens at once, and what each had to say of each would go to one Redis.
        if entry.evict_denied(is_denied).is_some() {
            self.metrics.dropped("own", 1);
            tracing::info!(key = ?entry.key, "a token is revoked and is not used any more");
        }
    }
}

/// What was dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct RevokedMetrics {
    dropped: Family<TokenLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabel {
    token: &'static str,
}

impl RevokedMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_tokens_dropped_as_revoked",
            "Tokens in memory that were dropped because their issuer has revoked them",
            self.dropped.clone(),
        );
    }

    fn dropped(&self, token: &'static str, number: usize) {
        if number > 0 {
            let number = u64::try_from(number).unwrap_or(u64::MAX);
            let dropped = self.dropped.get_or_create(&TokenLabel { token });
            dropped.inc_by(number);
        }
    }
}
