//! How servers of requests end.

use std::time::Duration;

use futures_util::future::join_all;
use hallpass_listen::{Drain, RunningServer};

use super::pipeline::Proxy;

/// Lets the requests of these servers finish within `limit`, cuts off what is left, and has the access log written. Whether one of them had ended by
/// itself before, which is a fault.
pub(crate) async fn drain(proxy: &Proxy, serving: Vec<RunningServer>, limit: Duration) -> bool {
    let had_ended = serving.iter().any(RunningServer::has_ended);
    let fronts = serving.into_iter();
    let drained = join_all(fronts.map(|it| it.shutdown_within(limit))).await;
    if drained.contains(&Drain::CutOff) {
        tracing::warn!(
            limit_seconds = limit.as_secs(),
            "requests under way were cut off at the drain limit"
        );
    }
    let plan = proxy.plan.load_full();
    let _flushed = tokio::task::spawn_blocking(move || plan.access_log.flush()).await;
    had_ended
}
