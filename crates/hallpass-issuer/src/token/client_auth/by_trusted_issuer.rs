//! A client proves itself with a token of a trusted issuer: that of its service account, of its workload, of its pipeline. It has
//! no secret.
//!
//! 1. The issuer that the token names is one that is trusted, and a client has a rule about it; else nothing is looked at.
//! 2. The throttle must agree, since checking a signature costs a hundred microseconds: by the client that is named, or else by
//!    the issuer.
//! 3. The token is verified by the keys of that issuer. It must be for this issuer alone, and not too old.
//! 4. Exactly one client must have a rule that it fits (RFC 7523 section 3, rule 2: the subject is the client).
//! 5. Where its issuer has it so, it counts once. Those of Kubernetes and SPIFFE are shown again and again by design
//!    (draft-ietf-oauth-spiffe-client-auth), and so have an age.

use std::sync::Arc;

use hallpass_resource::Denial;
use hallpass_token::{
    DEFAULT_MAX_VERIFY_BYTES, Seen, UnverifiedToken, VerifiedClaims, VerifyError,
};
use serde_json::Value;

use crate::clients::registry::{Client, Registry};
use crate::token::attempt::Attempt;
use crate::token::credentials::AssertionCredentials;
use crate::token::refusal::Refusal;
use crate::token::refusal::assertion::AssertionRefusal;
use crate::token::throttle::{Pass, Throttle};
use crate::trusted_issuers::{Trust, TrustedIssuer};

/// Checks tokens of trusted issuers against the rules of clients. Outlives every reload.
#[derive(Debug)]
pub(crate) struct TrustedChecks {
    trust: Arc<Trust>,
    throttle: Arc<Throttle>,
}

impl TrustedChecks {
    pub(crate) const fn new(trust: Arc<Trust>, throttle: Arc<Throttle>) -> Self {
        Self { trust, throttle }
    }

    /// The trusted issuer that the assertion claims to be of; `None`: then it is the client's own.
    pub(crate) fn issuer_of(
        &self,
        credentials: &AssertionCredentials<'_>,
    ) -> Option<Arc<TrustedIssuer>> {
        let token =
            UnverifiedToken::parse(&credentials.assertion, DEFAULT_MAX_VERIFY_BYTES).ok()?;
        let trusted = self.trust.current();
        // A JWT-SVID need not say who has issued it; whose keys verify it follows from its subject.
        let of_workload = || trusted.find_by_subject(token.unverified_payload());
        let named = || trusted.find(token.unverified_issuer()?);
        let found = match credentials.is_of_spiffe {
            true => of_workload(),
            false => named().or_else(of_workload),
        };
        found.cloned()
    }

    /// The client whose rules the assertion fits.
    ///
    /// # Errors
    /// [`Refusal::BadCredentials`] and [`Refusal::TooManyAttempts`], whatever clients there are; what a right token says that it
    /// should not; [`AssertionRefusal::KeysUnavailable`].
    pub(crate) async fn authenticate(
        &self,
        registry: &Registry,
        issuer: &TrustedIssuer,
        credentials: &AssertionCredentials<'_>,
        attempt: Attempt,
    ) -> Result<Arc<Client>, Refusal> {
        let named = credentials.unverified_client_id.as_deref();
        let bucket = named.unwrap_or_else(|| issuer.issuer().as_str());
        let may_be = |client: &&Arc<Client>| {
            let is_named = named.is_none_or(|named| client.id.as_str() == named);
            is_named
                && client
                    .assertion_rules()
                    .iter()
                    .any(|rule| rule.issuer == *issuer.issuer())
        };
        let clients: Vec<_> = registry.federated().iter().filter(may_be).collect();
        // Who is past its failures costs no fetch either.
        let pass = self.admit(bucket, attempt)?;
        if clients.is_empty() {
            pass.failed();
            return Err(Refusal::BadCredentials);
        }
        let checked = self.check(&clients, issuer, credentials, attempt).await;
        match &checked {
            Ok(_) => pass.was_right(),
            // The right client, maybe, though not now.
            Err(Refusal::Assertion(
                AssertionRefusal::KeysUnavailable | AssertionRefusal::MemoryFull,
            )) => drop(pass),
            Err(_) => pass.failed(),
        }
        checked
    }

    fn admit(&self, bucket: &str, attempt: Attempt) -> Result<Pass<'_>, Refusal> {
        self.throttle
            .admit(bucket, attempt.source, attempt.monotonic)
            .map_err(|retry_after| Refusal::TooManyAttempts { retry_after })
    }

    async fn check(
        &self,
        clients: &[&Arc<Client>],
        issuer: &TrustedIssuer,
        credentials: &AssertionCredentials<'_>,
        attempt: Attempt,
    ) -> Result<Arc<Client>, Refusal> {
        let parsed = UnverifiedToken::parse(&credentials.assertion, DEFAULT_MAX_VERIFY_BYTES);
        let token = parsed.map_err(|_| Refusal::BadCredentials)?;
        let audiences = issuer.audiences().to_vec();
        let verified = issuer.verify(&token, audiences, true, || attempt.now).await;
        let (claims, _) = verified.map_err(|denial| refusal(issuer, &denial))?;
        check_claims(issuer, &claims, attempt)?;
        let all = serde_json::to_value(&claims).unwrap_or(Value::Null);
        let is_it = |client: &&&Arc<Client>| {
            let mut rules = client.assertion_rules().iter();
            rules.any(|rule| rule.issuer == *issuer.issuer() && rule.fits(&claims, &all))
        };
        let mut found = clients.iter().filter(is_it);
        let client = match (found.next(), found.next()) {
            (None, _) => return Err(Refusal::BadCredentials),
            (Some(_), Some(_)) => return Err(Refusal::Assertion(AssertionRefusal::SeveralClients)),
            (Some(client), None) => Arc::clone(client),
        };
        use_once(issuer, &client, &claims, attempt)?;
        Ok(client)
    }
}

/// For this issuer alone, whoever holds it is whom it says, and not too old.
fn check_claims(
    issuer: &TrustedIssuer,
    claims: &VerifiedClaims,
    attempt: Attempt,
) -> Result<(), Refusal> {
    if claims.audience.len() != 1 {
        return Err(Refusal::Assertion(AssertionRefusal::Audience));
    }
    if claims.expires_at <= attempt.now || !issuer.is_young(claims, attempt.now) {
        return Err(Refusal::Assertion(AssertionRefusal::TooOld));
    }
    let is_its_own = issuer.may_speak_of(&claims.subject);
    // Somebody else acts by one with `act`, and its holder would have to prove something by one with `cnf`.
    let is_plain = claims.confirmation.is_none() && claims.actor.is_none();
    match is_its_own && is_plain {
        true => Ok(()),
        false => Err(Refusal::BadCredentials),
    }
}

fn use_once(
    issuer: &TrustedIssuer,
    client: &Client,
    claims: &VerifiedClaims,
    attempt: Attempt,
) -> Result<(), Refusal> {
    let fault = |fault| Err(Refusal::Assertion(fault));
    match issuer.use_once(client.id.as_str(), claims, attempt.now) {
        None => fault(AssertionRefusal::WithoutId),
        Some(Seen::First) => Ok(()),
        Some(Seen::Again) => fault(AssertionRefusal::Replayed),
        Some(Seen::Full) => fault(AssertionRefusal::MemoryFull),
    }
}

fn refusal(issuer: &TrustedIssuer, denial: &Denial) -> Refusal {
    match denial {
        Denial::Unavailable(error) => {
            let name = issuer.settings().name.as_str();
            tracing::warn!(issuer = name, code = error.code(), %error, "a token of a trusted issuer could not be judged");
            Refusal::Assertion(AssertionRefusal::KeysUnavailable)
        }
        Denial::Token(VerifyError::Expired { .. }) => Refusal::Assertion(AssertionRefusal::Expired),
        Denial::Token(VerifyError::Audience) => Refusal::Assertion(AssertionRefusal::Audience),
        _ => Refusal::BadCredentials,
    }
}
