//! `POST /oauth2/token`, top to bottom: form, client, grant, target, scope, claims, signature, response, audit.
//!
//! No step asks the store but those of refresh tokens, which a client has to want; of the others only a chosen secret's first check
//! leaves the task.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hallpass_token::{AccessToken, SignError, TokenClaims, TokenId, UnixTime, sign_as};
use hallpass_upstream::{ReplayKind, StoreAway};
use http::header::HeaderName;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::Full;

use crate::audit::{AuditEvent, Caller, Decision, OnBehalf};
use crate::clients::exchange_rule::subject_issuer;
use crate::clients::profile::ClientProfile;
use crate::clients::registration::GrantType;
use crate::clients::registry::{Client, RegisteredTarget, Registry};
use crate::core::Core;
use crate::refresh::family::{Exchanged, Family, Granted};
use crate::refresh::token::RefreshToken;
use crate::replays::Used;
use crate::token::attempt::Attempt;
use crate::token::grant::asked::{Asked, Held};
use crate::token::grant::{bring, grant, refresh_token};
use crate::token::message::{json_response, read};
use crate::token::patience::Patience;
use crate::token::possession::Possession;
use crate::token::refreshing;
use crate::token::refusal::{GrantAssertionFault, Refusal};
use crate::token::refusing::{grant_name, refuse};
use crate::token::request::TokenRequest;
use crate::token::shown::Shown;
use crate::token::token_id;
use crate::token::token_response::TokenResponse;

/// RFC 9449 section 8.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Responds to one request, whatever it contains.
pub(crate) async fn respond<B>(
    core: &Core,
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
    let body = match body {
        Ok(body) => body,
        Err(refusal) => return refuse(core, refusal, None, attempt),
    };
    let mut response = match TokenRequest::parse(&parts.headers, &body) {
        Ok(request) => decide(core, &request, Shown::of(&parts.extensions), attempt).await,
        Err(refusal) => refuse(core, refusal, None, attempt),
    };
    let took = core.clock().monotonic().saturating_sub(attempt.monotonic);
    core.metrics().tokens.duration.observe(took.as_secs_f64());
    if let Some(nonce) = core.proofs().nonce(attempt.now) {
        response.headers_mut().insert(DPOP_NONCE, nonce);
    }
    response
}

/// A token and what its response and its audit event need.
struct Issued<'c> {
    token: AccessToken,
    client: &'c Arc<Client>,
    target: &'c RegisteredTarget,
    claims: TokenClaims,
    possession: Possession,
    issued_token_type: Option<&'static str>,
    exchanged: Option<Exchanged>,
    refresh_token: Option<RefreshToken>,
    /// The assertion that brought it: another instance may have had it before.
    used: Option<Used>,
}

/// Authenticates the client, then decides what it may have.
async fn decide(
    core: &Core,
    request: &TokenRequest<'_>,
    shown: Shown<'_>,
    attempt: Attempt,
) -> Response<Full<Bytes>> {
    // A full load: a guard of the swap must not be held while argon2id runs.
    let registry = core.registry();
    let credentials = &request.credentials;
    match core
        .authenticator()
        .authenticate(&registry, credentials, shown, attempt)
        .await
    {
        Ok(client) if core.deny_list().keeps_out(&client, attempt.now) => {
            let caller = Caller::Verified(client);
            refuse(
                core,
                Refusal::RevokedClient,
                Some((request, caller)),
                attempt,
            )
        }
        Ok(client) => match answer(core, &registry, &client, (request, shown), attempt).await {
            Ok(issued) => issued.into_response(core, request, attempt),
            Err(refusal) => refuse(
                core,
                refusal,
                Some((request, Caller::Verified(client))),
                attempt,
            ),
        },
        Err(refusal) => {
            let caller = Caller::unverified(&credentials.unverified_client_id());
            refuse(core, refusal, Some((request, caller)), attempt)
        }
    }
}

/// Makes the token, for a client that has proven who it is. Waits where the keys of another issuer are needed, or for refresh
/// tokens, and never for a client that asks for itself and wants none.
async fn answer<'c>(
    core: &Core,
    registry: &Registry,
    client: &'c Arc<Client>,
    (request, shown): (&TokenRequest<'_>, Shown<'_>),
    attempt: Attempt,
) -> Result<Issued<'c>, Refusal> {
    let possession = core
        .proofs()
        .of(client, request.unverified_proof, attempt.now)
        .await?
        .over_connection(client, shown)?;
    let asked = |trusted, brought| Asked {
        issuer: core.issuer(),
        registry,
        trusted,
        brought,
        family: None,
        standing_key: None,
        client,
        possession,
        request,
        attempt,
    };
    // What is rare is boxed: kept inside, its kilobytes were copied several times for each request.
    let issued = if request.grant_type == Some(GrantType::ClientCredentials) {
        issue(core, asked(&core.trust().at_once(), None))?
    } else {
        let trusted = core.trust().current();
        if request.grant_type == Some(GrantType::RefreshToken) && wants_refresh_token(client) {
            return Box::pin(refresh(core, asked(&trusted, None))).await;
        }
        let brought = Box::pin(bring(asked(&trusted, None), core.clock())).await?;
        if brought.is_some() && core.deny_list().keeps_out(client, attempt.now) {
            return Err(Refusal::RevokedClient);
        }
        issue(core, asked(&trusted, brought.as_ref()))?
    };
    if let Some(used) = issued.used {
        let (kind, id) = (ReplayKind::Assertion, client.id.as_str());
        let asked = core.replays().is_first(kind, id, used, attempt.now);
        match Box::pin(asked).await {
            Ok(true) => {}
            // The token that was made goes nowhere.
            Ok(false) => return Err(Refusal::GrantAssertion(GrantAssertionFault::Replayed)),
            Err(StoreAway) => return Err(Refusal::ReplayStoreAway),
        }
    }
    match wants_refresh_token(client) {
        true => Ok(Box::pin(issued.with_refresh_token(core, request, attempt)).await),
        false => Ok(issued),
    }
}

/// Makes the token that a refresh token brings.
async fn refresh<'c>(core: &Core, asked: Asked<'c, '_>) -> Result<Issued<'c>, Refusal> {
    let presented = refresh_token::presented(asked.request)?;
    let mut patience = Patience::whole();
    let key = refreshing::standing_key(core, asked, &presented, &mut patience).await?;
    let issue = |family: &Family| {
        let asked = Asked {
            family: Some(family),
            standing_key: key.as_ref(),
            ..asked
        };
        let issued = issue(core, asked)?;
        let live = issued.live().ok_or(Refusal::Signing)?;
        Ok((issued, live))
    };
    let taken = refreshing::take(core, asked, &presented, &mut patience, issue);
    let (issued, successor) = taken.await?;
    Ok(Issued {
        refresh_token: Some(successor),
        ..issued
    })
}

fn wants_refresh_token(client: &Client) -> bool {
    client.grants.contains(GrantType::RefreshToken)
}

/// Makes the token of what is here.
fn issue<'c>(core: &Core, asked: Asked<'c, '_>) -> Result<Issued<'c>, Refusal> {
    let Asked {
        client,
        possession,
        attempt,
        ..
    } = asked;
    let ring = core.keys();
    let keys = ring.at(attempt.now);
    let revoked = core.deny_list().current();
    let held = Held {
        keys,
        revoked: &revoked,
    };
    let mut entitlement = grant(asked, held)?;
    let possession = possession.staying_bound(entitlement.stays_bound);
    let exchanged = entitlement.exchanged.take();
    let (target, issued_token_type) = (entitlement.target, entitlement.issued_token_type);
    let used = entitlement.used;
    let token_id = token_id::next().ok_or(Refusal::Signing)?;
    let mut claims = entitlement.into_claims(core.issuer(), client, token_id, attempt.now);
    claims.confirmation = possession.confirmation();
    let shape = ring.shape_for(&target.audience);
    match claims.extra.is_empty() {
        true => claims.extra = shape.claims.clone(),
        // What every token for the service says, each of these says too.
        false => claims.extra.extend(shape.claims.clone()),
    }
    let allowed = client.profile.map(ClientProfile::algorithms);
    let key = keys.signing_among(allowed, shape.algorithm);
    let key = key.ok_or(Refusal::Signing)?;
    let signed = sign_as(&claims, key, shape.token_type, attempt.now);
    let token = signed.map_err(|error| match error {
        SignError::TooLarge { .. } => Refusal::TokenTooLarge,
        error => {
            tracing::error!(%error, client_id = client.id.as_str(), "a token could not be signed");
            Refusal::Signing
        }
    })?;
    Ok(Issued {
        token,
        client,
        target,
        claims,
        possession,
        issued_token_type,
        exchanged,
        refresh_token: None,
        used,
    })
}

impl Issued<'_> {
    /// With the first of its refresh tokens, where there are any for such a grant.
    async fn with_refresh_token(
        mut self,
        core: &Core,
        request: &TokenRequest<'_>,
        attempt: Attempt,
    ) -> Self {
        if let Some(granted) = self.granted(request) {
            self.refresh_token = refreshing::begin(core, self.client, granted, attempt).await;
        }
        self
    }

    /// What a refresh token stands for that comes with it.
    fn granted(&mut self, request: &TokenRequest<'_>) -> Option<Granted> {
        // RFC 7521 section 4.1: who brings an assertion brings the next one too.
        if request.grant_type == Some(GrantType::JwtBearer) {
            return None;
        }
        Some(Granted {
            client_id: self.client.id.clone(),
            grant: request.grant_type?,
            audience: self.target.audience.clone(),
            scope: self.claims.scope.clone(),
            bound_to: self.possession.binds(),
            exchanged: self.exchanged.take(),
            live: vec![self.live()?],
        })
    }

    /// What must be taken back with its family.
    fn live(&self) -> Option<(TokenId, UnixTime)> {
        let token_id = self.claims.token_id.clone()?;
        Some((token_id, self.claims.expires_at))
    }

    /// RFC 6749 section 5.1.
    fn into_response(
        self,
        core: &Core,
        request: &TokenRequest<'_>,
        attempt: Attempt,
    ) -> Response<Full<Bytes>> {
        let Self {
            token,
            client,
            target,
            claims,
            possession,
            issued_token_type,
            exchanged: _,
            refresh_token,
            used: _,
        } = self;
        target.issued.inc();
        let for_what = (target.audience.as_str(), &claims.scope);
        core.uses()
            .saw_token(client.id.as_str(), for_what, attempt.now);
        core.metrics().tokens.issued.inc();
        let json = TokenResponse {
            token: &token,
            token_type: possession.token_type(),
            expires_in: claims.expires_at.duration_since(attempt.now),
            issued_token_type,
            refresh_token,
            scope: claims.scope.as_str(),
        };
        let json = json.into_json();
        let audit = core.audit();
        if audit.is_read()
            && let Some(token_id) = claims.token_id
        {
            let decision = Decision::Issued {
                client: Arc::clone(client),
                audience: target.audience.clone(),
                scope: claims.scope,
                token_id,
                expires_at: claims.expires_at,
                bound_to: claims.confirmation.map(Box::new),
                on_behalf_of: claims.actor.map(|actor| OnBehalf {
                    subject: claims.subject,
                    issuer: subject_issuer(&claims.extra),
                    actor,
                }),
            };
            audit.record(AuditEvent {
                at: attempt.now,
                source: attempt.source,
                trace: attempt.trace,
                grant: grant_name(Some(request)),
                decision,
            });
        }
        json_response(StatusCode::OK, json.into())
    }
}
