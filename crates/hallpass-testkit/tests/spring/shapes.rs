//! A controller of Spring, called by a trait: text, nothing at all, paths and names as Spring has them.

use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::feign::TypedError;
use hallpass::prelude::*;
use serde::{Deserialize, Serialize};

use crate::java::SpringBoot;
use crate::resource_server::{SECRET, issuer};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    number: u32,
    page_size: u32,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Order {
    id: u64,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Problem {
    title: String,
}

#[feign_client(name = "service-system", path = "/orders")]
trait Orders {
    #[get]
    async fn list(&self, #[query] page: &Page) -> Result<String, FeignError>;

    #[get("/json")]
    async fn json(&self) -> Result<Vec<String>, FeignError>;

    #[get("/{id}/status")]
    async fn status(&self, id: u64) -> Result<Option<String>, FeignError>;

    /// As one would ask who expects JSON: Spring says that it is.
    #[get("/{id}/status", headers = ["Accept: application/json"])]
    async fn status_as_json(&self, id: u64) -> Result<String, FeignError>;

    #[get("/{id}")]
    async fn find(&self, id: u64) -> Result<Option<Order>, FeignError>;

    #[get("/{id}/parent")]
    async fn parent(&self, id: u64) -> Result<Option<Order>, FeignError>;

    #[post("/")]
    async fn note(&self, #[text] note: &str) -> Result<String, FeignError>;

    #[delete]
    async fn remove(&self, #[json] ids: &[u64]) -> Result<String, FeignError>;

    #[get("/refused")]
    async fn refused(&self) -> Result<(), TypedError<Problem>>;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_of_spring_is_called_as_its_own_clients_call_it() {
    let issuer = issuer().await;
    let keys = format!(
        "spring.security.oauth2.resourceserver.jwt.jwk-set-uri={}",
        issuer.jwks_url()
    );
    let Some(server) = SpringBoot::start("resource-server", 0, &[keys]) else {
        return;
    };
    let yaml = format!(
        "
hallpass:
  service: {{ name: order-service }}
  internal-token: {{ client-id: order-service, client-secret: {SECRET}, scope: internal-service, token-url: '{}' }}
  feign: {{ defaults: {{ deadline-ms: 30s }}, clients: {{ service-system: {{ url: '{}' }} }} }}
",
        issuer.token_url(),
        server.url(""),
    );
    let settings = Loader::new("hallpass").text("settings", yaml);
    let settings = settings.load::<Settings>().unwrap().into_settings();
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let orders = FeignOrders::new(hallpass.feign()).unwrap();
    let page = Page {
        number: 1,
        page_size: 20,
    };
    assert_eq!(orders.list(&page).await.unwrap(), "page 1 of 20");
    assert_eq!(orders.json().await.unwrap(), ["a"]);
    let status = "\u{fc}ber \"Land\"";
    assert_eq!(orders.status(7).await.unwrap().unwrap(), status);
    assert_eq!(orders.status_as_json(7).await.unwrap(), status);
    // What its controllers return as `null`, and as `Optional.empty()`.
    assert_eq!(orders.status(8).await.unwrap(), None);
    assert_eq!(orders.find(7).await.unwrap(), Some(Order { id: 7 }));
    assert_eq!(orders.find(8).await.unwrap(), None);
    assert_eq!(orders.parent(7).await.unwrap(), None);
    let note = orders.note("\u{fc}ber").await.unwrap();
    assert_eq!(note, "4 letters: \u{fc}ber");
    assert_eq!(orders.remove(&[7, 8]).await.unwrap(), "removed [7, 8]");
    let refused = orders.refused().await.unwrap_err();
    assert_eq!(refused.header("x-error-code"), Some("7"));
    assert!(
        matches!(refused, TypedError::Refused { problem: Problem { title }, .. } if title == "taken")
    );
}
