//! Calls to the shop, one or many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};
use hallpass::upstream::{Body, HttpTransport};
use http::Request;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::Estate;

const LIFE: Duration = Duration::from_secs(3_600);

pub(super) async fn call(
    transport: &HttpTransport,
    url: &str,
    token: Option<&str>,
) -> (u16, String) {
    let mut request = Request::get(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).unwrap();
    let response = match transport.clone().oneshot(request).await {
        Ok(response) => response,
        Err(error) => return (0, error.to_string()),
    };
    let status = response.status().as_u16();
    let body = response.into_body().collect_within(65_536).await;
    let body = body.map(|it| String::from_utf8_lossy(&it).into_owned());
    (status, body.unwrap_or_default())
}

/// Customers who buy, and services that report, until they are told to end.
pub(super) struct Load {
    is_over: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    callers: JoinSet<Vec<String>>,
}

impl Load {
    pub(super) fn start(estate: &Estate) -> Self {
        let mut load = Self {
            is_over: Arc::default(),
            calls: Arc::default(),
            callers: JoinSet::new(),
        };
        let now = SystemClock::new().now().into();
        let token = estate.identity_provider.token("alice", now, LIFE).unwrap();
        let token: Arc<str> = token.expose().into();
        let transport = HttpTransport::new().unwrap();
        for address in &estate.order_services {
            let url = format!("http://{address}/orders");
            let (token, transport) = (Arc::clone(&token), transport.clone());
            load.go_on(move || {
                let (url, token, transport) = (url.clone(), Arc::clone(&token), transport.clone());
                async move {
                    let (status, body) = call(&transport, &url, Some(&token)).await;
                    // The carrier's own answer, and not what stands in for it.
                    let is_whole = body.contains("delivered") && body.contains("on its way");
                    (status != 200 || !is_whole).then(|| format!("{status} {body}"))
                }
            });
        }
        for orders in &estate.orders {
            let orders = Arc::clone(orders);
            load.go_on(move || {
                let orders = Arc::clone(&orders);
                async move { orders.report_the_day().await.err().map(|it| it.to_string()) }
            });
        }
        load
    }

    fn go_on<F>(&mut self, call: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = Option<String>> + Send + 'static,
    {
        let (is_over, calls) = (Arc::clone(&self.is_over), Arc::clone(&self.calls));
        self.callers.spawn(async move {
            let mut failed = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                failed.extend(call().await);
                calls.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            failed
        });
    }

    /// How many calls there were, and what was said of those that failed.
    pub(super) async fn end(self) -> (usize, Vec<String>) {
        self.is_over.store(true, Ordering::Relaxed);
        let failed = self
            .callers
            .join_all()
            .await
            .into_iter()
            .flatten()
            .collect();
        (self.calls.load(Ordering::Relaxed), failed)
    }
}
