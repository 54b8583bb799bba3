//! What a client puts on the deny-list, and when that is a token of a trusted issuer: somebody logs out.
//!
//! Services that verify such tokens themselves see the words of their issuer, and so the entries are of these: `jti`, or `sub` where
//! there is none. A digest has no issuer in it. What two issuers call alike is therefore denied of both, which lets nobody in; but no
//! subject is revoked that is called like a client here.

use std::sync::Arc;
use std::time::Duration;

use hallpass_resource::Denial;
use hallpass_token::{
    Audience, DEFAULT_MAX_VERIFY_BYTES, Revocation, RevocationDigest, RevocationKind, Subject,
    TokenClaims, TokenId, UnixTime, UnverifiedToken,
};

use crate::audit::RevokedToken;
use crate::clients::registry::Client;
use crate::core::Core;
use crate::deny_list::{self, MOST_BY_CLIENTS};
use crate::error::Error;
use crate::token::attempt::Attempt;
use crate::token::patience::Patience;
use crate::token::refusal::Refusal;
use crate::token_purpose;
use crate::trusted_issuers::{TrustedIssuer, TrustedIssuers, is_from_future};

/// The entry that denies the token of this name.
pub(crate) fn of_token(id: &TokenId, expires_at: UnixTime) -> Revocation {
    Revocation {
        kind: RevocationKind::Token,
        digest: RevocationDigest::new(RevocationKind::Token, id.as_str()),
        issued_before: None,
        ends_at: deny_list::end_of(expires_at),
    }
}

/// Puts `entry` on the deny-list, where it counts from then on.
///
/// # Errors
/// [`Refusal::DenyListFull`], [`Refusal::StoreUnavailable`] and [`Refusal::OutcomeUnknown`].
pub(crate) async fn put(core: &Core, client: &Client, entry: &Revocation) -> Result<(), Refusal> {
    let revoked = core.revoke(entry, MOST_BY_CLIENTS);
    let revoked = Patience::whole().wait(revoked).await;
    // Another one may write it with his own.
    let revoked = revoked.unwrap_or_else(|| Err(core.store().unheard()));
    revoked.map_err(|error| match error {
        Error::TooManyRevocations { .. } => Refusal::DenyListFull,
        error => {
            let client_id = client.id.as_str();
            if let Some(times) = core.said().times("revoke") {
                tracing::error!(%error, client_id, times, "a token could not be revoked");
            }
            match error {
                Error::StoreOutcomeUnknown { .. } => Refusal::OutcomeUnknown,
                _ => Refusal::StoreUnavailable,
            }
        }
    })
}

/// What says that it is a token of a trusted issuer whose tokens the client may take back. Nothing of it is verified.
pub(crate) struct ForeignToken<'t> {
    trusted: &'t TrustedIssuers,
    issuer: &'t TrustedIssuer,
    unverified: UnverifiedToken<'t>,
}

impl<'t> ForeignToken<'t> {
    /// `None` for every other one, which is held against the tokens of this issuer: no keys are fetched for it.
    pub(crate) fn of(trusted: &'t TrustedIssuers, client: &Client, token: &'t str) -> Option<Self> {
        if client.may_revoke.is_empty() {
            return None;
        }
        let unverified = UnverifiedToken::parse(token, DEFAULT_MAX_VERIFY_BYTES).ok()?;
        let issuer = trusted.find(unverified.unverified_issuer()?)?;
        client
            .may_revoke
            .contains(&issuer.settings().name)
            .then_some(Self {
                trusted,
                issuer,
                unverified,
            })
    }

    /// Takes it back, when it is good at this moment; `None` when it is not, or is taken back already.
    ///
    /// # Errors
    /// [`Refusal::SubjectIssuerUnavailable`] when nobody can say, [`Refusal::RevokedClient`], [`Refusal::SubjectNamedLikeClient`], and
    /// those of [`put`].
    pub(crate) async fn revoke(
        self,
        core: &Core,
        client: &Arc<Client>,
        attempt: Attempt,
    ) -> Result<Option<RevokedToken>, Refusal> {
        let now = attempt.now;
        // Who has a client's secret ends its own tokens with it, but no login of others.
        if core.deny_list().keeps_out(client, now) {
            return Err(Refusal::RevokedClient);
        }
        let (issuer, clock) = (self.issuer, core.clock());
        let audiences = audiences(issuer, client);
        let moment = || UnixTime::from(clock.now());
        let verified = issuer.verify(&self.unverified, audiences, false, moment);
        let claims = match verified.await {
            Ok((claims, _signed)) => claims,
            Err(Denial::Unavailable(error)) => {
                issuer.say_unavailable(&error);
                return Err(Refusal::SubjectIssuerUnavailable);
            }
            Err(_) => return Ok(None),
        };
        let is_other = is_from_future(&claims, now) || token_purpose::is_something_else(&claims);
        if is_other || !issuer.may_speak_of(&claims.subject) {
            return Ok(None);
        }
        let entries = match &claims.token_id {
            Some(id) => vec![of_token(id, claims.expires_at)],
            None => self.of_subject(core, &claims, now)?,
        };
        if is_covered(core, &entries) {
            return Ok(None);
        }
        for entry in &entries {
            put(core, client, entry).await?;
        }
        Ok(Some(RevokedToken {
            client: Arc::clone(client),
            token_id: claims.token_id.clone(),
            expires_at: claims.expires_at,
            foreign: Some((issuer.issuer().clone(), claims.subject.clone())),
        }))
    }

    /// All that its subject has got so far: as its issuer calls it, which services see, and as it is called here, in tokens that were
    /// exchanged.
    ///
    /// # Errors
    /// [`Refusal::SubjectNamedLikeClient`]: services could not tell the two apart, and an issuer of users would end tokens of services.
    fn of_subject(
        &self,
        core: &Core,
        claims: &TokenClaims,
        now: UnixTime,
    ) -> Result<Vec<Revocation>, Refusal> {
        let there = &claims.subject;
        let is_client = core.registry().find(there.as_str()).is_some();
        if is_client || self.trusted.has_subjects_like(there.as_str()).is_some() {
            return Err(Refusal::SubjectNamedLikeClient);
        }
        // One whose clock is ahead a little has issued it later than now.
        let last = claims.issued_at.map_or(now, |issued| issued.max(now));
        let with_the_last = deny_list::end_of_all_until(last);
        let entry = |subject: &Subject| Revocation {
            kind: RevocationKind::Subject,
            digest: RevocationDigest::new(RevocationKind::Subject, subject.as_str()),
            issued_before: Some(last.saturating_add(Duration::from_secs(1))),
            ends_at: with_the_last.max(deny_list::end_of(claims.expires_at)),
        };
        let here = self.issuer.name_of(there).filter(|here| here != there);
        Ok([Some(there), here.as_ref()]
            .into_iter()
            .flatten()
            .map(entry)
            .collect())
    }
}

fn is_covered(core: &Core, entries: &[Revocation]) -> bool {
    let list = core.deny_list().current();
    entries.iter().all(|entry| list.covers(entry))
}

/// Whom the token must be for: this issuer, or whose tokens of it the client exchanges.
fn audiences(issuer: &TrustedIssuer, client: &Client) -> Vec<Audience> {
    let rules = client.exchange().into_iter().flat_map(|it| &it.rules);
    let of_issuer = rules.filter(|rule| rule.subject_issuer.as_ref() == Some(issuer.issuer()));
    let of_rules = of_issuer.flat_map(|rule| &rule.subject_audiences);
    issuer.audiences().iter().chain(of_rules).cloned().collect()
}
