//! Who asks, and what they may do. Nothing is allowed that is not allowed here.

use std::borrow::Cow;
use std::time::Duration;

use hallpass_tls::{CertificateName, PeerCertificates, has_spiffe_id_among_uris};
use hallpass_token::{
    BearerSyntaxError, RevocationMarks, UnverifiedToken, VerifiedClaims, VerifyPolicy, parse_bearer,
};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde::Deserialize;

use super::fault::AdminFault;
use super::problem::Problem;
use crate::clients::registry::{Client, RegisteredTarget, Registry};
use crate::core::Core;
use crate::keys::record::KeyState;
use crate::lockout_events;
use crate::settings::admin::AdminSettings;
use crate::token::attempt::Attempt;
use crate::token::shown::Shown;
use crate::token::throttle::Pass;

/// Reads everything that is shown here.
pub(super) const READ: &str = "hallpass.admin.read";
/// Changes everything that can be changed here, and reads it.
pub(super) const WRITE: &str = "hallpass.admin.write";

/// The largest token that is looked at, in bytes: ours are a tenth of it.
const MAX_TOKEN_BYTES: usize = 8 * 1_024;

/// Whose share of what the throttle remembers the tokens of administrators take.
const OWNER: &str = "admin";

/// What a token says of who it is given to.
#[derive(Deserialize)]
struct Stated<'t> {
    #[serde(borrow, default)]
    client_id: Option<Cow<'t, str>>,
}

/// An administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Actor {
    /// The id of a client, or the name in a certificate.
    pub(super) name: String,
    /// `token` or `certificate`.
    pub(super) proof: &'static str,
    /// The token that it came with.
    pub(super) jti: Option<String>,
}

impl Actor {
    /// What tells it from every other one.
    pub(super) fn whose(&self) -> String {
        format!("{} {}", self.proof, self.name)
    }
}

/// The administrator that sends the request, if it may do what the method says: look, or else change.
///
/// A token goes before a certificate: who shows both is who the token says.
///
/// # Errors
/// [`AdminFault::NoCredentials`], [`AdminFault::MalformedCredentials`], [`AdminFault::InvalidToken`],
/// [`AdminFault::TooManyAttempts`], [`AdminFault::InsufficientScope`]; and who it was, where that is proven.
pub(super) fn admit(
    core: &Core,
    parts: &Parts,
    attempt: Attempt,
) -> Result<Actor, (Problem, Option<Actor>)> {
    let changes = !matches!(parts.method, Method::GET | Method::HEAD);
    let settings = core.settings();
    // Taken out of the settings while the listener is still there.
    let Some(settings) = &settings.admin else {
        return Err((AdminFault::NoCredentials.into(), None));
    };
    let token = presented(&parts.headers).map_err(|fault| (fault.into(), None))?;
    let (actor, may_read, may_write) = match token {
        Some(token) => {
            let shown = (token, Shown::of(&parts.extensions));
            let by_token = by_token(core, settings, shown, attempt);
            by_token.map_err(|fault| (fault.into(), None))?
        }
        None => by_certificate(settings, parts.extensions.get())
            .ok_or_else(|| (AdminFault::NoCredentials.into(), None))?,
    };
    match (changes, may_read, may_write) {
        (_, _, true) | (false, true, false) => Ok(actor),
        (true, _, false) => Err((Problem::of_scope(WRITE), Some(actor))),
        (false, false, false) => Err((Problem::of_scope(READ), Some(actor))),
    }
}

/// The one token of the request.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, AdminFault> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(AdminFault::MalformedCredentials),
        (Some(value), None) => match parse_bearer(value.as_bytes()) {
            Ok(token) => Ok(Some(token)),
            // Of another scheme, a secret say: a certificate must not make up for it.
            Err(BearerSyntaxError::Scheme) => Err(AdminFault::NoCredentials),
            Err(_) => Err(AdminFault::MalformedCredentials),
        },
    }
}

/// Who shows this token: a client of this issuer that acts for itself, and that is registered for it at this moment.
fn by_token(
    core: &Core,
    settings: &AdminSettings,
    (token, shown): (&str, Shown<'_>),
    attempt: Attempt,
) -> Result<(Actor, bool, bool), AdminFault> {
    let refused = |why: &'static str| {
        tracing::debug!(why, "a token of an administrator does not count");
        AdminFault::InvalidToken
    };
    let unverified =
        UnverifiedToken::parse(token, MAX_TOKEN_BYTES).map_err(|error| refused(error.code()))?;
    let policy = VerifyPolicy::new(core.issuer().clone(), settings.audience.clone())
        .with_leeway(Duration::ZERO)
        .with_max_token_bytes(MAX_TOKEN_BYTES);
    let (keys, now) = (core.keys(), attempt.now);
    let pass = check_signature(core, &unverified, token, attempt)?;
    let claims = match unverified.verify(keys.at(now).published(), &policy, now) {
        Ok(claims) => {
            pass.was_right();
            claims
        }
        Err(error) => {
            pass.failed();
            return Err(refused(error.code()));
        }
    };
    if !is_by_key_of_ours(core, &unverified) {
        return Err(refused("imported_key"));
    }
    let marks = RevocationMarks::of(&claims, unverified.key_id());
    if core.deny_list().current().denies(&marks, now).is_some() {
        return Err(refused("revoked"));
    }
    if let Some(why) = is_not_senders(&claims, shown) {
        return Err(refused(why));
    }
    let registry = core.registry();
    let client = own_client(&claims, &registry).ok_or_else(|| refused("not_of_a_client"))?;
    let here = |target: &&RegisteredTarget| target.audience == settings.audience;
    let target = client.targets().iter().find(here);
    let target = target.ok_or_else(|| refused("not_registered"))?;
    // What was taken from the client since counts no more, whatever the token says; what it has at other services never did.
    let registered = client.scope_for(target);
    let may = |scope| claims.scope.contains(scope) && registered.contains(scope);
    let actor = Actor {
        name: client.id.to_string(),
        proof: "token",
        jti: claims.token_id.as_ref().map(ToString::to_string),
    };
    Ok((actor, may(READ), may(WRITE)))
}

/// Leave to check the signature of this token: strangers at one address have so many checked as they would at the token endpoint. Each token has
/// buckets of its own, so that nobody keeps an administrator waiting elsewhere, or at the same address one who was let in with this token before.
///
/// # Errors
/// [`AdminFault::TooManyAttempts`], which is among the lockouts from then on.
fn check_signature<'c>(
    core: &'c Core,
    unverified: &UnverifiedToken<'_>,
    token: &str,
    attempt: Attempt,
) -> Result<Pass<'c>, AdminFault> {
    let stated: Option<Stated<'_>> = serde_json::from_slice(unverified.unverified_payload()).ok();
    let named = stated.and_then(|stated| stated.client_id);
    let named = named.unwrap_or_default();
    let throttle = core.authenticator().throttle();
    // No client is called so: what it is at the token endpoint has nothing to do with this.
    let owner = format!("{OWNER}\n{named}");
    let admitted = throttle.admit_shown((&owner, token), attempt.source, attempt.monotonic);
    admitted.map_err(|locked| {
        lockout_events::say(core, throttle.too_many(locked, &named, attempt));
        AdminFault::TooManyAttempts
    })
}

/// Whether the key that it names signs here, or did. One that was imported to be published only is still in somebody else's hands.
fn is_by_key_of_ours(core: &Core, unverified: &UnverifiedToken<'_>) -> bool {
    let keys = core.key_states();
    unverified.key_id().is_some_and(|named| {
        let mut keys = keys.iter();
        keys.any(|(kid, state)| kid == named.as_str() && *state != KeyState::Published)
    })
}

/// The client that the token is about and that it was given to. A token for somebody else, a user say, or by somebody else, who acts for the
/// client, is none of an administrator.
fn own_client<'r>(claims: &VerifiedClaims, registry: &'r Registry) -> Option<&'r Client> {
    let client = registry.find(claims.client_id.as_ref()?.as_str())?;
    let is_own = claims.subject == client.subject && claims.actor.is_none();
    is_own.then_some(client)
}

/// Why the token is not known to be its sender's. Proofs of a key (DPoP) are not taken here.
fn is_not_senders(claims: &VerifiedClaims, shown: Shown<'_>) -> Option<&'static str> {
    let confirmation = claims.confirmation.as_ref()?;
    match (confirmation.jkt, confirmation.x5t_s256) {
        (None, Some(certificate)) if confirmation.is_known() => {
            (shown.thumbprint() != Some(certificate)).then_some("other_certificate")
        }
        _ => Some("bound_otherwise"),
    }
}

/// Who shows this certificate, of an authority that the listener trusts.
fn by_certificate(
    settings: &AdminSettings,
    shown: Option<&PeerCertificates>,
) -> Option<(Actor, bool, bool)> {
    // An X509-SVID has one URI: with several nobody knows which one its authority has looked at.
    let shown = shown.filter(|shown| !has_spiffe_id_among_uris(shown.own()))?;
    let is_of = |name: &&CertificateName| name.is_of(shown.own());
    let writes = settings.write_certificates.iter().find(is_of);
    let reads = settings.read_certificates.iter().find(is_of);
    let name = match writes.or(reads)? {
        CertificateName::Uri(name) | CertificateName::Dns(name) => name.clone(),
        // The settings have the two.
        _ => return None,
    };
    let actor = Actor {
        name,
        proof: "certificate",
        jti: None,
    };
    Some((actor, reads.is_some(), writes.is_some()))
}
