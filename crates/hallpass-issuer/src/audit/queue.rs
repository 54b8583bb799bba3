//! The queue between requests and whoever reads audit events, and the task that empties it.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};

use super::kept::Kept;
use super::origin::AUDIT_TARGET;
use super::query::{AuditLog, USUAL_BYTES};
use super::recorder::Recorder;
use super::rotated_file::RotatedFile;
use super::sink::{Place, Room, Sink};
use super::{AuditEvent, write};
use crate::error::Error;
use crate::settings::audit::{AuditPlace, AuditSettings};

/// Events that may wait for the writer.
const QUEUE_EVENTS: usize = 4_096;
/// Events written before the writer lets other tasks run.
const BATCH_EVENTS: usize = 256;
/// How long the writer lets events come together after it has written. Woken for each, it would cost as much again as what it writes.
const GATHER: Duration = Duration::from_millis(2);
/// How long a question about events waits for those before it.
const CATCH_UP: Duration = Duration::from_secs(1);
/// How long a change by an administrator waits for room, before it is responded to, when the events of tokens have taken all of it. The writer makes
/// room for all of the queue within milliseconds.
const ROOM_FOR_CHANGE: Duration = Duration::from_secs(5);

/// What waits for the writer.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are events, and a box would be an allocation for each token"
)]
enum Queued {
    Event(AuditEvent),
    /// That of a change, which is not dropped because of what others do.
    Change(Box<AuditEvent>),
    /// Somebody wants to know that all before it is written.
    CaughtUp(oneshot::Sender<()>),
}

/// The queue that requests put their events into.
#[derive(Debug)]
pub(crate) struct Audit {
    queue: mpsc::Sender<Queued>,
    dropped: Counter,
    /// Whether events go elsewhere than into the log, whatever that leaves out.
    has_place: bool,
    kept: Arc<Kept>,
    log: AuditLog,
}

/// The writing end; runs until [`Audit`] is gone or its `stop` future is ready, and the queue is empty.
#[derive(Debug)]
pub(crate) struct AuditWriter {
    queue: mpsc::Receiver<Queued>,
    recorder: Recorder,
    /// Where events go in place of the log.
    sink: Option<Sink>,
    kept: Arc<Kept>,
}

/// A queue and the task that empties it, into the place of `settings`. `can_be_asked`: whether somebody may ask for the last events.
///
/// # Errors
/// [`Error::Internal`] when the system gives no thread.
pub(crate) async fn start(
    settings: &AuditSettings,
    can_be_asked: bool,
) -> Result<(Audit, AuditWriter), Error> {
    let (audit, mut writer) = queue();
    let place = match &settings.to {
        AuditPlace::Log => None,
        AuditPlace::Stdout => Some(Place::Stdout),
        AuditPlace::File {
            path,
            rotate_bytes,
            keep,
        } => Some(Place::File(RotatedFile::new(
            path.clone(),
            *rotate_bytes,
            *keep,
        ))),
    };
    if let Some(place) = place {
        let operation = "starting the thread that writes audit events";
        let sink = Sink::start(place, audit.dropped.clone());
        writer.sink = Some(sink.map_err(|_| Error::Internal { operation })?);
    }
    let audit = Audit {
        has_place: writer.sink.is_some(),
        ..audit
    };
    let usual = if can_be_asked { USUAL_BYTES } else { 0 };
    audit
        .keep(settings, settings.retain_bytes.unwrap_or(usual))
        .await;
    Ok((audit, writer))
}

fn queue() -> (Audit, AuditWriter) {
    let (sender, receiver) = mpsc::channel(QUEUE_EVENTS);
    let kept = Arc::new(Kept::default());
    let audit = Audit {
        queue: sender,
        dropped: Counter::default(),
        has_place: false,
        log: AuditLog::new(Arc::clone(&kept)),
        kept: Arc::clone(&kept),
    };
    let writer = AuditWriter {
        queue: receiver,
        recorder: Recorder::new(),
        sink: None,
        kept,
    };
    (audit, writer)
}

impl Audit {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "audit_dropped",
            "Audit events lost because the writer could not keep up, or because they could not be written",
            self.dropped.clone(),
        );
    }

    /// Keeps `bytes` of the last events, beginning with what the file has.
    async fn keep(&self, settings: &AuditSettings, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.log.keep(bytes);
        if let AuditPlace::File { path, .. } = &settings.to {
            let (log, path) = (self.log.clone(), path.clone());
            // The disk may be slow. What it does not give is not there.
            let filling = tokio::task::spawn_blocking(move || log.fill_from(&path, bytes));
            let _filled = filling.await;
        }
    }

    /// The last events, for questions.
    pub(crate) const fn log(&self) -> &AuditLog {
        &self.log
    }

    /// Whether anybody reads audit events; when not, nothing needs to be made for them.
    pub(crate) fn is_read(&self) -> bool {
        self.has_place
            || self.kept.is_on()
            || tracing::enabled!(target: AUDIT_TARGET, tracing::Level::INFO)
    }

    /// Ready when what was recorded before is written, or after a second: an answer must not lack what its caller has just done.
    pub(crate) async fn caught_up(&self) {
        let (told, heard) = oneshot::channel();
        let caught_up = async {
            if self.queue.send(Queued::CaughtUp(told)).await.is_ok() {
                // The writer may have ended.
                let _ = heard.await;
            }
        };
        let _late = tokio::time::timeout(CATCH_UP, caught_up).await;
    }

    /// Queues the event of a change, for which it waits for room; what has no room for seconds is counted as dropped.
    pub(crate) async fn record_change(&self, event: AuditEvent) {
        let queued = self.queue.send(Queued::Change(Box::new(event)));
        let queued = tokio::time::timeout(ROOM_FOR_CHANGE, queued).await;
        if !matches!(queued, Ok(Ok(()))) {
            self.dropped.inc();
        }
    }

    /// Queues `event`, or counts it as dropped.
    pub(crate) fn record(&self, event: AuditEvent) {
        if self.queue.try_send(Queued::Event(event)).is_err() {
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
                        break;
                    }
                    batch.drain(..).for_each(|queued| match queued {
                        Queued::Event(event) => self.write(&event, Room::OfAll),
                        Queued::Change(event) => self.write(&event, Room::OfChanges),
                        Queued::CaughtUp(told) => {
                            // Who has asked may have gone away.
                            let _ = told.send(());
                        }
                    });
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
        if let Some(sink) = self.sink.take() {
            // A disk, or a reader, that has stalled must not keep this thread.
            let _finished = tokio::task::spawn_blocking(move || sink.finish()).await;
        }
    }

    fn write(&self, event: &AuditEvent, room: Room) {
        // Before the log: while there is one subscriber alone, whether anybody hears an event is decided once for all by who writes it first.
        if self.sink.is_some() || self.kept.is_on() {
            self.recorder.record(
                || write(event),
                |line| {
                    self.kept.push(event.at.as_secs(), line);
                    self.sink.iter().for_each(|sink| sink.push(line, room));
                },
            );
        }
        if self.sink.is_none() {
            write(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use hallpass_token::UnixTime;

    use super::*;
    use crate::audit::administration::Administration;
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

    fn changed() -> AuditEvent {
        let change = Administration::new("client_disable", "done");
        AuditEvent {
            decision: Decision::Administration(Box::new(change)),
            ..refused()
        }
    }

    #[tokio::test]
    async fn a_change_waits_for_room_when_tokens_have_filled_the_queue_and_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let (audit, mut writer) = queue();
        let place = Place::File(RotatedFile::new(path.clone(), 0, 1));
        writer.sink = Some(Sink::start(place, audit.dropped.clone()).unwrap());
        for _ in 0..QUEUE_EVENTS + 1 {
            audit.record(refused());
        }
        let mut recording = std::pin::pin!(audit.record_change(changed()));
        tokio::select! {
            biased;
            () = &mut recording => panic!("there is no room"),
            () = std::future::ready(()) => {}
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let recorded = async {
            recording.await;
            stop.send(()).unwrap();
        };
        let stopped = async {
            stopped.await.unwrap();
        };
        tokio::join!(recorded, writer.run(stopped));
        assert_eq!(audit.dropped.get(), 1, "that of a token");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), QUEUE_EVENTS + 1);
        assert!(text.lines().last().unwrap().contains("client_disable"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_waits_for_seconds_only_and_is_counted_then() {
        let (audit, writer) = queue();
        for _ in 0..QUEUE_EVENTS {
            audit.record(refused());
        }
        let begun = tokio::time::Instant::now();
        audit.record_change(changed()).await;
        assert_eq!(begun.elapsed(), ROOM_FOR_CHANGE);
        assert_eq!(audit.dropped.get(), 1);
        drop(writer);
        audit.record_change(changed()).await;
        assert_eq!(audit.dropped.get(), 2, "and at once after the writer");
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
