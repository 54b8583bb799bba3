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
        "audience" | "wrong_audience" => {
            "its token is for another service: ask for one with this audience, or name the audience here"
        }
        "issuer" | "unknown_issuer" | "untrusted_issuer" => {
            "the issuer is not trusted here: add it to issuers, or get a token of ours"
        }
        "unknown_key" | "signature" | "bad_signature" => {
            "its token is signed by none of the issuer's keys: look at jwks-url, and who issued it"
        }
        "revoked" => "its token is revoked: hallpass revocations",
        "role_required" | "authority_required" => {
            "its token lacks a role that the rule demands: give it the role, or change the rule"
        }
        "caller_not_allowed" => "add it to callers of the rule, or let it stop",
        "actor_not_allowed" => "add it to actors of the rule, or let it call in its own name",
        "claim_not_allowed" => "its token lacks a claim that the rule demands",
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
        _ => "see docs/errors.md and docs/tokens.md for the reason",
    }
}

#[cfg(test)]
mod tests {
    use super::advice;

    #[test]
    fn whoever_is_refused_for_what_travels_beside_its_token_is_told_what_to_do() {
        for (reason, key) in [
            ("tenant_mismatch", "context.tenant.demand-claim"),
            ("context_too_large", "context.max-value-bytes"),
            ("context_invalid", "context.headers"),
        ] {
            assert!(advice(reason).contains(key), "{reason}");
        }
    }
}
