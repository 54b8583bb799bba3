//! What is wrong with a request for a certificate.

use std::time::Duration;

use hallpass_tls::CsrFault;
use http::StatusCode;

/// Why a client gets no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// The client is registered for none, or for names of another trust domain.
    NotRegistered,
    /// `csr` is missing.
    Missing,
    /// `csr` is no request for a certificate that is taken.
    Request(CsrFault),
    /// The client has got so many certificates that it has to wait.
    TooMany {
        /// When the next request is looked at.
        retry_after: Duration,
    },
    /// No authority can sign at the moment.
    Unavailable,
    /// The signature could not be made.
    Signing,
}

impl CertificateFault {
    /// As [`Refusal::row`](crate::Refusal).
    #[rustfmt::skip]
    pub(super) const fn row(self) -> (StatusCode, &'static str, &'static str, &'static str) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Self::NotRegistered => (StatusCode::FORBIDDEN, "unauthorized_client", "certificate_not_registered", "the client is registered for no certificate of this authority"),
            Self::Missing => (BAD, "invalid_request", "missing_csr", "send a request for a certificate (PKCS#10, in PEM) as csr"),
            Self::Request(fault) => (BAD, "invalid_request", "bad_request_for_certificate", advice(fault)),
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "too_many_certificates", "this client has got too many certificates in the last hour: wait before the next request"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "ca_unavailable", "no certificate authority can sign at the moment: try again shortly"),
            Self::Signing => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "certificate_signing", "the certificate could not be signed"),
        }
    }
}

/// What to do about a request that is not taken.
const fn advice(fault: CsrFault) -> &'static str {
    match fault {
        CsrFault::TooLarge => "csr is longer than 8192 bytes",
        CsrFault::NotPem => {
            "csr is not whole PEM text: a section has no end, or is not base64; form-encode it"
        }
        CsrFault::NoRequest => "csr holds no CERTIFICATE REQUEST, as openssl req -new writes it",
        CsrFault::Several => "csr holds more than one request",
        CsrFault::PrivateKey => {
            "csr holds a private key, which is not secret any more: make another one, and send the request alone"
        }
        CsrFault::Key => {
            "the key of csr is none of P-256, P-384, Ed25519 or RSA of 2048 to 4096 bits with the exponent 65537"
        }
        CsrFault::Algorithm => {
            "csr is signed by another algorithm than SHA-256, SHA-384 or SHA-512 with its key"
        }
        CsrFault::Signature => "csr is not signed by the private key of the public one in it",
        _ => "csr is not a request of PKCS#10 in DER (RFC 2986)",
    }
}
