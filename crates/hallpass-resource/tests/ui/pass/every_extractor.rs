//! What handlers may take, in each form.

use axum::Router;
use axum::routing::{get, post};
use hallpass_resource::{Caller, Claims, CurrentUser, Scoped, TokenEnd, required_scope};

required_scope!(pub OrdersRead = "orders:read");
required_scope!(
    /// Several, each of which is demanded.
    OrdersWrite = "orders:read orders:write"
);

#[derive(serde::Deserialize)]
struct Tenant {
    tenant: String,
}

async fn caller(_: Caller, _: CurrentUser, _: Scoped<OrdersRead>, _: TokenEnd) {}

async fn perhaps(_: Option<Caller>, _: Option<CurrentUser>, _: Option<Scoped<OrdersWrite>>) {}

async fn claims(Claims(it): Claims<Tenant>, _: Option<Claims<Tenant>>, body: String) -> String {
    format!("{} {body}", it.tenant)
}

fn main() {
    let _routes: Router = Router::new()
        .route("/a", get(caller))
        .route("/b", get(perhaps))
        .route("/c", post(claims));
}
