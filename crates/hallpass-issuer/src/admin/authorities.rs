//! `/admin/v1/authorities`: what `hallpass ca` does.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::call::Call;
use super::change::{Desk, What};
use super::input::{Input, Named, NoQuery, Nothing};
use super::problem::Problem;
use crate::authority::administration::{self, AuthorityInfo};

/// A generation of the certificate authority; nothing of its private half.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Authority {
    /// Its name, which stands in the name of its certificate.
    id: String,
    /// `announced`, `signing` or `retired`.
    #[schema(example = "signing")]
    state: &'static str,
    /// Whose certificates it makes.
    trust_domain: String,
    /// When it was made, in seconds since 1970.
    created_at: u64,
    /// When its state began, in seconds since 1970.
    since: u64,
    /// When its certificate ends, in seconds since 1970.
    not_after: u64,
    /// When its state ends by itself, in seconds since 1970: it signs, another one is to sign, or it is deleted.
    until: u64,
}

/// All generations of the certificate authority.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Authorities {
    /// Oldest first.
    authorities: Vec<Authority>,
}

/// The next certificate authority takes over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthorityRotation {
    /// Without being announced: who does not ask for the bundle anew refuses the certificates that it signs.
    #[serde(default)]
    at_once: bool,
}

/// The generations of the certificate authority
#[utoipa::path(
    get,
    path = "/admin/v1/authorities",
    operation_id = "list_authorities",
    tag = "authorities",
    responses(
        (status = 200, description = "All generations: they are few.", body = Authorities),
        Problem,
    )
)]
pub(super) async fn list_authorities(
    State(desk): State<Arc<Desk>>,
    _call: Call,
    _query: NoQuery,
) -> Result<Json<Authorities>, Problem> {
    let core = &desk.core;
    let _leave = desk.read_store().await?;
    let settings = core.settings().clone();
    let report = administration::report(&settings, core.store(), core.clock()).await?;
    let authorities = report.iter().map(Authority::of).collect();
    Ok(Json(Authorities { authorities }))
}

/// Lets a new certificate authority take over
///
/// One that is announced already is that one: asking twice makes no second one.
#[utoipa::path(
    post,
    path = "/admin/v1/authorities/rotation",
    operation_id = "rotate_authority",
    tag = "authorities",
    request_body = AuthorityRotation,
    responses(
        (status = 200, description = "The one that takes over.", body = Authority),
        Problem,
    )
)]
pub(super) async fn rotate_authority(
    State(desk): State<Arc<Desk>>,
    call: Call,
    _query: NoQuery,
    Input(rotation): Input<AuthorityRotation>,
) -> Result<Json<Authority>, Problem> {
    let changed = desk.change(call, What::new("ca_rotate"), async move |core| {
        let settings = core.settings().clone();
        let (store, clock) = (core.store(), core.clock());
        let next = administration::rotate(&settings, store, clock, rotation.at_once).await?;
        core.take_own_change().await;
        Ok(Authority::of(&next))
    });
    changed.await.map(Json)
}

/// Takes a certificate authority out of the bundle at once
///
/// Whoever fetches the bundle refuses what it has signed. When it signed, an announced one takes over, or else a new one does.
#[utoipa::path(
    post,
    path = "/admin/v1/authorities/{id}/distrust",
    operation_id = "distrust_authority",
    tag = "authorities",
    params(("id" = String, Path, description = "The name of the authority.")),
    request_body = Nothing,
    responses(
        (status = 200, description = "The one that signs now.", body = Authority),
        Problem,
    )
)]
pub(super) async fn distrust_authority(
    State(desk): State<Arc<Desk>>,
    call: Call,
    Named(id): Named,
    _query: NoQuery,
    Input(Nothing {}): Input<Nothing>,
) -> Result<Json<Authority>, Problem> {
    let what = What::new("ca_distrust").to(&id).at_once();
    let changed = desk.change(call, what, async move |core| {
        let settings = core.settings().clone();
        let (store, clock) = (core.store(), core.clock());
        let signing = administration::distrust(&settings, store, clock, &id).await?;
        core.take_own_change().await;
        Ok(Authority::of(&signing))
    });
    changed.await.map(Json)
}

impl Authority {
    fn of(info: &AuthorityInfo) -> Self {
        Self {
            id: info.id.clone(),
            state: info.state.as_str(),
            trust_domain: info.trust_domain.clone(),
            created_at: info.created_at,
            since: info.since,
            not_after: info.not_after,
            until: info.until,
        }
    }
}
