//! `logistics-service`: the carrier. It is called by `order-service` with a token that was made for this
//! one call: about the *customer*, with the service that acts for her. It decides by itself whose parcels she
//! may look at. A customer's own token is none for it.

use axum::extract::Path;
use axum::http::{Method, StatusCode};
use axum::{Json, Router, routing::get};
use hallpass::prelude::*;
use serde::{Deserialize, Serialize};

/// The name it is found by.
pub const NAME: &str = "logistics-service";

/// Where a parcel is.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Shipment {
    /// The order it belongs to.
    pub order_id: u32,
    /// What is known about it.
    pub status: String,
    /// The user of the request, as this service saw it.
    pub asked_for: String,
    /// The service that acts for the user, as this service saw it, and behind it those that acted before.
    pub asked_by: String,
}

/// Parcels: order, addressee, status. `login|alice` is the alice of the issuer that `service-auth.yaml` calls `login`: another
/// one's alice is somebody else.
const PARCELS: [(u32, &str, &str); 3] = [
    (1001, "login|alice", "delivered"),
    (1002, "login|alice", "on its way"),
    (2001, "login|bob", "at the depot"),
];

/// The routes, each with its rule. What has no rule is closed.
pub fn router(hallpass: &Hallpass) -> Result<Router, BoxError> {
    let path = "/logistics/orders/{order_id}/shipment";
    let guard = hallpass
        .resource_server()
        .route(Method::GET, path, Rule::all_scopes("orders:read".parse()?))
        .route(Method::GET, "/metrics", Rule::Anonymous)
        .build()?;
    let metrics = hallpass.metrics();
    Ok(Router::new()
        .route(path, get(shipment))
        .route("/metrics", get(async move || metrics.text()))
        .layer(guard.layer()))
}

async fn shipment(
    Path(order_id): Path<u32>,
    customer: CurrentUser,
) -> Result<Json<Shipment>, StatusCode> {
    let first = customer.actor();
    let actors = std::iter::successors(first, |actor| actor.actor.as_deref());
    let actors: Vec<_> = actors.map(|actor| actor.subject.to_string()).collect();
    let customer = customer.subject().to_string();
    let hers = |parcel: &&(u32, &str, &str)| parcel.0 == order_id && parcel.1 == customer;
    // Somebody else's parcel is not there for her.
    let (_order, _addressee, status) = PARCELS.iter().find(hers).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(Shipment {
        order_id,
        status: (*status).to_owned(),
        asked_for: customer,
        asked_by: actors.join(", "),
    }))
}
