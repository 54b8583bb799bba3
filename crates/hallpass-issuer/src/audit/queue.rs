//! The queue between requests and whoever reads audit events, and the task that empties it.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;

use super::origin::AUDIT_TARGET;
use super::{AuditEvent, write};

/// Events that may wait for the writer.
const QUEUE_EVENTS: usize = 4_096;
/// Events written before the writer lets other tasks run.
const BATCH_EVENTS: usize = 256;
/// How long the writer lets events come together after it has written. Woken for each, it would cost as much again as what it writes.
const GATHER: Duration = Duration::from_millis(2);

/// The queue that requests put their events into.
#[derive(Debug)]
pub(crate) struct Audit {
    queue: mpsc::Sender<AuditEvent>,
    dropped: Counter,
}

/// The writing end; runs until [`Audit`] is gone or its `stop` future is ready, and the queue is empty.
#[derive(Debug)]
pub(crate) struct AuditWriter {
    queue: mpsc::Receiver<AuditEvent>,
}

/// A queue and the task that empties it.
pub(crate) fn queue() -> (Audit, AuditWriter) {
    let (sender, receiver) = mpsc::channel(QUEUE_EVENTS);
    (
        Audit {
            queue: sender,
            dropped: Counter::default(),
        },
        AuditWriter { queue: receiver },
    )
}

impl Audit {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "audit_dropped",
            "Audit events lost because the writer could not keep up",
            self.dropped.clone(),
        );
    }

    /// Whether anybody reads audit events; when not, nothing needs to be made for them.
    pub(crate) fn is_read(&self) -> bool {
        tracing::enabled!(target: AUDIT_TARGET, tracing::Level::INFO)
    }

    /// Queues `event`, or counts it as dropped.
    pub(crate) fn record(&self, event: AuditEvent) {
        if self.queue.try_send(event).is_err() {
            self.dropped.inc();
        }
    }
}

impl AuditWriter {
    /// Writes events until `stop` is ready, then what is still queued.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut batch = Vec::with_capacity(BATCH_EVENTS);
        let mut stop = std::pin::pin!(stop);
        let mut stopping = false;
        loop {
            tokio::select! {
                received = self.queue.recv_many(&mut batch, BATCH_EVENTS) => {
                    if received == 0 {
                        return;
                    }
                    batch.drain(..).for_each(|event| write(&event));
                    if stopping || received == BATCH_EVENTS {
                        // A log that blocks must not keep this thread from its other tasks for long.
                        tokio::task::yield_now().await;
                        continue;
                    }
                    let gathering = tokio::time::timeout(GATHER, &mut stop);
                    if gathering.await.is_ok() {
                        stopping = true;
                        self.queue.close();
                    }
                }
                () = &mut stop, if !stopping => {
                    stopping = true;
                    self.queue.close();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use hallpass_token::UnixTime;

    use super::*;
    use crate::audit::{Caller, Decision};
    use crate::token::refusal::Refusal;

    fn refused() -> AuditEvent {
        AuditEvent {
            at: UnixTime::from_secs(7),
            source: None,
            trace: None,
            grant: "client_credentials",
            decision: Decision::Refused {
                refusal: Refusal::NotAForm,
                caller: Caller::Unnamed,
                claimed: None,
            },
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_into_the_queue_is_counted_and_nobody_waits() {
        let (audit, writer) = queue();
        for _ in 0..QUEUE_EVENTS + 3 {
            audit.record(refused());
        }
        let mut registry = Registry::default();
        audit.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.contains("audit_dropped_total 3\n"), "{text}");
        drop(writer);
        audit.record(refused());
        assert_eq!(audit.dropped.get(), 4, "and what comes after the writer");
    }

    #[tokio::test]
    async fn a_stop_ends_the_writer_although_somebody_could_still_record() {
        let (audit, writer) = queue();
        audit.record(refused());
        let running = writer.run(std::future::ready(()));
        let ended = tokio::time::timeout(Duration::from_secs(10), running).await;
        assert!(ended.is_ok(), "the queue is closed by the stop");
        audit.record(refused());
        assert_eq!(audit.dropped.get(), 1, "what comes after it");
    }
}
