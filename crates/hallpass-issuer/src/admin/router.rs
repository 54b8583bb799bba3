//! All operations in one place, and the description that is made of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::Desk;
use super::clients::changes as client_changes;
use super::fault::AdminFault;
use super::idempotency::IDEMPOTENCY_KEY;
use super::problem::{Problem, ProblemDocument};
use super::{audit, authorities, clients, keys, revocations, status};

/// Where the description is.
const DESCRIPTION_PATH: &str = "/admin/v1/openapi.json";
/// What is asked for by POST and remembers attempts (`Idempotency-Key`); nothing else does.
const REMEMBERING: [&str; 3] = [
    "/admin/v1/clients",
    "/admin/v1/clients/{client_id}/secret",
    "/admin/v1/keys/rotation",
];
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Every operation; what else is asked for is a problem.
pub(super) fn router(desk: Arc<Desk>) -> Router {
    let (router, description) = described().split_for_parts();
    let text = Bytes::from(text(&description));
    let description = axum::routing::get(async move || json(text));
    router
        .route(DESCRIPTION_PATH, description)
        .fallback(async || Problem::from(AdminFault::NoRoute))
        .method_not_allowed_fallback(async || Problem::from(AdminFault::MethodNotAllowed))
        .route_layer(middleware::from_fn(note_route))
        .with_state(desk)
}

/// The description of the interface for administrators (OpenAPI 3.1), as `GET /admin/v1/openapi.json` serves it.
#[must_use]
pub fn admin_description() -> String {
    text(&described().into_openapi())
}

/// Each operation is described by the function that serves it, so that neither is without the other.
fn described() -> OpenApiRouter<Arc<Desk>> {
    OpenApiRouter::with_openapi(frame())
        .routes(routes!(status::get_status))
        .routes(routes!(keys::list_keys))
        .routes(routes!(keys::export_public_keys))
        .routes(routes!(keys::rotate_key))
        .routes(routes!(keys::taint_key))
        .routes(routes!(revocations::list_revocations, revocations::revoke))
        .routes(routes!(clients::list_clients, client_changes::add_client))
        .routes(routes!(
            clients::show_client,
            client_changes::replace_client,
            client_changes::change_client,
            client_changes::delete_client
        ))
        .routes(routes!(client_changes::rotate_client_secret))
        .routes(routes!(client_changes::disable_client))
        .routes(routes!(client_changes::enable_client))
        .routes(routes!(authorities::list_authorities))
        .routes(routes!(authorities::rotate_authority))
        .routes(routes!(authorities::distrust_authority))
        .routes(routes!(audit::list_events))
        .routes(routes!(audit::list_lockouts))
        .routes(routes!(audit::unlock_client))
}

/// What is the same for all operations.
fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Hallpass: the interface for administrators")
        .version("1")
        .description(Some(
            "On a listener of its own (`issuer.admin`). GET needs the scope `hallpass.admin.read` or `hallpass.admin.write` for the audience \
            `hallpass-admin`, everything else `hallpass.admin.write`; a certificate that the settings name does instead. `docs/admin-api.md` \
            shows each operation with a request and its response.",
        ))
        .build();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("An access token of this issuer for `issuer.admin.audience`, of a client that acts for itself."))
        .build();
    let components = ComponentsBuilder::new()
        .schema_from::<ProblemDocument>()
        .security_scheme("token", SecurityScheme::Http(bearer))
        .security_scheme(
            "certificate",
            SecurityScheme::MutualTls {
                description: Some("A certificate with a name of `issuer.admin.read-certificates` or `write-certificates`.".to_owned()),
                extensions: None,
                deprecated: None,
            },
        )
        .build();
    let by = |name: &str| utoipa::openapi::SecurityRequirement::new(name, Vec::<String>::new());
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([by("token"), by("certificate")]))
        .build()
}

fn text(description: &OpenApi) -> String {
    // Texts and numbers alone: writing them does not fail.
    let mut text = serde_json::to_string_pretty(description).unwrap_or_default();
    text.push('\n');
    text
}

fn json(text: Bytes) -> Response {
    ([(CONTENT_TYPE, JSON)], text).into_response()
}

/// Whether it changes something, and names its attempt where attempts are not remembered: whoever repeats it would think that nothing is done again.
fn is_mistaken(request: &Request, route: Option<&MatchedPath>) -> bool {
    let remembers = request.method() == Method::POST
        && route.is_some_and(|route| REMEMBERING.contains(&route.as_str()));
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    changes && !remembers && request.headers().contains_key(IDEMPOTENCY_KEY)
}

/// Which operation it was, for the metrics. None is done that would not be what its sender thinks.
async fn note_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = match is_mistaken(&request, route.as_ref()) {
        true => Problem::from(AdminFault::IdempotencyKeyNotTaken).into_response(),
        false => next.run(request).await,
    };
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}
