//! The deny-list as server-sent events (WHATWG HTML, section 9.2).
//!
//! | event | data | meaning |
//! |---|---|---|
//! | `reset` | `{}` | a whole list begins, which counts from the next `current` on; what it lacks was not taken back |
//! | `entries` | array | entries; its `id` is where to go on after a break (`Last-Event-ID`) |
//! | `current` | `{}` | the list is complete up to now |
//!
//! A comment line comes every ten seconds, so that a connection which is dead is noticed.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::log::Log;
use super::places::Place;

/// How often a stream shows that it lives.
const COMMENT_EVERY: Duration = Duration::from_secs(10);
/// How long a reader may take for one event.
const SLOWEST_READER: Duration = Duration::from_secs(20);
/// Larger entries are sent from where they are, and shared by all streams that are slow.
const LARGEST_COPY: usize = 4 * 1024;
/// Pieces of events that may wait for the connection.
const WAITING_EVENTS: usize = 2;

/// The body of a stream; it ends with its task.
pub(super) struct Events(mpsc::Receiver<Bytes>);

/// A place among the streams, given back when it is dropped.
pub(super) struct Counted {
    streams: Gauge,
    place: Place,
}

impl Counted {
    pub(super) fn new(streams: &Gauge, place: Place) -> Self {
        streams.inc();
        Self {
            streams: streams.clone(),
            place,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.streams.dec();
    }
}

/// Events after the one that is `known`. Must be called inside a tokio runtime.
pub(super) fn events(
    mut logs: watch::Receiver<Arc<Log>>,
    stopping: watch::Receiver<bool>,
    known: Option<&str>,
    mut place: Counted,
) -> Events {
    let (sender, events) = mpsc::channel(WAITING_EVENTS);
    let known = known.and_then(|id| logs.borrow_and_update().number(id));
    logs.mark_changed();
    tokio::spawn(async move {
        // How it ended is of interest to nobody: the reader sees the end and comes back.
        tokio::select! {
            _ended = tell(logs, stopping, known, &sender) => {}
            () = place.place.given_up() => {}
        }
    });
    Events(events)
}

/// `None` when the reader has gone, is too slow, or the issuer stops.
async fn tell(
    mut logs: watch::Receiver<Arc<Log>>,
    mut stopping: watch::Receiver<bool>,
    mut known: Option<u64>,
    out: &mpsc::Sender<Bytes>,
) -> Option<()> {
    loop {
        tokio::select! {
            changed = logs.changed() => changed.ok()?,
            () = sleep(COMMENT_EVERY) => {
                send(out, ":\n\n").await?;
                continue;
            }
            () = out.closed() => return None,
            () = when_true(&mut stopping) => return None,
        }
        let log = Arc::clone(&logs.borrow_and_update());
        if known.is_none() {
            send(out, "event: reset\ndata: {}\n\n").await?;
        }
        for (number, entries) in log.after(known.unwrap_or(0)) {
            let head = format!("event: entries\nid: {}\ndata: [", log.event_id(number));
            if entries.len() > LARGEST_COPY {
                send(out, head).await?;
                send(out, entries).await?;
                send(out, "]\n\n").await?;
            } else {
                let event = [head.as_bytes(), &entries, b"]\n\n"].concat();
                send(out, event).await?;
            }
        }
        let id = log.event_id(log.last());
        send(out, format!("event: current\nid: {id}\ndata: {{}}\n\n")).await?;
        known = Some(log.last());
    }
}

/// Ready once `flag` is true, or its sender is gone.
async fn when_true(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|set| *set).await;
}

async fn send(out: &mpsc::Sender<Bytes>, event: impl Into<Bytes>) -> Option<()> {
    timeout(SLOWEST_READER, out.send(event.into()))
        .await
        .ok()?
        .ok()
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = self.0.poll_recv(context);
        event.map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::deny_list::places::Places;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_does_not_read_is_cut_off_and_its_place_is_free() {
        let logs = watch::Sender::new(Arc::new(Log::new(7)));
        let stopping = watch::Sender::new(false);
        let places = Places::default();
        let place = places.take(None, None).unwrap();
        let streams = Gauge::default();
        let place = Counted::new(&streams, place);
        let mut body = events(logs.subscribe(), stopping.subscribe(), None, place);
        assert_eq!(streams.get(), 1);
        sleep(COMMENT_EVERY * 2 + SLOWEST_READER).await;
        assert_eq!((streams.get(), places.held()), (0, 0));
        let mut events = 0;
        while body.frame().await.is_some() {
            events += 1;
        }
        assert_eq!(events, WAITING_EVENTS, "and nothing was piled up");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_whose_place_is_given_up_ends() {
        let logs = watch::Sender::new(Arc::new(Log::new(7)));
        let stopping = watch::Sender::new(false);
        let (places, streams) = (Places::default(), Gauge::default());
        let mut bodies = Vec::new();
        while let Ok(place) = places.take(Some([10, 0, 0, 1].into()), None) {
            let place = Counted::new(&streams, place);
            bodies.push(events(logs.subscribe(), stopping.subscribe(), None, place));
        }
        let of_one = bodies.len();
        let mut others = Vec::new();
        loop {
            let before = places.held();
            let [.., high, low] = others.len().to_be_bytes();
            others.push(places.take(Some([10, 1, high, low].into()), None).unwrap());
            if places.held() == before {
                break;
            }
        }
        // Nobody reads them: a stream that waits for its reader ends too.
        sleep(Duration::from_millis(1)).await;
        assert_eq!(streams.get(), i64::try_from(of_one - 1).unwrap());
        let mut last = bodies.pop().unwrap();
        while last.frame().await.is_some() {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_a_stream_that_has_nothing_to_say() {
        let logs = watch::Sender::new(Arc::new(Log::new(7)));
        let stopping = watch::Sender::new(false);
        let place = Places::default().take(None, None).unwrap();
        let place = Counted::new(&Gauge::default(), place);
        let known = logs.borrow().event_id(0);
        let mut body = events(logs.subscribe(), stopping.subscribe(), Some(&known), place);
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let current = "event: current\nid: 0000000000000007.0\ndata: {}\n\n";
        assert_eq!(frame, current, "nothing is reset");
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            ":\n\n"
        );
        stopping.send_replace(true);
        assert!(body.frame().await.is_none());
    }
}
