//! A token of another issuer that comes with a request, verified before the grant decides: its keys may have to be fetched.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_resource::Denial;
use hallpass_token::{
    Audience, DEFAULT_MAX_VERIFY_BYTES, Issuer, KeyId, Thumbprint, TokenClaims, UnixTime,
    UnverifiedToken, VerifiedClaims, VerifyError,
};

use crate::clients::exchange_rule::ExchangeRule;
use crate::refresh::family::{Exchanged, ForeignSignature};
use crate::token::refusal::Refusal;
use crate::token_purpose;
use crate::trusted_issuers::{TrustedIssuer, TrustedIssuers};

/// A token of a trusted issuer, signed by it and good at this moment, for somebody whom the rules of the client name. Nothing
/// else was looked at.
#[derive(Debug)]
pub(crate) struct ForeignToken {
    pub(crate) issuer: Arc<TrustedIssuer>,
    pub(crate) claims: VerifiedClaims,
    /// What its header calls the key.
    key_id: Option<KeyId>,
    signed: ForeignSignature,
}

/// A key that its issuer still publishes, as it has said just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StandingKey {
    issuer: Issuer,
    key: Thumbprint,
}

/// What it is brought for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An access token that somebody was given, for a service.
    Exchange,
    /// A statement to this issuer, and to nobody else.
    Assertion,
}

impl ForeignToken {
    /// `None` for a token of an issuer of which `rules` allow nothing: then nothing is fetched, and the grant says why it is
    /// refused.
    ///
    /// # Errors
    /// What is wrong with the token, or [`Refusal::SubjectIssuerUnavailable`] when nobody can say.
    pub(super) async fn verify(
        purpose: Purpose,
        token: &str,
        rules: &[ExchangeRule],
        trusted: &TrustedIssuers,
        clock: &dyn Clock,
    ) -> Result<Option<Self>, Refusal> {
        let Ok(unverified) = UnverifiedToken::parse(token, DEFAULT_MAX_VERIFY_BYTES) else {
            return Ok(None);
        };
        let named = unverified.unverified_issuer();
        let Some(issuer) = named.and_then(|named| trusted.find(named)) else {
            return Ok(None);
        };
        let of_issuer =
            |rule: &&ExchangeRule| rule.subject_issuer.as_ref() == Some(issuer.issuer());
        let rules: Vec<_> = rules.iter().filter(of_issuer).collect();
        if rules.is_empty() {
            return Ok(None);
        }
        let audiences = match purpose {
            Purpose::Exchange => audiences(issuer, &rules),
            Purpose::Assertion => issuer.audiences().to_vec(),
        };
        let is_untyped = purpose == Purpose::Assertion;
        let now = || UnixTime::from(clock.now());
        let claims = issuer.verify(&unverified, audiences, is_untyped, now).await;
        let (claims, signed) = claims.map_err(|denial| refusal(issuer, &denial))?;
        // Whoever else it is for could use it here (RFC 7523bis).
        if purpose == Purpose::Assertion && claims.audience.len() != 1 {
            return Err(Refusal::SubjectNotForClient);
        }
        if purpose == Purpose::Assertion && !is_assertion(&unverified, &claims) {
            return Err(Refusal::InvalidSubjectToken);
        }
        Ok(Some(Self {
            issuer: Arc::clone(issuer),
            claims,
            key_id: unverified.key_id().cloned(),
            signed,
        }))
    }

    /// What is kept of it, and decided by.
    pub(super) fn exchanged(&self) -> Exchanged {
        Exchanged {
            claims: TokenClaims::clone(&self.claims),
            name: self.claims.subject.clone(),
            key_id: self.key_id.clone(),
            signed: Some(self.signed),
            kind: None,
        }
    }
}

impl StandingKey {
    /// The key that `exchanged` was signed with, which may have to be asked for; `None` when its issuer publishes it no more, or is
    /// not believed any more. Nothing is asked about a token of this issuer.
    ///
    /// # Errors
    /// [`Refusal::SubjectIssuerUnavailable`].
    pub(crate) async fn of(
        exchanged: &Exchanged,
        trusted: &TrustedIssuers,
    ) -> Result<Option<Self>, Refusal> {
        let issuer = trusted.find(exchanged.claims.issuer.as_str());
        let (Some(issuer), Some(signed)) = (issuer, exchanged.signed) else {
            return Ok(None);
        };
        let still = issuer.still_has(exchanged.key_id.as_ref(), signed).await;
        let still = still.map_err(|error| refusal(issuer, &Denial::Unavailable(error)))?;
        Ok(still.then(|| Self {
            issuer: issuer.issuer().clone(),
            key: signed.key,
        }))
    }

    /// Whether it is the one that `exchanged` was signed with.
    pub(super) fn has_signed(&self, exchanged: &Exchanged) -> bool {
        let key = exchanged.signed.map(|signed| signed.key);
        self.issuer == exchanged.claims.issuer && key == Some(self.key)
    }
}

/// Whether it does not say that it is something else: an access token was made for a service, with scopes or without, and would be
/// limited by none here.
fn is_assertion(token: &UnverifiedToken<'_>, claims: &TokenClaims) -> bool {
    let is_access_token = token.states_access_token() || token_purpose::is_bearer(claims);
    !is_access_token && !token_purpose::is_something_else(claims)
}

fn audiences(issuer: &TrustedIssuer, rules: &[&ExchangeRule]) -> Vec<Audience> {
    let of_rules = rules.iter().flat_map(|rule| &rule.subject_audiences);
    issuer.audiences().iter().chain(of_rules).cloned().collect()
}

fn refusal(issuer: &TrustedIssuer, denial: &Denial) -> Refusal {
    match denial {
        Denial::Unavailable(error) => {
            issuer.say_unavailable(error);
            Refusal::SubjectIssuerUnavailable
        }
        Denial::Token(VerifyError::Expired { .. }) => Refusal::ExpiredSubjectToken,
        Denial::Token(VerifyError::Audience) => Refusal::SubjectNotForClient,
        Denial::Token(VerifyError::Type) => Refusal::SubjectNotAccessToken,
        _ => Refusal::InvalidSubjectToken,
    }
}
