//! Calls at a constant rate, whether those before them have ended or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallpass::upstream::{Body, HttpTransport};
use http::Request;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt as _;

use super::services::Service;
use crate::nacos::until;

/// Between one pair of calls, one for a user and one of a service, and the next: 20 calls a second.
const PAUSE: Duration = Duration::from_millis(100);

/// Calls that a step is looked at for: five seconds of them.
const A_WHILE: usize = 100;

pub(super) struct Load {
    /// The path of calls for users. Each call that is under way holds it.
    for_users: watch::Sender<Arc<str>>,
    /// Calls that have ended.
    ended: Arc<AtomicUsize>,
    end: oneshot::Sender<()>,
    calling: JoinHandle<(usize, Vec<String>)>,
}

impl Load {
    /// Calls these two paths of a service with a user's token from now on.
    pub(super) fn start(service: &Service, for_users: &str, own: &str, token: &str) -> Self {
        let (for_users, path) = watch::channel(Arc::from(for_users));
        let (end, ended) = oneshot::channel();
        let caller = Caller {
            service: format!("http://{}", service.address()),
            token: token.to_owned(),
            transport: HttpTransport::new().unwrap(),
            ended: Arc::default(),
        };
        let calls = Arc::clone(&caller.ended);
        let calling = tokio::spawn(caller.call_until(ended, path, Arc::from(own)));
        Self {
            for_users,
            ended: calls,
            end,
            calling,
        }
    }

    /// Another path for users; none of the old one is under way any more when this returns.
    pub(super) async fn users_go_by(&self, path: &str) {
        let old = self.for_users.send_replace(Arc::from(path));
        until("the last call of the old version has ended", async || {
            Arc::strong_count(&old) == 1
        })
        .await;
    }

    /// Waits until some hundred calls more have ended.
    pub(super) async fn goes_on(&self) {
        let enough = self.ended.load(Ordering::Relaxed) + A_WHILE;
        until("calls go on", async || {
            self.ended.load(Ordering::Relaxed) >= enough
        })
        .await;
    }

    /// How many calls there were, and what went wrong with those that failed.
    pub(super) async fn end(self) -> (usize, Vec<String>) {
        self.end.send(()).unwrap();
        self.calling.await.unwrap()
    }
}

#[derive(Clone)]
struct Caller {
    service: String,
    token: String,
    transport: HttpTransport,
    ended: Arc<AtomicUsize>,
}

impl Caller {
    async fn call_until(
        self,
        mut ended: oneshot::Receiver<()>,
        for_users: watch::Receiver<Arc<str>>,
        own: Arc<str>,
    ) -> (usize, Vec<String>) {
        let mut ticks = tokio::time::interval(PAUSE);
        let mut calls = JoinSet::new();
        loop {
            tokio::select! {
                _ = &mut ended => break,
                _ = ticks.tick() => {
                    let path = Arc::clone(&for_users.borrow());
                    calls.spawn(self.clone().call(path));
                    calls.spawn(self.clone().call(Arc::clone(&own)));
                }
            }
        }
        let ended = calls.join_all().await;
        (ended.len(), ended.into_iter().flatten().collect())
    }

    /// What went wrong, if anything.
    async fn call(self, path: Arc<str>) -> Option<String> {
        let failure = self.failure(&path).await;
        self.ended.fetch_add(1, Ordering::Relaxed);
        failure
    }

    async fn failure(&self, path: &str) -> Option<String> {
        let request = Request::get(format!("{}{path}", self.service))
            .header("authorization", format!("Bearer {}", self.token))
            .body(Body::empty())
            .unwrap();
        let response = match self.transport.clone().oneshot(request).await {
            Ok(response) if response.status().as_u16() == 200 => return None,
            Ok(response) => response,
            Err(error) => return Some(format!("{path}: {error}")),
        };
        let status = response.status();
        let body = response.into_body().collect_within(64 * 1024).await;
        let body = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
        Some(format!("{path}: {status}: {body}"))
    }
}
