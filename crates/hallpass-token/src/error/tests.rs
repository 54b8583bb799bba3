use std::collections::BTreeSet;

use super::{BearerError, Part, VerifyError};

/// The place of an error in [`VerifyError::EVERY`]. No `_` arm: who adds an error is sent here, and from here there.
fn place(error: VerifyError) -> usize {
    match error {
        VerifyError::TooLarge => 0,
        VerifyError::Malformed(Part::Structure) => 1,
        VerifyError::Malformed(Part::Encoding) => 2,
        VerifyError::Malformed(Part::Header) => 3,
        VerifyError::Malformed(Part::Claims) => 4,
        VerifyError::Malformed(Part::Nesting) => 5,
        VerifyError::DuplicateMember => 6,
        VerifyError::CriticalHeader => 7,
        VerifyError::Type => 8,
        VerifyError::AlgorithmUnsupported => 9,
        VerifyError::AlgorithmNotAllowed => 10,
        VerifyError::AlgorithmMismatch => 11,
        VerifyError::UnknownKey => 12,
        VerifyError::Signature => 13,
        VerifyError::MissingClaim { .. } => 14,
        VerifyError::ClaimType { .. } => 15,
        VerifyError::ClaimValue { .. } => 16,
        VerifyError::Issuer => 17,
        VerifyError::Audience => 18,
        VerifyError::Expired { .. } => 19,
        VerifyError::NotYetValid { .. } => 20,
    }
}

#[test]
fn every_error_is_in_the_list_of_all() {
    for (index, error) in VerifyError::EVERY.into_iter().enumerate() {
        assert_eq!(place(error), index);
    }
}

#[test]
fn every_error_has_a_code_of_its_own() {
    let codes: BTreeSet<&str> = VerifyError::EVERY.iter().map(VerifyError::code).collect();
    assert_eq!(codes.len(), VerifyError::EVERY.len());
    assert!(codes.iter().all(|code| {
        code.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    }));
}

#[test]
fn metric_reasons_are_a_closed_set() {
    let reasons: BTreeSet<&str> = VerifyError::EVERY.iter().map(VerifyError::reason).collect();
    let closed = [
        "audience",
        "expired",
        "issuer",
        "malformed",
        "signature",
        "type",
        "unknown_key",
    ];
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), closed);
}

#[test]
fn every_fault_of_a_token_is_an_invalid_token() {
    assert!(
        VerifyError::EVERY
            .iter()
            .all(|error| error.bearer_error() == BearerError::InvalidToken)
    );
    let rows = [
        (BearerError::InvalidRequest, "invalid_request", 400),
        (BearerError::InvalidToken, "invalid_token", 401),
        (BearerError::InsufficientScope, "insufficient_scope", 403),
    ];
    for (error, code, status) in rows {
        assert_eq!((error.code(), error.status()), (code, status));
    }
}
