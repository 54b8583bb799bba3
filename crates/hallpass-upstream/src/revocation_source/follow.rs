//! Follows a deny-list for as long as somebody uses it.

use std::time::Duration;

use crate::random::random_below;
use crate::reminders::Reminders;
use http_body_util::BodyExt as _;
use tokio::time::{sleep, timeout};

use super::error::FollowError;
use super::event_id::EventId;
use super::events::Events;
use super::fetch::{Ask, Place, failed, is_stream};
use super::poll::{Known, Whole, poll, take_document};
use super::received::{Next, Received};

/// A stream that says nothing for so long is dead: an issuer of ours speaks every ten seconds.
const LONGEST_SILENCE: Duration = Duration::from_secs(25);
/// The pause after a stream that was good until it ended.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause while nothing works, unless the issuer asks for more. So long after an outage nothing is heard of what is revoked.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause that an issuer can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(60);
/// The pause while whole lists come and no stream does.
const POLL_EVERY: Duration = Duration::from_secs(5);
/// The pause when the issuer has no such list.
const NOT_OFFERED_PAUSE: Duration = Duration::from_secs(10 * 60);

/// Follows `place` without an end.
pub(super) async fn follow(place: &Place, received: &Received, known: &Known) {
    let reminders = Reminders::default();
    let mut failures = 0_u32;
    loop {
        let mut was_current = false;
        let streamed = stream(place, received, known, &mut was_current).await;
        received.streams(false);
        if was_current {
            failures = 0;
            reminders.over();
        }
        let error = match streamed {
            Ok(()) if was_current => {
                pause(SHORTEST_PAUSE).await;
                continue;
            }
            Ok(()) => FollowError::NotAList("a stream that ended before its list did".into()),
            Err(error) => error,
        };
        if matches!(error, FollowError::NotOffered { .. }) && !received.is_here() {
            received.failed(&error);
            tracing::debug!(url = %place.url(), %error, "this issuer has no deny-list");
            known.is_offered(false);
            sleep(NOT_OFFERED_PAUSE).await;
            known.is_offered(true);
            continue;
        }
        received.failed(&error);
        say(place, &reminders, &error, received.is_here());
        let asked = error.retry_after().unwrap_or_default().min(LONGEST_ASKED);
        let polled = poll(place, received, known, Whole::Replaces).await;
        failures = failures.saturating_add(1);
        let usual = match &polled {
            Ok(_) if was_current => SHORTEST_PAUSE,
            Ok(_) => POLL_EVERY,
            Err(error) => {
                received.failed(error);
                backoff(failures)
            }
        };
        pause(usual.max(asked)).await;
    }
}

/// Reads a stream to its end. `was_current`: the list was complete at some moment of it.
async fn stream(
    place: &Place,
    received: &Received,
    known: &Known,
    was_current: &mut bool,
) -> Result<(), FollowError> {
    let (event, connections) = (known.event(), place.connections());
    let ask = Ask::Stream {
        known: event.as_ref(),
    };
    let response = place.ask(ask).await?;
    if !is_stream(&response) {
        // Something on the way does not let streams through, or knows none.
        take_document(response, received, known, (None, Whole::Replaces)).await?;
        return Err(FollowError::NotAList("no stream of events".into()));
    }
    received.count("stream");
    let (mut body, mut events, mut next) =
        (response.into_body(), Events::default(), Next::default());
    let limit = LONGEST_SILENCE;
    loop {
        let frame = timeout(limit, body.frame()).await;
        let frame = frame.map_err(|_| FollowError::Silent { limit })?;
        let Some(frame) = frame else { return Ok(()) };
        let Ok(bytes) = frame.map_err(failed)?.into_data() else {
            continue;
        };
        events.push(&bytes, |event| {
            if event.name == "current" && !std::mem::replace(was_current, true) {
                received.streams(true);
            }
            if let Some(id) = received.take(&mut next, event)? {
                known.streamed(EventId::new(id));
            }
            Ok(())
        })?;
        if *was_current {
            received.confirmed();
        }
        // A stream has no end of its own: whoever is not trusted any more would go on saying what is not revoked.
        if !place.connections().are_of_one_time_with(&connections) {
            return Ok(());
        }
    }
}

fn say(place: &Place, reminders: &Reminders, error: &FollowError, have_list: bool) {
    let (url, code) = (place.url(), error.code());
    if reminders.is_due(code) {
        tracing::warn!(%url, code, %error, have_list, "revocations cannot be followed by a stream: the last list stays in use, and is asked for from time to time");
    } else {
        tracing::debug!(%url, code, %error, have_list, "revocations cannot be followed by a stream");
    }
}

/// Doubles with each failure.
fn backoff(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.min(10));
    SHORTEST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

/// Three quarters of `usual` and some more, so that not everybody comes back at once.
async fn pause(usual: Duration) {
    let part = u64::try_from(usual.as_millis()).unwrap_or(u64::MAX) / 4;
    let more = Duration::from_millis(random_below(part.saturating_mul(2).max(1)));
    sleep(usual.saturating_sub(usual / 4).saturating_add(more)).await;
}
