//! What to do about a caller that would be denied.

/// By the exact reason, as metrics and the audit event have it.
pub(super) fn advice(reason: &str) -> &'static str {
    match reason {
        "missing_token" => {
            "it sends no token: let it call with one (internal-token in its configuration), or open the route"
        }
        "insufficient_scope" => {
            "its client may not have the scope, or does not ask for it: issuer.clients[].scopes, and the scope of its internal-token"
        }
        "not_internal" => {
            "only a service in its own name may call this: call it with identity = \"service\", or open the route to users"
        }
        "caller_unknown" => {
            "its token does not say whether it is a service's or a user's: preset, service-when and user-when of its issuer"
        }
        "user_required" => "the handler wants a user: relay or exchange the user's token",
        "no_rule" => "no rule is for this path: write one, or let the caller stop",
        "ambiguous_path" | "ambiguous_host" => {
            "the request can be read in two ways: let the caller write it plainly (docs/paths.md)"
        }
        "expired" => {
            "it uses a token past its end: renew it, and compare the clocks (leeway-seconds)"
        }
        "not_yet_valid" => {
            "its token begins in the future: compare the clocks of issuer and service (leeway-seconds)"
        }
        "audience" => {
            "its token is for another service: ask for one with this audience, or name the audience here"
        }
        "issuer" => "the issuer is not trusted here: add it to issuers, or get a token of ours",
        "unknown_key" | "signature" => {
            "its token is signed by none of the issuer's keys: look at jwks-url, and who issued it"
        }
        "revoked" => "its token is revoked: hallpass revocations",
        "denied_here" => {
            "its token, client, subject or key stands in security.internal-jwt.denied here: take it out, or let the caller stop"
        }
        "inactive" => {
            "its issuer says that the token is not active, and not why: let it get a new one, and look at the issuer (docs/introspection.md)"
        }
        "role_required" | "authority_required" => {
            "its token lacks a role that the rule demands: give it the role, or change the rule"
        }
        "caller_not_allowed" => "add it to callers of the rule, or let it stop",
        "actor_not_allowed" => "add it to actors of the rule, or let it call in its own name",
        "claim_not_allowed" => "its token lacks a claim that the rule demands",
        "claims_mismatch" => {
            "its token lacks claims that the handler reads: have its issuer write them, or ask for them as an Option"
        }
        "tenant_mismatch" => {
            "it names another tenant than its token, or its token names none: let its token have the claim (context.tenant.claim; behind an exchange the rule \
            must list it), let it leave the header out, or see context.tenant.demand-claim"
        }
        "context_too_large" => {
            "it sends more in the headers of context.headers than may go on: let it send less, or raise context.max-value-bytes or max-bytes"
        }
        "context_invalid" => {
            "it sends a header of context.headers twice, or with other characters than printable ASCII: let it send each once, and percent-encode the rest"
        }
        "sender_constrained" => "its token is bound to a key or certificate that it did not show",
        "several_authorization_headers" => "it sends two Authorization headers: let it send one",
        _ => ELSEWHERE,
    }
}

const ELSEWHERE: &str = "see docs/errors.md and docs/tokens.md for the reason";

#[cfg(test)]
mod tests {
    use hallpass::client::context::CarriedFault;
    use hallpass::resource::{ConditionFault, Denial, HostFault, PathFault};
    use hallpass::token::{CallerKind, Scope, UnknownCaller, VerifyError};

    use super::{ELSEWHERE, advice};

    /// By the codes that the resource server counts, so that a renamed one is found.
    #[test]
    fn whoever_would_be_denied_is_told_what_to_do() {
        let caller = CallerKind::User;
        let missing = Scope::default();
        let unknown = CallerKind::Unknown(UnknownCaller::NoMark);
        let text = || "x".to_owned();
        for denial in [
            Denial::Path(PathFault::DotSegment),
            Denial::Host(HostFault::Missing),
            Denial::SeveralAuthorizationHeaders,
            Denial::MissingToken,
            Denial::SenderConstrained,
            Denial::Revoked,
            Denial::DeniedHere,
            Denial::Inactive,
            Denial::NoRule,
            Denial::ClaimsMismatch,
            Denial::TenantMismatch,
            Denial::UserRequired { caller },
            Denial::UserRequired { caller: unknown },
            Denial::NotInternal {
                missing: missing.clone(),
                caller,
                internal: true,
            },
            Denial::InsufficientScope { required: missing },
            Denial::Condition(ConditionFault::Role(text())),
            Denial::Condition(ConditionFault::Authority(text())),
            Denial::Condition(ConditionFault::Claim(text())),
            Denial::Condition(ConditionFault::Caller),
            Denial::Condition(ConditionFault::Actor),
            Denial::Context(CarriedFault::TooMuch),
        ] {
            let code = denial.log_code();
            assert_ne!(advice(code), ELSEWHERE, "{code}");
        }
        // What is no fault of the token's form.
        let told = VerifyError::EVERY.map(|error| Denial::Token(error).log_code());
        let told = told.into_iter().filter(|code| advice(code) != ELSEWHERE);
        let known = [
            "unknown_key",
            "signature",
            "issuer",
            "audience",
            "expired",
            "not_yet_valid",
        ];
        assert_eq!(Vec::from_iter(told), known);
    }

    #[test]
    fn whoever_is_refused_for_what_travels_beside_its_token_is_told_the_key() {
        let name = || http::HeaderName::from_static("tx_xid");
        for (denial, key) in [
            (Denial::TenantMismatch, "context.tenant.demand-claim"),
            (
                Denial::Context(CarriedFault::TooLong(name())),
                "context.max-value-bytes",
            ),
            (
                Denial::Context(CarriedFault::Several(name())),
                "context.headers",
            ),
            (
                Denial::Context(CarriedFault::NotPrintable(name())),
                "context.headers",
            ),
        ] {
            assert!(advice(denial.log_code()).contains(key), "{denial}");
        }
    }
}
