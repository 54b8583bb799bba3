//! `POST /oauth2/revoke` (RFC 7009) and `POST /oauth2/introspect` (RFC 7662): requests of a client about a token.
//!
//! What a client is told is JSON, or signed when it asks for that (RFC 9701).
//!
//! A client revokes its own tokens, and those of trusted issuers that it is registered for; it learns about those that are for it. Of
//! every other token it learns nothing, not even whether there is such a one.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass_token::{
    DEFAULT_MAX_VERIFY_BYTES, RevocationMarks, TokenId, UnixTime, UnverifiedToken, VerifiedClaims,
    VerifyError, VerifyPolicy,
};
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use serde_json::Value;

use crate::audit::{AuditEvent, Caller, Decision, RevokedToken};
use crate::clients::registry::Client;
use crate::core::Core;
use crate::lockout_events;
use crate::refresh::token::RefreshToken;
use crate::token::attempt::Attempt;
use crate::token::client_rate::Rate;
use crate::token::grant::asked::Asked;
use crate::token::introspection_jwt;
use crate::token::message::{error_response, json_response, read, retry_after};
use crate::token::possession::Possession;
use crate::token::refreshing;
use crate::token::refusal::Refusal;
use crate::token::request::{TokenQuestion, TokenRequest};
use crate::token::revoking::{self, ForeignToken};
use crate::token::shown::Shown;

const INACTIVE: &[u8] = b"{\"active\":false}";

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Revocation,
    Introspection,
}

impl About {
    /// Its name in metrics and audit events.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Revocation => "revoke",
            Self::Introspection => "introspect",
        }
    }
}

/// Responds to one request, whatever it contains.
pub(crate) async fn respond<B>(
    core: &Core,
    about: About,
    parts: &Parts,
    body: B,
    source: Option<IpAddr>,
) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = read(body).await;
    let attempt = core.attempt(source).with(&parts.headers);
    let parsed = body.as_deref().map_err(|refusal| *refusal);
    let question = match parsed.and_then(|body| TokenQuestion::parse(&parts.headers, body)) {
        Ok(question) => question,
        Err(refusal) => return refuse(core, about, refusal, Caller::Unnamed, attempt),
    };
    let (registry, credentials) = (core.registry(), &question.credentials);
    let client = core.authenticator();
    let shown = Shown::of(&parts.extensions);
    let client = client.authenticate(&registry, credentials, shown, attempt);
    let client = match client.await {
        Ok(client) => client,
        Err(refusal) => {
            let caller = Caller::unverified(&credentials.unverified_client_id());
            return refuse(core, about, refusal, caller, attempt);
        }
    };
    if about == About::Revocation
        && let Err(refusal) = admit(core, &client, attempt)
    {
        return refuse(core, about, refusal, Caller::Verified(client), attempt);
    }
    let is_signed = introspection_jwt::is_wanted(&parts.headers);
    if let Some(token) = RefreshToken::parse(&question.token) {
        let request = TokenRequest::of_refresh(question.credentials);
        return match about {
            About::Revocation => revoke_refresh_token(core, client, &token, attempt).await,
            About::Introspection => {
                let trusted = core.trust().current();
                let asked = Asked {
                    issuer: core.issuer(),
                    registry: &registry,
                    trusted: &trusted,
                    brought: None,
                    client: &client,
                    possession: Possession::default(),
                    request: &request,
                    attempt,
                    family: None,
                    standing_key: None,
                };
                let said = introspect_refresh_token(core, asked, &token).await;
                say(core, client, said, is_signed, attempt)
            }
        };
    }
    match about {
        About::Introspection => {
            let live = LiveToken::of(core, &question.token, attempt.now);
            let said = introspect(core, Arc::clone(&client), live, attempt);
            say(core, client, Ok(said), is_signed, attempt)
        }
        About::Revocation => {
            let revoked = revoke(core, &client, &question.token, attempt).await;
            say_revoked(core, client, revoked, attempt)
        }
    }
}

/// The same of a refresh token: its client may revoke it, and everybody else is told nothing.
async fn revoke_refresh_token(
    core: &Core,
    client: Arc<Client>,
    token: &RefreshToken,
    attempt: Attempt,
) -> Response<Full<Bytes>> {
    let about = About::Revocation;
    match refreshing::revoke(core, &client, token, about.as_str(), attempt).await {
        Ok(was_there) => {
            let result = if was_there { "revoked" } else { "nothing" };
            core.metrics().tokens.asked(about.as_str(), result);
            json_response(StatusCode::OK, Bytes::new())
        }
        Err(refusal) => refuse(core, about, refusal, Caller::Verified(client), attempt),
    }
}

/// Whether `client` may have something revoked now, whatever it is.
fn admit(core: &Core, client: &Client, attempt: Attempt) -> Result<(), Refusal> {
    let per_second = core.settings().revocations_per_client_per_second;
    let taken =
        core.revocation_rate()
            .take(&client.id, Rate::per_second(per_second), attempt.monotonic);
    taken.map_err(|retry_after| Refusal::TooManyRevocations { retry_after })
}

/// What was asked for, as JSON or signed.
fn say(
    core: &Core,
    client: Arc<Client>,
    said: Result<Bytes, Refusal>,
    is_signed: bool,
    attempt: Attempt,
) -> Response<Full<Bytes>> {
    let response = said.and_then(|said| match is_signed {
        true => introspection_jwt::response(core, &client, &said, attempt.now),
        false => Ok(json_response(StatusCode::OK, said)),
    });
    response.unwrap_or_else(|refusal| {
        let caller = Caller::Verified(client);
        refuse(core, About::Introspection, refusal, caller, attempt)
    })
}

/// Its client learns what it is. To everybody else it is nothing, and to those who receive calls too: shown to them it must not look
/// like something that lets somebody in.
async fn introspect_refresh_token(
    core: &Core,
    asked: Asked<'_, '_>,
    token: &RefreshToken,
) -> Result<Bytes, Refusal> {
    let (client, attempt) = (Arc::clone(asked.client), asked.attempt);
    let shown = refreshing::shown(core, asked, token).await?;
    let why = shown.as_ref().err().map(|refusal| refusal.reason());
    told(core, client, None, why, attempt);
    Ok(shown.unwrap_or(Bytes::from_static(INACTIVE)))
}

/// Counts and notes what `client` was told: that a token counts, or why it does not (`inactive`), which the client is not told.
fn told(
    core: &Core,
    client: Arc<Client>,
    token_id: Option<TokenId>,
    inactive: Option<&'static str>,
    attempt: Attempt,
) {
    let about = About::Introspection;
    let result = match inactive {
        None => "active",
        Some(_) => "inactive",
    };
    core.metrics().tokens.asked(about.as_str(), result);
    let decision = Decision::Introspected {
        client,
        token_id,
        inactive,
    };
    record(core, about, decision, attempt);
}

/// A token of this issuer that is good at this moment, for whatever service.
struct LiveToken {
    claims: VerifiedClaims,
    token_id: TokenId,
}

impl LiveToken {
    /// # Errors
    /// Why there is none, for the log alone.
    fn of(core: &Core, token: &str, now: UnixTime) -> Result<Self, &'static str> {
        let code = |error: VerifyError| error.code();
        let unverified = UnverifiedToken::parse(token, DEFAULT_MAX_VERIFY_BYTES).map_err(code)?;
        let audiences = unverified.unverified_audiences();
        // Some services get tokens of another type; this issuer signs nothing but access tokens.
        let policy = VerifyPolicy::for_audiences(core.issuer().clone(), audiences)
            .with_leeway(Duration::ZERO)
            .dangerous_accept_untyped();
        let keys = core.keys();
        let claims = unverified
            .verify(keys.at(now).published(), &policy, now)
            .map_err(code)?;
        let marks = RevocationMarks::of(&claims, unverified.key_id());
        if core.deny_list().current().denies(&marks, now).is_some() {
            return Err("revoked");
        }
        let token_id = claims.token_id.clone().ok_or("without_id")?;
        Ok(Self { claims, token_id })
    }
}

/// What was revoked; `None` of a token that is not there, not good any more, or not the client's to take back, of which nothing is said
/// (RFC 7009 section 2.2).
async fn revoke(
    core: &Core,
    client: &Arc<Client>,
    token: &str,
    attempt: Attempt,
) -> Result<Option<RevokedToken>, Refusal> {
    let trusted = core.trust().current();
    if let Some(foreign) = ForeignToken::of(&trusted, client, token) {
        // Rare, and its future is large.
        return Box::pin(foreign.revoke(core, client, attempt)).await;
    }
    let Ok(live) = LiveToken::of(core, token, attempt.now) else {
        return Ok(None);
    };
    if live.claims.client_id.as_ref() != Some(&client.id) {
        return Ok(None);
    }
    let expires_at = live.claims.expires_at;
    let entry = revoking::of_token(&live.token_id, expires_at);
    revoking::put(core, client, &entry).await?;
    Ok(Some(RevokedToken {
        client: Arc::clone(client),
        token_id: Some(live.token_id),
        expires_at,
        foreign: None,
    }))
}

/// RFC 7009 section 2.2, counted and audited.
fn say_revoked(
    core: &Core,
    client: Arc<Client>,
    revoked: Result<Option<RevokedToken>, Refusal>,
    attempt: Attempt,
) -> Response<Full<Bytes>> {
    let about = About::Revocation;
    let revoked = match revoked {
        Ok(revoked) => revoked,
        Err(refusal) => return refuse(core, about, refusal, Caller::Verified(client), attempt),
    };
    let result = match &revoked {
        Some(_) => "revoked",
        None => "nothing",
    };
    core.metrics().tokens.asked(about.as_str(), result);
    if let Some(revoked) = revoked {
        record(core, about, Decision::Revoked(revoked), attempt);
    }
    json_response(StatusCode::OK, Bytes::new())
}

/// RFC 7662 section 2.2.
fn introspect(
    core: &Core,
    client: Arc<Client>,
    live: Result<LiveToken, &'static str>,
    attempt: Attempt,
) -> Bytes {
    let is_audience = |live: &LiveToken| {
        let mut audiences = live.claims.audience.iter();
        audiences.any(|audience| audience.as_str() == client.id.as_str())
    };
    let shown = live.and_then(|live| {
        // A client that is kept out learns nothing more.
        if core.deny_list().keeps_out(&client, attempt.now) {
            return Err("revoked_client");
        }
        match core.introspects_all(&client.id) || is_audience(&live) {
            true => Ok((active(&live.claims).ok_or("unreadable")?, live.token_id)),
            false => Err("not_for_client"),
        }
    });
    let (body, token_id, why) = match shown {
        Ok((body, token_id)) => (body, Some(token_id), None),
        Err(why) => (Bytes::from_static(INACTIVE), None, Some(why)),
    };
    told(core, client, token_id, why, attempt);
    body
}

/// The claims, and that they hold.
fn active(claims: &VerifiedClaims) -> Option<Bytes> {
    let mut members = serde_json::to_value(claims).ok()?;
    let object = members.as_object_mut()?;
    object.insert("active".into(), Value::Bool(true));
    let jkt = claims.confirmation.as_ref().and_then(|it| it.jkt);
    let possession = Possession {
        dpop: jkt,
        ..Possession::default()
    };
    object.insert("token_type".into(), possession.token_type().into());
    serde_json::to_vec(&members).ok().map(Bytes::from)
}

/// RFC 6749 section 5.2, counted and audited.
fn refuse(
    core: &Core,
    about: About,
    refusal: Refusal,
    caller: Caller,
    attempt: Attempt,
) -> Response<Full<Bytes>> {
    lockout_events::refused(core, refusal);
    let decision = Decision::Refused {
        refusal,
        caller,
        claimed: None,
    };
    record(core, about, decision, attempt);
    let mut response = error_response(refusal.wire());
    if let Some(wait) = refusal.retry_after() {
        let wait = retry_after(wait);
        response.headers_mut().insert(RETRY_AFTER, wait);
    }
    response
}

fn record(core: &Core, about: About, decision: Decision, attempt: Attempt) {
    let audit = core.audit();
    if audit.is_read() {
        audit.record(AuditEvent {
            at: attempt.now,
            source: attempt.source,
            trace: attempt.trace,
            grant: about.as_str(),
            decision,
        });
    }
}
