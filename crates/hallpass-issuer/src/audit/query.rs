//! Questions about the events that are kept.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use hallpass_token::UnixTime;
use serde::Deserialize;

use super::kept::Kept;
use super::rotated_file;

/// Bytes that are kept where the settings do not say how many: some fifty thousand events.
pub(crate) const USUAL_BYTES: usize = 16 * 1024 * 1024;
/// Most events of one page.
const MAX_PAGE_EVENTS: usize = 1_000;

/// The last audit events of an issuer, for questions. Clones share them.
///
/// What is kept is bounded by bytes (`issuer.audit.retain-mb`): the oldest events are forgotten. It is no archive: what must last goes into a file, or into
/// whatever reads the log.
#[derive(Clone, Debug)]
pub struct AuditLog {
    kept: Arc<Kept>,
    /// Tells the cursors of this process from those of others.
    start: u64,
}

/// Which events are meant: those that satisfy all that is said here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Decided then or later.
    pub from: Option<UnixTime>,
    /// Decided before that.
    pub until: Option<UnixTime>,
    /// About this client, whether it had proven who it is or not.
    pub client: Option<String>,
    /// Of this kind: the `event` of an event, such as `token_refused`, or the `action` of an administrator.
    pub action: Option<String>,
    /// With this outcome.
    pub outcome: Option<AuditOutcome>,
    /// For this reason: one of `docs/errors.md`.
    pub reason: Option<String>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditOutcome {
    /// It was done: a token issued, something revoked or changed, or a response given once more to who repeats an attempt.
    Done,
    /// It was refused, or somebody was locked out.
    Refused,
}

/// A place among the events: those after it are older. It is of use to the process that gave it, while the events are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditCursor {
    start: u64,
    before: u64,
}

/// A text is no cursor, or one of another process: begin without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCursor;

/// Some of the events, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// Each as an object of JSON, with the fields that the log has (`docs/operations.md`).
    pub events: Vec<String>,
    /// Where to go on; `None` when there are no more.
    pub next: Option<AuditCursor>,
}

/// What is looked at of a line.
#[derive(Deserialize)]
struct Seen<'l> {
    at: u64,
    #[serde(borrow)]
    event: Cow<'l, str>,
    #[serde(borrow, default)]
    client_id: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    unverified_client_id: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    reason: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    actor: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    action: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    outcome: Option<Cow<'l, str>>,
}

impl AuditLog {
    pub(super) fn new(kept: Arc<Kept>) -> Self {
        Self {
            kept,
            start: RandomState::new().hash_one(0_u8),
        }
    }

    /// What tells this start of this issuer from others, its replicas among them: a number without a meaning.
    #[must_use]
    pub fn instance(&self) -> String {
        format!("{:016x}", self.start)
    }

    /// Keeps events from now on: `most` bytes of them.
    pub(crate) fn keep(&self, most: usize) {
        self.kept.keep(most);
    }

    /// Begins with what the file at `path` has last. It blocks.
    pub(crate) fn fill_from(&self, path: &Path, most: usize) {
        let lines = rotated_file::last_lines(path, u64::try_from(most).unwrap_or(u64::MAX));
        for line in lines.split(|byte| *byte == b'\n') {
            // What others have written there is none of ours.
            if let Ok(seen) = serde_json::from_slice::<Seen<'_>>(line) {
                self.kept.push(seen.at, line);
            }
        }
    }

    /// Whether any events are kept: not unless an interface for administrators is served, or `issuer.audit.retain-mb` says so.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept.is_on()
    }

    /// The events that `filter` means, the newest first, `limit` of them at most (and no more than 1,000); those after `cursor`, if there is one.
    ///
    /// It reads all that is kept when few events are meant: some hundred milliseconds at worst, so that it must not run on a thread that serves
    /// requests (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// [`InvalidCursor`] for one that another process gave.
    ///
    /// ```
    /// use hallpass_issuer::{AuditFilter, AuditLog, AuditOutcome, RunningIssuer};
    ///
    /// /// Why tokens were refused, the last one first.
    /// fn last_refusals(issuer: &RunningIssuer) -> Vec<String> {
    ///     let refused = AuditFilter {
    ///         outcome: Some(AuditOutcome::Refused),
    ///         ..AuditFilter::default()
    ///     };
    ///     let page = issuer.audit_log().query(&refused, None, 10);
    ///     page.map(|page| page.events).unwrap_or_default()
    /// }
    /// ```
    pub fn query(
        &self,
        filter: &AuditFilter,
        cursor: Option<AuditCursor>,
        limit: usize,
    ) -> Result<AuditPage, InvalidCursor> {
        let before = match cursor {
            Some(cursor) if cursor.start != self.start => return Err(InvalidCursor),
            Some(cursor) => cursor.before,
            None => u64::MAX,
        };
        let limit = limit.clamp(1, MAX_PAGE_EVENTS);
        let mut page = AuditPage {
            events: Vec::new(),
            next: None,
        };
        let pieces = self.kept.pieces();
        let meant = pieces
            .iter()
            .filter(|piece| piece.first < before && filter.may_be_within(piece.times));
        let mut last = before;
        for (number, line) in meant.flat_map(|piece| piece.newest_first()) {
            if number >= before || !filter.means(line) {
                continue;
            }
            if page.events.len() == limit {
                page.next = Some(AuditCursor {
                    start: self.start,
                    before: last,
                });
                break;
            }
            last = number;
            page.events.push(String::from_utf8_lossy(line).into_owned());
        }
        Ok(page)
    }
}

impl AuditFilter {
    fn may_be_within(&self, times: Option<(u64, u64)>) -> bool {
        let Some((from, until)) = times else {
            return false;
        };
        self.from.is_none_or(|it| it.as_secs() <= until)
            && self.until.is_none_or(|it| it.as_secs() > from)
    }

    fn means(&self, line: &[u8]) -> bool {
        let Ok(seen) = serde_json::from_slice::<Seen<'_>>(line) else {
            return false;
        };
        let is = |wanted: &Option<String>, found: &[Option<&str>]| {
            wanted.as_deref().is_none_or(|it| found.contains(&Some(it)))
        };
        let clients = [&seen.client_id, &seen.unverified_client_id, &seen.actor];
        let action = seen.action.as_deref();
        self.may_be_within(Some((seen.at, seen.at)))
            && is(&self.client, &clients.map(|it| it.as_deref()))
            && is(&self.action, &[Some(&*seen.event), action])
            && is(&self.reason, &[seen.reason.as_deref(), seen.refusal()])
            && self.outcome.is_none_or(|it| it == seen.outcome())
    }
}

impl Seen<'_> {
    fn outcome(&self) -> AuditOutcome {
        let is_refusal = matches!(
            &*self.event,
            "token_refused" | "certificate_refused" | "locked_out"
        );
        match is_refusal || self.refusal().is_some() {
            true => AuditOutcome::Refused,
            false => AuditOutcome::Done,
        }
    }

    /// Why an administrator was refused.
    fn refusal(&self) -> Option<&str> {
        self.outcome
            .as_deref()
            .filter(|outcome| !matches!(*outcome, "done" | "repeated"))
    }
}

impl fmt::Display for AuditCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:x}", self.start, self.before)
    }
}

impl FromStr for AuditCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (start, before) = text.split_once('-').ok_or(InvalidCursor)?;
        let number = |text: &str| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let number = u64::from_str_radix(text, 16).ok();
            number.filter(|_| is_plain).ok_or(InvalidCursor)
        };
        Ok(Self {
            start: number(start)?,
            before: number(before)?,
        })
    }
}

impl fmt::Display for InvalidCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no cursor of this process: begin without one")
    }
}

impl std::error::Error for InvalidCursor {}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[&str]) -> AuditLog {
        let kept = Arc::new(Kept::default());
        kept.keep(1024 * 1024);
        for line in lines {
            let seen: Seen<'_> = serde_json::from_str(line).unwrap();
            kept.push(seen.at, line.as_bytes());
        }
        AuditLog::new(kept)
    }

    const LINES: [&str; 7] = [
        r#"{"event":"token_issued","at":10,"client_id":"a"}"#,
        r#"{"event":"token_refused","at":11,"reason":"bad_credentials","unverified_client_id":"a"}"#,
        r#"{"event":"token_issued","at":12,"client_id":"b\"c"}"#,
        r#"{"event":"locked_out","at":13,"limit":"pair","unverified_client_id":"a"}"#,
        r#"{"event":"administration","at":14,"actor":"ops","action":"key_rotate","outcome":"done"}"#,
        r#"{"event":"administration","at":15,"actor":"ops","action":"key_rotate","outcome":"insufficient_scope"}"#,
        r#"{"event":"administration","at":16,"actor":"o2","action":"client_add","outcome":"repeated"}"#,
    ];

    /// As `client=a from=12`.
    fn filter(text: &str) -> AuditFilter {
        let mut filter = AuditFilter::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').unwrap();
            let time = || Some(UnixTime::from_secs(value.parse().unwrap()));
            let text = || Some(value.to_owned());
            match name {
                "from" => filter.from = time(),
                "until" => filter.until = time(),
                "client" => filter.client = text(),
                "action" => filter.action = text(),
                "reason" => filter.reason = text(),
                _ if value == "done" => filter.outcome = Some(AuditOutcome::Done),
                _ => filter.outcome = Some(AuditOutcome::Refused),
            }
        }
        filter
    }

    #[test]
    fn events_are_found_by_each_of_what_is_said_and_by_all_of_it_together() {
        for (text, expected) in [
            ("", &[16, 15, 14, 13, 12, 11, 10][..]),
            ("from=13", &[16, 15, 14, 13]),
            ("until=12", &[11, 10]),
            ("from=11 until=13", &[12, 11]),
            ("from=17", &[]),
            ("until=10", &[]),
            ("client=a", &[13, 11, 10]),
            ("client=b\"c", &[12]),
            ("client=ops", &[15, 14]),
            ("client=nobody", &[]),
            ("action=token_issued", &[12, 10]),
            ("action=key_rotate", &[15, 14]),
            ("reason=bad_credentials", &[11]),
            ("reason=insufficient_scope", &[15]),
            ("outcome=refused", &[15, 13, 11]),
            ("outcome=done", &[16, 14, 12, 10]),
            ("client=a outcome=refused from=12", &[13]),
        ] {
            let page = log(&LINES).query(&filter(text), None, 100).unwrap();
            let at = |line: &String| serde_json::from_str::<Seen<'_>>(line).unwrap().at;
            let found: Vec<_> = page.events.iter().map(at).collect();
            assert_eq!((&found[..], page.next), (expected, None), "{text}");
        }
    }

    #[test]
    fn pages_follow_one_another_without_a_gap_while_new_events_come() {
        let log = log(&[]);
        let line = |at: u64| format!("{{\"event\":\"token_issued\",\"at\":{at}}}");
        let push = |at: u64| log.kept.push(at, line(at).as_bytes());
        (0..5_000).for_each(push);
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let page = log.query(&AuditFilter::default(), cursor, 700).unwrap();
            seen.extend(page.events);
            push(9_999);
            let Some(next) = page.next else { break };
            cursor = Some(next.to_string().parse().unwrap());
            assert_eq!(cursor, Some(next));
        }
        let expected: Vec<_> = (0..5_000).rev().map(line).collect();
        assert_eq!(seen, expected);
        let most = log
            .query(&AuditFilter::default(), None, usize::MAX)
            .unwrap();
        assert_eq!(most.events.len(), MAX_PAGE_EVENTS);
    }

    #[test]
    fn a_cursor_of_another_process_is_none() {
        let (one, other) = (log(&LINES), log(&LINES));
        let next = one.query(&AuditFilter::default(), None, 1).unwrap().next;
        assert_eq!(
            other.query(&AuditFilter::default(), next, 1),
            Err(InvalidCursor)
        );
        for text in [
            "",
            "-",
            "1",
            "x-1",
            "1-x",
            "1--1",
            "+1-1",
            "1-10000000000000000",
        ] {
            assert_eq!(text.parse::<AuditCursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
