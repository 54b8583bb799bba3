//! One structured event per decision, written by its own task so that no request waits for a log.
//!
//! Events go to the `tracing` target [`AUDIT_TARGET`] at level INFO, or as lines of JSON with the same fields to standard output or into a file, and the last
//! of them are kept for questions where somebody can ask. They name the client, the audience, the
//! scope, the token's `jti`, for whom a client acts and the reason; never a secret and never a token. The queue is bounded: when the
//! writer cannot keep up, events are dropped and counted, and requests go on.

use std::net::IpAddr;
use std::sync::Arc;

use hallpass_token::{Actor, Audience, Confirmation, Issuer, Scope, Subject, TokenId, UnixTime};
use hallpass_upstream::{SpanId, TraceId};
use tracing::field;

use self::actors::actors;
use self::administration::{Administration, write_administration};
use self::certificates::{write_issued, write_not_issued};
use self::lockout::write_lockout;
use self::origin::{AUDIT_TARGET, From};
use crate::clients::registry::Client;
use crate::token::claimed_issuer::ClaimedIssuer;
use crate::token::refusal::Refusal;
use crate::token::throttle::lockouts::Lockout;

pub(crate) mod actions;
mod actors;
pub(crate) mod administration;
pub(crate) mod at_once;
mod certificates;
mod kept;
mod lockout;
pub(crate) mod origin;
pub(crate) mod query;
pub(crate) mod queue;
mod recorder;
mod rotated_file;
mod sink;

/// Most characters of an unverified client id that go into an event.
const MAX_UNVERIFIED_CHARS: usize = 64;

/// One decision at the token endpoint, or at one for requests about a token.
#[derive(Debug)]
pub(crate) enum Decision {
    Issued {
        client: Arc<Client>,
        audience: Audience,
        scope: Scope,
        token_id: TokenId,
        expires_at: UnixTime,
        /// The key or the certificate without which it is of no use.
        bound_to: Option<Box<Confirmation>>,
        /// The subject that the client is not.
        on_behalf_of: Option<OnBehalf>,
    },
    Refused {
        refusal: Refusal,
        caller: Caller,
        /// Who has issued the token that it was refused for, as that says itself.
        claimed: Option<ClaimedIssuer>,
    },
    /// A client took back a token of its own, or one of a trusted issuer.
    Revoked(RevokedToken),
    /// A refresh token is revoked, with all that follows from the same first token and the access tokens that it brought.
    RefreshRevoked(RevokedRefresh),
    /// A client was told what a token says, or that it says nothing.
    Introspected {
        client: Arc<Client>,
        token_id: Option<TokenId>,
        /// Why it says nothing, which the client is not told.
        inactive: Option<&'static str>,
    },
    /// A client got a certificate of the issuer's authority.
    CertificateIssued(Box<GivenCertificate>),
    /// A client got none.
    CertificateRefused { refusal: Refusal, caller: Caller },
    /// Somebody changed something by the interface for administrators or by a command, or was kept from it.
    Administration(Box<Administration>),
    /// Too much has failed: from now on somebody is told to wait.
    LockedOut(Lockout),
    /// An operator has ended that.
    Unlocked(Lockout),
}

/// A certificate that a client got.
#[derive(Debug)]
pub(crate) struct GivenCertificate {
    pub(crate) client: Arc<Client>,
    pub(crate) spiffe_id: String,
    /// In hexadecimal.
    pub(crate) serial: String,
    pub(crate) not_after: UnixTime,
    /// Whether the client proved itself by the one before.
    pub(crate) is_renewal: bool,
}

/// For whom a client acts.
#[derive(Debug)]
pub(crate) struct OnBehalf {
    pub(crate) subject: Subject,
    /// The other issuer that the subject comes from.
    pub(crate) issuer: Option<Issuer>,
    pub(crate) actor: Actor,
}

/// A token that is revoked.
#[derive(Debug)]
pub(crate) struct RevokedToken {
    pub(crate) client: Arc<Client>,
    /// `None` when all that its subject has got so far is revoked.
    pub(crate) token_id: Option<TokenId>,
    pub(crate) expires_at: UnixTime,
    /// Of one of a trusted issuer: that one, and what it calls the subject.
    pub(crate) foreign: Option<(Issuer, Subject)>,
}

/// A refresh token that is revoked.
#[derive(Debug)]
pub(crate) struct RevokedRefresh {
    pub(crate) client: Arc<Client>,
    /// What stands for the name of its family.
    pub(crate) family: String,
    /// How many access tokens were still alive.
    pub(crate) tokens: usize,
    pub(crate) why: RefreshEnd,
}

/// Why a refresh token is revoked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RefreshEnd {
    /// One that had been replaced was used again.
    Reuse,
    /// Its client demanded it.
    ByClient,
}

impl RefreshEnd {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Reuse => "reuse",
            Self::ByClient => "client",
        }
    }
}

/// Who was refused.
#[derive(Debug)]
pub(crate) enum Caller {
    /// The request could not be read far enough to name a client.
    Unnamed,
    /// It named this client without a proof.
    Unverified(String),
    /// It authenticated as this client and asked for more than it may have.
    Verified(Arc<Client>),
}

/// A decision with its circumstances.
#[derive(Debug)]
pub(crate) struct AuditEvent {
    pub(crate) at: UnixTime,
    pub(crate) source: Option<IpAddr>,
    /// The trace that the sender says it belongs to, and its span there.
    pub(crate) trace: Option<(TraceId, SpanId)>,
    pub(crate) grant: &'static str,
    pub(crate) decision: Decision,
}

impl Caller {
    /// A client id that was not verified, cut to a length that is safe in a log.
    pub(crate) fn unverified(client_id: &str) -> Self {
        Self::Unverified(client_id.chars().take(MAX_UNVERIFIED_CHARS).collect())
    }

    /// The verified and the unverified client id.
    fn names(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Unnamed => (None, None),
            Self::Unverified(id) => (None, Some(id)),
            Self::Verified(client) => (Some(client.id.as_str()), None),
        }
    }
}

fn write(event: &AuditEvent) {
    let from = From::of(event.at, event.source, event.trace);
    let grant = event.grant;
    match &event.decision {
        Decision::Issued {
            client,
            audience,
            scope,
            token_id,
            expires_at,
            bound_to,
            on_behalf_of,
        } => tracing::info!(
            target: AUDIT_TARGET,
            event = "token_issued",
            at = from.at,
            source = from.source.as_ref(),
            trace_id = from.trace_id.as_ref(),
            parent_span_id = from.parent_span_id.as_ref(),
            grant,
            client_id = client.id.as_str(),
            audience = audience.as_str(),
            scope = %scope,
            subject = on_behalf_of.as_ref().map(|it| it.subject.as_str()),
            subject_issuer = on_behalf_of.as_ref().and_then(|it| it.issuer.as_ref()).map(Issuer::as_str),
            actors = on_behalf_of.as_ref().map(|it| actors(&it.actor)),
            jti = token_id.as_str(),
            expires_at = expires_at.as_secs(),
            jkt = bound_to.as_ref().and_then(|it| it.jkt).map(field::display),
            x5t_s256 = bound_to.as_ref().and_then(|it| it.x5t_s256).map(field::display),
            "token issued"
        ),
        Decision::Introspected {
            client,
            token_id,
            inactive,
        } => write_introspected(&from, client, (token_id.as_ref(), *inactive)),
        Decision::Revoked(revoked) => write_revoked(&from, revoked),
        Decision::RefreshRevoked(revoked) => write_refresh_revoked(&from, revoked),
        Decision::CertificateIssued(given) => write_issued(
            &from,
            (given.client.id.as_str(), &given.spiffe_id, &given.serial),
            (given.not_after.as_secs(), given.is_renewal),
        ),
        Decision::CertificateRefused { refusal, caller } => {
            write_not_issued(&from, refusal.reason(), caller.names());
        }
        Decision::Administration(it) => write_administration(&from, it),
        Decision::LockedOut(lockout) => write_lockout(&from, "locked_out", lockout),
        Decision::Unlocked(lockout) => write_lockout(&from, "lockout_ended", lockout),
        Decision::Refused {
            refusal,
            caller,
            claimed,
        } => write_refused(&from, grant, (*refusal, caller, claimed.as_ref())),
    }
}

fn write_refused(
    from: &From,
    grant: &str,
    (refusal, caller, claimed): (Refusal, &Caller, Option<&ClaimedIssuer>),
) {
    let (client_id, unverified_client_id) = caller.names();
    tracing::info!(
        target: AUDIT_TARGET,
        event = "token_refused",
        at = from.at,
        source = from.source.as_ref(),
        trace_id = from.trace_id.as_ref(),
        parent_span_id = from.parent_span_id.as_ref(),
        grant,
        reason = refusal.reason(),
        client_id,
        unverified_client_id,
        claimed_issuer = claimed.map(|it| it.unverified_name.as_str()),
        known_issuer = claimed.and_then(|it| it.known.as_ref()).map(Issuer::as_str),
        hint = claimed.and_then(|it| it.hint),
        "token refused"
    );
}

fn write_revoked(from: &From, revoked: &RevokedToken) {
    let (issuer, subject) = revoked
        .foreign
        .as_ref()
        .map(|(issuer, subject)| (issuer, subject))
        .unzip();
    tracing::info!(
        target: AUDIT_TARGET,
        event = "token_revoked",
        at = from.at,
        source = from.source.as_ref(),
        trace_id = from.trace_id.as_ref(),
        parent_span_id = from.parent_span_id.as_ref(),
        client_id = revoked.client.id.as_str(),
        subject = subject.map(Subject::as_str),
        subject_issuer = issuer.map(Issuer::as_str),
        jti = revoked.token_id.as_ref().map(TokenId::as_str),
        expires_at = revoked.expires_at.as_secs(),
        "token revoked"
    );
}

fn write_refresh_revoked(from: &From, revoked: &RevokedRefresh) {
    tracing::info!(
        target: AUDIT_TARGET,
        event = "refresh_token_revoked",
        at = from.at,
        source = from.source.as_ref(),
        trace_id = from.trace_id.as_ref(),
        parent_span_id = from.parent_span_id.as_ref(),
        client_id = revoked.client.id.as_str(),
        family = revoked.family,
        tokens = revoked.tokens,
        reason = revoked.why.as_str(),
        "refresh token revoked"
    );
}

/// Of a token that does not count: why.
fn write_introspected(
    from: &From,
    client: &Client,
    (token_id, inactive): (Option<&TokenId>, Option<&'static str>),
) {
    tracing::info!(
        target: AUDIT_TARGET,
        event = "token_introspected",
        at = from.at,
        source = from.source.as_ref(),
        trace_id = from.trace_id.as_ref(),
        parent_span_id = from.parent_span_id.as_ref(),
        client_id = client.id.as_str(),
        active = inactive.is_none(),
        reason = inactive,
        jti = token_id.map(TokenId::as_str),
        "token introspected"
    );
}
