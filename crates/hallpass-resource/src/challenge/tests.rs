use std::time::Duration;

use hallpass_token::{BearerSyntaxError, CallerKind, VerifyError};

use super::*;
use crate::error::{KeysError, ProofFault};
use crate::path::PathFault;

/// Status, challenge and code of the response, as a caller sees them.
fn seen(denial: &Denial) -> (u16, String, String) {
    let challenger = Challenger::new(
        "shop",
        Some("https://shop.example/.well-known/oauth-protected-resource"),
    );
    let response = challenger.response(denial, Scheme::Bearer);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["status"], response.status().as_u16());
    assert_eq!(body["type"], "about:blank");
    let challenge = response
        .headers()
        .get(WWW_AUTHENTICATE)
        .map_or("", |value| value.to_str().unwrap());
    let challenge = challenge.replace(
        ", resource_metadata=\"https://shop.example/.well-known/oauth-protected-resource\"",
        " +metadata",
    );
    (
        response.status().as_u16(),
        challenge,
        body["code"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn each_denial_has_its_answer_of_rfc_6750() {
    let scope = || "b a".parse().unwrap();
    let lacking = r#", error="insufficient_scope", scope="a b""#;
    let forbidden = r#", error="insufficient_scope""#;
    let (invalid, bad) = (r#", error="invalid_token""#, r#", error="invalid_request""#);
    let insufficient = Denial::InsufficientScope { required: scope() };
    let rows = [
        (Denial::MissingToken, 401, "", "missing_token"),
        (
            Denial::Token(VerifyError::Audience),
            401,
            invalid,
            "invalid_token",
        ),
        (Denial::SenderConstrained, 401, invalid, "invalid_token"),
        (
            Denial::SeveralAuthorizationHeaders,
            400,
            bad,
            "invalid_request",
        ),
        (
            Denial::Bearer(BearerSyntaxError::Charset),
            400,
            bad,
            "invalid_request",
        ),
        (insufficient, 403, lacking, "insufficient_scope"),
        (not_internal(scope()), 403, lacking, "service_required"),
        // A scope that the token has is not what it lacks.
        (
            not_internal(hallpass_token::Scope::empty()),
            403,
            forbidden,
            "service_required",
        ),
        (Denial::NoRule, 403, forbidden, "insufficient_scope"),
        (
            Denial::UserRequired {
                caller: CallerKind::Service,
            },
            403,
            forbidden,
            "user_required",
        ),
        (Denial::ClaimsMismatch, 403, forbidden, "claims_mismatch"),
    ];
    for (denial, status, parameters, code) in rows {
        let challenge = format!(r#"Bearer realm="shop"{parameters} +metadata"#);
        assert_eq!(
            seen(&denial),
            (status, challenge, code.to_owned()),
            "{denial:?}"
        );
    }
}

#[test]
fn where_no_token_would_help_there_is_no_challenge() {
    let none = |status, code: &str| (status, String::new(), code.to_owned());
    assert_eq!(
        seen(&Denial::Path(PathFault::DotSegment)),
        none(400, "ambiguous_path")
    );
    assert_eq!(
        seen(&Denial::Unavailable(KeysError::Status {
            status: 500,
            retry_after: None
        })),
        none(503, "unavailable")
    );
    assert_eq!(
        seen(&Denial::Token(VerifyError::TooLarge)),
        none(431, "token_too_large")
    );
}

#[test]
fn every_fault_of_a_token_is_answered_alike() {
    let ago = Duration::from_secs(7);
    let expired = Denial::Token(VerifyError::Expired { ago });
    let first = seen(&expired);
    let read = VerifyError::EVERY
        .into_iter()
        .filter(|fault| *fault != VerifyError::TooLarge)
        .map(Denial::Token);
    for fault in read.chain([Denial::SenderConstrained]) {
        assert_eq!(seen(&fault), first, "{fault:?}");
        let response = Challenger::new("shop", None).response(&fault, Scheme::Bearer);
        let other = Challenger::new("shop", None).response(&expired, Scheme::Bearer);
        assert_eq!(response.headers(), other.headers(), "{fault:?}");
        assert_eq!(response.body(), other.body());
    }
}

#[test]
fn an_unavailable_answer_says_when_to_come_back() {
    let response = Challenger::new("shop", None).response(
        &Denial::Unavailable(KeysError::Status {
            status: 500,
            retry_after: None,
        }),
        Scheme::Bearer,
    );
    assert_eq!(response.headers()[RETRY_AFTER], "1");
}

#[test]
fn what_would_break_the_header_does_not_fit() {
    assert!(fits_in_quotes("order-service v2"));
    for text in ["", "a\"b", "a\\b", "a\r\nb", "é"] {
        assert!(!fits_in_quotes(text), "{text:?}");
    }
}

fn not_internal(missing: hallpass_token::Scope) -> Denial {
    Denial::NotInternal {
        missing,
        caller: CallerKind::User,
        internal: true,
    }
}

#[test]
fn a_caller_that_may_come_again_is_told_when() {
    let after = |wait| {
        let error = KeysError::TooEarly {
            last: String::new(),
            retry_in: wait,
        };
        let response =
            Challenger::new("shop", None).response(&Denial::Unavailable(error), Scheme::Bearer);
        response.headers()[RETRY_AFTER].to_str().unwrap().to_owned()
    };
    for (milliseconds, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (9500, "10")] {
        assert_eq!(after(Duration::from_millis(milliseconds)), seconds);
    }
    assert_eq!(after(Duration::MAX), u64::MAX.to_string());
}

#[test]
fn the_challenge_of_the_scheme_that_was_spoken_says_what_was_wrong_and_the_other_is_offered() {
    let challenges = |denial: &Denial, scheme| {
        let response = Challenger::new("shop", None).response(denial, scheme);
        let values = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let values: Vec<_> = values.map(|it| it.to_str().unwrap().to_owned()).collect();
        (response.status().as_u16(), values)
    };
    let bearer = |rest: &str| format!("Bearer realm=\"shop\"{rest}");
    let dpop =
        |rest: &str| format!("DPoP realm=\"shop\", algs=\"ES256 EdDSA RS256 ES384 PS256\"{rest}");
    let (expired, scope) = (
        Denial::Token(VerifyError::Issuer),
        Denial::InsufficientScope {
            required: "a".parse().unwrap(),
        },
    );
    let proof = |fault| Denial::Proof(fault);
    let invalid = r#", error="invalid_token""#;
    for (denial, scheme, expected) in [
        (&expired, Scheme::Bearer, vec![bearer(invalid), dpop("")]),
        (&expired, Scheme::Dpop, vec![bearer(""), dpop(invalid)]),
        (
            &proof(ProofFault::AsBearer),
            Scheme::Bearer,
            vec![bearer(invalid), dpop("")],
        ),
        (
            &proof(ProofFault::OtherKey),
            Scheme::Dpop,
            vec![bearer(""), dpop(invalid)],
        ),
        (
            &proof(ProofFault::Again),
            Scheme::Dpop,
            vec![bearer(""), dpop(r#", error="invalid_dpop_proof""#)],
        ),
        (
            &proof(ProofFault::Nonce),
            Scheme::Dpop,
            vec![bearer(""), dpop(r#", error="use_dpop_nonce""#)],
        ),
    ] {
        assert_eq!(challenges(denial, scheme), (401, expected), "{denial:?}");
    }
    let insufficient = r#", error="insufficient_scope", scope="a""#;
    let told = challenges(&scope, Scheme::Bearer);
    assert_eq!(told, (403, vec![bearer(insufficient)]));
    let told = challenges(&scope, Scheme::Dpop);
    assert_eq!(told, (403, vec![dpop(insufficient)]));
}
