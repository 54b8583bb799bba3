//! How a program without a word of authentication passes its caller on: by a handle that it copies from the request to its calls, as it copies a request id.
//!
//! The handle stands for the credentials that the request came with. They never leave this process by it, and are verified again when the handle comes back: who
//! calls by then may have logged out, or his token may have ended.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_resource::is_spelling_of;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::proxy::hop_by_hop::CONTEXT_HANDLE;

/// The header of a handle.
const HEADER: HeaderName = CONTEXT_HANDLE;
/// Handles at once. With more of them, those are forgotten first whose requests ended first; a request beyond so many that are under way gets none.
const MAX_LENT: usize = 65_536;
/// Bytes of all credentials that they stand for: those of some 65,536 usual tokens. Beyond it the same holds.
const MAX_LENT_BYTES: usize = 64 * 1024 * 1024;
/// How long a handle stands for its caller after the request has ended, at most: for calls that were begun last.
const AFTER_END: Duration = Duration::from_secs(30);

/// The credentials that handles stand for. Cheap to clone; clones share them.
#[derive(Clone)]
pub(crate) struct Lent(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    entries: HashMap<Box<str>, Entry>,
    /// Those whose requests have ended, in that order, which is the one in which they stop counting.
    ended: VecDeque<Box<str>>,
    /// Bytes of all credentials.
    bytes: usize,
}

impl Table {
    /// Whether there is room for one more, of so many bytes. No longer than what is forgotten, whatever comes at once.
    fn makes_room(&mut self, bytes: usize, now: Duration) -> bool {
        while let Some(first) = self.ended.front() {
            let entry = self.entries.get(first);
            let counts = entry.is_some_and(|entry| entry.until.is_none_or(|until| now < until));
            if counts && self.has_room(bytes) {
                break;
            }
            let Some(first) = self.ended.pop_front() else {
                break;
            };
            self.forget(&first);
        }
        self.has_room(bytes)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.entries.len() < MAX_LENT && self.bytes.saturating_add(bytes) <= MAX_LENT_BYTES
    }

    fn forget(&mut self, handle: &str) {
        if let Some(entry) = self.entries.remove(handle) {
            self.bytes = self.bytes.saturating_sub(entry.authorization.len());
        }
    }
}

struct Entry {
    authorization: HeaderValue,
    /// Once the request has ended: until when it counts.
    until: Option<Duration>,
}

/// Held by a request: the handle ends some time after this.
#[must_use]
pub(crate) struct Lease {
    lent: Lent,
    handle: Box<str>,
}

impl Lent {
    pub(crate) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            clock: Arc::clone(clock),
            table: Mutex::default(),
        }))
    }

    /// Gives a request a handle in place of any that it has brought, where it has credentials.
    ///
    /// # Errors
    /// [`NoHandle`]: it has credentials, and there is no handle for them.
    pub(crate) fn lend(&self, headers: &mut HeaderMap) -> Result<Option<Lease>, NoHandle> {
        strip(headers);
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let only = values.next().filter(|_| values.next().is_none());
        let Some(authorization) = only else {
            return Ok(None);
        };
        // Copied: as it came it is a part of the whole head, and would keep all of that.
        let authorization = HeaderValue::from_bytes(authorization.as_bytes());
        let mut authorization = authorization.map_err(|_| NoHandle)?;
        authorization.set_sensitive(true);
        let handle = random_handle().ok_or(NoHandle)?;
        let value = HeaderValue::from_str(&handle).map_err(|_| NoHandle)?;
        let now = self.0.clock.monotonic();
        let mut table = self.table();
        if !table.makes_room(authorization.len(), now) {
            return Err(NoHandle);
        }
        table.bytes = table.bytes.saturating_add(authorization.len());
        let until = None;
        table.entries.insert(
            handle.clone(),
            Entry {
                authorization,
                until,
            },
        );
        drop(table);
        headers.insert(HEADER, value);
        let lent = self.clone();
        Ok(Some(Lease { lent, handle }))
    }

    /// Puts the credentials that a handle stands for in its place. A handle that stands for nobody takes away those that came beside it.
    pub(crate) fn redeem(&self, headers: &mut HeaderMap) -> Redeemed {
        redeem(headers, |handle| self.found(handle))
    }

    fn found(&self, handle: &str) -> Option<HeaderValue> {
        let now = self.0.clock.monotonic();
        let table = self.table();
        let entry = table.entries.get(handle)?;
        let counts = entry.until.is_none_or(|until| now < until);
        counts.then(|| entry.authorization.clone())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Nobody was given the handle: it ends now. Strangers whose requests are refused take no room by that.
    pub(crate) fn end(self) {
        self.lent.table().forget(&self.handle);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut table = self.lent.table();
        // Under the lock, so that the order is that of the times.
        let until = self.lent.0.clock.monotonic().saturating_add(AFTER_END);
        if let Some(entry) = table.entries.get_mut(&self.handle) {
            entry.until = Some(until);
            table.ended.push_back(std::mem::take(&mut self.handle));
        }
    }
}

/// There is no handle for the caller of a request. It must not reach the program: that would call others as nobody, or as itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoHandle;

/// What a handle came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redeemed {
    /// There was none.
    Nothing,
    /// The credentials that it stands for are in its place.
    Caller,
    /// It stands for nobody, or nobody any more.
    Nobody,
}

/// Where no handles are lent: each of them stands for nobody.
pub(crate) fn refuse(headers: &mut HeaderMap) -> Redeemed {
    redeem(headers, |_| None)
}

fn redeem(headers: &mut HeaderMap, found: impl Fn(&str) -> Option<HeaderValue>) -> Redeemed {
    let mut values = headers.get_all(HEADER).iter();
    let Some(first) = values.next() else {
        if !strip(headers) {
            return Redeemed::Nothing;
        }
        // Under another name it means nothing, and is not nothing.
        headers.remove(AUTHORIZATION);
        return Redeemed::Nobody;
    };
    let only = values.next().is_none().then_some(first);
    let handle = only.and_then(|it| it.to_str().ok());
    let found = handle.and_then(found);
    strip(headers);
    headers.remove(AUTHORIZATION);
    match found {
        Some(authorization) => {
            headers.insert(AUTHORIZATION, authorization);
            Redeemed::Caller
        }
        None => Redeemed::Nobody,
    }
}

/// 128 random bits, which nobody guesses.
fn random_handle() -> Option<Box<str>> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_be_bytes(bytes)).into())
}

/// Takes a handle away, in every spelling, and says whether there was one: it is for this process alone.
pub(crate) fn strip(headers: &mut HeaderMap) -> bool {
    let is_one = |name: &&HeaderName| is_spelling_of(name.as_str(), HEADER.as_str());
    let found: Vec<_> = headers.keys().filter(is_one).cloned().collect();
    for name in &found {
        headers.remove(name);
    }
    !found.is_empty()
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lent")
            .field(&self.table().entries.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_clock::ManualClock;

    use super::*;

    fn rig() -> (Lent, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        let lent = Lent::new(&(Arc::clone(&clock) as Arc<dyn Clock>));
        (lent, clock)
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    /// What a call bears that the program gives this handle.
    fn redeemed(lent: &Lent, handle: &HeaderValue) -> Option<String> {
        let mut call = headers(&[("authorization", "Bearer its-own")]);
        call.insert(HEADER, handle.clone());
        let redeemed = lent.redeem(&mut call);
        assert_eq!(
            redeemed == Redeemed::Caller,
            call.contains_key(AUTHORIZATION)
        );
        assert!(!call.contains_key(HEADER), "it is never sent on");
        let authorization = call.get(AUTHORIZATION)?;
        Some(authorization.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_lent_context_ends_with_its_request() {
        let (lent, clock) = rig();
        let mut request = headers(&[("authorization", "Bearer alice")]);
        let lease = lent.lend(&mut request).unwrap().unwrap();
        let handle = request[HEADER].clone();
        assert!(handle.len() >= 32, "128 bits: {handle:?}");
        clock.advance(Duration::from_secs(3_600));
        let alice = Some("Bearer alice".to_owned());
        assert_eq!(redeemed(&lent, &handle), alice);
        drop(lease);
        clock.advance(AFTER_END - Duration::from_millis(1));
        assert_eq!(redeemed(&lent, &handle), alice);
        clock.advance(Duration::from_millis(1));
        assert_eq!(redeemed(&lent, &handle), None);
        let _next = lent.lend(&mut request).unwrap().unwrap();
        assert_eq!(lent.table().entries.len(), 1, "the next one has its place");
    }

    #[test]
    fn a_handle_from_outside_stands_for_nobody_and_each_request_has_its_own() {
        let (lent, _clock) = rig();
        let mut first = headers(&[("authorization", "Bearer alice")]);
        let _first = lent.lend(&mut first).unwrap().unwrap();
        let stolen = first[HEADER].clone();
        for name in [
            "x-hallpass-context",
            "x_hallpass_context",
            "x.hallpass.context",
        ] {
            let mut second = headers(&[("authorization", "Bearer bob")]);
            second.insert(name, stolen.clone());
            let _second = lent.lend(&mut second).unwrap().unwrap();
            assert_eq!(second.len(), 2, "{second:?}");
            assert_ne!(second[HEADER], stolen);
        }
        let mut nobody = headers(&[("x-hallpass-context", "made-up")]);
        assert!(lent.lend(&mut nobody).unwrap().is_none());
        assert!(nobody.is_empty());
        for guess in ["made-up", "", "0"] {
            assert_eq!(redeemed(&lent, &HeaderValue::from_static(guess)), None);
        }
        let mut twice = headers(&[("authorization", "Bearer its-own")]);
        twice.append(HEADER, stolen.clone());
        twice.append(HEADER, stolen);
        assert_eq!(lent.redeem(&mut twice), Redeemed::Nobody);
        assert!(twice.is_empty(), "{twice:?}");
        let mut spelled = headers(&[
            ("authorization", "Bearer its-own"),
            ("x_hallpass_context", "0"),
        ]);
        assert_eq!(lent.redeem(&mut spelled), Redeemed::Nobody);
        assert!(spelled.is_empty(), "{spelled:?}");
    }

    #[test]
    fn without_a_handle_what_the_program_sends_stays() {
        let (lent, _clock) = rig();
        let mut call = headers(&[("authorization", "Bearer hers")]);
        assert_eq!(lent.redeem(&mut call), Redeemed::Nothing);
        assert_eq!(call[AUTHORIZATION], "Bearer hers");
        let mut several = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]);
        assert!(lent.lend(&mut several).unwrap().is_none());
    }

    #[test]
    fn no_size_of_credentials_makes_it_grow_beyond_its_bound() {
        const SIZE: usize = 16 * 1024;
        let (lent, _clock) = rig();
        let large = format!("Bearer {}", "x".repeat(SIZE - "Bearer ".len()));
        let lend = |credentials: &str| {
            let mut request = HeaderMap::new();
            request.insert(AUTHORIZATION, credentials.parse().unwrap());
            lent.lend(&mut request).map(Option::unwrap)
        };
        // Requests that have ended, of whoever sends so much.
        for _ in 0..2 * MAX_LENT_BYTES / SIZE {
            drop(lend(&large).unwrap());
            assert!(lent.table().bytes <= MAX_LENT_BYTES);
        }
        let leases: Vec<_> = std::iter::from_fn(|| lend(&large).ok()).collect();
        assert_eq!(leases.len(), MAX_LENT_BYTES / SIZE, "all are under way");
        drop(leases);
        assert!(lend("Bearer alice").is_ok());
        let table = lent.table();
        let bytes = table.entries.values().map(|it| it.authorization.len());
        assert_eq!(bytes.sum::<usize>(), table.bytes);
    }

    #[test]
    fn a_handle_that_nobody_was_given_takes_no_room() {
        let (lent, _clock) = rig();
        let mut request = headers(&[("authorization", "Bearer mallory")]);
        lent.lend(&mut request).unwrap().unwrap().end();
        assert_eq!(redeemed(&lent, &request[HEADER]), None);
        let table = lent.table();
        assert_eq!(table.entries.len() + table.ended.len() + table.bytes, 0);
    }

    #[test]
    fn no_number_of_requests_makes_it_grow_beyond_its_bound() {
        let (lent, clock) = rig();
        let lend = || {
            let mut request = headers(&[("authorization", "Bearer alice")]);
            lent.lend(&mut request).map(Option::unwrap)
        };
        let mut leases: Vec<_> = (0..MAX_LENT).map(|_| lend().unwrap()).collect();
        assert_eq!(lend().err(), Some(NoHandle), "all are under way");
        let (first, second) = (leases.remove(0), leases.remove(0));
        let handle = |lease: &Lease| HeaderValue::from_str(&lease.handle).unwrap();
        let handles = [handle(&first), handle(&second)];
        drop(first);
        drop(second);
        let third = lend().unwrap();
        assert_eq!(redeemed(&lent, &handles[0]), None, "it ended first");
        assert!(redeemed(&lent, &handles[1]).is_some());
        drop(leases);
        clock.advance(AFTER_END);
        assert!(lend().is_ok());
        let table = lent.table();
        assert_eq!((table.entries.len(), table.ended.len()), (2, 1));
        drop((table, third));
    }
}
