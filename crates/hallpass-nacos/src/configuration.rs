//! The documents that are configuration: fetched, followed, and kept for a start without Nacos.

mod fetched;

use std::sync::Arc;
use std::time::Duration;

use hallpass_config::Secret;
use hallpass_upstream::{Reminders, random_below};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::connection::Push;
use crate::documents::NacosDocuments;
use crate::error::{NacosError, SnapshotError};
use crate::parts::NacosParts;
use crate::settings::DocumentSettings;
use crate::snapshot::Snapshot;
use fetched::Fetched;

/// Before each look that somebody asks for; twice as long each time while they follow each other, however often a server says
/// that something has changed.
const FIRST_GAP: Duration = Duration::from_millis(50);
const LONGEST_GAP: Duration = Duration::from_secs(5);
/// Looks at a greater distance do not follow each other.
const CALM_AFTER: Duration = Duration::from_secs(6);

/// The documents of `nacos.config`, as they are now. Cheap to clone: each clone notices changes for itself. Dropped, the last
/// one ends the connection.
///
/// All documents change together: what one look has found, as a whole. A look that finds a document gone that has to be
/// there, or does not come to its end, changes nothing.
#[derive(Clone, Debug)]
pub struct NacosConfiguration {
    current: watch::Receiver<Arc<Fetched>>,
    /// What [`texts`](Self::texts) gave last.
    seen: Arc<Fetched>,
    snapshot: Option<Snapshot>,
    _following: Arc<Following>,
}

#[derive(Debug)]
struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl NacosConfiguration {
    /// Fetches the documents. While no server answers, those of the last good start or change are taken from the disk, and
    /// a warning says so.
    ///
    /// # Errors
    /// When no server answers and there is no snapshot, a server refuses the credential, or a document is not there that has to be.
    pub async fn start(parts: &NacosParts) -> Result<Self, NacosError> {
        let settings = &parts.settings;
        let wanted = &settings.config.documents;
        let (documents, pushes) = NacosDocuments::following(parts)?;
        let folder = settings.snapshot_directory.as_deref();
        let namespace = settings.config.namespace.as_ref();
        let key = snapshot_key(namespace.unwrap_or(&settings.namespace), wanted);
        let snapshot = folder.map(|folder| Snapshot::new(folder, "config", &key));
        let first = match Fetched::fetch(&documents, wanted, None).await {
            Ok(fetched) => {
                parts.metrics.answered_at(parts.clock.now());
                fetched
            }
            Err(error) if error.is_outage() => from_disk(snapshot.as_ref(), wanted, error).await?,
            Err(error) => return Err(error),
        };
        parts.metrics.show_snapshot(first.is_from_disk());
        let first = Arc::new(first);
        let (sender, current) = watch::channel(Arc::clone(&first));
        let follower = Follower {
            documents,
            wanted: wanted.clone(),
            sender,
            every: settings.config.pull,
            parts: parts.clone(),
            trouble: Reminders::default(),
            failed_at: None,
        };
        Ok(Self {
            current,
            seen: first,
            snapshot,
            _following: Arc::new(Following(tokio::spawn(follower.run(pushes)))),
        })
    }

    /// The documents in their order, each with a name for messages and its text in YAML. One that may be absent and is, is
    /// left out.
    /// [`changed`](Self::changed) counts from here.
    pub fn texts(&mut self) -> Vec<(String, Secret)> {
        self.seen = Arc::clone(&self.current.borrow_and_update());
        self.seen.texts()
    }

    /// Waits until a document is another than at the last [`texts`](Self::texts) of this clone. Nothing is lost when the
    /// future is dropped before its end.
    pub async fn changed(&mut self) {
        if self.current.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// The documents of the last [`texts`](Self::texts) have proved to be good: they are written to the disk, for a start
    /// without Nacos. The future is to be awaited in a runtime.
    pub fn keep(&self) -> impl Future<Output = ()> + Send + 'static {
        let (snapshot, seen) = (self.snapshot.clone(), Arc::clone(&self.seen));
        async move {
            if let Some(snapshot) = snapshot {
                let write = move || snapshot.write(&seen.entries());
                // A failed task is a runtime that is ending.
                let _ended = tokio::task::spawn_blocking(write).await;
            }
        }
    }
}

fn snapshot_key(namespace: &str, wanted: &[DocumentSettings]) -> String {
    let names = wanted
        .iter()
        .map(|it| format!("{}@@{}", it.group, it.data_id));
    let names: Vec<_> = names.collect();
    format!("{namespace}\n{}", names.join("\n"))
}

async fn from_disk(
    snapshot: Option<&Snapshot>,
    wanted: &[DocumentSettings],
    error: NacosError,
) -> Result<Fetched, NacosError> {
    let read = match snapshot.cloned() {
        None => Err(SnapshotError::Off),
        Some(snapshot) => {
            let read = tokio::task::spawn_blocking(move || snapshot.read()).await;
            read.unwrap_or(Err(SnapshotError::Other))
        }
    };
    let found =
        read.and_then(|entries| Fetched::from_entries(entries, wanted).ok_or(SnapshotError::Other));
    match found {
        Ok(fetched) => {
            tracing::warn!(%error, "starting with the documents of the last time");
            Ok(fetched)
        }
        Err(snapshot) => Err(NacosError::NoSnapshot {
            source: Box::new(error),
            snapshot,
        }),
    }
}

/// Follows the documents, in a task of its own.
struct Follower {
    documents: NacosDocuments,
    wanted: Vec<DocumentSettings>,
    sender: watch::Sender<Arc<Fetched>>,
    every: Duration,
    parts: NacosParts,
    trouble: Reminders,
    /// When a look came to nothing last, if it did since all was well.
    failed_at: Option<Instant>,
}

impl Follower {
    async fn run(mut self, mut pushes: mpsc::Receiver<Push>) {
        let mut connections = self.documents.session.watch();
        // Nobody is told of changes before he has asked, and one may have come since the start.
        self.look().await;
        let mut gap = FIRST_GAP;
        let mut looked_at = Instant::now();
        loop {
            let pause = self.every.mul_f64(0.9)
                + Duration::from_millis(random_below(
                    u64::try_from(self.every.as_millis() / 5)
                        .unwrap_or(0)
                        .max(1),
                ));
            tokio::select! {
                push = pushes.recv() => if push.is_none() {
                    return;
                },
                changed = connections.changed() => match changed {
                    // Nobody is told of changes over a new connection before it was asked.
                    Ok(()) if connections.borrow_and_update().is_some() => {}
                    Ok(()) => continue,
                    Err(_) => return,
                },
                () = sleep(pause) => {}
            }
            gap = match looked_at.elapsed() < CALM_AFTER {
                true => gap.saturating_mul(2).min(LONGEST_GAP),
                false => FIRST_GAP,
            };
            sleep(gap).await;
            while pushes.try_recv().is_ok() {}
            self.look().await;
            looked_at = Instant::now();
        }
    }

    /// One look at all documents that are followed.
    async fn look(&mut self) {
        let metrics = &self.parts.metrics;
        let before = Arc::clone(&self.sender.borrow());
        // Above what each request may take, so that a server that answers by drops does not hold this up.
        let limit = self.parts.settings.timeout.saturating_mul(4);
        let looked = timeout(limit, self.look_in_time(&before)).await;
        match looked.unwrap_or_else(|_| Err(NacosError::unavailable("too slow"))) {
            Ok(found) => {
                metrics.answered_at(self.parts.clock.now());
                metrics.show_snapshot(false);
                if self
                    .failed_at
                    .take_if(|at| at.elapsed() >= CALM_AFTER)
                    .is_some()
                    && self.trouble.over()
                {
                    tracing::info!("Nacos answers for the documents again");
                }
                match found {
                    Some(found) if found.is_another_than(&before) => {
                        metrics.pulled("changed");
                        tracing::info!(documents = %found.names_of_changed(&before), "documents have changed in Nacos");
                        self.sender.send_replace(Arc::new(found));
                    }
                    Some(found) => {
                        // The same texts with other digests: not to be asked for again.
                        metrics.pulled("unchanged");
                        let found = Arc::new(found);
                        self.sender.send_if_modified(|current| {
                            *current = found;
                            false
                        });
                    }
                    None => metrics.pulled("unchanged"),
                }
            }
            Err(error) => {
                metrics.pulled(if error.is_outage() {
                    "failed"
                } else {
                    "refused"
                });
                self.failed_at = Some(Instant::now());
                if self.trouble.is_due(error.kind()) {
                    match error.is_outage() {
                        true => {
                            tracing::warn!(%error, "the last documents from Nacos stay in effect")
                        }
                        false => {
                            tracing::error!(%error, "the documents in Nacos cannot be taken; the last good ones stay in effect")
                        }
                    }
                }
            }
        }
    }

    /// What is there now, where it may be another than `before`.
    async fn look_in_time(&self, before: &Fetched) -> Result<Option<Fetched>, NacosError> {
        let followed = before.followed(&self.wanted);
        if !self.documents.have_changed(followed).await? {
            return Ok(None);
        }
        let fetched = Fetched::fetch(&self.documents, &self.wanted, Some(before)).await;
        fetched.map(Some)
    }
}
