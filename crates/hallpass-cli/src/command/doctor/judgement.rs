//! The tokens of this service, judged as a resource server with its own settings would judge them.

use std::collections::BTreeSet;

use hallpass::resource::{JwksLocation, SecuritySettings, TrustedIssuerSettings};
use hallpass::token::{
    Audience, JwkSet, KeyId, UnixTime, UnverifiedToken, VerifyError, VerifyPolicy,
};
use hallpass::upstream::{EndpointUrl, shortened};

use super::check::Check;
use super::finding::Finding;
use super::tokens::Had;

/// What is judged of a token, but its audience.
const OF_TOKENS: [Check; 4] = [
    Check::IssuerName,
    Check::Algorithm,
    Check::TokenKey,
    Check::TokenVerifies,
];

/// Judges each token; `sets` are the keys, by the name of their issuer in the settings.
pub(super) fn examine(
    tokens: &[Had],
    security: &SecuritySettings,
    sets: &[(String, JwkSet)],
    now: UnixTime,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for had in tokens {
        match had.unverified() {
            Some(token) => findings.extend(judge(had, &token, (security, sets), now)),
            None => {
                let why = format!(
                    "the tokens of {} are no JWTs: only their issuer can say what they are",
                    had.who
                );
                findings.extend(Finding::skipped_all(&OF_TOKENS, &why));
                findings.push(Finding::skipped(Check::Audience, why));
            }
        }
    }
    if tokens.is_empty() {
        findings = Finding::skipped_all(&OF_TOKENS, "there is no token to look at");
    }
    findings
}

/// Whether others that call this service by its name get tokens that it takes; of issuers of users it is not demanded.
pub(super) fn own_audience(name: Option<&str>, security: &SecuritySettings) -> Option<Finding> {
    let jwt = &security.internal_jwt;
    let taken_of = |issuer: &TrustedIssuerSettings| match issuer.audiences.is_empty() {
        true => jwt.audiences.clone(),
        false => issuer.audiences.clone(),
    };
    let internal = jwt.issuers.iter().filter(|issuer| issuer.internal);
    let taken: BTreeSet<_> = internal.flat_map(taken_of).collect();
    if taken.is_empty() {
        return None;
    }
    let shown: Vec<_> = taken.iter().map(Audience::as_str).collect();
    let list = shown.join("`, `");
    Some(match name {
        Some(name) if !shown.contains(&name) => Finding::warning(
            Check::Audience,
            format!("this service is called `{name}` and takes tokens for `{list}` alone"),
            format!(
                "add `{name}` to `audience` in `security.internal-jwt`, or tell callers to ask for tokens for `{list}`"
            ),
        ),
        _ => Finding::ok(
            Check::Audience,
            format!("this service takes tokens for `{list}`"),
        ),
    })
}

fn judge(
    had: &Had,
    token: &UnverifiedToken<'_>,
    (security, sets): (&SecuritySettings, &[(String, JwkSet)]),
    now: UnixTime,
) -> Vec<Finding> {
    let mut findings = vec![audience(had, token)];
    let said = token.unverified_issuer().unwrap_or_default();
    let issuers = &security.internal_jwt.issuers;
    let issuer = match issuer_of(said, had, issuers) {
        Found::Named(issuer) => {
            let says = format!(
                "tokens of {} come from `{}`, as expected",
                had.who, issuer.issuer
            );
            findings.push(Finding::ok(Check::IssuerName, says));
            issuer
        }
        Found::Misnamed(expected) => {
            findings.push(Finding::failure(
                Check::IssuerName,
                format!(
                    "tokens of {} say `iss` \"{}\", and `security` expects \"{}\" of their issuer",
                    had.who,
                    shortened(said),
                    expected.issuer
                ),
                "write the name of the tokens into `security.internal-jwt` (`issuer`), to the letter; the issuer has it in `issuer.name`",
            ));
            expected
        }
        Found::Foreign => {
            let why = "the tokens come from an issuer of which this service accepts none";
            findings.extend(Finding::skipped_all(&OF_TOKENS, why));
            return findings;
        }
    };
    findings.extend(by_keys(had, token, issuer, sets));
    let has_failed = findings
        .iter()
        .any(|it| it.check != Check::Audience && it.advice.is_some());
    let keys = sets.iter().find(|(name, _)| *name == issuer.name);
    findings.push(match keys {
        Some((_, keys)) if !has_failed => verdict(had, token, (issuer, keys, security), now),
        _ => Finding::skipped(Check::TokenVerifies, "it cannot, as said above"),
    });
    findings
}

/// Whose tokens these are, as far as the settings know.
enum Found<'a> {
    Named(&'a TrustedIssuerSettings),
    /// Its keys are where the tokens are from, and it is called otherwise.
    Misnamed(&'a TrustedIssuerSettings),
    Foreign,
}

fn issuer_of<'a>(said: &str, had: &Had, issuers: &'a [TrustedIssuerSettings]) -> Found<'a> {
    let mut named = issuers.iter().filter(|it| it.issuer.as_str() == said);
    if let Some(issuer) = named.next() {
        return Found::Named(issuer);
    }
    let is_there = |it: &&TrustedIssuerSettings| match &it.jwks {
        JwksLocation::Url(url) => is_of_one_host(url, &had.credential.token_url),
        JwksLocation::File(_) | JwksLocation::Nowhere => false,
    };
    let beside = issuers.iter().find(is_there);
    match beside.or_else(|| issuers.iter().find(|it| it.internal)) {
        Some(issuer) => Found::Misnamed(issuer),
        None => Found::Foreign,
    }
}

fn is_of_one_host(one: &EndpointUrl, other: &EndpointUrl) -> bool {
    match (one, other) {
        (EndpointUrl::Https(one), EndpointUrl::Https(other))
        | (EndpointUrl::LoopbackHttp(one), EndpointUrl::LoopbackHttp(other)) => {
            one.origin() == other.origin()
        }
        (
            EndpointUrl::LoadBalanced { service: one, .. },
            EndpointUrl::LoadBalanced { service: other, .. },
        ) => one == other,
        _ => false,
    }
}

fn by_keys(
    had: &Had,
    token: &UnverifiedToken<'_>,
    issuer: &TrustedIssuerSettings,
    sets: &[(String, JwkSet)],
) -> Vec<Finding> {
    let (who, algorithm, name) = (&had.who, token.algorithm(), &issuer.name);
    let allowed = issuer.algorithms.contains(algorithm);
    let by_algorithm = match allowed {
        true => Finding::ok(
            Check::Algorithm,
            format!("{algorithm} is accepted of {name}"),
        ),
        false => Finding::failure(
            Check::Algorithm,
            format!("tokens of {who} are signed by {algorithm}, which is not accepted of {name}"),
            "add it to `algorithms` of that issuer, or let the issuer sign otherwise (`issuer.algorithm`)",
        ),
    };
    let Some((_, keys)) = sets.iter().find(|(known, _)| known == name) else {
        let why = format!("{name}: there are no keys");
        return vec![by_algorithm, Finding::skipped(Check::TokenKey, why)];
    };
    let shown = token.key_id().map_or("(without a name)", KeyId::as_str);
    let is_there = token.key_id().is_none_or(|id| keys.contains(id));
    let by_key = match is_there {
        true => Finding::ok(
            Check::TokenKey,
            format!("{name}: the key `{shown}` is in the set"),
        ),
        false => Finding::failure(
            Check::TokenKey,
            format!(
                "tokens of {who} are signed with the key `{shown}`, which is not in the key set of {name}"
            ),
            "see that `jwks-url` or `jwks-file` is that of the issuer of `token-url`, and that no cache on the way is older than a rotation (`hallpass key list`)",
        ),
    };
    vec![by_algorithm, by_key]
}

/// Some issuers ignore what they are asked for.
fn audience(had: &Had, token: &UnverifiedToken<'_>) -> Finding {
    let (who, asked) = (&had.who, &had.audience);
    let audiences = token.unverified_audiences();
    if audiences.contains(asked) {
        let says = format!("tokens of {who} are for `{asked}`");
        return Finding::ok(Check::Audience, says);
    }
    let shown: Vec<_> = audiences.iter().map(Audience::as_str).collect();
    let says = format!(
        "tokens of {who} that are asked for `{asked}` are for `{}`",
        shortened(&shown.join("`, `"))
    );
    let advice = "see `target-parameter`, and which audiences the issuer gives to this client";
    Finding::failure(Check::Audience, says, advice)
}

fn verdict(
    had: &Had,
    token: &UnverifiedToken<'_>,
    (issuer, keys, security): (&TrustedIssuerSettings, &JwkSet, &SecuritySettings),
    now: UnixTime,
) -> Finding {
    let mut policy = VerifyPolicy::new(issuer.issuer.clone(), had.audience.clone())
        .with_algorithms(issuer.algorithms)
        .with_leeway(security.internal_jwt.leeway)
        .with_max_token_bytes(security.max_token_bytes);
    if issuer.dangerous_accept_untyped {
        policy = policy.dangerous_accept_untyped();
    }
    let Err(error) = token.verify(keys, &policy, now) else {
        let says = format!(
            "a resource server with these settings accepts tokens of {}",
            had.who
        );
        return Finding::ok(Check::TokenVerifies, says);
    };
    let advice = match &error {
        VerifyError::Type => {
            "let the issuer write `typ: at+jwt`, or name its product in `preset` of that issuer; see `dangerous-accept-untyped`"
        }
        VerifyError::Expired { .. } | VerifyError::NotYetValid { .. } => {
            "set the clocks of this machine and of the issuer"
        }
        VerifyError::TooLarge => {
            "make `security.max-token-bytes` larger, or let the issuer write shorter tokens"
        }
        VerifyError::Signature | VerifyError::UnknownKey | VerifyError::AlgorithmMismatch => {
            "see that `jwks-url` or `jwks-file` is that of the issuer of `token-url`"
        }
        // Some issuers say in another claim whom their token is about, which the mapping of their callers knows.
        VerifyError::MissingClaim { claim: "sub" } => {
            return Finding::skipped(
                Check::TokenVerifies,
                "the tokens have no `sub`: see `preset` of their issuer",
            );
        }
        // Said where it belongs.
        VerifyError::Audience => {
            return Finding::skipped(Check::TokenVerifies, "the audience is another one");
        }
        _ => "see docs/tokens.md: what is demanded of a token",
    };
    let says = format!("tokens of {} are refused: {error}", had.who);
    Finding::failure(Check::TokenVerifies, says, advice)
}
