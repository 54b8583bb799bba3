//! What has come of a deny-list.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use hallpass_clock::Clock;
use hallpass_token::{Revocation, RevocationList, UnixTime};
use serde::Deserialize;
use tokio::sync::watch;

use super::error::FollowError;
use super::event_id::EventId;
use super::events::Event;
use super::metrics::IssuerRevocationMetrics;

/// How long an entry is kept after its end: a clock that is ahead for a moment must not take anything from the list, which is not told
/// again.
const KEPT_AFTER_END: Duration = Duration::from_secs(60 * 60);

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing has come, and nothing has failed.
    Asked,
    /// It could not be fetched yet, or is not offered.
    Without,
    /// There is one.
    Here,
}

/// The list, and who waits for it.
pub(super) struct Received {
    list: ArcSwap<RevocationList>,
    stage: watch::Sender<Stage>,
    clock: Arc<dyn Clock>,
    metrics: OnceLock<IssuerRevocationMetrics>,
}

/// A whole list that is not complete yet: what it has counts when it is.
#[derive(Default)]
pub(super) struct Next(Option<Coming>);

/// A whole list as it comes.
struct Coming {
    alone: RevocationList,
    /// The same beside what is here. No entry is ever taken back, so a list without one is of a process of the issuer that is behind, or is
    /// an old one that somebody shows again.
    beside_known: RevocationList,
}

/// A whole list, or what came after an event.
#[derive(Deserialize)]
struct Document {
    event: Option<String>,
    after: Option<String>,
    entries: Vec<Revocation>,
}

/// What was taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// The event to go on from.
    pub(super) event: Option<EventId>,
    /// It began where the last list ended.
    pub(super) is_continued: bool,
    /// Something is denied that was not before, or the list is another one.
    pub(super) is_more: bool,
}

impl Received {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            list: ArcSwap::default(),
            stage: watch::Sender::new(Stage::Asked),
            clock,
            metrics: OnceLock::new(),
        }
    }

    pub(super) fn attach(&self, metrics: IssuerRevocationMetrics) {
        // A source that two servers share is counted by the first.
        let _ = self.metrics.set(metrics);
    }

    pub(super) fn list(&self) -> Guard<Arc<RevocationList>> {
        self.list.load()
    }

    pub(super) fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Whether there ever was one.
    pub(super) fn is_here(&self) -> bool {
        *self.stage.borrow() == Stage::Here
    }

    /// There is none for now: nobody waits any longer.
    pub(super) fn failed(&self, error: &FollowError) {
        if !self.is_here() {
            self.stage.send_replace(Stage::Without);
            let is_missed = !matches!(error, FollowError::NotOffered { .. });
            if let Some(metrics) = self.metrics.get().filter(|_| is_missed) {
                metrics.never_confirmed();
            }
        }
        self.count(error.code());
    }

    /// What is here was up to date at this moment.
    pub(super) fn confirmed(&self) {
        if let Some(metrics) = self.metrics.get() {
            metrics.confirmed(self.clock.now(), self.list.load().len());
        }
    }

    pub(super) fn count(&self, result: &'static str) {
        if let Some(metrics) = self.metrics.get() {
            metrics.count(result);
        }
    }

    pub(super) fn streams(&self, is_streaming: bool) {
        if let Some(metrics) = self.metrics.get() {
            metrics.streams(is_streaming);
        }
    }

    /// Whether this denies nothing more than what is here: it is on the list, or has ended.
    pub(super) fn has(&self, entry: &Revocation) -> bool {
        entry.ends_at <= UnixTime::from(self.clock.now()) || self.list.load().covers(entry)
    }

    /// Takes a list, or what is new of it since the event `after`, when that was asked for. What is here and has not ended stays: a whole
    /// list, unless it `adds`, takes its place only where both together would be too large.
    ///
    /// # Errors
    /// [`FollowError::NotAList`], [`FollowError::TooLarge`]; the last list stays.
    pub(super) fn take_document(
        &self,
        json: &[u8],
        after: Option<&EventId>,
        adds: bool,
    ) -> Result<Taken, FollowError> {
        let document: Document =
            serde_json::from_slice(json).map_err(|error| not_a_list(&error))?;
        let is_continued = document.after.is_some();
        if is_continued && document.after.as_deref() != after.map(EventId::as_str) {
            let problem = "it begins after something else than was asked for";
            return Err(FollowError::NotAList(problem.into()));
        }
        let mut list = self.known();
        let is_more = match self.add(&mut list, &document.entries) {
            Err(FollowError::TooLarge { .. }) if !(is_continued || adds) => {
                list = RevocationList::default();
                self.add(&mut list, &document.entries)?;
                true
            }
            added => added?,
        };
        if is_more || !self.is_here() {
            self.store(list);
        } else {
            self.confirmed();
        }
        Ok(Taken {
            event: document.event.and_then(EventId::new),
            is_continued,
            is_more,
        })
    }

    /// Takes one event of a stream; gives the id to go on from when the list is complete with it.
    ///
    /// # Errors
    /// As [`take_whole`](Self::take_whole).
    pub(super) fn take(
        &self,
        next: &mut Next,
        event: Event,
    ) -> Result<Option<String>, FollowError> {
        match event.name.as_str() {
            "reset" => {
                next.0 = Some(Coming {
                    alone: RevocationList::default(),
                    beside_known: self.known(),
                });
            }
            "entries" => {
                let entries: Vec<Revocation> =
                    serde_json::from_slice(&event.data).map_err(|error| not_a_list(&error))?;
                if let Some(coming) = &mut next.0 {
                    self.add(&mut coming.alone, &entries)?;
                    self.put(&mut coming.beside_known, &entries);
                } else {
                    let mut list = self.known();
                    self.add(&mut list, &entries)?;
                    self.store(list);
                }
            }
            "current" => {
                match next.0.take() {
                    Some(coming) => self.store(coming.whole(self.all_ended_until())),
                    None => self.confirmed(),
                }
                return Ok(event.id);
            }
            // Of a later version.
            _ => {}
        }
        Ok(None)
    }

    fn known(&self) -> RevocationList {
        RevocationList::clone(&self.list.load())
    }

    /// Gives whether `list` denies more than before.
    fn add(&self, list: &mut RevocationList, entries: &[Revocation]) -> Result<bool, FollowError> {
        let is_more = self.put(list, entries);
        if list.len() > RevocationList::MAX_ENTRIES {
            list.forget_ended(self.all_ended_until());
        }
        if list.len() > RevocationList::MAX_ENTRIES {
            return Err(FollowError::TooLarge {
                limit: RevocationList::MAX_ENTRIES,
                unit: "entries",
            });
        }
        Ok(is_more)
    }

    /// As [`add`](Self::add), however large the list becomes.
    fn put(&self, list: &mut RevocationList, entries: &[Revocation]) -> bool {
        let now = self.all_ended_until();
        let alive = entries.iter().filter(|entry| now < entry.ends_at);
        alive.fold(false, |is_more, entry| list.put(entry) | is_more)
    }

    /// What had ended at this moment is not kept.
    fn all_ended_until(&self) -> UnixTime {
        UnixTime::from(self.clock.now()).saturating_sub(KEPT_AFTER_END)
    }

    fn store(&self, mut list: RevocationList) {
        list.forget_ended(self.all_ended_until());
        self.list.store(Arc::new(list));
        self.confirmed();
        self.stage.send_replace(Stage::Here);
    }
}

impl Coming {
    /// What counts from now on.
    fn whole(mut self, ended_until: UnixTime) -> RevocationList {
        self.beside_known.forget_ended(ended_until);
        match self.beside_known.len() <= RevocationList::MAX_ENTRIES {
            true => self.beside_known,
            false => self.alone,
        }
    }
}

fn not_a_list(error: &serde_json::Error) -> FollowError {
    // Where it is wrong, and nothing of what it says.
    FollowError::NotAList(format!("line {}, column {}", error.line(), error.column()))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use hallpass_clock::ManualClock;
    use hallpass_token::{RevocationDigest, RevocationKind};
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::super::metrics::RevocationMetrics;
    use super::*;

    fn entries(names: &[&str]) -> String {
        let entry = |name: &&str| Revocation {
            kind: RevocationKind::Client,
            digest: RevocationDigest::new(RevocationKind::Client, name),
            issued_before: None,
            ends_at: UnixTime::from_secs(10),
        };
        serde_json::to_string(&names.iter().map(entry).collect::<Vec<_>>()).unwrap()
    }

    fn event(name: &str, data: &str) -> Event {
        Event {
            name: name.into(),
            data: data.into(),
            id: Some("7.1".into()),
        }
    }

    fn denied(received: &Received, name: &str) -> bool {
        let digest = RevocationDigest::new(RevocationKind::Client, name);
        received.list().denies_all(&digest, UnixTime::from_secs(0))
    }

    #[test]
    fn a_list_counts_when_it_is_complete_and_then_as_a_whole() {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH));
        let received = Received::new(clock.clone());
        let mut next = Next::default();
        let mut take = |name, data: &str| received.take(&mut next, event(name, data));
        take("reset", "{}").unwrap();
        take("entries", &entries(&["a", "b"])).unwrap();
        assert!(!denied(&received, "a") && !received.is_here());
        assert_eq!(take("current", "{}").unwrap().as_deref(), Some("7.1"));
        assert!(denied(&received, "a") && received.is_here());
        take("entries", &entries(&["c"])).unwrap();
        take("later", "").unwrap();
        take("current", "{}").unwrap();
        assert!(denied(&received, "a") && denied(&received, "c"));
        take("reset", "{}").unwrap();
        assert!(take("entries", "[{\"digest\":7}]").is_err());
        assert!(
            denied(&received, "a"),
            "what cannot be read takes nothing away"
        );
        take("reset", "{}").unwrap();
        take("current", "{}").unwrap();
        assert!(denied(&received, "a") && denied(&received, "c"));
        take("entries", &entries(&["a"])).unwrap();
        clock.advance(Duration::from_secs(9) + KEPT_AFTER_END);
        take("entries", &entries(&["b"])).unwrap();
        take("current", "{}").unwrap();
        assert_eq!(received.list().len(), 3, "the clock may be ahead");
        clock.advance(Duration::from_secs(1));
        take("entries", &entries(&["c"])).unwrap();
        take("current", "{}").unwrap();
        assert_eq!(received.list().len(), 0, "what has long ended is not kept");
    }

    #[test]
    fn a_failure_after_a_list_leaves_it_and_one_before_lets_nobody_wait() {
        let received = Received::new(Arc::new(ManualClock::at(UNIX_EPOCH)));
        let error = FollowError::NotOffered { status: 404 };
        received.failed(&error);
        assert_eq!(*received.stage().borrow(), Stage::Without);
        let whole = format!("{{\"entries\":{}}}", entries(&["a"]));
        received
            .take_document(whole.as_bytes(), None, false)
            .unwrap();
        received.failed(&error);
        assert!(received.is_here() && denied(&received, "a"));
        for bad in ["", "[]", "{}", "<html>", "{\"entries\":[7]}"] {
            let taken = received.take_document(bad.as_bytes(), None, false);
            assert!(taken.is_err(), "{bad}");
        }
        assert!(denied(&received, "a"));
    }

    #[test]
    fn a_list_that_never_came_is_as_old_as_can_be_and_one_that_is_not_offered_has_no_age() {
        let last_success = |error: &FollowError| {
            let (metrics, mut registry) = (RevocationMetrics::default(), Registry::default());
            metrics.register(&mut registry);
            let received = Received::new(Arc::new(ManualClock::at(UNIX_EPOCH)));
            received.attach(metrics.of_issuer("internal"));
            received.failed(error);
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            let name = "hallpass_revocations_last_success_timestamp_seconds";
            let line = format!("{name}{{issuer=\"internal\"}} ");
            let mut lines = text.lines();
            lines.find_map(|it| it.strip_prefix(&line).map(str::to_owned))
        };
        let limit = Duration::from_secs(5);
        let missed = last_success(&FollowError::Timeout { limit });
        assert_eq!(missed.as_deref(), Some("0"));
        let not_offered = last_success(&FollowError::NotOffered { status: 404 });
        assert_eq!(not_offered, None);
    }

    fn taken(event: &str, is_continued: bool, is_more: bool) -> Taken {
        Taken {
            event: EventId::new(event.into()),
            is_continued,
            is_more,
        }
    }

    #[test]
    fn what_is_new_is_added_to_what_is_here_when_it_is_what_was_asked_for() {
        let received = Received::new(Arc::new(ManualClock::at(UNIX_EPOCH)));
        let take = |members: &str, names: &[&str], after: Option<&str>| {
            let json = format!("{{{members}\"entries\":{}}}", entries(names));
            let after = after.and_then(|id| EventId::new(id.into()));
            received.take_document(json.as_bytes(), after.as_ref(), false)
        };
        let whole = take("\"event\":\"7.1\",", &["a"], None).unwrap();
        assert_eq!(whole, taken("7.1", false, true));
        let new = "\"event\":\"7.2\",\"after\":\"7.1\",";
        let more = take(new, &["b"], Some("7.1")).unwrap();
        assert_eq!(more, taken("7.2", true, true));
        assert!(denied(&received, "a") && denied(&received, "b"));
        let again = take(new, &["b"], Some("7.1")).unwrap();
        assert_eq!(again, taken("7.2", true, false));
        for asked in [None, Some("7.1")] {
            let taken = take("\"after\":\"7.2\",", &["c"], asked);
            assert!(taken.is_err(), "{asked:?}");
        }
        assert!(!denied(&received, "c"));
        // Of a process that does not know the event, or an older version: the list as a whole.
        assert_eq!(take("", &["d"], Some("7.2")).unwrap().event, None);
        assert!(denied(&received, "d") && denied(&received, "a"));
    }

    #[test]
    fn no_list_of_another_process_or_of_long_ago_takes_away_what_has_not_ended() {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH));
        let received = Received::new(clock.clone());
        let mut next = Next::default();
        let mut take = |name, data: &str| received.take(&mut next, event(name, data)).unwrap();
        for (name, data) in [
            ("reset", "{}"),
            ("entries", &*entries(&["a", "b"])),
            ("current", "{}"),
            ("reset", "{}"),
            ("entries", &*entries(&["a"])),
            ("current", "{}"),
        ] {
            take(name, data);
        }
        assert!(denied(&received, "a") && denied(&received, "b"));
        let older = format!("{{\"event\":\"8.1\",\"entries\":{}}}", entries(&["a"]));
        let taken = received.take_document(older.as_bytes(), None, false);
        assert!(!taken.unwrap().is_more && denied(&received, "b"));
        // By its time it goes.
        clock.advance(Duration::from_secs(10) + KEPT_AFTER_END);
        take("reset", "{}");
        take("current", "{}");
        assert_eq!(received.list().len(), 0);
    }

    #[test]
    fn a_whole_list_that_adds_takes_nothing_away_and_what_is_here_is_not_told_again() {
        let received = Received::new(Arc::new(ManualClock::at(UNIX_EPOCH)));
        let mut told = received.stage();
        let mut add = |names: &[&str]| {
            let json = format!("{{\"event\":\"7.1\",\"entries\":{}}}", entries(names));
            let taken = received.take_document(json.as_bytes(), None, true);
            let is_told = told.has_changed().unwrap();
            told.mark_unchanged();
            (taken.unwrap().is_more, is_told)
        };
        assert_eq!(add(&["a"]), (true, true));
        assert_eq!(add(&["b"]), (true, true));
        assert_eq!(add(&["b"]), (false, false));
        assert!(denied(&received, "a") && denied(&received, "b"));
    }

    #[test]
    fn an_entry_is_here_when_the_list_says_as_much_or_it_has_ended() {
        let clock = Arc::new(ManualClock::at(UNIX_EPOCH));
        let received = Received::new(clock.clone());
        let entries: Vec<Revocation> = serde_json::from_str(&entries(&["a"])).unwrap();
        let (entry, mut longer) = (entries[0], entries[0]);
        longer.ends_at = UnixTime::from_secs(11);
        assert!(!received.has(&entry));
        received
            .take_document(b"{\"entries\":[]}", None, false)
            .unwrap();
        let mut next = Next::default();
        let event = event("entries", &serde_json::to_string(&entries).unwrap());
        received.take(&mut next, event).unwrap();
        assert!(received.has(&entry) && !received.has(&longer));
        clock.advance(Duration::from_secs(11));
        assert!(received.has(&longer), "nobody needs it any more");
    }
}
