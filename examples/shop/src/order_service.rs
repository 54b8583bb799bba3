//! `order-service`: shows a customer her orders, with what the carrier knows about them, and reports to
//! `service-system` in the background. There is no authentication code in here.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::{Json, Router, routing::get};
use futures_util::stream::{self, Stream};
use hallpass::prelude::*;
use serde::Serialize;

use crate::identity_provider::Profile;
use crate::logistics_service::Shipment;
use crate::service_system::{DailyReport, Receipt};

/// The name it is found by.
pub const NAME: &str = "order-service";

/// The carrier. Each call carries one token: for the carrier, about the customer, with this service as the one that acts for
/// her. A circuit breaker runs the calls on another task.
#[feign_client(
    name = "logistics-service",
    path = "/logistics",
    identity = "exchange",
    scope = "orders:read",
    isolate = true,
    fallback = CarrierDown
)]
pub trait LogisticsClient {
    /// Where the parcel of an order is.
    #[get("/orders/{order_id}/shipment")]
    async fn shipment(&self, order_id: u32) -> Result<Shipment, FeignError>;
}

/// Stands in while the carrier cannot be reached. It still knows the user.
#[derive(Debug, Default)]
pub struct CarrierDown;

impl LogisticsClient for CarrierDown {
    async fn shipment(&self, order_id: u32) -> Result<Shipment, FeignError> {
        let customer = hallpass::current().ok_or(FeignError::NoIdentity)?;
        let asked_for = customer.subject().to_string();
        let cause = hallpass::feign::fallback_cause().map_or("?", |error| error.code());
        Ok(Shipment {
            order_id,
            status: format!("not known at the moment ({cause})"),
            asked_for,
            asked_by: NAME.to_owned(),
        })
    }
}

/// Where customers log in. It knows its own tokens and no others, so it gets the customer's, unchanged.
#[feign_client(name = "identity-provider", identity = "relay")]
pub trait LoginClient {
    /// What the customer is called.
    #[get("/userinfo")]
    async fn profile(&self) -> Result<Profile, FeignError>;
}

/// The system service. Calls carry the token of `order-service` itself.
#[feign_client(name = "service-system", path = "/internal", identity = "service")]
pub trait SystemClient {
    /// Reports the day.
    #[post("/daily-reports")]
    async fn report(&self, #[json] report: &DailyReport) -> Result<Receipt, FeignError>;
}

/// Orders: number, customer (as her identity provider calls her), article.
const ORDERS: [(u32, &str, &str); 3] = [
    (1001, "alice", "kettle"),
    (1002, "alice", "tea"),
    (2001, "bob", "bicycle"),
];

/// Between two events of orders.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How the issuer of the services calls the customers of the identity provider: by its own name for that, and theirs for her.
const OF_LOGIN: &str = "login|";

/// An order as its customer sees it.
#[derive(Debug, Serialize)]
pub struct Order {
    order_id: u32,
    article: &'static str,
    ordered_by: String,
    /// Who has come with the request for her: nobody, or the gateway.
    brought_by: Option<String>,
    shipment: Shipment,
}

/// The service.
#[derive(Debug)]
pub struct OrderService {
    logistics: FeignLogisticsClient,
    login: FeignLoginClient,
    system: FeignSystemClient,
}

impl OrderService {
    /// Connects the clients; nothing is sent yet.
    pub fn new(hallpass: &Hallpass) -> Result<Arc<Self>, BoxError> {
        let logistics = FeignLogisticsClient::new(hallpass.feign())?;
        let login = FeignLoginClient::new(hallpass.feign())?;
        let system = FeignSystemClient::new(hallpass.feign())?;
        Ok(Arc::new(Self {
            logistics,
            login,
            system,
        }))
    }

    /// The routes, each with its rule.
    pub fn router(self: Arc<Self>, hallpass: &Hallpass) -> Result<Router, BoxError> {
        let rule = Rule::all_scopes("orders:read".parse()?);
        let guard = hallpass
            .resource_server()
            .route(Method::GET, "/orders", rule.clone())
            .route(Method::GET, "/orders/events", rule)
            .route(Method::GET, "/metrics", Rule::Anonymous)
            .build()?;
        let metrics = hallpass.metrics();
        Ok(Router::new()
            .route("/orders", get(my_orders))
            .route("/orders/events", get(my_events))
            .route("/metrics", get(async move || metrics.text()))
            .layer(guard.layer())
            .with_state(self))
    }

    /// Where the parcel of an order is, for the user who asks.
    pub async fn shipment(&self, order_id: u32) -> Result<Shipment, FeignError> {
        self.logistics.shipment(order_id).await
    }

    /// The background job: no customer is near, the call goes out as the service.
    pub async fn report_the_day(&self) -> Result<Receipt, FeignError> {
        self.system
            .report(&DailyReport {
                orders: ORDERS.len(),
            })
            .await
    }
}

async fn my_orders(
    State(service): State<Arc<OrderService>>,
    customer: CurrentUser,
) -> Result<Json<Vec<Order>>, StatusCode> {
    let unknown = |error: FeignError, what| {
        tracing::warn!(%error, what, "a customer's call failed");
        StatusCode::BAD_GATEWAY
    };
    let brought_by = customer.actor().map(|actor| actor.subject.to_string());
    let subject = customer.subject().as_str();
    // Whom the gateway brings has another name, and no token that the identity provider knows.
    let (name, ordered_by) = match (&brought_by, subject.strip_prefix(OF_LOGIN)) {
        (Some(_), Some(name)) => (name, subject.to_owned()),
        (Some(_), None) => return Err(StatusCode::FORBIDDEN),
        (None, _) => {
            let profile = service.login.profile().await;
            let profile = profile.map_err(|error| unknown(error, "profile"))?;
            (subject, profile.name)
        }
    };
    let mut orders = Vec::new();
    for (order_id, _customer, article) in ORDERS.iter().filter(|order| order.1 == name) {
        let shipment = service.shipment(*order_id).await;
        orders.push(Order {
            order_id: *order_id,
            article,
            ordered_by: ordered_by.clone(),
            brought_by: brought_by.clone(),
            shipment: shipment.map_err(|error| unknown(error, "shipment"))?,
        });
    }
    Ok(Json(orders))
}

/// What happens to her orders, as it happens: here, that somebody looks where they are. It ends with the token of its request.
async fn my_events(customer: CurrentUser) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let looked = format!("the orders of {} are on their way", customer.subject());
    Sse::new(stream::unfold(Duration::ZERO, move |wait| {
        let event = Event::default().event("looked").data(&looked);
        async move {
            tokio::time::sleep(wait).await;
            Some((Ok(event), LOOK_EVERY))
        }
    }))
}
