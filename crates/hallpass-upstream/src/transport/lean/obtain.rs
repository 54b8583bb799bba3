//! A connection where none is unused: a new one, or one that comes back meanwhile.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::time::{Instant, timeout};

use super::background::PlaceInBackground;
use super::link::Link;
use super::pool::Pool;
use crate::body::BoxError;

/// For so long at most a connection is made that nobody waits for any more.
const LONGEST_IN_BACKGROUND: Duration = Duration::from_secs(10);

/// A connection for one request.
pub(super) struct Obtained {
    pub(super) link: Link,
    /// Whether it was there before: the server may be closing it.
    pub(super) is_kept: bool,
}

impl Obtained {
    const fn new(link: Link) -> Self {
        Self {
            link,
            is_kept: false,
        }
    }

    pub(super) const fn kept(link: Link) -> Self {
        Self {
            link,
            is_kept: true,
        }
    }
}

/// Each caller makes a connection for himself, and takes one that another gives back if that is earlier. So nobody waits for a connection that
/// another one makes, and may give up.
pub(super) async fn obtain(pool: Arc<Pool>) -> Result<Obtained, BoxError> {
    let mut connecting = pool.connect();
    let mut has_begun = false;
    let waiting = pool.wait();
    loop {
        let mut returned = pin!(waiting.returned());
        if let Some(link) = pool.check_out(Instant::now()) {
            if has_begun && let Some(place) = pool.place_in_background() {
                tokio::spawn(finish(connecting, Arc::downgrade(&pool), place));
            }
            return Ok(Obtained::kept(link));
        }
        has_begun = true;
        let first = poll_fn(|context| {
            if let Poll::Ready(made) = connecting.as_mut().poll(context) {
                return Poll::Ready(Some(made));
            }
            returned.as_mut().poll(context).map(|()| None)
        });
        if let Some(made) = first.await {
            return made.map(Obtained::new);
        }
    }
}

/// The server has had half of the work with it already: another request will use it.
async fn finish(
    connecting: BoxFuture<'static, Result<Link, BoxError>>,
    pool: Weak<Pool>,
    _place: PlaceInBackground,
) {
    if let Ok(Ok(link)) = timeout(LONGEST_IN_BACKGROUND, connecting).await
        && let Some(pool) = pool.upgrade()
    {
        pool.check_in(link);
    }
}
