//! Calls that go on while something changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hallpass::upstream::{Body, HttpTransport};
use tower::ServiceExt;

async fn status(transport: &HttpTransport, url: &str, token: Option<&str>) -> u16 {
    let mut request = http::Request::get(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).unwrap();
    match transport.clone().oneshot(request).await {
        Ok(response) => response.status().as_u16(),
        Err(_) => 0,
    }
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn one_call(url: &str) -> u16 {
    status(&HttpTransport::new().unwrap(), url, None).await
}

/// Calls of a caller who has all that he needs, until they are told to end.
pub(super) struct Load {
    is_over: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    failed: thread::JoinHandle<Vec<u16>>,
}

impl Load {
    pub(super) fn start(urls: Vec<String>, token: String) -> Self {
        let (is_over, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (end, count) = (Arc::clone(&is_over), Arc::clone(&calls));
        let failed = thread::spawn(move || go_on(&urls, &token, &end, &count));
        Self {
            is_over,
            calls,
            failed,
        }
    }

    /// How many calls there were, and the statuses of those that failed.
    pub(super) fn end(self) -> (usize, Vec<u16>) {
        self.is_over.store(true, Ordering::Relaxed);
        let failed = self.failed.join().unwrap();
        (self.calls.load(Ordering::Relaxed), failed)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn go_on(urls: &[String], token: &str, end: &AtomicBool, count: &AtomicUsize) -> Vec<u16> {
    let transport = HttpTransport::new().unwrap();
    let mut failed = Vec::new();
    while !end.load(Ordering::Relaxed) {
        for url in urls {
            let status = status(&transport, url, Some(token)).await;
            count.fetch_add(1, Ordering::Relaxed);
            if status != 200 {
                failed.push(status);
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    failed
}
