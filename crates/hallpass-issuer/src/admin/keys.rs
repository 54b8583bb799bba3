//! `/admin/v1/keys`: what `hallpass key` does.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use hallpass_token::Algorithm;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::call::Call;
use super::change::{Desk, What};
use super::fault::AdminFault;
use super::idempotency::NamedAttempt;
use super::input::{Input, Named, NoQuery, Nothing, RawBody, read};
use super::made::Made;
use super::problem::Problem;
use crate::key_administration::edit::TakeOver;
use crate::key_administration::{self, KeyInfo, KeyReport, KeyStep};
use crate::keys::adoption::Verifier as SeenVerifier;
use crate::keys::record::KeyState;

const JWK_SET: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// A signing key; nothing of its private half.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Key {
    /// Its name.
    kid: String,
    /// What it signs with.
    #[schema(example = "ES256")]
    algorithm: &'static str,
    /// `announced`, `signing`, `retired`, `published` (imported, and without an end) or `tainted`.
    #[schema(example = "signing")]
    state: &'static str,
    /// Whether it was made elsewhere.
    imported: bool,
    /// When it was made or imported, in seconds since 1970.
    created_at: u64,
    /// When its state began, in seconds since 1970; absent until an issuer has seen it.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
    /// Whether it does not sign before the verifiers that are known have it.
    awaits_adoption: bool,
    /// Verifiers that are known and do not have it.
    missing_at: Vec<String>,
}

/// What becomes of a key by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Step {
    /// When, in seconds since 1970; absent while it waits for verifiers, or for the issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    /// Which key; absent for one that is not made yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    /// What it signs with.
    algorithm: &'static str,
    /// The state that it enters, or `deleted`.
    becomes: &'static str,
}

/// Somebody who has asked for the key set by a name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Verifier {
    /// The name that it gave itself.
    name: String,
    /// When it last asked, in seconds since 1970; at most a minute behind.
    seen_at: u64,
    /// The keys that it has.
    kids: Vec<String>,
}

/// All keys, what becomes of them, and who has them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Keys {
    /// Oldest first.
    keys: Vec<Key>,
    /// In the order of time; last what waits for something else.
    schedule: Vec<Step>,
    verifiers: Vec<Verifier>,
}

/// The next key takes over.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// What it signs with: `ES256`, `EdDSA`, `Ed25519` or `RS256`. By default what the issuer's keys do.
    #[serde(default)]
    algorithm: Option<String>,
    /// When it takes over. By default `announced`.
    #[serde(default)]
    take_over: Takeover,
}

/// When a new key takes over.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Takeover {
    /// After it was announced for `issuer.key-announce-seconds`.
    #[default]
    Announced,
    /// Then, but not before every verifier that is known by name has fetched it.
    WhenAdopted,
    /// At once: verifiers fetch the key set anew when they see the first token of it.
    Now,
}

/// What a withdrawal has led to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tainted {
    /// The key that signs in the place of the withdrawn one, when that signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    successor: Option<Key>,
}

/// The keys, what becomes of them by itself, and which verifiers have them
#[utoipa::path(
    get,
    path = "/admin/v1/keys",
    operation_id = "list_keys",
    tag = "keys",
    responses(
        (status = 200, description = "All keys: they are few.", body = Keys),
        Problem,
    )
)]
pub(super) async fn list_keys(
    State(desk): State<Arc<Desk>>,
    _call: Call,
    _query: NoQuery,
) -> Result<Json<Keys>, Problem> {
    let core = &desk.core;
    let _leave = desk.read_store().await?;
    let settings = core.settings().clone();
    let report = key_administration::report(&settings, core.store(), core.clock()).await?;
    Ok(Json(Keys {
        keys: report
            .keys
            .iter()
            .map(|key| Key::of(key, &report))
            .collect(),
        schedule: report.steps.iter().map(Step::of).collect(),
        verifiers: report.verifiers.iter().map(Verifier::of).collect(),
    }))
}

/// The public halves of all published keys, as verifiers get them
#[utoipa::path(
    get,
    path = "/admin/v1/keys/public",
    operation_id = "export_public_keys",
    tag = "keys",
    responses(
        (status = 200, description = "A JWK set (RFC 7517 section 5).", body = Object, content_type = "application/jwk-set+json"),
        Problem,
    )
)]
pub(super) async fn export_public_keys(
    State(desk): State<Arc<Desk>>,
    call: Call,
    _query: NoQuery,
) -> Response {
    let keys = desk.core.keys();
    let jwks = keys.at(call.attempt.now).jwks().clone();
    ([(CONTENT_TYPE, JWK_SET)], jwks).into_response()
}

/// Lets a new key take over
///
/// One that is announced already is that key: asking twice makes no second one. With an `Idempotency-Key` the same request brings the same response
/// for a day, from the process that gave it, and no further key takes over, at once neither.
#[utoipa::path(
    post,
    path = "/admin/v1/keys/rotation",
    operation_id = "rotate_key",
    tag = "keys",
    params(("Idempotency-Key" = Option<String>, Header, description = "Names the attempt: 1 to 255 printable characters.")),
    request_body = Rotation,
    responses(
        (status = 200, description = "The key that takes over.", body = Key),
        Problem,
    )
)]
pub(super) async fn rotate_key(
    State(desk): State<Arc<Desk>>,
    call: Call,
    (NoQuery, uri, headers): (NoQuery, Uri, HeaderMap),
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let rotation: Rotation = read(&body)?;
    let attempt = NamedAttempt::of(&headers, uri.path(), &body)?;
    let algorithm = rotation.algorithm.as_deref().map(signing_algorithm);
    let algorithm = algorithm.transpose()?;
    let take_over = match rotation.take_over {
        Takeover::Announced => TakeOver::Announced,
        Takeover::WhenAdopted => TakeOver::WhenAdopted,
        Takeover::Now => TakeOver::Now,
    };
    let what = What::new("key_rotate");
    let changed = desk.change_once(call, what, attempt, async move |core| {
        let settings = core.settings().clone();
        let algorithm = algorithm.unwrap_or(settings.algorithm);
        let (store, how) = (core.store(), (algorithm, take_over));
        let next = key_administration::rotate(&settings, store, core.clock(), how).await?;
        core.take_own_change().await;
        Ok(Made::of(&Key::alone(&next))?)
    });
    Ok(changed.await?.into_response())
}

/// Withdraws a key: it leaves the key set, and what it has signed counts no more
///
/// When it signed, an announced key takes over at once, or else a new one does.
#[utoipa::path(
    post,
    path = "/admin/v1/keys/{kid}/taint",
    operation_id = "taint_key",
    tag = "keys",
    params(("kid" = String, Path, description = "The name of the key.")),
    request_body = Nothing,
    responses(
        (status = 200, description = "It is withdrawn.", body = Tainted),
        Problem,
    )
)]
pub(super) async fn taint_key(
    State(desk): State<Arc<Desk>>,
    call: Call,
    Named(kid): Named,
    _query: NoQuery,
    Input(Nothing {}): Input<Nothing>,
) -> Result<Json<Tainted>, Problem> {
    let what = What::new("key_taint").to(&kid).at_once();
    let changed = desk.change(call, what, async move |core| {
        let settings = core.settings().clone();
        let (store, clock) = (core.store(), core.clock());
        let successor = key_administration::taint(&settings, store, clock, &kid).await?;
        core.take_own_change().await;
        let successor = successor.as_ref().map(Key::alone);
        Ok(Tainted { successor })
    });
    changed.await.map(Json)
}

fn signing_algorithm(name: &str) -> Result<Algorithm, Problem> {
    let algorithm = name.parse().ok();
    let algorithm = algorithm.filter(|it| Algorithm::EVERY.contains(it));
    algorithm.ok_or_else(|| {
        let detail = "algorithm is ES256, EdDSA, Ed25519 or RS256";
        Problem::with(AdminFault::InvalidRequest, detail)
    })
}

impl Key {
    fn of(info: &KeyInfo, report: &KeyReport) -> Self {
        let missing_at = report.missing_at(&info.key_id).map(str::to_owned);
        Self {
            missing_at: missing_at.collect(),
            ..Self::alone(info)
        }
    }

    /// Where nothing is said of verifiers.
    fn alone(info: &KeyInfo) -> Self {
        Self {
            kid: info.key_id.clone(),
            algorithm: info.algorithm.as_str(),
            state: info.state.as_str(),
            imported: info.is_imported,
            created_at: info.created_at,
            since: info.since,
            awaits_adoption: info.awaits_adoption,
            missing_at: Vec::new(),
        }
    }
}

impl Step {
    fn of(step: &KeyStep) -> Self {
        Self {
            at: step.at,
            kid: step.key_id.clone(),
            algorithm: step.algorithm.as_str(),
            becomes: step.enters.map_or("deleted", KeyState::as_str),
        }
    }
}

impl Verifier {
    fn of(verifier: &SeenVerifier) -> Self {
        Self {
            name: verifier.name.clone(),
            seen_at: verifier.seen_at,
            kids: verifier.key_ids.clone(),
        }
    }
}
