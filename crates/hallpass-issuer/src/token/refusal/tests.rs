use hallpass_tls::CsrFault;

use super::*;

const ALL: [Refusal; 126] = [
    Refusal::NotAForm,
    Refusal::BodyTooLarge,
    Refusal::BodyIncomplete,
    Refusal::MalformedForm,
    Refusal::TooManyParameters,
    Refusal::DuplicateParameter,
    Refusal::MissingGrantType,
    Refusal::TwoCredentials,
    Refusal::NoCredentials,
    Refusal::MalformedCredentials,
    Refusal::BadCredentials,
    Refusal::TooManyAttempts {
        retry_after: Duration::from_secs(1),
    },
    Refusal::Busy,
    Refusal::Assertion(AssertionRefusal::Incomplete),
    Refusal::Assertion(AssertionRefusal::UnsupportedType),
    Refusal::Assertion(AssertionRefusal::Malformed),
    Refusal::Assertion(AssertionRefusal::Algorithm),
    Refusal::Assertion(AssertionRefusal::Subject),
    Refusal::Assertion(AssertionRefusal::Audience),
    Refusal::Assertion(AssertionRefusal::WithoutId),
    Refusal::Assertion(AssertionRefusal::Expired),
    Refusal::Assertion(AssertionRefusal::Early),
    Refusal::Assertion(AssertionRefusal::Long),
    Refusal::Assertion(AssertionRefusal::TooOld),
    Refusal::Assertion(AssertionRefusal::NotOfService),
    Refusal::Assertion(AssertionRefusal::SeveralClients),
    Refusal::Assertion(AssertionRefusal::Replayed),
    Refusal::Assertion(AssertionRefusal::MemoryFull),
    Refusal::Assertion(AssertionRefusal::KeysUnavailable),
    Refusal::MissingCertificate,
    Refusal::RevokedClient,
    Refusal::MissingToken,
    Refusal::TooManyRevocations {
        retry_after: Duration::from_secs(1),
    },
    Refusal::DenyListFull,
    Refusal::StoreUnavailable,
    Refusal::OutcomeUnknown,
    Refusal::MissingDpopProof,
    Refusal::SeveralDpopProofs,
    Refusal::BadDpopProof(DpopError::TooLarge),
    Refusal::BadDpopProof(DpopError::Malformed),
    Refusal::BadDpopProof(DpopError::Type),
    Refusal::BadDpopProof(DpopError::Algorithm),
    Refusal::BadDpopProof(DpopError::Key),
    Refusal::BadDpopProof(DpopError::PrivateKey),
    Refusal::BadDpopProof(DpopError::Signature),
    Refusal::BadDpopProof(DpopError::Method),
    Refusal::BadDpopProof(DpopError::Uri),
    Refusal::BadDpopProof(DpopError::TooOld),
    Refusal::BadDpopProof(DpopError::TooNew),
    Refusal::BadDpopProof(DpopError::AccessToken),
    Refusal::ReplayedDpopProof,
    Refusal::UseDpopNonce,
    Refusal::TooManyDpopProofs,
    Refusal::ReplayStoreAway,
    Refusal::UnsupportedGrant,
    Refusal::UnregisteredGrant,
    Refusal::MalformedScope,
    Refusal::UnregisteredScope,
    Refusal::SeveralTargets,
    Refusal::UnregisteredTarget,
    Refusal::MissingTarget,
    Refusal::NoTarget,
    Refusal::TokenTooLarge,
    Refusal::EmptyParameter,
    Refusal::UnknownParameter,
    Refusal::ForeignParameter,
    Refusal::MissingSubjectToken,
    Refusal::UnsupportedTokenType,
    Refusal::ActorToken,
    Refusal::InvalidSubjectToken,
    Refusal::ExpiredSubjectToken,
    Refusal::RevokedSubjectToken,
    Refusal::UntrustedSubjectIssuer,
    Refusal::SubjectOfUnknownOrigin,
    Refusal::BoundSubjectToken,
    Refusal::SubjectNotAccessToken,
    Refusal::SubjectTokenTooOld,
    Refusal::SubjectNamedLikeClient,
    Refusal::SubjectIssuerUnavailable,
    Refusal::SubjectNotForClient,
    Refusal::UnregisteredSubjectKind,
    Refusal::MayActOther,
    Refusal::UnregisteredActor,
    Refusal::TooManyActors,
    Refusal::NoCommonScope,
    Refusal::Refresh(RefreshFault::Missing),
    Refusal::Refresh(RefreshFault::Unknown),
    Refusal::Refresh(RefreshFault::Foreign),
    Refusal::Refresh(RefreshFault::Reused),
    Refusal::Refresh(RefreshFault::Revoked),
    Refusal::Refresh(RefreshFault::Bound),
    Refusal::Refresh(RefreshFault::NotAllowed),
    Refusal::Refresh(RefreshFault::ActorDisabled),
    Refusal::Refresh(RefreshFault::ScopeNotGranted),
    Refusal::Refresh(RefreshFault::OtherTarget),
    Refusal::Refresh(RefreshFault::TooManyLiveTokens {
        retry_after: Duration::from_secs(1),
    }),
    Refusal::GrantAssertion(GrantAssertionFault::Missing),
    Refusal::GrantAssertion(GrantAssertionFault::Invalid),
    Refusal::GrantAssertion(GrantAssertionFault::Expired),
    Refusal::GrantAssertion(GrantAssertionFault::TooOld),
    Refusal::GrantAssertion(GrantAssertionFault::TooLong),
    Refusal::GrantAssertion(GrantAssertionFault::ForOthers),
    Refusal::GrantAssertion(GrantAssertionFault::Replayed),
    Refusal::GrantAssertion(GrantAssertionFault::WithoutId),
    Refusal::GrantAssertion(GrantAssertionFault::UntrustedIssuer),
    Refusal::GrantAssertion(GrantAssertionFault::UnregisteredSubject),
    Refusal::GrantAssertion(GrantAssertionFault::Bound),
    Refusal::GrantAssertion(GrantAssertionFault::RevokedSubject),
    Refusal::GrantAssertion(GrantAssertionFault::Actors),
    Refusal::GrantAssertion(GrantAssertionFault::IssuerUnavailable),
    Refusal::GrantAssertion(GrantAssertionFault::TooMany),
    Refusal::Certificate(CertificateFault::NotRegistered),
    Refusal::Certificate(CertificateFault::Missing),
    Refusal::Certificate(CertificateFault::Request(CsrFault::TooLarge)),
    Refusal::Certificate(CertificateFault::Request(CsrFault::NotPem)),
    Refusal::Certificate(CertificateFault::Request(CsrFault::NoRequest)),
    Refusal::Certificate(CertificateFault::Request(CsrFault::Several)),
    Refusal::Certificate(CertificateFault::Request(CsrFault::PrivateKey)),
    Refusal::Certificate(CertificateFault::Request(CsrFault::Malformed)),
    Refusal::Certificate(CertificateFault::Request(CsrFault::Key)),
    Refusal::Certificate(CertificateFault::Request(CsrFault::Algorithm)),
    Refusal::Certificate(CertificateFault::Request(CsrFault::Signature)),
    Refusal::Certificate(CertificateFault::TooMany {
        retry_after: Duration::from_secs(1),
    }),
    Refusal::Certificate(CertificateFault::Unavailable),
    Refusal::Certificate(CertificateFault::Signing),
    Refusal::Signing,
];

#[test]
fn every_refusal_has_its_response_on_the_wire() {
    let rows: Vec<String> = ALL
        .iter()
        .map(|refusal| {
            let WireError {
                status,
                error,
                description,
            } = refusal.wire();
            format!(
                "{} {} {error}: {description}",
                refusal.reason(),
                status.as_u16()
            )
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn no_text_needs_escaping_in_json_or_is_outside_the_charset_of_rfc_6749() {
    for refusal in ALL {
        let WireError {
            error, description, ..
        } = refusal.wire();
        let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(
            error.bytes().chain(description.bytes()).all(allowed),
            "{refusal:?}"
        );
    }
}

#[test]
fn every_reason_is_written_in_the_documentation_with_its_response() {
    let page = include_str!("../../../../../docs/errors.md");
    for refusal in ALL {
        let WireError {
            status,
            error,
            description,
        } = refusal.wire();
        let (reason, status) = (refusal.reason(), status.as_u16());
        // A request for a certificate may be wrong in many ways, which have one name.
        let description = match refusal {
            Refusal::Certificate(CertificateFault::Request(_)) => "what is wrong with csr",
            _ => description,
        };
        let row = format!("| `{reason}` | {status} | `{error}` | {description}");
        assert!(page.contains(&row), "docs/errors.md lacks {row}");
    }
}
