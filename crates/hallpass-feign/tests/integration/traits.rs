//! Traits with methods of their own, and with parameters.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::IntoResponse;
use hallpass_feign::{FeignError, feign_client};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::support::{Upstream, runtime};

#[feign_client(name = "service-a", identity = "none")]
trait Stock {
    #[get("/items/{item}")]
    async fn count(&self, item: &str) -> Result<u64, FeignError>;

    /// Of several items.
    async fn total(&self, items: &[&str]) -> Result<u64, FeignError> {
        let mut sum = 0;
        for item in items {
            sum += self.count(item).await?;
        }
        Ok(sum)
    }

    async fn greeting(&self) -> String {
        "hello".to_owned()
    }
}

/// Has a better way to count.
struct Warehouse(Arc<AtomicUsize>);

impl Stock for Warehouse {
    async fn count(&self, _: &str) -> Result<u64, FeignError> {
        Err(FeignError::NoIdentity)
    }

    async fn total(&self, items: &[&str]) -> Result<u64, FeignError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(items.len() as u64)
    }
}

#[tokio::test]
async fn a_method_with_a_body_is_there_in_client_box_and_mock_and_an_own_one_is_reached_through_the_box()
 {
    let upstream = Upstream::answering(|seen, _| match &*seen.target {
        "/items/pen" => "2",
        _ => "5",
    })
    .await;
    let stock = FeignStock::new(&runtime(&[&upstream]).build()).unwrap();
    assert_eq!(stock.total(&["pen", "ink"]).await.unwrap(), 7);
    assert_eq!(stock.greeting().await, "hello");
    let boxed = BoxStock::new(stock);
    assert_eq!(boxed.total(&["pen"]).await.unwrap(), 2);
    let asked = Arc::new(AtomicUsize::new(0));
    let warehouse = BoxStock::new(Warehouse(Arc::clone(&asked)));
    assert_eq!(warehouse.total(&["pen", "ink"]).await.unwrap(), 2);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let mock = MockStock::new().on_count(|_| Ok(1));
    assert_eq!(mock.total(&["pen", "ink"]).await.unwrap(), 2);
    assert_eq!(mock.count_calls(), 2);
}

/// What every resource of the estate has.
#[feign_client(name = "service-a", identity = "none", path = "/resources", fallback = Nothing)]
trait Crud<T, const LIMIT: usize = 10>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    #[get("/{id}")]
    async fn find(&self, id: u64) -> Result<Option<T>, FeignError>;

    #[put("/{id}")]
    async fn replace(&self, id: u64, #[json] resource: &T) -> Result<(), FeignError>;

    async fn is_there(&self, id: u64) -> Result<bool, FeignError> {
        Ok(self.find(id).await?.is_some() && LIMIT > 0)
    }
}

#[derive(Default)]
struct Nothing;

impl<T, const LIMIT: usize> Crud<T, LIMIT> for Nothing
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    async fn find(&self, _: u64) -> Result<Option<T>, FeignError> {
        Ok(None)
    }

    async fn replace(&self, _: u64, _: &T) -> Result<(), FeignError> {
        Err(FeignError::NoIdentity)
    }
}

/// Can neither be cloned nor shown.
#[derive(PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[tokio::test]
async fn a_trait_with_parameters_has_a_client_a_box_and_a_mock_for_each_type() {
    let upstream = Upstream::answering(|seen, number| match (&*seen.method, number) {
        ("GET", 1) => "{\"id\":7}".into_response(),
        ("GET", 2) => "\"text\"".into_response(),
        ("PUT", _) => "".into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    })
    .await;
    let feign = runtime(&[&upstream]).build();
    let orders: FeignCrud<Order> = FeignCrud::new(&feign).unwrap();
    let texts = FeignCrud::<String, 3>::builder(&feign)
        .without_fallback()
        .build()
        .unwrap();
    assert!(orders.clone().find(7).await.unwrap() == Some(Order { id: 7 }));
    assert_eq!(texts.find(8).await.unwrap(), Some("text".to_owned()));
    let boxed: BoxCrud<Order> = BoxCrud::new(orders);
    boxed.clone().replace(7, &Order { id: 7 }).await.unwrap();
    assert_eq!(upstream.seen()[2].body, "{\"id\":7}");
    assert!(!boxed.is_there(9).await.unwrap(), "by the fallback");
    assert_eq!(texts.find(9).await.unwrap_err().code(), "server_error");

    let mock: MockCrud<Order> = MockCrud::new().on_find(|id| Ok(Some(Order { id })));
    let boxed = BoxCrud::new(mock.clone());
    assert!(boxed.is_there(1).await.unwrap());
    assert_eq!(mock.find_calls(), 1);
    shown(&[&boxed, &mock, &texts]);
}

fn shown(values: &[&dyn fmt::Debug]) {
    for value in values {
        assert!(format!("{value:?}").contains("Crud"));
    }
}
