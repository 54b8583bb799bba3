//! A token of another issuer that comes with a request, verified before the grant decides: its keys may have to be fetched.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_resource::Denial;
use hallpass_token::{
    Audience, DEFAULT_MAX_VERIFY_BYTES, UnixTime, UnverifiedToken, VerifiedClaims, VerifyError,
};

use crate::clients::exchange_rule::ExchangeRule;
use crate::token::refusal::Refusal;
use crate::trusted_issuers::{TrustedIssuer, TrustedIssuers};

/// A token of a trusted issuer, signed by it and good at this moment, for somebody whom the rules of the client name. Nothing
/// else was looked at.
#[derive(Debug)]
pub(crate) struct ForeignToken {
    pub(crate) issuer: Arc<TrustedIssuer>,
    pub(crate) claims: VerifiedClaims,
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
        let claims = claims.map_err(|denial| refusal(issuer, &denial))?;
        // Whoever else it is for could use it here (RFC 7523bis).
        if purpose == Purpose::Assertion && claims.audience.len() != 1 {
            return Err(Refusal::SubjectNotForClient);
        }
        Ok(Some(Self {
            issuer: Arc::clone(issuer),
            claims,
        }))
    }
}

fn audiences(issuer: &TrustedIssuer, rules: &[&ExchangeRule]) -> Vec<Audience> {
    let of_rules = rules.iter().flat_map(|rule| &rule.subject_audiences);
    issuer.audiences().iter().chain(of_rules).cloned().collect()
}

fn refusal(issuer: &TrustedIssuer, denial: &Denial) -> Refusal {
    match denial {
        Denial::Unavailable(error) => {
            let name = issuer.settings().name.as_str();
            tracing::warn!(issuer = name, code = error.code(), %error, "a token of a trusted issuer could not be judged");
            Refusal::SubjectIssuerUnavailable
        }
        Denial::Token(VerifyError::Expired { .. }) => Refusal::ExpiredSubjectToken,
        Denial::Token(VerifyError::Audience) => Refusal::SubjectNotForClient,
        Denial::Token(VerifyError::Type) => Refusal::SubjectNotAccessToken,
        _ => Refusal::InvalidSubjectToken,
    }
}
