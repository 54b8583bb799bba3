//! What the token endpoint does with refresh tokens: gives one with a token, and takes one for the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hallpass_token::{TokenId, UnixTime};
use serde_json::json;

use crate::audit::{AuditEvent, Decision, RefreshEnd, RevokedRefresh};
use crate::clients::profile::ClientProfile;
use crate::clients::registration::GrantType;
use crate::clients::registry::Client;
use crate::core::Core;
use crate::deny_list::MOST_BY_CLIENTS;
use crate::error::Error;
use crate::refresh::family::{Family, Granted};
use crate::refresh::token::RefreshToken;
use crate::refresh_families::ended::EndedFamily;
use crate::refresh_families::metrics::Done;
use crate::refresh_families::{Failed, Most, Presented, Use};
use crate::token::attempt::Attempt;
use crate::token::grant::asked::{Asked, Held};
use crate::token::grant::brought::StandingKey;
use crate::token::grant::{grant, refresh_token};
use crate::token::patience::Patience;
use crate::token::possession::Possession;
use crate::token::refusal::{RefreshFault, Refusal};

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
    let families = core.refreshing();
    let most = {
        let settings = core.settings();
        Most {
            of_client: settings.refresh_tokens_per_client,
            of_subject: settings.refresh_tokens_per_subject,
        }
    };
    let begun = families.begin(granted, ends_at, most);
    let begun = Patience::little().wait(begun).await;
    let error = match begun.unwrap_or_else(|| Err(core.store().slow())) {
        Ok(Some(token)) => {
            families.done(Done::Begun);
            return Some(token);
        }
        Ok(None) => {
            families.done(Done::TooMany);
            return None;
        }
        Err(error) => error,
    };
    families.done(Done::NotStored);
    let client_id = client.id.as_str();
    if let Some(times) = core.said().times("without a refresh token") {
        tracing::error!(%error, client_id, times, "a token goes out without a refresh token");
    }
    None
}

/// The key behind `token`, where another issuer has signed what was exchanged for it, when that issuer still publishes it. Asked for
/// before anything is changed: nobody waits for another issuer in a transaction.
///
/// # Errors
/// [`Refusal::SubjectIssuerUnavailable`], and those of the store.
pub(super) async fn standing_key(
    core: &Core,
    asked: Asked<'_, '_>,
    token: &RefreshToken,
    patience: &mut Patience,
) -> Result<Option<StandingKey>, Refusal> {
    let client = asked.client;
    if !refresh_token::may_be_foreign(client) {
        return Ok(None);
    }
    let found = find(core, client, token, patience).await?;
    let key = key_behind(found.as_ref(), asked).await?;
    match core.deny_list().keeps_out(client, core.attempt(None).now) {
        true => Err(Refusal::RevokedClient),
        false => Ok(key),
    }
}

async fn find(
    core: &Core,
    client: &Client,
    token: &RefreshToken,
    patience: &mut Patience,
) -> Result<Option<Family>, Refusal> {
    let families = core.refreshing();
    let found = patience.wait(families.find(token, &client.id)).await;
    let found = found.unwrap_or_else(|| Err(Failed::Store(core.store().slow())));
    found.map_err(|failed| refusal(core, failed, client))
}

async fn key_behind(
    family: Option<&Family>,
    asked: Asked<'_, '_>,
) -> Result<Option<StandingKey>, Refusal> {
    let family = family.filter(|it| it.granted.client_id == asked.client.id);
    match family.and_then(|family| family.granted.exchanged.as_ref()) {
        Some(exchanged) => StandingKey::of(exchanged, asked.trusted).await,
        None => Ok(None),
    }
}

/// Takes `token` of the client that asks: `issue` makes the access token, by what the family was granted.
///
/// # Errors
/// Why there is none. After [`RefreshFault::Reused`] the family is revoked, after all others `token` is what it was; but after [`Refusal::OutcomeUnknown`] it
/// may have been used, and brings the same successor within the grace.
pub(super) async fn take<T>(
    core: &Core,
    asked: Asked<'_, '_>,
    token: &RefreshToken,
    patience: &mut Patience,
    issue: impl FnOnce(&Family) -> Result<(T, (TokenId, UnixTime)), Refusal> + Send,
) -> Result<(T, RefreshToken), Refusal> {
    let (client, attempt) = (asked.client, asked.attempt);
    let families = core.refreshing();
    let how = Use {
        client: &client.id,
        grace: core.settings().refresh_token_grace,
        proven: asked.possession.binds(),
        rotates: client
            .profile
            .is_none_or(ClientProfile::rotates_refresh_tokens),
    };
    let _expected = core.expect_revocations();
    let commits = AtomicBool::new(false);
    let work = families.telling(&commits);
    let presented = patience.wait(work.present(token, how, issue)).await;
    let presented = presented.unwrap_or_else(|| Err(unheard(core, &commits)));
    match presented {
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
            Err(Refusal::Refresh(RefreshFault::Reused))
        }
        Err(failed) => Err(refusal(core, failed, client)),
    }
}

/// Revokes the family of `token`, as its client demands. Gives whether there was one.
///
/// # Errors
/// [`Refusal::DenyListFull`] or [`Refusal::StoreUnavailable`], and nothing is changed then; [`Refusal::OutcomeUnknown`].
pub(super) async fn revoke(
    core: &Core,
    client: &Arc<Client>,
    token: &RefreshToken,
    grant: &'static str,
    attempt: Attempt,
) -> Result<bool, Refusal> {
    let families = core.refreshing();
    let _expected = core.expect_revocations();
    let commits = AtomicBool::new(false);
    let work = families.telling(&commits);
    let ended = work.revoke(token, &client.id, MOST_BY_CLIENTS);
    let ended = Patience::whole().wait(ended).await;
    let ended = ended.unwrap_or_else(|| Err(unheard(core, &commits)));
    let ended = ended.map_err(|failed| match failed {
        Failed::Store(Error::TooManyRevocations { .. }) => Refusal::DenyListFull,
        failed => refusal(core, failed, client),
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

/// What `token` is, for its own client, while it would bring something: the inner error says why it would not.
///
/// # Errors
/// [`Refusal::StoreUnavailable`], [`Refusal::SubjectIssuerUnavailable`] or [`Refusal::Busy`]: nobody can say.
pub(super) async fn shown(
    core: &Core,
    asked: Asked<'_, '_>,
    token: &RefreshToken,
) -> Result<Result<Bytes, Refusal>, Refusal> {
    let client = asked.client;
    let found = find(core, client, token, &mut Patience::whole()).await?;
    let Some(family) = found else {
        return Ok(Err(Refusal::Refresh(RefreshFault::Unknown)));
    };
    let key = key_behind(Some(&family), asked).await?;
    Ok(judge(core, asked, token, (&family, key.as_ref())).map(|()| members(core, &family)))
}

/// Whether `token` would bring its client an access token now.
fn judge(
    core: &Core,
    asked: Asked<'_, '_>,
    token: &RefreshToken,
    (family, standing_key): (&Family, Option<&StandingKey>),
) -> Result<(), Refusal> {
    let (client, now) = (asked.client, core.attempt(None).now);
    if family.granted.client_id != client.id {
        return Err(Refusal::Refresh(RefreshFault::Foreign));
    }
    if family.digest != token.digest() {
        return Err(Refusal::Refresh(RefreshFault::Reused));
    }
    if core.deny_list().keeps_out(client, now) {
        return Err(Refusal::RevokedClient);
    }
    let exchanged = family.granted.exchanged.as_ref();
    let of_exchanged = exchanged.and_then(|it| it.claims.confirmation.as_ref());
    let bound_to = family.granted.bound_to;
    let asked = Asked {
        family: Some(family),
        standing_key,
        // Who asks proves nothing of that; whoever uses it has to.
        possession: Possession {
            dpop: bound_to.key.or_else(|| of_exchanged?.jkt),
            certificate: bound_to.certificate.or_else(|| of_exchanged?.x5t_s256),
            ..Possession::default()
        },
        ..asked
    };
    let (ring, revoked) = (core.keys(), core.deny_list().current());
    let held = Held {
        keys: ring.at(now),
        revoked: &revoked,
    };
    grant(asked, held).map(|_| ())
}

fn members(core: &Core, family: &Family) -> Bytes {
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
}

fn refusal(core: &Core, failed: Failed, client: &Client) -> Refusal {
    match failed {
        Failed::Refused(refusal) => refusal,
        Failed::Store(error) => {
            let client_id = client.id.as_str();
            if let Some(times) = core.said().times("refresh token") {
                tracing::error!(%error, client_id, times, "a refresh token could not be used");
            }
            match error {
                Error::StoreOutcomeUnknown { .. } => Refusal::OutcomeUnknown,
                _ => Refusal::StoreUnavailable,
            }
        }
    }
}

/// Of work that nobody has waited for to its end: what was to count by then may count.
fn unheard(core: &Core, commits: &AtomicBool) -> Failed {
    Failed::Store(match commits.load(Ordering::Relaxed) {
        true => core.store().unheard(),
        false => core.store().slow(),
    })
}

/// What was written counts now, or at the next look at the store.
async fn take_revocations(core: &Core, client: &Client) {
    let taken = Patience::whole().wait(core.take_new_revocations()).await;
    if let Err(error) = taken.unwrap_or_else(|| Err(core.store().slow())) {
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
            trace: attempt.trace,
            grant,
            decision: Decision::RefreshRevoked(revoked),
        });
    }
}
