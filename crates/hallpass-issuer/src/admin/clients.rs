//! `/admin/v1/clients`: what `hallpass client` does with the clients of the store.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{ETAG, HeaderValue};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::call::Call;
use super::change::Desk;
use super::fault::AdminFault;
use super::input::{Named, NoQuery, Page};
use super::problem::Problem;
use crate::client_administration::changes::ClientAdministration;
use crate::client_administration::view::{StoredClient, StoredSecret};
use crate::clients::client_fault::ClientFault;
use crate::clients::revision::Revision;
use crate::error::Error;

pub(super) mod changes;
pub(super) mod precondition;

/// A client of the store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Client {
    /// Its name.
    client_id: String,
    /// Which state of it this is: the `ETag`, without its quotation marks.
    revision: String,
    /// What it is registered for: the keys of an entry of `issuer.clients`, without those that stand at their default. No secret and no digest of one. Absent where
    /// the store has what cannot be read any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    registration: Option<Map<String, Value>>,
    /// Whether it gets tokens, as far as it says itself.
    enabled: bool,
    /// Whether the issuer has made it itself at its first start, and nobody has changed it since.
    first: bool,
    /// When it was registered, in seconds since 1970.
    created_at: u64,
    /// Its secrets, the present one first; none where it proves itself otherwise.
    secrets: Vec<ClientSecret>,
    /// Why the issuer leaves it out with its present settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// A secret of a client; nothing of what it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ClientSecret {
    /// Whether a person may have chosen it.
    chosen: bool,
    /// When it ends, in seconds since 1970; absent for the present one.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<u64>,
}

/// A part of the clients of the store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Clients {
    /// In the order of their names.
    clients: Vec<Client>,
    /// `after` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The clients of the store
///
/// Those of the configuration are changed there, and are not among them.
#[utoipa::path(
    get,
    path = "/admin/v1/clients",
    operation_id = "list_clients",
    tag = "clients",
    params(
        ("limit" = Option<u32>, Query, description = "Most clients: 1 to 1000, by default 100."),
        ("after" = Option<String>, Query, description = "`next` of the page before."),
        ("prefix" = Option<String>, Query, description = "Only those whose names begin so."),
    ),
    responses(
        (status = 200, description = "A page of the clients.", body = Clients),
        Problem,
    )
)]
pub(super) async fn list_clients(
    State(desk): State<Arc<Desk>>,
    call: Call,
    page: Page,
) -> Result<Json<Clients>, Problem> {
    let core = &desk.core;
    let _leave = desk.read_store().await?;
    let settings = core.settings().clone();
    let clients = ClientAdministration::new(&settings, core.store(), call.attempt.now);
    let prefix = page.prefix.as_deref().unwrap_or_default();
    let after = page.after.as_deref().unwrap_or_default();
    let mut found = Vec::new();
    // What comes after a name does not include it: one that is called like the prefix is looked for by itself.
    if after < prefix {
        found.extend(named(&clients, prefix).await?);
    }
    let after = Some(after.max(prefix)).filter(|after| !after.is_empty());
    let most = page.limit.saturating_add(1);
    found.extend(clients.page(after, most).await?);
    found.retain(|client| client.client_id.starts_with(prefix));
    let has_more = found.len() > page.limit;
    found.truncate(page.limit);
    let last = found.last().filter(|_| has_more);
    Ok(Json(Clients {
        next: last.map(|client| client.client_id.clone()),
        clients: found.iter().map(Client::of).collect(),
    }))
}

async fn named(
    clients: &ClientAdministration<'_>,
    name: &str,
) -> Result<Option<StoredClient>, Error> {
    match clients.show(name).await {
        Ok(client) => Ok(Some(client)),
        Err(Error::Client {
            fault: ClientFault::Unknown | ClientFault::OfConfiguration { .. },
            ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// One client of the store
#[utoipa::path(
    get,
    path = "/admin/v1/clients/{client_id}",
    operation_id = "show_client",
    tag = "clients",
    params(("client_id" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "The client; its `ETag` is what a change names in `If-Match`.", body = Client),
        Problem,
    )
)]
pub(super) async fn show_client(
    State(desk): State<Arc<Desk>>,
    call: Call,
    Named(client_id): Named,
    _query: NoQuery,
) -> Result<Response, Problem> {
    let core = &desk.core;
    let _leave = desk.read_store().await?;
    let settings = core.settings().clone();
    let clients = ClientAdministration::new(&settings, core.store(), call.attempt.now);
    let client = clients.show(&client_id).await?;
    let response = ([(ETAG, etag(client.revision)?)], Json(Client::of(&client)));
    Ok(response.into_response())
}

/// A strong validator (RFC 9110 section 8.8.3): no two states of a client have the same.
fn etag(revision: Revision) -> Result<HeaderValue, Problem> {
    let tag = HeaderValue::try_from(format!("\"{revision}\""));
    tag.map_err(|_| AdminFault::Internal.into())
}

impl Client {
    fn of(client: &StoredClient) -> Self {
        let document = client.document.as_ref();
        Self {
            client_id: client.client_id.clone(),
            revision: client.revision.to_string(),
            registration: document.map(|it| it.as_map().clone()),
            enabled: client.is_enabled(),
            first: client.is_first,
            created_at: client.created_at,
            secrets: client.secrets.iter().map(ClientSecret::of).collect(),
            problem: client.problem.clone(),
        }
    }
}

impl ClientSecret {
    fn of(secret: &StoredSecret) -> Self {
        Self {
            chosen: secret.is_chosen,
            ends_at: secret.until,
        }
    }
}
