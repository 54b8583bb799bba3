//! Asks for a list, or what is new of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::ETAG;
use http::{HeaderValue, Response, StatusCode};
use tokio::time::timeout;

use super::error::FollowError;
use super::event_id::EventId;
use super::fetch::{Ask, Place, failed};
use super::received::Received;
use crate::body::{Body, CollectError};

/// Longest time for the body of a whole list.
const BODY_LIMIT: Duration = Duration::from_secs(30);
/// Largest whole list, in bytes: some 600,000 entries.
const MAX_LIST_BYTES: usize = 64 * 1024 * 1024;

/// What is known of the list that is here.
#[derive(Default)]
pub(super) struct Known(Mutex<State>);

#[derive(Default)]
struct State {
    event: Option<EventId>,
    etag: Option<HeaderValue>,
    is_not_offered: bool,
}

/// What a whole list does to the one that is here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// What is known of events belongs to it from then on.
    Replaces,
    /// It only adds to it: another process may be behind the one whose stream is followed.
    Adds,
}

impl Known {
    pub(super) fn event(&self) -> Option<EventId> {
        self.state().event.clone()
    }

    /// A stream has brought the list up to `event`.
    pub(super) fn streamed(&self, event: Option<EventId>) {
        let mut state = self.state();
        state.event = event;
        // The last document says no more what is here.
        state.etag = None;
    }

    pub(super) fn is_offered(&self, is: bool) {
        self.state().is_not_offered = !is;
    }

    pub(super) fn may_be_asked(&self) -> bool {
        !self.state().is_not_offered
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for the list, or what is new of it. Gives whether there was anything new.
pub(super) async fn poll(
    place: &Place,
    received: &Received,
    known: &Known,
    whole: Whole,
) -> Result<bool, FollowError> {
    let (after, etag) = {
        let state = known.state();
        (state.event.clone(), state.etag.clone())
    };
    let ask = Ask::Document {
        etag: etag.as_ref(),
        after: after.as_ref(),
    };
    let response = place.ask(ask).await?;
    let is_more = take_document(response, received, known, (after.as_ref(), whole)).await?;
    received.count("whole");
    Ok(is_more)
}

/// Takes the response to a request for what is new after an event.
pub(super) async fn take_document(
    response: Response<Body>,
    received: &Received,
    known: &Known,
    (after, whole): (Option<&EventId>, Whole),
) -> Result<bool, FollowError> {
    if response.status() == StatusCode::NOT_MODIFIED {
        received.confirmed();
        return Ok(false);
    }
    let etag = response.headers().get(ETAG).cloned();
    let limit = BODY_LIMIT;
    let body = response.into_body().collect_within(MAX_LIST_BYTES);
    let body = timeout(limit, body).await;
    let body = body.map_err(|_| FollowError::Timeout { limit })?;
    let body = body.map_err(|error| match error {
        CollectError::TooLarge { limit } => FollowError::TooLarge {
            limit,
            unit: "bytes",
        },
        other => failed(other),
    })?;
    let taken = received.take_document(&body, after, whole == Whole::Adds)?;
    let mut state = known.state();
    // What replaces the list may name no event: what was known belongs to another list then. What adds to it leaves that as it is.
    if taken.is_continued || whole == Whole::Replaces || state.event.is_none() {
        state.event = taken.event;
    }
    state.etag = etag;
    Ok(taken.is_more)
}
