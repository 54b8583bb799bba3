//! One fetch at a time, and the times before which no further one starts.

use std::time::Duration;

use hallpass_token::KeyId;
use tokio::sync::watch;

use super::budget::Budget;
use super::limits::MAX_STALE_WAIT;
use super::unknown_kids::UnknownKids;
use crate::error::KeysError;

/// First wait after a failed fetch; doubles up to the cool-down. Short, because calls wait until the issuer answers,
/// and issuers often start a moment later than their services.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);

/// Longest wait after a failed fetch for a token that the keys at hand do not fit: it may be the first that the issuer signed with another
/// key, and show that it is back.
const URGENT_BACKOFF: Duration = Duration::from_secs(1);

/// Fetches for names of keys that are not in the set, which may follow one another at once; and how long it takes until one more may be made,
/// unless the cool-down is shorter. With the fetch at the start a thousand made-up names cost three, and a rotation is found a second later
/// whatever strangers send. So a flood costs the issuer one conditional request a second of each verifier, while it lasts.
const KIDS_AT_ONCE: u32 = 2;
const KIDS_COOLDOWN: Duration = Duration::from_secs(1);

/// Fetches for signatures that do not fit, which may follow one another at once: one more may be made each cool-down. A key that is replaced
/// under its name is a mistake of its issuer, and forged signatures are cheap.
const SIGNATURES_AT_ONCE: u32 = 4;

/// Longest wait that an issuer may ask for.
const ASKED_FOR_MAX: Duration = Duration::from_secs(30);

type Outcome = Result<(), KeysError>;

/// What limits the fetches that tokens of strangers cause.
#[derive(Clone, Copy, Debug)]
enum Allowance {
    Kids,
    Signatures,
}

/// Why a fetch is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) enum FetchReason<'a> {
    /// There are no keys that may be used; the current token names this key.
    Needed { kid: Option<&'a KeyId> },
    /// The keys are near or past their age.
    Renewal,
    /// The current token names a key that is not in the set.
    UnknownKid { kid: &'a KeyId },
    /// The signature of the current token fits no key, or it names none and none fits.
    BadSignature,
}

impl<'a> FetchReason<'a> {
    pub(super) fn kid(self) -> Option<&'a KeyId> {
        match self {
            Self::Needed { kid } => kid,
            Self::UnknownKid { kid } => Some(kid),
            Self::Renewal | Self::BadSignature => None,
        }
    }

    /// None for what strangers do not cause.
    const fn allowance(self) -> Option<Allowance> {
        match self {
            Self::Needed { .. } | Self::Renewal => None,
            Self::UnknownKid { .. } => Some(Allowance::Kids),
            Self::BadSignature => Some(Allowance::Signatures),
        }
    }
}

/// Whether a fetch is running, after one was wanted.
#[derive(Debug)]
pub(super) enum FetchStart {
    /// A fetch is under way.
    Wait(RunningFetch),
    /// None is, and it is too early for one: with an error because the last one has failed just now, without because
    /// too many were made for the like of this.
    TooEarly(Option<KeysError>),
}

impl FetchStart {
    /// Waits for the fetch.
    pub(super) async fn wait(self) -> Outcome {
        match self {
            Self::Wait(fetch) => fetch.outcome().await,
            Self::TooEarly(failed) => Err(failed.unwrap_or(KeysError::Cancelled)),
        }
    }
}

/// A fetch under way.
#[derive(Debug)]
pub(super) struct RunningFetch {
    result: watch::Receiver<Option<Outcome>>,
    /// Whether somebody else had started it before.
    pub(super) joined: bool,
    /// How long a request that could do without it should wait for it, at most.
    pub(super) patience: Duration,
}

impl RunningFetch {
    pub(super) async fn outcome(mut self) -> Outcome {
        match self.result.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(KeysError::Cancelled)),
            Err(_) => Err(KeysError::Cancelled),
        }
    }
}

/// The state that decides whether a fetch may start.
#[derive(Debug)]
pub(super) struct Flight {
    cooldown: Duration,
    running: Option<watch::Receiver<Option<Outcome>>>,
    started: Duration,
    /// No fetch at all before this, set by a failed one.
    not_before: Duration,
    /// None before this for a token that the keys at hand do not fit.
    not_urgent_before: Duration,
    /// Of which allowance the fetch under way is to be taken once it has succeeded.
    owes: Option<Allowance>,
    /// Fetches for `kid`s that are not in the set.
    for_kids: Budget,
    /// Fetches for signatures that do not fit. An allowance of its own, so that forged signatures take none from keys
    /// with new names.
    for_signatures: Budget,
    unknown: UnknownKids,
    last_error: Option<KeysError>,
    backoff: Duration,
}

impl Flight {
    pub(super) fn new(cooldown: Duration) -> Self {
        Self {
            cooldown,
            running: None,
            started: Duration::ZERO,
            not_before: Duration::ZERO,
            not_urgent_before: Duration::ZERO,
            owes: None,
            for_kids: Budget::new(KIDS_AT_ONCE, cooldown.min(KIDS_COOLDOWN)),
            for_signatures: Budget::new(SIGNATURES_AT_ONCE, cooldown),
            unknown: UnknownKids::default(),
            last_error: None,
            backoff: FIRST_BACKOFF.min(cooldown),
        }
    }

    /// Joins the fetch under way, or starts one: then the sender is the caller's to fulfil.
    pub(super) fn begin(
        &mut self,
        start: FetchReason<'_>,
        now: Duration,
    ) -> (FetchStart, Option<watch::Sender<Option<Outcome>>>) {
        // A sender that is gone belongs to a task that was cancelled with its runtime.
        if let Some(result) = self
            .running
            .as_ref()
            .filter(|result| result.has_changed().is_ok())
        {
            let fetch = RunningFetch {
                result: result.clone(),
                joined: true,
                patience: self.patience(now),
            };
            return (FetchStart::Wait(fetch), None);
        }
        // A `kid` that the issuer did not know a moment ago is unknown, and not unavailable, whatever happened since.
        if start
            .kid()
            .is_some_and(|kid| self.unknown.contains(kid, now))
            && matches!(start, FetchReason::UnknownKid { .. })
        {
            return (FetchStart::TooEarly(None), None);
        }
        let allowance = start.allowance();
        let not_before = match allowance {
            None => self.not_before,
            Some(_) => self.not_urgent_before,
        };
        if let Some(last) = self.last_error.as_ref().filter(|_| now < not_before) {
            let failed = KeysError::TooEarly {
                last: last.to_string(),
                retry_in: not_before.saturating_sub(now),
            };
            return (FetchStart::TooEarly(Some(failed)), None);
        }
        // While the issuer is away the waits alone hold fetches back: what strangers send then must use nothing up that the first
        // token after it will need.
        if self.last_error.is_some() {
            self.owes = allowance;
        } else if !allowance.is_none_or(|allowance| self.budget(allowance).take(now)) {
            return (FetchStart::TooEarly(None), None);
        }
        let (sender, result) = watch::channel(None);
        self.running = Some(result.clone());
        self.started = now;
        (
            FetchStart::Wait(RunningFetch {
                result,
                joined: false,
                patience: self.patience(now),
            }),
            Some(sender),
        )
    }

    /// A request waits 500 ms after the start of a fetch at most, and not at all if the last fetch failed.
    fn patience(&self, now: Duration) -> Duration {
        match self.last_error {
            None => MAX_STALE_WAIT.saturating_sub(now.saturating_sub(self.started)),
            Some(_) => Duration::ZERO,
        }
    }

    fn budget(&mut self, allowance: Allowance) -> &mut Budget {
        match allowance {
            Allowance::Kids => &mut self.for_kids,
            Allowance::Signatures => &mut self.for_signatures,
        }
    }

    /// Notes how a fetch ended. `missed` is the `kid` that it was made for, if it is still not in the set.
    pub(super) fn finish(&mut self, outcome: &Outcome, now: Duration, missed: Option<&KeyId>) {
        self.running = None;
        let owed = self.owes.take();
        if let Err(error) = outcome {
            self.last_error = Some(error.clone());
            let asked = error.retry_after().unwrap_or_default().min(ASKED_FOR_MAX);
            self.not_before = now.saturating_add(self.backoff.max(asked));
            let urgent = self.backoff.min(URGENT_BACKOFF);
            self.not_urgent_before = now.saturating_add(urgent.max(asked));
            self.backoff = self.backoff.saturating_mul(2).min(self.cooldown);
        } else {
            if let Some(allowance) = owed {
                self.budget(allowance).take(now);
            }
            self.last_error = None;
            self.not_before = now;
            self.backoff = FIRST_BACKOFF.min(self.cooldown);
        }
        // A fetch that failed says nothing about the `kid`; `not_before` alone holds the next one back.
        if let (Ok(()), Some(kid)) = (outcome, missed) {
            self.unknown.remember(kid, now, self.cooldown);
        }
    }
}

#[cfg(test)]
mod tests;
