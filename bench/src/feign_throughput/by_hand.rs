//! The call as somebody writes it who has no call layer.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::Outcome;
use crate::bearer::TOKEN_BYTES;

/// As the transport of Hallpass has it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
const MAX_IDLE_PER_HOST: usize = 256;
/// For the whole call, as the call layer's own default: nobody who knows services calls one without.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct ByHand {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    authorization: HeaderValue,
}

impl ByHand {
    pub(super) fn new(address: SocketAddr) -> Outcome<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .build(connector);
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {}", "x".repeat(TOKEN_BYTES)))?;
        authorization.set_sensitive(true);
        Ok(Self {
            client,
            base: format!("http://{address}/logistics"),
            authorization,
        })
    }

    pub(super) async fn status(&self, order_id: u64) -> Outcome<String> {
        tokio::time::timeout(TIMEOUT, self.ask(order_id)).await?
    }

    async fn ask(&self, order_id: u64) -> Outcome<String> {
        let uri = format!("{}/orders/{order_id}/status", self.base);
        let request = Request::get(uri)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header(AUTHORIZATION, self.authorization.clone())
            .body(Full::default())?;
        let response = self.client.request(request).await?;
        if !response.status().is_success() {
            return Err(format!("status {}", response.status()).into());
        }
        let body = response.into_body().collect().await?.to_bytes();
        Ok(serde_json::from_slice(&body)?)
    }
}
