//! Tokens that the estate lists somewhere as logged out: asked for each token, and remembered for a moment.
//!
//! | what was read of the token | a call | a stream |
//! |---|---|---|
//! | a moment ago (`recheck`) | goes by it | goes by it |
//! | not longer ago than twice that, and it was not listed | goes by it, and the next question begins | waits for an answer |
//! | longer ago, or never | waits for an answer | waits for an answer |
//!
//! One question a token is under way at a time, in a task of its own: a caller that goes away does not cancel it for the others.

mod metrics;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_token::{TokenClaims, TokenId};
use hallpass_upstream::{BlacklistError, BlacklistStore, Network, Reminders};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

pub(crate) use self::metrics::BlacklistMetrics;
use crate::error::BlacklistFault;
use crate::settings::blacklist::{BlacklistSettings, WhenAway};

/// Most questions under way at once; one more is as if nobody answered.
const MAX_UNDER_WAY: usize = 4_096;
/// Longest wait for one answer. That of `hallpass-redis` says so itself before.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Longest `jti` that a key is made of, in bytes.
const MAX_TOKEN_ID: usize = 200;

/// Whether a token is listed; `None`: nobody says.
type Answer = Option<bool>;
type Flight = watch::Receiver<Option<Answer>>;

/// Asks whether tokens are listed as logged out.
#[derive(Debug)]
pub(crate) struct Blacklist {
    settings: BlacklistSettings,
    store: Arc<dyn BlacklistStore>,
    clock: Arc<dyn Clock>,
    places: Arc<Semaphore>,
    metrics: BlacklistMetrics,
    said: Reminders,
}

/// What was read of one token.
#[derive(Debug)]
pub(crate) struct Asked {
    token_id: Box<str>,
    /// What was read last; see [`Read`].
    read: AtomicU64,
    /// Locked for moments, never across a wait.
    flight: Mutex<Option<Flight>>,
}

/// What was read last, in one word: 0 for nothing, else the milliseconds since the start of the clock, and one, twice, and one more if it was listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Read(u64);

/// What is known of a token now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Clear,
    /// It was not listed, some time ago.
    Ageing,
    Listed,
    Nothing,
}

impl Read {
    const NOTHING: Self = Self(0);

    fn new(is_listed: bool, at: Duration) -> Self {
        let millis = u64::try_from(at.as_millis()).unwrap_or(u64::MAX >> 2);
        Self((millis.saturating_add(1) << 1) | u64::from(is_listed))
    }

    fn is_listed(self) -> bool {
        self.0 & 1 == 1
    }

    fn known(self, now: Duration, recheck: Duration) -> Known {
        let Some(at) = (self.0 >> 1).checked_sub(1) else {
            return Known::Nothing;
        };
        let age = now.saturating_sub(Duration::from_millis(at));
        match self.is_listed() {
            true if age < recheck => Known::Listed,
            true => Known::Nothing,
            false if age < recheck => Known::Clear,
            false if age < recheck.saturating_mul(2) => Known::Ageing,
            false => Known::Nothing,
        }
    }
}

impl Asked {
    /// Nothing yet, of the token with these claims.
    ///
    /// # Errors
    /// [`BlacklistFault::Unnamed`]: without a name of its own it cannot be listed. One with braces could choose its place in a cluster, one
    /// with spaces or what does not print could be written differently by whoever lists it.
    pub(crate) fn new(claims: &TokenClaims) -> Result<Self, BlacklistFault> {
        let token_id = claims.token_id.as_ref().map(TokenId::as_str);
        let is_fit =
            |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}' | b'"' | b'\\');
        let token_id = token_id
            .filter(|it| (1..=MAX_TOKEN_ID).contains(&it.len()) && it.bytes().all(is_fit))
            .ok_or(BlacklistFault::Unnamed)?;
        Ok(Self {
            token_id: token_id.into(),
            read: AtomicU64::new(Read::NOTHING.0),
            flight: Mutex::new(None),
        })
    }

    fn read(&self) -> Read {
        Read(self.read.load(Ordering::Acquire))
    }
}

impl Blacklist {
    pub(crate) fn new(
        settings: BlacklistSettings,
        store: Arc<dyn BlacklistStore>,
        network: &Network,
        metrics: BlacklistMetrics,
    ) -> Self {
        Self {
            settings,
            store,
            clock: Arc::clone(&network.clock),
            places: Arc::new(Semaphore::new(MAX_UNDER_WAY)),
            metrics,
            said: Reminders::default(),
        }
    }

    /// Whether tokens of the issuer of this name are looked for.
    pub(crate) fn is_for(&self, issuer: &str) -> bool {
        let issuers = &self.settings.issuers;
        issuers.is_empty() || issuers.iter().any(|it| it == issuer)
    }

    /// The name under which the token is listed.
    pub(crate) fn name_of(&self, asked: &Asked) -> String {
        self.settings.key.of(&asked.token_id)
    }

    /// Whether a call with the token may go on.
    ///
    /// # Errors
    /// [`BlacklistFault::Listed`], or [`BlacklistFault::Away`] when nobody says and the settings say `refuse`.
    pub(crate) async fn check(self: &Arc<Self>, asked: &Arc<Asked>) -> Result<(), BlacklistFault> {
        let now = self.clock.monotonic();
        match asked.read().known(now, self.settings.recheck) {
            Known::Clear => Ok(()),
            Known::Ageing => {
                // Whoever comes when it has aged waits; this one need not.
                let _ = self.begin(asked);
                Ok(())
            }
            Known::Listed => Err(BlacklistFault::Listed),
            Known::Nothing => self.judge(asked, self.answer(asked).await),
        }
    }

    /// Whether what goes on with the token must end. While nobody says, it goes on: it was judged when it began, and has an end.
    pub(crate) async fn ends(self: &Arc<Self>, asked: &Arc<Asked>) -> bool {
        let now = self.clock.monotonic();
        match asked.read().known(now, self.settings.recheck) {
            Known::Clear => false,
            Known::Listed => true,
            Known::Ageing | Known::Nothing => self.answer(asked).await == Some(true),
        }
    }

    fn judge(&self, asked: &Asked, answer: Answer) -> Result<(), BlacklistFault> {
        match answer {
            Some(true) => Err(BlacklistFault::Listed),
            Some(false) => Ok(()),
            // What was listed stays so until somebody says otherwise.
            None if asked.read().is_listed() => Err(BlacklistFault::Listed),
            None => match self.settings.when_away {
                WhenAway::Refuse => Err(BlacklistFault::Away),
                WhenAway::Accept => Ok(()),
            },
        }
    }

    /// What is said of the token by a question that begins now or is under way.
    async fn answer(self: &Arc<Self>, asked: &Arc<Asked>) -> Answer {
        let mut flight = self.begin(asked)?;
        let said = flight.wait_for(Option::is_some).await;
        said.ok().and_then(|it| it.flatten())
    }

    /// The question that is under way, or a new one; `None` where there is no room for it.
    fn begin(self: &Arc<Self>, asked: &Arc<Asked>) -> Option<Flight> {
        let mut flight = asked.flight.lock().unwrap_or_else(PoisonError::into_inner);
        // The sender is gone when it was answered, or with its runtime.
        let under_way = flight.as_ref().filter(|it| it.has_changed().is_ok());
        if let Some(under_way) = under_way {
            return Some(under_way.clone());
        }
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        let (Some(place), Ok(runtime)) = (place, Handle::try_current()) else {
            self.metrics.count("away");
            return None;
        };
        let (sender, receiver) = watch::channel(None);
        *flight = Some(receiver.clone());
        let (this, asked) = (Arc::clone(self), Arc::clone(asked));
        runtime.spawn(async move {
            let answer = this.ask(&asked).await;
            drop(place);
            let _ = sender.send(Some(answer));
        });
        Some(receiver)
    }

    async fn ask(&self, asked: &Asked) -> Answer {
        // What is listed while the answer is on its way is seen by the next one.
        let at = self.clock.monotonic();
        let name = self.name_of(asked);
        let said = timeout(LONGEST_WAIT, self.store.is_listed(&name)).await;
        let said = said.unwrap_or_else(|elapsed| Err(BlacklistError::new(elapsed)));
        match said {
            Ok(is_listed) => {
                let read = Read::new(is_listed, at);
                asked.read.store(read.0, Ordering::Release);
                self.metrics
                    .count(if is_listed { "listed" } else { "clear" });
                if self.said.over() {
                    tracing::info!("it is known again which tokens are listed as logged out");
                }
                Some(is_listed)
            }
            Err(error) => {
                self.metrics.count("away");
                self.say(&error);
                None
            }
        }
    }

    fn say(&self, error: &BlacklistError) {
        let Some(times) = self.said.times("away") else {
            return;
        };
        match self.settings.when_away {
            WhenAway::Refuse => {
                tracing::error!(%error, times, "it is not known which tokens are listed as logged out: calls get 503");
            }
            WhenAway::Accept => {
                tracing::error!(%error, times, "it is not known which tokens are listed as logged out: calls pass all the same");
            }
        }
    }
}

#[cfg(test)]
mod tests;
