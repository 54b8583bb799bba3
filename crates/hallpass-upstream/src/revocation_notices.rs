//! What is said, beside the issuer's own stream, of revocations.

use std::fmt;
use std::future::{pending, poll_fn};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_core::stream::BoxStream;
use hallpass_token::Revocation;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender, channel};
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// Most entries that a notice names.
const MAX_ENTRIES: usize = 32;
/// Longest message that is read; one with so many entries has some 4 KB.
const MAX_NOTICE_BYTES: usize = 8 * 1024;
/// Notices that wait for somebody who is busy; what comes beyond is as if it was missed.
const MAX_WAITING: usize = 16;
/// The pause before notices that have ended are asked for again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Says that an issuer has revoked something.
///
/// **Nothing proves it, and nobody is denied or let in by it.** Who follows a list looks whether it has the entries, and if not asks the
/// issuer, seldom. So a notice that somebody made up costs a request, and one that is sent again nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationNotice {
    /// These entries are new.
    New(Vec<Revocation>),
    /// Notices may have been missed, for instance because a connection was away.
    Missed,
}

#[derive(Serialize, Deserialize)]
struct Message<E> {
    revoked: E,
}

impl RevocationNotice {
    /// The message that these entries are new; it names the last 32 of them.
    #[must_use]
    pub fn to_bytes(entries: &[Revocation]) -> Vec<u8> {
        let begin = entries.len().saturating_sub(MAX_ENTRIES);
        let revoked = entries.get(begin..).unwrap_or_default();
        // Numbers and texts of fixed alphabets: nothing that could fail.
        serde_json::to_vec(&Message { revoked }).unwrap_or_default()
    }

    /// Reads a message. `None` when it is none of ours, or longer than 8 KiB.
    ///
    /// Not checked: who wrote it.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<Self> {
        if message.len() > MAX_NOTICE_BYTES {
            return None;
        }
        let message: Message<Vec<Revocation>> = serde_json::from_slice(message).ok()?;
        Some(Self::New(message.revoked))
    }
}

/// Begins to listen.
pub(crate) type Notices = Arc<dyn Fn() -> BoxStream<'static, RevocationNotice> + Send + Sync>;

/// Tells all who follow lists over one network what is said.
pub(crate) struct NoticeBoard {
    told: Sender<RevocationNotice>,
    /// `None`: nobody says anything.
    notices: Option<Notices>,
    task: OnceLock<AbortHandle>,
}

impl NoticeBoard {
    pub(crate) fn new(notices: Option<Notices>) -> Self {
        Self {
            told: channel(MAX_WAITING).0,
            notices,
            task: OnceLock::new(),
        }
    }

    /// What is said from now on. The first call begins to listen, in a task that ends with this.
    pub(crate) fn read(&self, runtime: &Handle) -> NoticeReader {
        let reader = NoticeReader(self.told.subscribe());
        if let Some(notices) = &self.notices {
            self.task.get_or_init(|| {
                let task = listen(Arc::clone(notices), self.told.clone());
                runtime.spawn(task).abort_handle()
            });
        }
        reader
    }
}

impl Drop for NoticeBoard {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

impl fmt::Debug for NoticeBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoticeBoard").finish_non_exhaustive()
    }
}

async fn listen(notices: Notices, told: Sender<RevocationNotice>) {
    loop {
        let mut heard = notices();
        while let Some(notice) = poll_fn(|context| heard.as_mut().poll_next(context)).await {
            // Nobody may follow a list at this moment.
            let _ = told.send(notice);
        }
        sleep(AGAIN_AFTER).await;
        let _ = told.send(RevocationNotice::Missed);
    }
}

/// One who reads what is said.
pub(crate) struct NoticeReader(Receiver<RevocationNotice>);

impl NoticeReader {
    /// The next notice; never comes when nobody says anything.
    pub(crate) async fn next(&mut self) -> RevocationNotice {
        match self.0.recv().await {
            Ok(notice) => notice,
            Err(RecvError::Lagged(_)) => RevocationNotice::Missed,
            Err(RecvError::Closed) => pending().await,
        }
    }

    /// One that is here already.
    pub(crate) fn waiting(&mut self) -> Option<RevocationNotice> {
        match self.0.try_recv() {
            Ok(notice) => Some(notice),
            Err(TryRecvError::Lagged(_)) => Some(RevocationNotice::Missed),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::{RevocationDigest, RevocationKind, UnixTime};

    use super::*;

    fn entry(number: u64) -> Revocation {
        Revocation {
            kind: RevocationKind::Token,
            digest: RevocationDigest::new(RevocationKind::Token, &number.to_string()),
            issued_before: None,
            ends_at: UnixTime::from_secs(1_700_000_000),
        }
    }

    #[test]
    fn a_notice_is_read_as_it_was_written_and_never_longer_than_a_message_may_be() {
        let entries: Vec<_> = (0..100).map(entry).collect();
        let message = RevocationNotice::to_bytes(&entries);
        assert!(message.len() < MAX_NOTICE_BYTES / 2, "{}", message.len());
        let newest = RevocationNotice::New(entries[68..].to_vec());
        assert_eq!(RevocationNotice::parse(&message), Some(newest));
        let mut long = RevocationNotice::to_bytes(&entries[..1]);
        long.resize(MAX_NOTICE_BYTES, b' ');
        assert!(RevocationNotice::parse(&long).is_some());
        long.push(b' ');
        for bad in [
            &long,
            &b"hello"[..],
            b"",
            b"{}",
            b"{\"revoked\":7}",
            &message[1..],
        ] {
            assert_eq!(RevocationNotice::parse(bad), None);
        }
    }
}
