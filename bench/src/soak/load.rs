//! Customers who call the shop.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hallpass::upstream::{Body, HttpTransport};
use http::StatusCode;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::shop::Shop;
use crate::measure::Failure;

/// Customers at once.
const CUSTOMERS: usize = 4;
/// How long each waits between two calls: a load that leaves room on two cores, not a race.
const PAUSE: Duration = Duration::from_millis(20);
/// A response may take this long before the call counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// What happened so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) calls: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) rotations: AtomicU64,
    pub(super) restarts: AtomicU64,
    pub(super) hostile: AtomicU64,
    /// Hostile requests that got what they wanted.
    pub(super) let_in: AtomicU64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [calls, failed, rotations, restarts, hostile, let_in] = [
            &self.calls,
            &self.failed,
            &self.rotations,
            &self.restarts,
            &self.hostile,
            &self.let_in,
        ]
        .map(|count| count.load(Ordering::Relaxed));
        write!(
            f,
            "{calls} calls, {failed} failed, {rotations} rotations, {restarts} restarts, {hostile} hostile requests, {let_in} let in"
        )
    }
}

/// Begins; the tasks end when the set is dropped.
pub(super) fn start(shop: &Shop, counts: &Arc<Counts>) -> Result<JoinSet<()>, Failure> {
    let transport = HttpTransport::new()?;
    let mut work = JoinSet::new();
    for _customer in 0..CUSTOMERS {
        let (transport, counts) = (transport.clone(), Arc::clone(counts));
        let url = format!("http://{}/orders", shop.orders);
        let bearer = format!("Bearer {}", shop.customer);
        work.spawn(async move {
            loop {
                if !is_served(&transport, &url, &bearer).await {
                    counts.failed.fetch_add(1, Ordering::Relaxed);
                }
                counts.calls.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    Ok(work)
}

async fn is_served(transport: &HttpTransport, url: &str, bearer: &str) -> bool {
    let request = http::Request::get(url).header(http::header::AUTHORIZATION, bearer);
    let Ok(request) = request.body(Body::empty()) else {
        return false;
    };
    let response = tokio::time::timeout(PATIENCE, transport.clone().oneshot(request)).await;
    let Ok(Ok(response)) = response else {
        return false;
    };
    response.status() == StatusCode::OK
        && response.into_body().collect_within(64 * 1024).await.is_ok()
}
