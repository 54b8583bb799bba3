//! Who remembers messages, as those who ask see it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use hallpass_token::{ReplayName, UnixTime};

/// How far the clocks of two processes may differ that remember messages together: what one has remembered stays for so much
/// longer than it counts by its clock, since it still counts by the slower one of another.
pub const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(30);

/// A message that counts once: whose it is, what it is called, and until when it counts.
#[derive(Clone, Copy, Debug)]
pub struct ReplayMessage<'m> {
    /// Who has shown it, as far as that was proven. Never part of its name.
    pub owner: &'m str,
    /// What it is called, among all messages of all who share a memory: its kind and for whom it is belong into its name.
    pub name: ReplayName,
    /// Nobody takes it after this moment.
    pub until: UnixTime,
    /// The moment at which it was shown.
    pub now: UnixTime,
}

impl ReplayMessage<'_> {
    /// The digest that its name is.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        self.name.as_bytes()
    }

    /// How long somebody must remember it whose clock may be another: until it counts no more, and [`CLOCKS_DIFFER_BY`].
    #[must_use]
    pub fn keep_for(&self) -> Duration {
        let rest = self.until.duration_since(self.now);
        rest.saturating_add(CLOCKS_DIFFER_BY)
    }
}

/// Remembers messages for all who share it. Two real ones: [`MemoryReplays`](crate::MemoryReplays), for servers of one process,
/// and that of `hallpass-redis`.
pub trait ReplayStore: fmt::Debug + Send + Sync {
    /// Whether nobody has shown this message before; from now on it was shown. Of two who ask at once one is the first.
    ///
    /// # Errors
    /// When that cannot be known now. It may then be remembered or not.
    fn is_first<'a>(
        &'a self,
        message: ReplayMessage<'a>,
    ) -> BoxFuture<'a, Result<bool, ReplayStoreError>>;
}

/// Why a store could not say whether a message was shown before. Its text has nothing of the message.
#[derive(Clone, Debug)]
pub struct ReplayStoreError(Arc<dyn Error + Send + Sync>);

impl ReplayStoreError {
    /// Because of `error`.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for ReplayStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for ReplayStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
