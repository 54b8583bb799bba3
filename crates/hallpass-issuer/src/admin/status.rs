//! `/admin/v1/status`: how the issuer stands.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hallpass_token::UnixTime;
use serde::Serialize;
use utoipa::ToSchema;

use super::call::Call;
use super::change::Desk;
use super::input::NoQuery;
use super::problem::Problem;
use crate::core::Core;
use crate::key_administration;
use crate::keys::record::KeyState;

/// How the issuer stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// The version of the program.
    version: &'static str,
    /// What tells this start of this issuer from others, its replicas among them: a number without a meaning.
    #[schema(example = "4be1c3a09d0f77e2")]
    instance: String,
    /// The `iss` of its tokens.
    issuer: String,
    /// What the clock of the machine says, in seconds since 1970.
    now: u64,
    /// `ready`, `degraded` (tokens go on, and something of `store` does not) or `stopping`.
    #[schema(example = "ready")]
    health: &'static str,
    store: StoreStatus,
    /// The keys that sign.
    signing_keys: Vec<KeyAge>,
    counts: Counts,
}

/// How its store stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoreStatus {
    /// What is wrong with it; absent when nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<&'static str>,
}

/// How old a key is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyAge {
    kid: String,
    algorithm: &'static str,
    /// For how long there is such a key, in seconds.
    age_seconds: u64,
}

/// What was counted in this process.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counts {
    /// Registered clients, wherever they are from.
    clients: usize,
    /// Entries of the deny-list, those included that ended a short while ago.
    revocations: usize,
    /// Tokens issued since the start.
    tokens_issued: u64,
    /// Statements that the store was asked since the start.
    store_queries: u64,
}

/// How the issuer stands
///
/// Responds while the store does not, too: the ages of keys are missing then.
#[utoipa::path(
    get,
    path = "/admin/v1/status",
    operation_id = "get_status",
    tag = "status",
    responses(
        (status = 200, description = "How it stands.", body = Status),
        Problem,
    )
)]
pub(super) async fn get_status(
    State(desk): State<Arc<Desk>>,
    call: Call,
    _query: NoQuery,
) -> Result<Json<Status>, Problem> {
    let core = &desk.core;
    // Without, there is all the rest.
    let signing_keys = match desk.read_store().await {
        Ok(_leave) => signing_keys(core, call.attempt.now).await,
        Err(_) => Vec::new(),
    };
    let trouble = core.store().standing().trouble();
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        instance: core.audit().log().instance(),
        issuer: core.issuer().to_string(),
        now: call.attempt.now.as_secs(),
        health: match (core.is_stopping(), trouble) {
            (true, _) => "stopping",
            (false, Some(_)) => "degraded",
            (false, None) => "ready",
        },
        store: StoreStatus { trouble },
        signing_keys,
        counts: Counts {
            clients: core.registry().len(),
            revocations: core.deny_list().current().len(),
            tokens_issued: core.metrics().tokens.issued.get(),
            store_queries: core.store().queries(),
        },
    }))
}

async fn signing_keys(core: &Core, now: UnixTime) -> Vec<KeyAge> {
    let settings = core.settings().clone();
    let report = key_administration::report(&settings, core.store(), core.clock()).await;
    let keys = report.map(|report| report.keys).unwrap_or_default();
    let signing = keys
        .into_iter()
        .filter(|key| key.state == KeyState::Signing);
    let age = |created_at| now.duration_since(UnixTime::from_secs(created_at));
    signing
        .map(|key| KeyAge {
            algorithm: key.algorithm.as_str(),
            age_seconds: age(key.created_at).as_secs(),
            kid: key.key_id,
        })
        .collect()
}
