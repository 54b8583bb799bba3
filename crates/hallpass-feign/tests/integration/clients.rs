//! The traits that the tests call.

use std::collections::BTreeMap;

use bytes::Bytes;
use hallpass_feign::{FeignError, feign_client};
use hallpass_upstream::Body;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) note: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Filter {
    pub(crate) state: Option<&'static str>,
    pub(crate) id: Vec<u64>,
}

/// Every verb, argument and answer; carries no identity.
#[feign_client(name = "service-a", path = "/api", identity = "none")]
pub(crate) trait Orders {
    #[get("/orders/{id}")]
    async fn find(&self, id: &str) -> Result<Order, FeignError>;

    #[get("/orders/{id}/{part}.json")]
    async fn part(&self, id: &str, part: u8) -> Result<(), FeignError>;

    #[get("/orders")]
    async fn list(
        &self,
        #[query] filter: Filter,
        #[query("page")] number: Option<u32>,
    ) -> Result<Vec<Order>, FeignError>;

    #[get("/orders/{id}")]
    async fn find_optional(&self, id: u64) -> Result<Option<Order>, FeignError>;

    #[get("/traced")]
    async fn traced(
        &self,
        #[header("X-Trace")] trace: &str,
        #[header("X-Span")] span: Option<u8>,
    ) -> Result<(), FeignError>;

    #[get("/accepting")]
    async fn accepting(&self, #[header("Accept")] accept: &str) -> Result<(), FeignError>;

    #[post("/orders")]
    async fn create(&self, #[json] order: &Order) -> Result<Order, FeignError>;

    #[put("/orders/{id}")]
    async fn replace(&self, id: u64, #[json] order: Order) -> Result<(), FeignError>;

    #[patch("/orders/{id}")]
    async fn change(
        &self,
        id: u64,
        #[form] changes: BTreeMap<&'static str, &'static str>,
    ) -> Result<(), FeignError>;

    #[delete("/orders/{id}")]
    async fn remove(&self, id: u64) -> Result<(), FeignError>;

    #[get("/orders.csv")]
    async fn bytes(&self) -> Result<Bytes, FeignError>;

    #[get("/orders.csv")]
    async fn stream(&self) -> Result<Body, FeignError>;

    #[post("/payments", idempotency_key = true)]
    async fn pay(&self, #[json] amount: u32) -> Result<(), FeignError>;

    #[post("/jobs", idempotent = true)]
    async fn repeatable(&self, #[json] job: u8) -> Result<(), FeignError>;
}

/// As the calling service.
#[feign_client(name = "service-a", scope = "internal-service")]
pub(crate) trait AsService {
    #[get("/job")]
    async fn job(&self) -> Result<String, FeignError>;

    #[post("/job")]
    async fn start(&self, #[json] job: u8) -> Result<String, FeignError>;

    #[get("/open", identity = "none")]
    async fn open(&self) -> Result<String, FeignError>;
}

/// As the caller.
#[feign_client(name = "service-a", identity = "relay")]
pub(crate) trait AsCaller {
    #[get("/mine")]
    async fn mine(&self) -> Result<String, FeignError>;
}

/// As the caller, each attempt on a task of its own.
#[feign_client(name = "service-a", identity = "relay", isolate = true)]
pub(crate) trait Isolated {
    #[get("/mine")]
    async fn mine(&self) -> Result<String, FeignError>;
}

/// As both.
#[feign_client(name = "service-a", identity = "exchange")]
pub(crate) trait Exchanged {
    #[get("/mine")]
    async fn mine(&self) -> Result<String, FeignError>;
}
