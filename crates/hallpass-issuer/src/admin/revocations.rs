//! `/admin/v1/revocations`: what `hallpass revoke` and `hallpass revocations` do.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use hallpass_token::{Revocation, RevocationDigest, RevocationKind, RevocationList, UnixTime};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::call::Call;
use super::change::{Desk, What};
use super::fault::AdminFault;
use super::input::{Input, NoQuery, Page};
use super::problem::Problem;
use crate::clients::registry::Registry;
use crate::core::Core;
use crate::revocation_administration::{self, RevocationEnd, RevocationTarget};

/// Of more clients than this the names are not looked for behind the entries: each look would hash them all.
const MAX_NAMED_CLIENTS: usize = 10_000;

/// An entry of the deny-list that counts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entry {
    /// What stands on the list in place of a name.
    digest: String,
    /// `token`, `client`, `subject` or `key`.
    #[schema(example = "client")]
    kind: &'static str,
    /// What it was made of, where that is a client or a key that is known here. The entry itself names nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Only tokens that were issued before this are denied, in seconds since 1970. Absent: all, also those that are still to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<u64>,
    /// When it ends, in seconds since 1970.
    ends_at: u64,
}

/// A part of the deny-list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entries {
    /// In the order of their digests.
    revocations: Vec<Entry>,
    /// `after` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What is to count no more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRevocation {
    /// What it is.
    kind: Kind,
    /// Its name: `jti`, client id, `sub` or `kid`.
    name: String,
    /// Of a client or a subject: only tokens that were issued until now; it goes on with new ones. Otherwise it gets none until the end.
    #[serde(default)]
    only_issued: bool,
    /// For how long. Without this and `ends_at` until every token has ended that was issued so far: a day and five minutes.
    #[serde(default)]
    seconds: Option<u64>,
    /// Until when, in seconds since 1970.
    #[serde(default)]
    ends_at: Option<u64>,
}

/// What is taken back.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// One token, by its `jti`.
    Token,
    /// The tokens of a client.
    Client,
    /// The tokens of a subject.
    Subject,
    /// What a key has signed. The key itself goes on: to withdraw it is `taint`.
    Key,
}

/// What is revoked now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RevokedEntry {
    /// What holds: where the same was revoked before, whatever either entry denies, until the later end.
    #[serde(flatten)]
    entry: Entry,
    /// Whether a client or a key of this name is known here. It is revoked all the same: users are not known here. Absent for tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<bool>,
}

/// What counts of the deny-list, the tainted keys included
#[utoipa::path(
    get,
    path = "/admin/v1/revocations",
    operation_id = "list_revocations",
    tag = "revocations",
    params(
        ("limit" = Option<u32>, Query, description = "Most entries: 1 to 1000, by default 100."),
        ("after" = Option<String>, Query, description = "`next` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of the deny-list.", body = Entries),
        Problem,
    )
)]
pub(super) async fn list_revocations(
    State(desk): State<Arc<Desk>>,
    call: Call,
    page: Page,
) -> Result<Json<Entries>, Problem> {
    if page.prefix.is_some() {
        let detail = "the entries name nobody, so there is no prefix to look for";
        return Err(Problem::with(AdminFault::InvalidRequest, detail));
    }
    // A long list is gone through for each page, which must not hold up tokens.
    let (core, now) = (Arc::clone(&desk.core), call.attempt.now);
    let entries = tokio::task::spawn_blocking(move || entries(&core, &page, now));
    let entries = entries.await.map_err(|_| AdminFault::Internal)?;
    Ok(Json(entries))
}

/// Takes back a token, or all tokens of a client, of a subject or of a key
///
/// It counts here when the response comes, and at whoever follows the deny-list within a second. There is no way to take it back
/// earlier; to ask twice does no harm: the two are one entry.
#[utoipa::path(
    post,
    path = "/admin/v1/revocations",
    operation_id = "revoke",
    tag = "revocations",
    request_body = NewRevocation,
    responses(
        (status = 201, description = "It is revoked.", body = RevokedEntry),
        Problem,
    )
)]
pub(super) async fn revoke(
    State(desk): State<Arc<Desk>>,
    call: Call,
    _query: NoQuery,
    Input(new): Input<NewRevocation>,
) -> Result<Response, Problem> {
    let end = new.end()?;
    let target = new.target()?;
    let what = What::new("revoke").to(&new.what()).at_once();
    let now = call.attempt.now;
    let asked = revocation_administration::asked_for(&target, end, now)?;
    let revoked = desk.change(call, what, async move |core| {
        core.revoke(&asked, RevocationList::MAX_ENTRIES).await?;
        // One that has ended meanwhile may have been forgotten.
        let holds = core
            .store()
            .revocation(asked.digest)
            .await?
            .unwrap_or(asked);
        Ok(RevokedEntry {
            known: new.is_known(&core),
            entry: Entry::of(&holds, Some(new.name)),
        })
    });
    Ok((StatusCode::CREATED, Json(revoked.await?)).into_response())
}

impl NewRevocation {
    fn end(&self) -> Result<RevocationEnd, Problem> {
        match (self.seconds, self.ends_at) {
            (None, None) => Ok(RevocationEnd::WithTheLastToken),
            (Some(seconds), None) => Ok(RevocationEnd::After(Duration::from_secs(seconds))),
            (None, Some(moment)) => Ok(RevocationEnd::At(moment)),
            (Some(_), Some(_)) => {
                let detail = "seconds and ends_at contradict each other: send one of them";
                Err(Problem::with(AdminFault::InvalidRequest, detail))
            }
        }
    }

    fn target(&self) -> Result<RevocationTarget, Problem> {
        let (name, only_issued) = (self.name.clone(), self.only_issued);
        match self.kind {
            Kind::Client => Ok(RevocationTarget::Client {
                id: name,
                only_issued,
            }),
            Kind::Subject => Ok(RevocationTarget::Subject { name, only_issued }),
            Kind::Token | Kind::Key if only_issued => {
                let detail = "only_issued is for clients and subjects";
                Err(Problem::with(AdminFault::InvalidRequest, detail))
            }
            Kind::Token => Ok(RevocationTarget::Token(name)),
            Kind::Key => Ok(RevocationTarget::Key(name)),
        }
    }

    /// What audit events call it.
    fn what(&self) -> String {
        let kind = match self.kind {
            Kind::Token => RevocationKind::Token,
            Kind::Client => RevocationKind::Client,
            Kind::Subject => RevocationKind::Subject,
            Kind::Key => RevocationKind::Key,
        };
        format!("{} {}", kind.as_str(), self.name)
    }

    fn is_known(&self, core: &Core) -> Option<bool> {
        match self.kind {
            Kind::Token => None,
            // A client is the subject of its own tokens.
            Kind::Client | Kind::Subject => Some(core.registry().find(&self.name).is_some()),
            Kind::Key => {
                let keys = core.key_states();
                Some(keys.iter().any(|(kid, _)| *kid == self.name))
            }
        }
    }
}

impl Entry {
    fn of(revocation: &Revocation, name: Option<String>) -> Self {
        Self {
            digest: revocation.digest.to_string(),
            kind: revocation.kind.as_str(),
            name,
            issued_before: revocation.issued_before.map(UnixTime::as_secs),
            ends_at: revocation.ends_at.as_secs(),
        }
    }
}

/// The page, in the order of the digests: that of no other page changes when entries come and go.
fn entries(core: &Core, page: &Page, now: UnixTime) -> Entries {
    let log = core.deny_list().log();
    let mut found: BTreeMap<String, Revocation> = BTreeMap::new();
    // Of one thing the later entry says at least what the earlier one does.
    for revocation in log.entries().filter(|it| now < it.ends_at) {
        let digest = revocation.digest.to_string();
        if page.after.as_ref().is_some_and(|after| digest <= *after) {
            continue;
        }
        found.insert(digest, *revocation);
        // One more than the page has, to see whether there is a next one.
        if found.len() > page.limit + 1 {
            found.pop_last();
        }
    }
    let has_more = found.len() > page.limit;
    if has_more {
        found.pop_last();
    }
    let next = found.keys().next_back().filter(|_| has_more).cloned();
    let names = names(core, &core.registry());
    let entry = |it: &Revocation| Entry::of(it, names.get(&it.digest).cloned());
    Entries {
        revocations: found.values().map(entry).collect(),
        next,
    }
}

/// Whom the entries may be about.
fn names(core: &Core, registry: &Registry) -> HashMap<RevocationDigest, String> {
    let mut names = HashMap::new();
    for (kid, _) in core.key_states().iter() {
        let digest = RevocationDigest::new(RevocationKind::Key, kid);
        names.insert(digest, kid.clone());
    }
    if registry.len() <= MAX_NAMED_CLIENTS {
        for id in registry.names() {
            for kind in [RevocationKind::Client, RevocationKind::Subject] {
                names.insert(RevocationDigest::new(kind, id), id.to_owned());
            }
        }
    }
    names
}
