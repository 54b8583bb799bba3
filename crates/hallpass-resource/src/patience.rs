//! How long a call waits for its verification when it passes without identity too.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

/// Longest time that a call waits for its verification when it passes in any case: on an open route, in `report` and
/// `off`, with `permit-all`.
const MAX_WAIT: Duration = Duration::from_millis(500);
/// The same after such a wait was in vain, until a verification ends in time again.
const MAX_WAIT_IN_TROUBLE: Duration = Duration::from_millis(10);

/// Remembers whether the last wait was in vain, so that an issuer that hangs does not slow every call down.
///
/// The key fetch itself goes on in a task of its own, so that the calls after it find its keys.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    in_trouble: AtomicBool,
}

impl Patience {
    /// What `work` gives in time, or how long it was waited for.
    pub(crate) async fn wait<T>(&self, work: impl Future<Output = T>) -> Result<T, Duration> {
        // `Relaxed` will do: who reads the old value waits a little longer or shorter, once.
        let limit = if self.in_trouble.load(Ordering::Relaxed) {
            MAX_WAIT_IN_TROUBLE
        } else {
            MAX_WAIT
        };
        let mut work = pin!(work);
        // What is known already costs no timer, and so needs no runtime that has one.
        let ended = match poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
            Poll::Ready(ended) => Ok(ended),
            Poll::Pending => timeout(limit, work).await,
        };
        if self.in_trouble.load(Ordering::Relaxed) != ended.is_err() {
            self.in_trouble.store(ended.is_err(), Ordering::Relaxed);
        }
        ended.map_err(|_| limit)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn what_is_known_already_needs_no_runtime() {
        let patience = Patience::default();
        let mut wait = pin!(patience.wait(ready(1)));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(wait.as_mut().poll(&mut context), Poll::Ready(Ok(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_first_wait_in_vain_is_long() {
        let patience = Patience::default();
        assert_eq!(patience.wait(ready(1)).await, Ok(1));
        assert_eq!(patience.wait(pending::<()>()).await, Err(MAX_WAIT));
        assert_eq!(
            patience.wait(pending::<()>()).await,
            Err(MAX_WAIT_IN_TROUBLE)
        );
        assert_eq!(patience.wait(ready(1)).await, Ok(1));
        assert_eq!(patience.wait(pending::<()>()).await, Err(MAX_WAIT));
    }
}
