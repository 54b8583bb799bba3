//! Every kind of argument and of answer, and what is made of them, under the strictest lints of the workspace.
#![deny(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unsafe_code,
    elided_lifetimes_in_paths
)]
#![deny(warnings, unused_qualifications, dead_code)]

use std::borrow::Cow;
use std::sync::Arc;

use hallpass_feign::{
    Events, Feign, FeignError, Multipart, TypedError, fallback_cause, feign_client,
};
use hallpass_upstream::{Network, StaticDiscovery};

/// Something to send and to get.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Order {
    id: u64,
}

/// A filter with several parameters.
#[derive(Debug, serde::Serialize)]
pub struct Filter {
    carrier: Option<String>,
    state: Vec<u8>,
}

/// Short for the tests.
pub type Result<T> = std::result::Result<T, FeignError>;

/// Orders.
#[feign_client(
    name = "order-service",
    path = "/api/v1",
    url = "lb://orders",
    identity = "exchange",
    when_absent = "service",
    audience = "order-service",
    scope = "order:read order:write",
    headers = ["X-Api-Version: 2"],
    fallback = Nobody,
    deadline_ms = 800,
    isolate = true,
    crate = hallpass_feign
)]
pub trait Orders {
    /// All of them.
    #[get("/orders", deadline_ms = 5_000)]
    async fn list(
        &self,
        #[query] filter: &Filter,
        #[query("page")] number: Option<u32>,
    ) -> Result<Vec<Order>>;

    #[get("/orders/{id}", identity = "none")]
    async fn find(
        &self,
        id: u64,
        #[header("X-Trace")] trace: Option<&str>,
    ) -> Result<Option<Order>>;

    #[post("/orders", idempotent = true, scope = "order:write")]
    async fn create(
        &self,
        #[json] order: &Order,
        #[header("Idempotency-Key")] key: &str,
    ) -> Result<Order>;

    #[put("/orders/{id}/notes/{type}")]
    async fn note(
        &self,
        id: u64,
        r#type: Cow<'_, str>,
        #[form] note: std::collections::BTreeMap<String, String>,
    ) -> Result<()>;

    #[patch("/orders/{id}")]
    async fn change(&self, id: u64, #[json] changes: serde_json::Value) -> Result<bytes::Bytes>;

    #[delete("/orders/{id}")]
    async fn remove(&self, id: u64) -> Result<()>;

    #[put("/orders/{id}/scan", headers = ["X-Api-Version: 3"])]
    async fn scan(
        &self,
        id: u64,
        #[bytes("image/png")] picture: &[u8],
    ) -> Result<http::Response<bytes::Bytes>>;

    #[post("/orders/{id}/film", idempotency_key = true)]
    async fn film(
        &self,
        id: u64,
        #[stream("video/mp4")] film: hallpass_upstream::Body,
    ) -> std::result::Result<http::Response<()>, TypedError<Order>>;

    #[post("/orders/{id}/documents")]
    async fn attach(&self, id: u64, #[multipart] form: Multipart)
    -> Result<http::Response<Events>>;

    #[get("/orders/{id}/moves")]
    async fn moves(&self, id: u64) -> Result<Events<Order>>;

    #[head("/orders")]
    async fn any(&self) -> Result<()>;

    #[options("/orders")]
    async fn options(&self) -> Result<http::Response<()>>;

    #[get("/orders.csv", audience = "export", when_absent = "none")]
    async fn export(&self) -> Result<hallpass_upstream::Body>;
}

/// Answers while the orders are away.
#[derive(Debug, Default)]
pub struct Nobody;

impl Orders for Nobody {
    async fn list(&self, _: &Filter, _: Option<u32>) -> Result<Vec<Order>> {
        Ok(Vec::new())
    }

    async fn find(&self, _: u64, _: Option<&str>) -> Result<Option<Order>> {
        Ok(None)
    }

    async fn create(&self, _: &Order, _: &str) -> Result<Order> {
        Err(fallback_cause().unwrap_or(FeignError::NoIdentity))
    }

    async fn note(
        &self,
        _: u64,
        _: Cow<'_, str>,
        _: std::collections::BTreeMap<String, String>,
    ) -> Result<()> {
        Ok(())
    }

    async fn change(&self, _: u64, _: serde_json::Value) -> Result<bytes::Bytes> {
        Ok(bytes::Bytes::new())
    }

    async fn remove(&self, _: u64) -> Result<()> {
        Ok(())
    }

    async fn scan(&self, _: u64, picture: &[u8]) -> Result<http::Response<bytes::Bytes>> {
        Ok(http::Response::new(bytes::Bytes::copy_from_slice(picture)))
    }

    async fn film(
        &self,
        _: u64,
        _: hallpass_upstream::Body,
    ) -> std::result::Result<http::Response<()>, TypedError<Order>> {
        Ok(http::Response::new(()))
    }

    async fn attach(&self, _: u64, _: Multipart) -> Result<http::Response<Events>> {
        Err(FeignError::NoIdentity)
    }

    async fn moves(&self, _: u64) -> Result<Events<Order>> {
        Err(FeignError::NoIdentity)
    }

    async fn any(&self) -> Result<()> {
        Ok(())
    }

    async fn options(&self) -> Result<http::Response<()>> {
        Ok(http::Response::new(()))
    }

    async fn export(&self) -> Result<hallpass_upstream::Body> {
        Ok(hallpass_upstream::Body::empty())
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

async fn generic(orders: &impl Orders) -> Result<Option<Order>> {
    is_send(orders.find(7, Some("x"))).await
}

pub(crate) fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mock = MockOrders::new().on_find(|id, trace| {
        assert_eq!(trace, Some("x"));
        Ok(Some(Order { id }))
    });
    let boxed: BoxOrders = BoxOrders::new(mock.clone());
    let clone = boxed.clone();
    let call = async move { clone.find(7, Some("x")).await };
    drop(is_send(call));
    drop(is_send(generic(&boxed)));
    assert_eq!(mock.find_calls(), 0);

    let network = Network::system(Arc::new(StaticDiscovery::new()))?;
    let feign = Feign::builder(&network).build();
    let client = FeignOrders::new(&feign)?;
    let other = FeignOrders::builder(&feign)
        .fallback(boxed)
        .isolate(false)
        .build()?;
    drop(is_send(async move {
        generic(&client).await.is_ok() && generic(&other).await.is_ok()
    }));
    Ok(())
}
