use hallpass_client::IntrospectionError;
use hallpass_token::DpopError;

use super::*;
use crate::policy::Bound;

fn every_denial() -> Vec<Denial> {
    let required: Scope = "a".parse().unwrap();
    let mut denials = vec![
        Denial::Path(PathFault::DotSegment),
        Denial::SeveralAuthorizationHeaders,
        Denial::Bearer(BearerSyntaxError::Charset),
        Denial::MissingToken,
        Denial::SenderConstrained,
        Denial::Proof(ProofFault::Missing),
        Denial::Proof(ProofFault::Several),
        Denial::Proof(ProofFault::OtherKey),
        Denial::Proof(ProofFault::Again),
        Denial::Proof(ProofFault::Nonce),
        Denial::Proof(ProofFault::TooMany),
        Denial::Proof(ProofFault::StoreAway),
        Denial::Proof(ProofFault::Unbound(Bound::Key)),
        Denial::Proof(ProofFault::NotBound),
        Denial::Proof(ProofFault::AsBearer),
        Denial::InsufficientScope {
            required: required.clone(),
        },
        Denial::NotInternal {
            missing: required,
            caller: CallerKind::User,
            internal: true,
        },
        Denial::NoRule,
        Denial::UserRequired {
            caller: CallerKind::Service,
        },
        Denial::ClaimsMismatch,
        Denial::Revoked,
        Denial::DeniedHere,
        Denial::Inactive,
        Denial::Introspection(IntrospectionFailure::NotAResponse),
        Denial::Introspection(IntrospectionFailure::TooMany),
        Denial::Introspection(IntrospectionFailure::Cancelled),
        Denial::Introspection(IntrospectionFailure::TooEarly {
            last: String::new(),
            retry_in: Duration::ZERO,
        }),
        Denial::Introspection(IntrospectionError::NotJson.into()),
        Denial::Introspection(IntrospectionError::TooLarge { limit: 1 }.into()),
        Denial::Introspection(IntrospectionError::Credential(String::new()).into()),
        Denial::Introspection(IntrospectionError::Discovery(String::new()).into()),
        Denial::Introspection(IntrospectionError::Transport(String::new()).into()),
        Denial::Introspection(
            IntrospectionError::Timeout {
                limit: Duration::ZERO,
            }
            .into(),
        ),
        Denial::Introspection(
            IntrospectionError::Status {
                status: 500,
                retry_after: None,
            }
            .into(),
        ),
        Denial::Unavailable(KeysError::Status {
            status: 500,
            retry_after: None,
        }),
    ];
    denials.extend(VerifyError::EVERY.map(Denial::Token));
    denials.extend(DpopError::EVERY.map(|error| Denial::Proof(error.into())));
    denials
}

#[test]
fn metric_reasons_come_from_the_closed_set() {
    let closed = [
        "missing",
        "malformed",
        "expired",
        "signature",
        "unknown_key",
        "issuer",
        "audience",
        "scope",
        "type",
        "proof",
        "unbound",
        "revoked",
        "inactive",
        "unavailable",
    ];
    for denial in every_denial() {
        assert!(
            closed.contains(&denial.reason()),
            "{denial:?}: {}",
            denial.reason()
        );
    }
}

#[test]
fn status_and_bearer_error_fit_together() {
    for denial in every_denial() {
        let response = denial.response();
        if let Some(error) = response.bearer_error {
            assert_eq!(response.status.as_u16(), error.status(), "{denial:?}");
            assert!(response.challenge, "{denial:?}");
        }
        // RFC 9110 section 15.5.2: a 401 has a challenge.
        assert!(
            response.challenge || response.status != StatusCode::UNAUTHORIZED,
            "{denial:?}"
        );
    }
}

#[test]
fn a_token_that_verify_calls_invalid_is_answered_so() {
    for fault in VerifyError::EVERY {
        // One that is too long says nothing about the token: it was not looked at.
        let expected = (fault != VerifyError::TooLarge).then(|| fault.bearer_error());
        assert_eq!(Denial::Token(fault).response().bearer_error, expected);
    }
}

#[test]
fn every_code_is_in_the_documents() {
    let document = include_str!("../../../../docs/errors.md");
    for denial in every_denial() {
        for code in [denial.response().code, denial.log_code()] {
            let in_table = document.contains(&format!("`{code}`"));
            let of_token = matches!(denial, Denial::Token(_)) && code == denial.log_code();
            assert!(in_table || of_token, "{code}");
        }
    }
}
