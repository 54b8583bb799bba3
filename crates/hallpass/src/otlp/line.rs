//! The way of a span from where it ends to the task that exports it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use hallpass_clock::Clock;
use tokio::sync::{mpsc, watch};

use super::metrics::{Lost, OtlpMetrics};
use super::open_span::FinishedSpan;

/// How long the end of a process waits for its last spans to be sent.
const END_LIMIT: Duration = Duration::from_secs(1);

/// What layer and exporter share. Nothing flows before it is [opened](Self::open).
#[derive(Debug, Default)]
pub(super) struct Line {
    running: OnceLock<Running>,
    pub(super) metrics: OtlpMetrics,
    /// Whether the collector did not take the last message, for whatever reason.
    is_failing: AtomicBool,
    /// Whether the last message did not reach the collector.
    is_away: AtomicBool,
    stop: watch::Sender<bool>,
    ended: watch::Sender<bool>,
}

/// What there is while spans are exported.
#[derive(Debug)]
pub(super) struct Running {
    queue: mpsc::Sender<FinishedSpan>,
    clock: Arc<dyn Clock>,
    /// Names of fields of the service's own spans that are exported.
    pub(super) attributes: Vec<String>,
}

impl Line {
    /// Lets up to `places` spans wait; `None` when it is open already.
    pub(super) fn open(
        &self,
        places: usize,
        clock: Arc<dyn Clock>,
        attributes: Vec<String>,
    ) -> Option<mpsc::Receiver<FinishedSpan>> {
        let (queue, spans) = mpsc::channel(places.max(1));
        let running = Running {
            queue,
            clock,
            attributes,
        };
        self.running.set(running).is_ok().then_some(spans)
    }

    /// What spans are recorded by; `None` while none is exported.
    pub(super) fn running(&self) -> Option<&Running> {
        self.running.get()
    }

    /// Puts a span into the queue, or counts it when there is no room. It never waits.
    ///
    /// Requests that were refused take no place of the second half: anybody can send them, as many as he likes, and what goes well in that hour is to be
    /// seen.
    pub(super) fn send(&self, running: &Running, span: FinishedSpan) {
        let queue = &running.queue;
        if span.is_refused && queue.capacity() <= queue.max_capacity() / 2 {
            return self.metrics.lost(Lost::QueueFull, 1);
        }
        let lost = match running.queue.try_send(span) {
            Ok(()) => return,
            Err(mpsc::error::TrySendError::Full(_)) => Lost::QueueFull,
            Err(mpsc::error::TrySendError::Closed(_)) => Lost::Stopped,
        };
        self.metrics.lost(lost, 1);
    }

    /// Notes whether the collector takes messages; whether that has changed.
    pub(super) fn note(&self, is_failing: bool) -> bool {
        self.is_failing.swap(is_failing, Ordering::Relaxed) != is_failing
    }

    /// Notes whether the last message reached the collector: one that it refuses did.
    pub(super) fn note_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    /// Whether the last message did not reach the collector.
    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Asks the exporter to send what waits and to end.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether somebody has asked for the end.
    pub(super) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Comes back once somebody has asked for the end.
    pub(super) async fn stopped(&self) {
        let mut stop = self.stop.subscribe();
        // The sender lives as long as this.
        let _asked = stop.wait_for(|is_asked| *is_asked).await;
    }

    /// Comes back when a message need not go on: somebody has asked for the end, and either the collector was not reached before or the time for
    /// the end is over.
    pub(super) async fn given_up(&self) {
        self.stopped().await;
        if !self.is_away() {
            tokio::time::sleep(END_LIMIT).await;
        }
    }

    /// Notes that nothing is sent any more.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Comes back once nothing is sent any more, and at the latest when the time for the end is over.
    pub(super) async fn ended(&self) {
        if self.running().is_some() {
            let mut ended = self.ended.subscribe();
            let _in_time = tokio::time::timeout(END_LIMIT, ended.wait_for(|it| *it)).await;
        }
    }
}

impl Running {
    /// Now, by both clocks.
    pub(super) fn now(&self) -> (SystemTime, Duration) {
        (self.clock.now(), self.clock.monotonic())
    }

    pub(super) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_clock::SystemClock;

    use super::*;
    use crate::otlp::open_span::{Ids, SpanKind};

    fn span(is_refused: bool) -> FinishedSpan {
        FinishedSpan {
            ids: Ids::of_test(),
            parent: None,
            is_parent_remote: false,
            name: "request",
            kind: SpanKind::Server,
            is_refused,
            began: 1,
            ended: 2,
            attributes: Vec::new(),
        }
    }

    #[test]
    fn refused_requests_leave_half_of_the_queue_to_others() {
        let line = Line::default();
        let mut spans = line
            .open(4, Arc::new(SystemClock::new()), Vec::new())
            .unwrap();
        let running = line.running().unwrap();
        for _ in 0..10 {
            line.send(running, span(true));
        }
        assert_eq!(line.metrics.dropped(), 8);
        for _ in 0..3 {
            line.send(running, span(false));
        }
        assert_eq!(line.metrics.dropped(), 9, "there are four places");
        let waiting = std::iter::from_fn(|| spans.try_recv().ok());
        let refused: Vec<_> = waiting.map(|it| it.is_refused).collect();
        assert_eq!(refused, [true, true, false, false]);
        // One place is one for each.
        let line = Line::default();
        let _spans = line.open(1, Arc::new(SystemClock::new()), Vec::new());
        line.send(line.running().unwrap(), span(true));
        assert_eq!(line.metrics.dropped(), 0);
    }
}
