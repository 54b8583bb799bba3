//! Changes of clients. Each names the state that it is of (`If-Match`), so that nobody undoes what somebody else did.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::HeaderValue;
use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::form_urlencoded::byte_serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::super::call::Call;
use super::super::change::{Desk, What};
use super::super::fault::AdminFault;
use super::super::idempotency::NamedAttempt;
use super::super::input::{Input, Named, NoQuery, Nothing, RawBody, read};
use super::super::made::Made;
use super::super::merge_patch::merge;
use super::super::problem::Problem;
use super::precondition::expected;
use super::{Client, etag};
use crate::client_administration::changes::ClientAdministration;
use crate::client_administration::prepared::{PreparedChange, SecretRotation};
use crate::core::Core;
use crate::settings::IssuerSettings;

/// What problems call the registration in a body.
const BODY: &str = "body";
/// The key of a registration that names its client.
const CLIENT_ID: &str = "client-id";

/// A client after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct ChangedClient {
    /// The client as it is now; absent where the store could not be read again. The change is made all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Client>,
    /// The secret that was made for it, in clear for the only time.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// Until when the secret before that one counts, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_until: Option<u64>,
}

/// A new secret follows the present one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct SecretChange {
    /// For how many seconds the present secret counts beside the new one: by default a day, at most 90. 0: it ends at once.
    #[serde(default = "usual_overlap")]
    old_lives_for_seconds: u64,
    /// Ends a secret from before the present one, where that still counts: two are the most.
    #[serde(default)]
    end_previous: bool,
}

/// What becomes of the tokens of a client that is disabled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Disabling {
    /// Leaves the tokens that it has until their end. Otherwise they are taken back.
    #[serde(default)]
    keep_tokens: bool,
}

/// Registers a client
///
/// The body is what an entry of `issuer.clients` has in the configuration: `client-id`, `scopes`, `audiences` and so on, without secrets in clear and
/// without files. A client that proves itself by a secret and has no digest of one gets a secret, which is shown this once. With an
/// `Idempotency-Key` the same request brings the same response for a day, from the process that gave it, and makes nothing again.
#[utoipa::path(
    post,
    path = "/admin/v1/clients",
    operation_id = "add_client",
    tag = "clients",
    params(("Idempotency-Key" = Option<String>, Header, description = "Names the attempt: 1 to 255 printable characters.")),
    request_body(content = Object, description = "What it is registered for: the keys of an entry of `issuer.clients`."),
    responses(
        (status = 201, description = "It is registered.", body = ChangedClient),
        Problem,
    )
)]
pub(in crate::admin) async fn add_client(
    State(desk): State<Arc<Desk>>,
    call: Call,
    (NoQuery, uri, headers): (NoQuery, Uri, HeaderMap),
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let registration: Map<String, Value> = read(&body)?;
    let attempt = NamedAttempt::of(&headers, uri.path(), &body)?;
    let text = text_of(&body)?;
    let what = What::new("client_add").to(id_of(&registration)?);
    let made = desk.change_once(call, what, attempt, async move |core| {
        let settings = core.settings().clone();
        let clients = administration(&core, &settings);
        let prepared = clients.prepare_add((BODY, &text)).await?;
        make(&core, &clients, prepared, StatusCode::CREATED).await
    });
    Ok(made.await?.into_response())
}

/// Replaces what a client is registered for, all of it
///
/// It keeps its secrets, unless the body has digests of others, or it proves itself otherwise from then on.
#[utoipa::path(
    put,
    path = "/admin/v1/clients/{client_id}",
    operation_id = "replace_client",
    tag = "clients",
    params(
        ("client_id" = String, Path, description = "Its name, which is that of the body too."),
        ("If-Match" = String, Header, description = "The `ETag` of the state that is replaced."),
    ),
    request_body(content = Object, description = "What it is registered for from now on."),
    responses((status = 200, description = "It is replaced.", body = ChangedClient), Problem)
)]
pub(in crate::admin) async fn replace_client(
    State(desk): State<Arc<Desk>>,
    call: Call,
    (Named(client_id), NoQuery, headers): (Named, NoQuery, HeaderMap),
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let registration: Map<String, Value> = read(&body)?;
    check_id(&registration, &client_id)?;
    let (expected, text) = (expected(&headers)?, text_of(&body)?);
    let what = What::new("client_set").to(&client_id);
    let made = desk.change(call, what, async move |core| {
        let settings = core.settings().clone();
        let clients = administration(&core, &settings);
        let prepared = clients.prepare_set((BODY, &text), Some(expected)).await?;
        make(&core, &clients, prepared, StatusCode::OK).await
    });
    Ok(made.await?.into_response())
}

/// Changes some of what a client is registered for
///
/// The body is a JSON merge patch (RFC 7396): a key with `null` goes back to its default, and keys that are not in it stay.
#[utoipa::path(
    patch,
    path = "/admin/v1/clients/{client_id}",
    operation_id = "change_client",
    tag = "clients",
    params(
        ("client_id" = String, Path, description = "Its name."),
        ("If-Match" = String, Header, description = "The `ETag` of the state that is changed."),
    ),
    request_body(content = Object, description = "A merge patch of `registration`."),
    responses((status = 200, description = "It is changed.", body = ChangedClient), Problem)
)]
pub(in crate::admin) async fn change_client(
    State(desk): State<Arc<Desk>>,
    call: Call,
    (Named(client_id), NoQuery, headers): (Named, NoQuery, HeaderMap),
    Input(patch): Input<Map<String, Value>>,
) -> Result<Response, Problem> {
    let expected = expected(&headers)?;
    let what = What::new("client_set").to(&client_id);
    let made = desk.change(call, what, async move |core| {
        let settings = core.settings().clone();
        let clients = administration(&core, &settings);
        let stored = clients.show(&client_id).await?;
        let Some(document) = stored.document else {
            let detail = "the store has what cannot be read any more: replace all of it";
            return Err(Problem::with(AdminFault::InvalidClient, detail));
        };
        let mut registration = Value::Object(document.as_map().clone());
        merge(&mut registration, Value::Object(patch));
        check_id(
            registration.as_object().ok_or(AdminFault::Internal)?,
            &client_id,
        )?;
        let text = text_of(registration.to_string().as_bytes())?;
        let prepared = clients.prepare_set((BODY, &text), Some(expected)).await?;
        make(&core, &clients, prepared, StatusCode::OK).await
    });
    Ok(made.await?.into_response())
}

/// Gives a client a new secret, which is shown this once
///
/// The present one counts beside it for a while, so that nobody has to change both at the same moment. With an `Idempotency-Key` the same request
/// brings the same response for a day, from the process that gave it, and no further secret is made.
#[utoipa::path(
    post,
    path = "/admin/v1/clients/{client_id}/secret",
    operation_id = "rotate_client_secret",
    tag = "clients",
    params(
        ("client_id" = String, Path, description = "Its name."),
        ("If-Match" = String, Header, description = "The `ETag` of the state that is changed."),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the attempt: 1 to 255 printable characters."),
    ),
    request_body = SecretChange,
    responses((status = 200, description = "The new secret.", body = ChangedClient), Problem)
)]
pub(in crate::admin) async fn rotate_client_secret(
    State(desk): State<Arc<Desk>>,
    call: Call,
    (Named(client_id), NoQuery, uri, headers): (Named, NoQuery, Uri, HeaderMap),
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let change: SecretChange = read(&body)?;
    let attempt = NamedAttempt::of(&headers, uri.path(), &body)?;
    let expected = expected(&headers)?;
    let rotation = SecretRotation {
        old_lives_for: Duration::from_secs(change.old_lives_for_seconds),
        end_previous: change.end_previous,
    };
    if rotation.old_lives_for > SecretRotation::LONGEST {
        let detail = "old_lives_for_seconds is at most 90 days";
        return Err(Problem::with(AdminFault::InvalidRequest, detail));
    }
    let what = What::new("client_rotate_secret").to(&client_id);
    let made = desk.change_once(call, what, attempt, async move |core| {
        let settings = core.settings().clone();
        let clients = administration(&core, &settings);
        let prepared = clients.prepare_rotation(&client_id, rotation, Some(expected));
        make(&core, &clients, prepared.await?, StatusCode::OK).await
    });
    Ok(made.await?.into_response())
}

/// Lets a client get no token any more, and takes back what it has
#[utoipa::path(
    post,
    path = "/admin/v1/clients/{client_id}/disable",
    operation_id = "disable_client",
    tag = "clients",
    params(
        ("client_id" = String, Path, description = "Its name."),
        ("If-Match" = String, Header, description = "The `ETag` of the state that is changed."),
    ),
    request_body = Disabling,
    responses((status = 200, description = "It gets no token.", body = ChangedClient), Problem)
)]
pub(in crate::admin) async fn disable_client(
    State(desk): State<Arc<Desk>>,
    call: Call,
    (Named(client_id), NoQuery, headers): (Named, NoQuery, HeaderMap),
    Input(disabling): Input<Disabling>,
) -> Result<Response, Problem> {
    let how = (false, disabling.keep_tokens);
    let made = enabling(&desk, call, (client_id, headers), how);
    Ok(made.await?.into_response())
}

/// Lets a client get tokens again
#[utoipa::path(
    post,
    path = "/admin/v1/clients/{client_id}/enable",
    operation_id = "enable_client",
    tag = "clients",
    params(
        ("client_id" = String, Path, description = "Its name."),
        ("If-Match" = String, Header, description = "The `ETag` of the state that is changed."),
    ),
    request_body = Nothing,
    responses((status = 200, description = "It gets tokens.", body = ChangedClient), Problem)
)]
pub(in crate::admin) async fn enable_client(
    State(desk): State<Arc<Desk>>,
    call: Call,
    (Named(client_id), NoQuery, headers): (Named, NoQuery, HeaderMap),
    Input(Nothing {}): Input<Nothing>,
) -> Result<Response, Problem> {
    let made = enabling(&desk, call, (client_id, headers), (true, true));
    Ok(made.await?.into_response())
}

/// Takes a client out of the store, and takes back what it has
#[utoipa::path(
    delete,
    path = "/admin/v1/clients/{client_id}",
    operation_id = "delete_client",
    tag = "clients",
    params(
        ("client_id" = String, Path, description = "Its name."),
        ("If-Match" = String, Header, description = "The `ETag` of the state that is deleted."),
    ),
    responses((status = 204, description = "There is no such client any more."), Problem)
)]
pub(in crate::admin) async fn delete_client(
    State(desk): State<Arc<Desk>>,
    call: Call,
    (Named(client_id), NoQuery, headers): (Named, NoQuery, HeaderMap),
) -> Result<StatusCode, Problem> {
    let expected = expected(&headers)?;
    let what = What::new("client_delete").to(&client_id).at_once();
    let deleted = desk.change(call, what, async move |core| {
        let settings = core.settings().clone();
        let clients = administration(&core, &settings);
        let prepared = clients.prepare_deletion(&client_id, false, Some(expected));
        clients.commit(vec![prepared.await?]).await?;
        core.take_own_change().await;
        Ok(StatusCode::NO_CONTENT)
    });
    deleted.await
}

async fn enabling(
    desk: &Arc<Desk>,
    call: Call,
    (client_id, headers): (String, HeaderMap),
    (is_enabled, keeps_tokens): (bool, bool),
) -> Result<Made, Problem> {
    let expected = expected(&headers)?;
    let action = match is_enabled {
        true => "client_enable",
        false => "client_disable",
    };
    let what = What::new(action).to(&client_id);
    let what = if is_enabled { what } else { what.at_once() };
    let made = desk.change(call, what, async move |core| {
        let settings = core.settings().clone();
        let clients = administration(&core, &settings);
        let how = (is_enabled, keeps_tokens);
        let prepared = clients.prepare_enabling(&client_id, how, Some(expected));
        make(&core, &clients, prepared.await?, StatusCode::OK).await
    });
    made.await
}

fn administration<'a>(core: &'a Core, settings: &'a IssuerSettings) -> ClientAdministration<'a> {
    // A change may have waited for others.
    ClientAdministration::new(settings, core.store(), core.attempt(None).now)
}

/// Makes the change, lets it count, and says what there is now.
async fn make(
    core: &Core,
    clients: &ClientAdministration<'_>,
    mut prepared: PreparedChange,
    status: StatusCode,
) -> Result<Made, Problem> {
    let client_id = prepared.client_id.clone();
    let (secret, until) = (prepared.secret.take(), prepared.previous_until);
    clients.commit(vec![prepared]).await?;
    core.take_own_change().await;
    // It is made, and its secret is not shown again: whatever is wrong with the store now, it is said.
    let client = clients.show(client_id.as_str()).await.ok();
    let changed = ChangedClient {
        client: client.as_ref().map(Client::of),
        client_secret: secret.map(|secret| secret.expose().to_owned()),
        previous_until: until.map(hallpass_token::UnixTime::as_secs),
    };
    let name: String = byte_serialize(client_id.as_str().as_bytes()).collect();
    let place = format!("/admin/v1/clients/{}", name.replace('+', "%20"));
    let location = HeaderValue::try_from(place).ok();
    Ok(Made {
        status,
        etag: client.map(|client| etag(client.revision)).transpose()?,
        location: location.filter(|_| status == StatusCode::CREATED),
        body: Arc::new(Zeroizing::new(
            serde_json::to_vec(&changed).map_err(|_| AdminFault::Internal)?,
        )),
    })
}

const fn usual_overlap() -> u64 {
    SecretRotation::USUAL.as_secs()
}

/// One object as the list `issuer.clients`, in its own lines: JSON is YAML too.
fn text_of(object: &[u8]) -> Result<String, Problem> {
    let text = std::str::from_utf8(object);
    let text = text.map_err(|_| Problem::with(AdminFault::InvalidRequest, "it is not UTF-8"))?;
    Ok(format!("[{text}]"))
}

/// The name of a client, as audit events call it: written as in this documentation, not in one of the ways that files may have besides.
fn id_of(registration: &Map<String, Value>) -> Result<&str, Problem> {
    let id = registration.get(CLIENT_ID).and_then(Value::as_str);
    id.ok_or_else(|| {
        Problem::with(
            AdminFault::InvalidClient,
            "client-id is missing, or no text",
        )
    })
}

/// A client keeps its name.
fn check_id(registration: &Map<String, Value>, client_id: &str) -> Result<(), Problem> {
    let named = registration.get(CLIENT_ID).and_then(Value::as_str);
    match named == Some(client_id) {
        true => Ok(()),
        false => Err(Problem::with(
            AdminFault::InvalidClient,
            "client-id must be the name in the path",
        )),
    }
}
