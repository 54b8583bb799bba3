//! Whose request it is, for what is counted of callers.

use std::net::IpAddr;

use hallpass_token::SecurityContext;
use http::HeaderMap;

/// Whose request it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Who<'a> {
    pub(crate) route: &'a str,
    pub(crate) address: IpAddr,
    /// The verified caller, if there is one.
    pub(crate) context: Option<&'a SecurityContext>,
    pub(crate) headers: &'a HeaderMap,
}

/// What a caller is told apart from others by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CallerName<'a> {
    /// Issuer and subject.
    Caller(&'a str, &'a str),
    /// Issuer and client.
    Client(&'a str, &'a str),
    /// An address of IPv4.
    Four([u8; 4]),
    /// The network of 64 bits of one of IPv6: whoever has one address of it has all.
    Six([u8; 8]),
}

impl<'a> CallerName<'a> {
    pub(crate) fn of(context: &'a SecurityContext) -> Self {
        let claims = context.claims();
        Self::Caller(claims.issuer.as_str(), claims.subject.as_str())
    }

    /// Who is no client of anybody is told apart as a caller.
    pub(crate) fn of_client(context: &'a SecurityContext) -> Self {
        match context.client_id() {
            Some(client) => Self::Client(context.claims().issuer.as_str(), client.as_str()),
            None => Self::of(context),
        }
    }

    pub(crate) fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Four(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::Six([a, b, c, d, e, f, g, h])
            }
        }
    }

    /// Its parts, of which the first says what it is.
    pub(crate) fn with_parts<R>(self, work: impl FnOnce(&[&[u8]]) -> R) -> R {
        match self {
            Self::Caller(issuer, subject) => {
                work(&[b"caller", issuer.as_bytes(), subject.as_bytes()])
            }
            Self::Client(issuer, client) => {
                work(&[b"client", issuer.as_bytes(), client.as_bytes()])
            }
            Self::Four(octets) => work(&[b"address", &octets]),
            Self::Six(octets) => work(&[b"address", &octets]),
        }
    }
}
