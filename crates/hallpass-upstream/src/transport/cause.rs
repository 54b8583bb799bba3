//! What stands in the way of a connection, for programs that tell people what to do about it.

use std::io;

use rustls::{AlertDescription, CertificateError};

use super::connector::HandshakeTimeout;
use super::error::{TransportError, TransportErrorKind, chain, find_below};
use crate::resolver::LookUpError;

/// What [`TransportError::cause`] finds. The text of the error says the same for a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportCause {
    /// The name of the host leads nowhere: it does not exist, or has no address.
    Name,
    /// No name server has said in time what the name of the host leads to.
    NameServer,
    /// The machine is there, and nobody listens at the port.
    Refused,
    /// There is no way to the machine.
    Unreachable,
    /// No connection in time: a packet filter, or a machine that is gone.
    ConnectTimeout,
    /// A connection, and no handshake in time: a process that hangs, or one that does not speak TLS.
    HandshakeTimeout,
    /// The certificate of the server comes from an authority that is not trusted here.
    UnknownAuthority,
    /// The certificate of the server has ended, as the clock of this machine goes.
    CertificateExpired,
    /// The certificate of the server begins later, as the clock of this machine goes.
    CertificateNotYetValid,
    /// The certificate of the server is for other names than the one that was called.
    CertificateName,
    /// The certificate of the server cannot be used for another reason.
    Certificate,
    /// The server wants a certificate of this side, or does not take the one that it was shown.
    CertificateWanted,
    /// What the server sends is not TLS: often plain http.
    NotTls,
    /// Plain http to another machine, which this side refuses.
    PlainHttp,
    /// The connection ended before there was a response.
    Ended,
    /// Anything else.
    Other,
}

impl TransportError {
    /// What stands in the way.
    #[must_use]
    pub fn cause(&self) -> TransportCause {
        if self.kind() == TransportErrorKind::PlainHttp {
            return TransportCause::PlainHttp;
        }
        let of_tls = find_below::<rustls::Error>(self.lower()).and_then(of_tls);
        of_tls.unwrap_or_else(|| self.cause_without_tls())
    }

    fn cause_without_tls(&self) -> TransportCause {
        if let Some(look_up) = find_below::<LookUpError>(self.lower()) {
            return match look_up {
                LookUpError::NoAddress | LookUpError::Failed(_) => TransportCause::Name,
                LookUpError::TooLong | LookUpError::Busy => TransportCause::NameServer,
            };
        }
        if find_below::<HandshakeTimeout>(self.lower()).is_some() {
            return TransportCause::HandshakeTimeout;
        }
        let of_system = chain(self.lower()).find_map(|error| of_system(error.downcast_ref()?));
        match (of_system, self.kind()) {
            (Some(cause), _) => cause,
            (None, TransportErrorKind::ConnectTimeout) => TransportCause::ConnectTimeout,
            (None, TransportErrorKind::Broken | TransportErrorKind::Closed) => {
                TransportCause::Ended
            }
            (None, _) => TransportCause::Other,
        }
    }
}

fn of_tls(error: &rustls::Error) -> Option<TransportCause> {
    let cause = match error {
        rustls::Error::InvalidCertificate(certificate) => of_certificate(certificate),
        rustls::Error::AlertReceived(alert) if is_about_ours(*alert) => {
            TransportCause::CertificateWanted
        }
        rustls::Error::InvalidMessage(_) => TransportCause::NotTls,
        _ => return None,
    };
    Some(cause)
}

const fn of_certificate(error: &CertificateError) -> TransportCause {
    match error {
        CertificateError::UnknownIssuer => TransportCause::UnknownAuthority,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            TransportCause::CertificateExpired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TransportCause::CertificateNotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TransportCause::CertificateName
        }
        _ => TransportCause::Certificate,
    }
}

/// Servers of TLS 1.2 say that something is wrong with the handshake when they are shown no certificate.
const fn is_about_ours(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::AccessDenied
    )
}

fn of_system(error: &io::Error) -> Option<TransportCause> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(TransportCause::Refused),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => Some(TransportCause::Unreachable),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => Some(TransportCause::Ended),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::BoxError;

    fn cause(kind: TransportErrorKind, source: impl Into<BoxError>) -> TransportCause {
        TransportError::new(kind, source).cause()
    }

    #[test]
    fn each_reason_is_told_from_the_others_however_deep_it_lies() {
        let connect = TransportErrorKind::Connect;
        let of_tls = |error: rustls::Error| cause(connect, io::Error::other(error));
        let of_certificate = |error| of_tls(rustls::Error::InvalidCertificate(error));
        let found = [
            of_certificate(CertificateError::UnknownIssuer),
            of_certificate(CertificateError::Expired),
            of_certificate(CertificateError::NotValidYet),
            of_certificate(CertificateError::NotValidForName),
            of_certificate(CertificateError::BadEncoding),
            of_tls(rustls::Error::AlertReceived(
                AlertDescription::CertificateRequired,
            )),
            of_tls(rustls::Error::InvalidMessage(
                rustls::InvalidMessage::InvalidContentType,
            )),
            cause(connect, LookUpError::Failed("no such name".into())),
            cause(TransportErrorKind::ConnectTimeout, LookUpError::TooLong),
            cause(TransportErrorKind::ConnectTimeout, HandshakeTimeout),
            cause(TransportErrorKind::ConnectTimeout, "late"),
            cause(connect, io::Error::from(io::ErrorKind::ConnectionRefused)),
            cause(connect, io::Error::from(io::ErrorKind::HostUnreachable)),
            cause(TransportErrorKind::PlainHttp, "plain"),
            cause(TransportErrorKind::Broken, "broken"),
            cause(connect, "anything else"),
        ];
        let expected = [
            TransportCause::UnknownAuthority,
            TransportCause::CertificateExpired,
            TransportCause::CertificateNotYetValid,
            TransportCause::CertificateName,
            TransportCause::Certificate,
            TransportCause::CertificateWanted,
            TransportCause::NotTls,
            TransportCause::Name,
            TransportCause::NameServer,
            TransportCause::HandshakeTimeout,
            TransportCause::ConnectTimeout,
            TransportCause::Refused,
            TransportCause::Unreachable,
            TransportCause::PlainHttp,
            TransportCause::Ended,
            TransportCause::Other,
        ];
        assert_eq!(found, expected);
    }
}
