//! What stands in the way to a peer, in plain words.

use hallpass::upstream::{TransportCause, TransportError};

/// What is wrong, and what to do about it. The first one goes on where an address has been named.
pub(super) struct Told {
    pub(super) says: String,
    pub(super) advice: &'static str,
}

/// Why there was no response.
pub(super) fn told(error: &TransportError) -> Told {
    let (says, advice) = match error.cause() {
        TransportCause::Name => (
            "the name of the host leads nowhere",
            "correct the address, or the name in the domain name system",
        ),
        TransportCause::NameServer => return no_name_server(),
        TransportCause::Refused => (
            "the connection is refused: nobody listens there",
            "start what should listen there, or correct host and port",
        ),
        TransportCause::Unreachable => (
            "there is no way to that machine",
            "look at routes and addresses of this machine, or correct the address",
        ),
        TransportCause::ConnectTimeout => (
            "there is no connection in time",
            "look for a packet filter (NetworkPolicy) in between, or correct the address",
        ),
        TransportCause::HandshakeTimeout => (
            "it takes connections and does not shake hands: it hangs, or does not speak TLS",
            "look at that process, or correct scheme and port",
        ),
        TransportCause::UnknownAuthority => (
            "its certificate comes from an authority that is not trusted here",
            "name that authority in `tls.ca-file`",
        ),
        TransportCause::CertificateExpired => (
            "its certificate has expired",
            "renew the certificate there; if it is good, set the clock of this machine",
        ),
        TransportCause::CertificateNotYetValid => (
            "its certificate is not valid yet",
            "set the clock of this machine, or of the authority",
        ),
        TransportCause::CertificateName => (
            "its certificate is for another name than the one in the address",
            "use a name that the certificate has, or have one made with this name",
        ),
        TransportCause::Certificate => (
            "its certificate cannot be used",
            "have another certificate made",
        ),
        TransportCause::CertificateWanted => (
            "it wants a certificate of this side, or does not take the one that it is shown",
            "set `tls.certificate-file` and `tls.private-key-file` to a pair that it trusts",
        ),
        TransportCause::NotTls => (
            "it does not speak TLS",
            "write http:// (on this machine alone), correct the port, or give it TLS",
        ),
        TransportCause::PlainHttp => (
            "it is plain http on another machine, where everybody on the way would read secrets",
            "write `https://` in the address of the instance, and give it TLS",
        ),
        TransportCause::Ended => (
            "the connection ended before there was a response",
            "look at the log there, and at proxies in between",
        ),
        _ => return other(error),
    };
    Told {
        says: says.to_owned(),
        advice,
    }
}

fn other(error: &TransportError) -> Told {
    Told {
        says: error.to_string(),
        advice: "look at the log there, and at proxies in between",
    }
}

/// The name could not be looked up in time.
pub(super) fn no_name_server() -> Told {
    Told {
        says: "no name server has answered".to_owned(),
        advice: "look at the name servers of this machine (/etc/resolv.conf)",
    }
}

/// It did not respond within a step.
pub(super) fn silent() -> Told {
    Told {
        says: "it takes connections and does not respond: it hangs".to_owned(),
        advice: "look at that process, and at proxies in between",
    }
}
