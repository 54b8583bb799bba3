//! A client proves itself with a token of a trusted issuer: that of its service account, of its workload, of its pipeline. It has
//! no secret.
//!
//! 1. The issuer that the token names is one that is trusted, and a client has a rule about it; else nothing is looked at.
//! 2. The throttle must agree, since checking a signature costs a hundred microseconds: by the client that is named, or else by
//!    the subject that the token claims. A signature cannot be guessed, so a token that was right before is not kept waiting by
//!    those who fail in its name. One that has ended by its own words costs nobody anything.
//! 3. The token is verified by the keys of that issuer. It must be for this issuer alone, not too old, and none of a login.
//! 4. Exactly one client must have a rule that it fits (RFC 7523 section 3, rule 2: the subject is the client). Where the rule does
//!    not say which subject that is, the subject must be a service: a user's token has claims of the client that got it.
//! 5. Where its issuer has it so, it counts once. Those of Kubernetes and SPIFFE are shown again and again by design
//!    (draft-ietf-oauth-spiffe-client-auth), and so have an age.

use std::sync::Arc;

use hallpass_resource::Denial;
use hallpass_token::{
    DEFAULT_MAX_VERIFY_BYTES, Seen, UnverifiedToken, VerifiedClaims, VerifyError,
};
use prometheus_client::metrics::counter::Counter;
use serde::Deserialize;
use serde_json::Value;

use crate::clients::assertion_rule::AssertionRule;
use crate::clients::exchange_rule::SubjectKind;
use crate::clients::registry::{Client, Registry};
use crate::deny_list::DenyList;
use crate::replays::Used;
use crate::token::attempt::Attempt;
use crate::token::credentials::AssertionCredentials;
use crate::token::refusal::Refusal;
use crate::token::refusal::assertion::AssertionRefusal;
use crate::token::throttle::{Pass, Throttle, Work};
use crate::token_purpose;
use crate::trusted_issuers::{Trust, TrustedIssuer, is_from_future, marks_here};

/// Checks tokens of trusted issuers against the rules of clients. Outlives every reload.
#[derive(Debug)]
pub(crate) struct TrustedChecks {
    trust: Arc<Trust>,
    deny_list: Arc<DenyList>,
    throttle: Arc<Throttle>,
    checks: Counter,
}

/// What the token says, which nobody has verified.
#[derive(Deserialize)]
struct Stated {
    sub: String,
    exp: Option<f64>,
}

impl TrustedChecks {
    pub(crate) const fn new(
        trust: Arc<Trust>,
        deny_list: Arc<DenyList>,
        throttle: Arc<Throttle>,
        checks: Counter,
    ) -> Self {
        Self {
            trust,
            deny_list,
            throttle,
            checks,
        }
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

    /// The client whose rules the assertion fits, which was not used here before where it counts once; it may have been elsewhere.
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
    ) -> Result<(Arc<Client>, Option<Used>), Refusal> {
        let parsed = UnverifiedToken::parse(&credentials.assertion, DEFAULT_MAX_VERIFY_BYTES);
        let token = parsed.map_err(|_| Refusal::BadCredentials)?;
        let stated: Option<Stated> = serde_json::from_slice(token.unverified_payload()).ok();
        let ends_at = stated.as_ref().and_then(|stated| stated.exp);
        if ends_at.is_some_and(|end| end <= attempt.now.as_secs() as f64) {
            return Err(Refusal::Assertion(AssertionRefusal::Expired));
        }
        let named = credentials.unverified_client_id.as_deref();
        let subject = stated.as_ref().map_or("", |stated| &stated.sub);
        let of_subject = || format!("{}\n{subject}", issuer.issuer());
        let bucket = named.map_or_else(of_subject, str::to_owned);
        let shown = (bucket.as_str(), &*credentials.assertion);
        let is_shown_again = issuer.settings().assertions_again;
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
        let pass = self.admit(shown, is_shown_again, attempt)?;
        if clients.is_empty() {
            pass.failed();
            return Err(Refusal::BadCredentials);
        }
        drop(pass);
        let at_hand = issuer.keys.keys_for(token.key_id()).await;
        at_hand.map_err(|error| refusal(issuer, &Denial::Unavailable(error)))?;
        // Paid before the check, which may wait once more when the signature is wrong: however many come at once, no more are checked.
        let pass = self.admit(shown, is_shown_again, attempt)?;
        pass.failed();
        let checked = self.check(&clients, issuer, &token, attempt).await;
        match &checked {
            Ok(_) => {
                pass.was_right_after_all();
                if is_shown_again {
                    self.throttle.prove_shown(shown, attempt.source);
                }
            }
            // The right client, maybe, though not now.
            Err(
                Refusal::RevokedClient
                | Refusal::Assertion(
                    AssertionRefusal::KeysUnavailable | AssertionRefusal::MemoryFull,
                ),
            ) => pass.give_back(),
            Err(_) => drop(pass),
        }
        checked
    }

    fn admit(
        &self,
        (bucket, token): (&str, &str),
        is_shown_again: bool,
        attempt: Attempt,
    ) -> Result<Pass<'_>, Refusal> {
        let (source, now) = (attempt.source, attempt.monotonic);
        let by_name = self.throttle.admit(Work::Signature, bucket, source, now);
        let pass = by_name.or_else(|locked| match is_shown_again {
            true => self.throttle.admit_shown((bucket, token), source, now),
            false => Err(locked),
        });
        pass.map_err(|locked| self.throttle.too_many(locked, bucket, attempt))
    }

    async fn check(
        &self,
        clients: &[&Arc<Client>],
        issuer: &TrustedIssuer,
        token: &UnverifiedToken<'_>,
        attempt: Attempt,
    ) -> Result<(Arc<Client>, Option<Used>), Refusal> {
        self.checks.inc();
        let audiences = issuer.audiences().to_vec();
        let verified = issuer.verify(token, audiences, true, || attempt.now).await;
        let (claims, _) = verified.map_err(|denial| refusal(issuer, &denial))?;
        check_claims(issuer, &claims, attempt)?;
        let client = client_of(clients, issuer, &claims)?;
        let name = issuer.name_of(&claims.subject);
        let marks = name.map(|name| marks_here(&claims, &name));
        let revoked = self.deny_list.current();
        if marks.is_some_and(|marks| revoked.denies(&marks, attempt.now).is_some()) {
            return Err(Refusal::RevokedClient);
        }
        drop(revoked);
        let used = use_once(issuer, &client, &claims, attempt)?;
        Ok((client, used))
    }
}

/// The one client that has a rule which the claims fit.
fn client_of(
    clients: &[&Arc<Client>],
    issuer: &TrustedIssuer,
    claims: &VerifiedClaims,
) -> Result<Arc<Client>, Refusal> {
    let all = serde_json::to_value(claims).unwrap_or(Value::Null);
    let is_service = issuer.kind_of_assertion(claims) == Some(SubjectKind::Service);
    let has = |client: &Arc<Client>, is_enough: &dyn Fn(&AssertionRule) -> bool| {
        let fits = |rule: &AssertionRule| {
            rule.issuer == *issuer.issuer() && is_enough(rule) && rule.fits(claims, &all)
        };
        client.assertion_rules().iter().any(fits)
    };
    let names_it = |rule: &AssertionRule| rule.subject.is_some() || is_service;
    let mut found = clients.iter().filter(|client| has(client, &names_it));
    match (found.next(), found.next()) {
        (Some(client), None) => Ok(Arc::clone(client)),
        (Some(_), Some(_)) => Err(Refusal::Assertion(AssertionRefusal::SeveralClients)),
        (None, _) => match clients.iter().any(|client| has(client, &|_| true)) {
            true => Err(Refusal::Assertion(AssertionRefusal::NotOfService)),
            false => Err(Refusal::BadCredentials),
        },
    }
}

/// For this issuer alone, whoever holds it is whom it says, not too old, and not made for a login.
fn check_claims(
    issuer: &TrustedIssuer,
    claims: &VerifiedClaims,
    attempt: Attempt,
) -> Result<(), Refusal> {
    if claims.audience.len() != 1 {
        return Err(Refusal::Assertion(AssertionRefusal::Audience));
    }
    if is_from_future(claims, attempt.now) {
        return Err(Refusal::Assertion(AssertionRefusal::Early));
    }
    if token_purpose::is_something_else(claims) {
        return Err(Refusal::Assertion(AssertionRefusal::NotOfService));
    }
    if !issuer.is_short(claims, attempt.now) {
        return Err(Refusal::Assertion(AssertionRefusal::Long));
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
) -> Result<Option<Used>, Refusal> {
    let fault = |fault| Err(Refusal::Assertion(fault));
    match issuer.use_once(client.id.as_str(), claims, attempt.now) {
        None => fault(AssertionRefusal::WithoutId),
        Some((Seen::First, used)) => Ok(used),
        Some((Seen::Again, _)) => fault(AssertionRefusal::Replayed),
        Some((Seen::Full, _)) => fault(AssertionRefusal::MemoryFull),
    }
}

fn refusal(issuer: &TrustedIssuer, denial: &Denial) -> Refusal {
    match denial {
        Denial::Unavailable(error) => {
            issuer.say_unavailable(error);
            Refusal::Assertion(AssertionRefusal::KeysUnavailable)
        }
        Denial::Token(VerifyError::Expired { .. }) => Refusal::Assertion(AssertionRefusal::Expired),
        Denial::Token(VerifyError::Audience) => Refusal::Assertion(AssertionRefusal::Audience),
        _ => Refusal::BadCredentials,
    }
}
