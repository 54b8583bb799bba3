use hallpass_client::IntrospectionError;
use hallpass_client::context::CarriedFault;
use hallpass_token::DpopError;

use super::*;
use crate::policy::Bound;

/// Stands for any header.
const ANY_HEADER: http::HeaderName = http::HeaderName::from_static("x-any");

fn every_denial() -> Vec<Denial> {
    let required: Scope = "a".parse().unwrap();
    let mut denials = vec![
        Denial::Path(PathFault::DotSegment),
        Denial::SeveralAuthorizationHeaders,
        Denial::Bearer(BearerSyntaxError::Charset),
        Denial::MissingToken,
        Denial::Context(CarriedFault::TooMuch),
        Denial::Context(CarriedFault::TooLong(ANY_HEADER)),
        Denial::Context(CarriedFault::Several(ANY_HEADER)),
        Denial::Context(CarriedFault::NotPrintable(ANY_HEADER)),
        Denial::TenantMismatch,
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
        Denial::Proof(ProofFault::NoCertificate),
        Denial::Proof(ProofFault::OtherCertificate),
        Denial::Host(HostFault::Missing),
        Denial::Condition(ConditionFault::Role("clerk".to_owned())),
        Denial::Condition(ConditionFault::Authority("ROLE_CLERK".to_owned())),
        Denial::Condition(ConditionFault::Caller),
        Denial::Condition(ConditionFault::Actor),
        Denial::Condition(ConditionFault::Peer),
        Denial::Condition(ConditionFault::Claim("tenant".to_owned())),
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
        Denial::Blacklist(BlacklistFault::Listed),
        Denial::Mesh(MeshDenial::Unclear(hallpass_tls::MeshFault::Malformed)),
        Denial::Mesh(MeshDenial::Several),
        Denial::Mesh(MeshDenial::TrustDomain),
        Denial::Mesh(MeshDenial::Nobody),
        Denial::Mesh(MeshDenial::OtherClient),
        Denial::Blacklist(BlacklistFault::Unnamed),
        Denial::Blacklist(BlacklistFault::Away),
        Denial::Inactive,
        Denial::DeadlineExceeded,
        Denial::Unavailable(KeysError::Status {
            status: 500,
            retry_after: None,
        }),
    ];
    denials.extend(introspections());
    denials.extend(VerifyError::EVERY.map(Denial::Token));
    denials.extend(DpopError::EVERY.map(|error| Denial::Proof(error.into())));
    denials
}

fn introspections() -> Vec<Denial> {
    vec![
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
    ]
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
        "role",
        "caller",
        "actor",
        "peer",
        "claim",
        "tenant",
        "unavailable",
        "deadline",
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

/// The place of each kind of denial: a new one does not compile before it has one here, in `every_denial`, and so in the documents.
fn kind(denial: &Denial) -> usize {
    match denial {
        Denial::Path(_) => 0,
        Denial::Host(_) => 1,
        Denial::SeveralAuthorizationHeaders => 2,
        Denial::Bearer(_) => 3,
        Denial::MissingToken => 4,
        Denial::Token(_) => 5,
        Denial::SenderConstrained => 6,
        Denial::Proof(fault) => 7 + proof_kind(*fault),
        Denial::Revoked => 19,
        Denial::InsufficientScope { .. } => 20,
        Denial::NotInternal { .. } => 21,
        Denial::Condition(fault) => 22 + condition_kind(fault),
        Denial::NoRule => 27,
        Denial::UserRequired { .. } => 28,
        Denial::ClaimsMismatch => 29,
        Denial::Unavailable(_) => 30,
        Denial::DeniedHere => 31,
        Denial::Inactive => 32,
        Denial::Introspection(_) => 33,
        Denial::Context(_) => 35,
        Denial::TenantMismatch => 36,
        Denial::DeadlineExceeded => 37,
        Denial::Blacklist(fault) => 38 + blacklist_kind(*fault),
        Denial::Mesh(fault) => 41 + mesh_kind(*fault),
    }
}

fn proof_kind(fault: ProofFault) -> usize {
    match fault {
        ProofFault::Missing => 0,
        ProofFault::Several => 1,
        ProofFault::Invalid(_) => 2,
        ProofFault::OtherKey => 3,
        ProofFault::Again => 4,
        ProofFault::Nonce => 5,
        ProofFault::TooMany => 6,
        ProofFault::StoreAway => 7,
        ProofFault::NotBound => 8,
        ProofFault::AsBearer => 9,
        ProofFault::NoCertificate => 10,
        ProofFault::OtherCertificate => 11,
        ProofFault::Unbound(_) => 27,
    }
}

fn blacklist_kind(fault: BlacklistFault) -> usize {
    match fault {
        BlacklistFault::Listed => 0,
        BlacklistFault::Unnamed => 1,
        BlacklistFault::Away => 2,
    }
}

fn mesh_kind(fault: MeshDenial) -> usize {
    match fault {
        MeshDenial::Unclear(_) => 0,
        MeshDenial::Several => 1,
        MeshDenial::TrustDomain => 2,
        MeshDenial::Nobody => 3,
        MeshDenial::OtherClient => 4,
    }
}

fn condition_kind(fault: &ConditionFault) -> usize {
    match fault {
        ConditionFault::Role(_) => 0,
        ConditionFault::Authority(_) => 1,
        ConditionFault::Caller => 2,
        ConditionFault::Actor => 3,
        ConditionFault::Claim(_) => 4,
        ConditionFault::Peer => 24,
    }
}

#[test]
fn the_reasons_of_audit_events_are_a_closed_set() {
    let mut kinds: Vec<_> = every_denial().iter().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert!(kinds.into_iter().eq(0..=46));
}
