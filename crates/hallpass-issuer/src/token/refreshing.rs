//! What the token endpoint does with refresh tokens: gives one with a token, and takes one for the next.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass_token::{RevocationMarks, TokenId, UnixTime};
use serde_json::json;
use tokio::time::timeout;

use crate::audit::{AuditEvent, Decision, RefreshEnd, RevokedRefresh};
use crate::clients::registration::GrantType;
use crate::clients::registry::Client;
use crate::core::Core;
use crate::deny_list::MOST_BY_CLIENTS;
use crate::error::Error;
use crate::refresh::family::{Family, Granted};
use crate::refresh::token::RefreshToken;
use crate::refresh_families::metrics::Done;
use crate::refresh_families::{EndedFamily, Failed, Presented};
use crate::token::attempt::Attempt;
use crate::token::refusal::Refusal;

/// How long a token waits for the refresh token that would come with it.
const GIVE_PATIENCE: Duration = Duration::from_secs(1);

/// The first refresh token of what was just granted. Without one the client gets its token nevertheless: tokens do not depend on
/// the store.
pub(super) async fn begin(
    core: &Core,
    client: &Client,
    granted: Granted,
    attempt: Attempt,
) -> Option<RefreshToken> {
    let end = attempt.now.saturating_add(client.refresh_life);
    let exchanged = granted.exchanged.as_ref();
    let ends_at = exchanged.map_or(end, |it| it.claims.expires_at.min(end));
    let families = core.refreshing_at(attempt.now);
    let most = core.settings().refresh_tokens_per_client;
    let begun = families.begin(granted, ends_at, most);
    let problem = match timeout(GIVE_PATIENCE, begun).await {
        Ok(Ok(Some(token))) => {
            families.done(Done::Begun);
            return Some(token);
        }
        Ok(Ok(None)) => {
            families.done(Done::TooMany);
            return None;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the store takes too long".to_owned(),
    };
    families.done(Done::NotStored);
    tracing::error!(%problem, client_id = client.id.as_str(), "a token goes out without a refresh token");
    None
}

/// Takes `token` of `client`: `issue` makes the access token, by what the family was granted.
///
/// # Errors
/// Why there is none. After [`Refusal::ReusedRefreshToken`] the family is revoked, after all others `token` is what it was.
pub(super) async fn take<T>(
    core: &Core,
    client: &Arc<Client>,
    token: &RefreshToken,
    attempt: Attempt,
    issue: impl FnOnce(&Family) -> Result<(T, (TokenId, UnixTime)), Refusal> + Send,
) -> Result<(T, RefreshToken), Refusal> {
    let families = core.refreshing_at(attempt.now);
    let grace = core.settings().refresh_token_grace;
    core.expect_revocations();
    match families.present(token, &client.id, grace, issue).await {
        Ok(Presented::Taken(issued, successor)) => Ok((issued, successor)),
        Ok(Presented::Reused(ended)) => {
            families.done(Done::Reused);
            let alias = &ended.alias;
            tracing::warn!(
                client_id = client.id.as_str(),
                family = alias,
                "a refresh token was used again: somebody may have stolen it; all that follows from the same first token is revoked"
            );
            take_revocations(core, client).await;
            let grant = GrantType::RefreshToken.as_str();
            let revoked = revoked(client, ended, RefreshEnd::Reuse);
            record(core, revoked, grant, attempt);
            Err(Refusal::ReusedRefreshToken)
        }
        Err(failed) => Err(refusal(failed, client)),
    }
}

/// Revokes the family of `token`, as its client demands. Gives whether there was one.
///
/// # Errors
/// [`Refusal::DenyListFull`] or [`Refusal::StoreUnavailable`]; nothing is changed then.
pub(super) async fn revoke(
    core: &Core,
    client: &Arc<Client>,
    token: &RefreshToken,
    grant: &'static str,
    attempt: Attempt,
) -> Result<bool, Refusal> {
    let families = core.refreshing_at(attempt.now);
    core.expect_revocations();
    let ended = families
        .revoke(token, &client.id, MOST_BY_CLIENTS)
        .await
        .map_err(|failed| match failed {
            Failed::Store(Error::TooManyRevocations { .. }) => Refusal::DenyListFull,
            failed => refusal(failed, client),
        })?;
    let Some(ended) = ended else {
        return Ok(false);
    };
    families.done(Done::Revoked);
    take_revocations(core, client).await;
    let revoked = revoked(client, ended, RefreshEnd::ByClient);
    record(core, revoked, grant, attempt);
    Ok(true)
}

/// What `token` is, for its own client, while it is good.
///
/// # Errors
/// [`Refusal::StoreUnavailable`].
pub(super) async fn shown(
    core: &Core,
    client: &Client,
    token: &RefreshToken,
    attempt: Attempt,
) -> Result<Option<Bytes>, Refusal> {
    let now = attempt.now;
    let found = core.refreshing_at(now).find(token, &client.id).await;
    let found = found.map_err(|failed| refusal(failed, client))?;
    let revoked = core.deny_list().current();
    let is_shown = |family: &Family| {
        family.granted.client_id == client.id
            && !core.deny_list().keeps_out(client, now)
            && revoked.denies(&family.marks(), now).is_none()
            && of_exchanged(core, family).is_none_or(|marks| revoked.denies(&marks, now).is_none())
    };
    Ok(found.filter(is_shown).map(|family| {
        let granted = &family.granted;
        let mut members = json!({
            "active": true,
            "iss": core.issuer(),
            // Who receives it is the issuer, and nobody else.
            "aud": core.issuer(),
            "client_id": granted.client_id,
            "sub": family.subject(),
            "iat": family.started_at,
            "exp": family.ends_at,
        });
        if let Some(members) = members.as_object_mut()
            && !granted.scope.is_empty()
        {
            members.insert("scope".into(), granted.scope.as_str().into());
        }
        Bytes::from(members.to_string())
    }))
}

/// By what the deny-list may deny the token that was exchanged, where this issuer has issued it.
fn of_exchanged(core: &Core, family: &Family) -> Option<RevocationMarks> {
    let exchanged = family.granted.exchanged.as_ref();
    let exchanged = exchanged.filter(|it| it.claims.issuer == *core.issuer())?;
    Some(RevocationMarks::of(
        &exchanged.claims,
        exchanged.key_id.as_ref(),
    ))
}

fn refusal(failed: Failed, client: &Client) -> Refusal {
    match failed {
        Failed::Refused(refusal) => refusal,
        Failed::Store(error) => {
            tracing::error!(%error, client_id = client.id.as_str(), "a refresh token could not be used");
            Refusal::StoreUnavailable
        }
    }
}

/// What was written counts now, or at the next look at the store.
async fn take_revocations(core: &Core, client: &Client) {
    if let Err(error) = core.take_new_revocations().await {
        tracing::error!(%error, client_id = client.id.as_str(), "what was revoked does not count yet");
    }
}

fn revoked(client: &Arc<Client>, ended: EndedFamily, why: RefreshEnd) -> RevokedRefresh {
    RevokedRefresh {
        client: Arc::clone(client),
        family: ended.alias,
        tokens: ended.tokens,
        why,
    }
}

fn record(core: &Core, revoked: RevokedRefresh, grant: &'static str, attempt: Attempt) {
    let audit = core.audit();
    if audit.is_read() {
        audit.record(AuditEvent {
            at: attempt.now,
            source: attempt.source,
            grant,
            decision: Decision::RefreshRevoked(revoked),
        });
    }
}
