//! `/admin/v1/audit`: what was decided lately. `/admin/v1/lockouts`: who is told to wait, and how an administrator ends that.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use hallpass_token::UnixTime;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::call::Call;
use super::change::{Desk, What};
use super::fault::AdminFault;
use super::input::{Input, MAX_PAGE, Named, NoQuery};
use super::problem::Problem;
use crate::audit::actions::is_event_or_action;
use crate::audit::query::{AuditCursor, AuditFilter, AuditOutcome};
use crate::lockout_events;
use crate::token::throttle::lockouts::Lockout;

/// How many events there are where nothing is said.
const USUAL_PAGE: usize = 100;
/// The longest parameter, in bytes: of the longest name that there is.
const MAX_PARAMETER_BYTES: usize = 1_024;

/// A part of the audit events that are kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Events {
    /// Which start of which replica has these: each has its own.
    #[schema(example = "4be1c3a09d0f77e2")]
    instance: String,
    /// The newest first, each with the fields of the audit log.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// `after` of the next page, which has older ones; absent on the last one. It is of use at this instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Somebody who is told to wait, because too much has failed before.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LockedOut {
    /// Which limit is used up: `pair` (a client at an address), `client` (its new addresses together), `address`, or `issuer` (all new ones together).
    #[schema(example = "pair")]
    limit: &'static str,
    /// The client as whoever was refused has named it; nobody has verified that. Absent where the limit is not of one client.
    #[serde(skip_serializing_if = "Option::is_none")]
    unverified_client_id: Option<String>,
    /// Where whoever was refused came from. Absent where the limit is not of one address.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// When the first one was refused, in seconds since 1970.
    since: u64,
    /// Requests that were refused since.
    refused: u64,
}

/// Who is told to wait.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LockedOutOnes {
    /// Which start of which replica tells these to wait: each has its own.
    #[schema(example = "4be1c3a09d0f77e2")]
    instance: String,
    /// The newest first, a thousand at most.
    lockouts: Vec<LockedOut>,
}

/// Whom to let in again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Unlock {
    /// The address that the client comes from. Without it: from everywhere.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "192.0.2.1")]
    source: Option<IpAddr>,
}

/// What has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Unlocked {
    /// How many lockouts; nothing is wrong with none.
    ended: usize,
}

/// Which events are asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AuditQuery {
    filter: AuditFilter,
    after: Option<AuditCursor>,
    limit: Option<usize>,
}

impl<S: Sync> FromRequestParts<S> for AuditQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(parts.uri.query().unwrap_or_default())
            .map_err(|detail| Problem::with(AdminFault::InvalidRequest, detail))
    }
}

impl AuditQuery {
    fn of(query: &str) -> Result<Self, &'static str> {
        let mut read = Self::default();
        let mut seen = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if value.len() > MAX_PARAMETER_BYTES {
                return Err("a parameter of the query is too long");
            }
            if seen.contains(&name) {
                return Err("a parameter of the query comes twice");
            }
            read.take(&name, &value)?;
            seen.push(name);
        }
        Ok(read)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        let filter = &mut self.filter;
        let time = || {
            let is_plain = value.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = value.parse().ok().filter(|_| is_plain);
            let seconds = seconds.ok_or("from and until are whole numbers of seconds since 1970");
            seconds.map(|seconds| Some(UnixTime::from_secs(seconds)))
        };
        let text = || Some(value.to_owned());
        match name {
            "from" => filter.from = time()?,
            "until" => filter.until = time()?,
            "client" => filter.client = text(),
            "action" if is_event_or_action(value) => filter.action = text(),
            "action" => return Err("action is no event and no action of an audit event"),
            "reason" => filter.reason = text(),
            "outcome" => {
                filter.outcome = Some(match value {
                    "done" => AuditOutcome::Done,
                    "refused" => AuditOutcome::Refused,
                    _ => return Err("outcome is done or refused"),
                });
            }
            "after" => {
                let cursor = value.parse().map_err(|_| "after is no next of a page")?;
                self.after = Some(cursor);
            }
            "limit" => {
                let limit = value.parse().ok().filter(|it| (1..=MAX_PAGE).contains(it));
                self.limit = Some(limit.ok_or("limit is a whole number from 1 to 1000")?);
            }
            _ => {
                return Err(
                    "the query may have from, until, client, action, outcome, reason, limit and after",
                );
            }
        }
        Ok(())
    }
}

/// What was decided lately by this process, the newest first
///
/// Each replica has its own, and is asked by its own address: `instance` says which one has responded.
/// The last events are kept in memory (`issuer.audit.retain-mb`); of the requests that were answered before, none is missing but those that are counted in
/// `hallpass_audit_dropped_total`.
#[utoipa::path(
    get,
    path = "/admin/v1/audit",
    operation_id = "list_audit_events",
    tag = "audit",
    params(
        ("from" = Option<u64>, Query, description = "Decided then or later, in seconds since 1970."),
        ("until" = Option<u64>, Query, description = "Decided before that."),
        ("client" = Option<String>, Query, description = "About this client, proven or only named, or by this administrator."),
        ("action" = Option<String>, Query, description = "This `event`, such as `token_refused`, or this `action` of an administrator."),
        ("outcome" = Option<String>, Query, description = "`done` or `refused`."),
        ("reason" = Option<String>, Query, description = "This reason."),
        ("limit" = Option<u32>, Query, description = "Most events: 1 to 1000, by default 100."),
        ("after" = Option<String>, Query, description = "`next` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of the events.", body = Events),
        Problem,
    )
)]
pub(super) async fn list_events(
    State(desk): State<Arc<Desk>>,
    _call: Call,
    query: AuditQuery,
) -> Result<Json<Events>, Problem> {
    let audit = desk.core.audit();
    audit.caught_up().await;
    let log = audit.log().clone();
    let instance = log.instance();
    // All that is kept is gone through, which must not hold up tokens.
    let search = move || {
        let AuditQuery {
            filter,
            after,
            limit,
        } = query;
        log.query(&filter, after, limit.unwrap_or(USUAL_PAGE))
    };
    let page = tokio::task::spawn_blocking(search).await;
    let page = page.map_err(|_| AdminFault::Internal)?;
    let page = page.map_err(|_| {
        let detail = "after is of another start of this issuer or of another replica, each of which has events of its own (`instance`): begin without it";
        Problem::with(AdminFault::InvalidRequest, detail)
    })?;
    let events = page.events.iter();
    let events = events.filter_map(|event| serde_json::from_str(event).ok());
    Ok(Json(Events {
        instance,
        events: events.collect(),
        next: page.next.map(|next| next.to_string()),
    }))
}

/// Who is told to wait by this process at the moment, the newest first
///
/// Each replica has its own, and is asked by its own address: `instance` says which one has responded.
#[utoipa::path(
    get,
    path = "/admin/v1/lockouts",
    operation_id = "list_lockouts",
    tag = "audit",
    responses(
        (status = 200, description = "Clients and addresses that are told to wait.", body = LockedOutOnes),
        Problem,
    )
)]
pub(super) async fn list_lockouts(
    State(desk): State<Arc<Desk>>,
    _call: Call,
    _query: NoQuery,
) -> Json<LockedOutOnes> {
    let core = &desk.core;
    let all = core.authenticator().throttle().lockouts();
    let all = all.all(core.clock().monotonic()).into_iter();
    Json(LockedOutOnes {
        instance: core.audit().log().instance(),
        lockouts: all.take(MAX_PAGE).map(LockedOut::of).collect(),
    })
}

/// Lets a client in again that is told to wait
///
/// What has failed in its name is forgotten by this process: each replica is asked by its own address. Whoever still guesses is told to wait again after as many failures.
#[utoipa::path(
    post,
    path = "/admin/v1/clients/{client_id}/unlock",
    operation_id = "unlock_client",
    tag = "audit",
    params(("client_id" = String, Path, description = "The client, whether it is registered or not.")),
    request_body = Unlock,
    responses(
        (status = 200, description = "It may try again.", body = Unlocked),
        Problem,
    )
)]
pub(super) async fn unlock_client(
    State(desk): State<Arc<Desk>>,
    call: Call,
    _query: NoQuery,
    Named(client_id): Named,
    Input(unlock): Input<Unlock>,
) -> Result<Json<Unlocked>, Problem> {
    let what = What::new("client_unlock").to(&client_id);
    let source = unlock.source;
    let ended = desk.change(call, what, async move |core| {
        Ok(lockout_events::unlock(&core, &client_id, source))
    });
    let ended = ended.await?;
    Ok(Json(Unlocked { ended }))
}

impl LockedOut {
    fn of(lockout: Lockout) -> Self {
        Self {
            limit: lockout.by.as_str(),
            unverified_client_id: lockout.unverified_client_id,
            source: lockout.source.map(|source| source.to_string()),
            since: lockout.since.as_secs(),
            refused: lockout.refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_strictly() {
        let read = AuditQuery::of("from=1&until=2&client=a%20b&outcome=refused&limit=5");
        let filter = AuditFilter {
            from: Some(UnixTime::from_secs(1)),
            until: Some(UnixTime::from_secs(2)),
            client: Some("a b".to_owned()),
            outcome: Some(AuditOutcome::Refused),
            ..AuditFilter::default()
        };
        let expected = AuditQuery {
            filter,
            after: None,
            limit: Some(5),
        };
        assert_eq!(read, Ok(expected));
        assert_eq!(AuditQuery::of(""), Ok(AuditQuery::default()));
        for bad in [
            "from=yesterday",
            "from=-1",
            "until=+1",
            "outcome=ok",
            "action=nonsense",
            "action=",
            "limit=0",
            "limit=1001",
            "after=x",
            "client=a&client=b",
            "jti=x",
            &format!("client={}", "a".repeat(1_025)),
        ] {
            assert!(AuditQuery::of(bad).is_err(), "{bad}");
        }
    }
}
