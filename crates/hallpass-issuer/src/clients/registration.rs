//! A client as it was registered; and the grants that it may use.

use std::time::Duration;

use hallpass_token::{Audience, ClientId, Scope};
use serde_json::{Map, Value};

use crate::clients::authentication::Authentication;
use crate::clients::certificate_names::CertificateNames;
use crate::clients::exchange_rule::ExchangeRule;
use crate::clients::profile::ClientProfile;

/// What the settings or the store say of one client.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) client_id: ClientId,
    pub(crate) scope: Scope,
    pub(crate) audiences: Vec<Audience>,
    pub(crate) grants: GrantTypes,
    pub(crate) token_life: Duration,
    /// Whether it gets no token without a proof of possession.
    pub(crate) is_dpop_bound: bool,
    /// Whether its tokens are bound to the certificate of the connection that it asks over.
    pub(crate) is_certificate_bound: bool,
    /// What it is held to beyond what every client is.
    pub(crate) profile: Option<ClientProfile>,
    /// How long what follows from one refresh token counts.
    pub(crate) refresh_life: Duration,
    /// What it may exchange.
    pub(crate) exchange: Vec<ExchangeRule>,
    /// The names of trusted issuers whose tokens it may take back.
    pub(crate) may_revoke: Vec<String>,
    /// Services that it may call with scopes of their own.
    pub(crate) calls: Vec<ClientCall>,
    /// What its tokens for itself say beside the usual claims.
    pub(crate) claims: Map<String, Value>,
    /// The names in certificates that it gets; `None`: it gets none.
    pub(crate) certificate_names: Option<CertificateNames>,
    /// How it proves who it is.
    pub(crate) authentication: Authentication,
}

/// A service that a client may call, with the scopes that its tokens for that one may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCall {
    /// `audience`: the service.
    pub audience: Audience,
    /// `scopes`: what tokens for it may have, whatever `scopes` of the client say; nothing by default.
    pub scope: Scope,
}

/// A client id of RFC 6749 appendix A.1: printable ASCII, the space included. Not `.` or `..`: whatever reads a URL takes such a part of a path, escaped or
/// not, for another path (RFC 3986 section 5.2.4), so that the interface for administrators could not name it.
///
/// # Errors
/// What it must be.
pub(crate) fn check_client_id(text: &str) -> Result<ClientId, &'static str> {
    let is_printable = text.bytes().all(|byte| matches!(byte, 0x20..=0x7E));
    if matches!(text, "." | "..") {
        return Err("must not be `.` or `..`, which mean another path in every URL");
    }
    let id = text.parse().ok().filter(|_| is_printable);
    id.ok_or("must be 1 to 512 printable ASCII characters (RFC 6749 appendix A.1)")
}

/// A grant (RFC 6749 section 1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrantType {
    /// RFC 6749 section 4.4: the client acts for itself.
    ClientCredentials,
    /// RFC 8693: the client acts for the subject of another token.
    TokenExchange,
    /// RFC 6749 section 6: the client goes on with what another grant brought it. Whoever has this one gets a refresh token with
    /// each token of the others.
    RefreshToken,
    /// RFC 7523 section 2.1: the client acts for the subject of an assertion of a trusted issuer.
    JwtBearer,
}

impl GrantType {
    /// Every grant on offer.
    pub(crate) const ALL: [Self; 4] = [
        Self::ClientCredentials,
        Self::TokenExchange,
        Self::RefreshToken,
        Self::JwtBearer,
    ];

    /// `grant_type` on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::RefreshToken => "refresh_token",
            Self::JwtBearer => "urn:ietf:params:oauth:grant-type:jwt-bearer",
        }
    }

    /// The grant that `name` names on the wire; `None` when it is not on offer.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == name)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::ClientCredentials => 1,
            Self::TokenExchange => 2,
            Self::RefreshToken => 4,
            Self::JwtBearer => 8,
        }
    }
}

/// A set of grants; collect [`GrantType`]s to make one. A byte, since an issuer may have a million clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GrantTypes(u8);

impl GrantTypes {
    /// Whether `grant` is one of them.
    #[must_use]
    pub const fn contains(self, grant: GrantType) -> bool {
        self.0 & grant.bit() != 0
    }

    /// Each of them once.
    pub fn iter(self) -> impl Iterator<Item = GrantType> {
        GrantType::ALL
            .into_iter()
            .filter(move |grant| self.contains(*grant))
    }
}

impl FromIterator<GrantType> for GrantTypes {
    fn from_iter<I: IntoIterator<Item = GrantType>>(grants: I) -> Self {
        Self(grants.into_iter().fold(0, |bits, grant| bits | grant.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_printable_ascii_as_the_grammar_has_it() {
        for good in [
            "a",
            " ",
            "~",
            "order service",
            "https://a.example/x?y=%20",
            "a:b",
            "...",
            ".a",
            &"x".repeat(512),
        ] {
            assert!(check_client_id(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "caf\u{e9}",
            "服务",
            "a\tb",
            "a\u{7f}",
            "a\u{a0}b",
            ".",
            "..",
            &"x".repeat(513),
        ] {
            assert!(check_client_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_names_read_back() {
        assert!(!GrantTypes::default().contains(GrantType::ClientCredentials));
        let all: GrantTypes = GrantType::ALL.into_iter().collect();
        assert_eq!(all.iter().collect::<Vec<_>>(), GrantType::ALL);
        let twice: GrantTypes = GrantType::ALL.into_iter().chain(all.iter()).collect();
        assert_eq!(twice, all);
        for grant in GrantType::ALL {
            assert_eq!(GrantType::named(grant.as_str()), Some(grant));
        }
        assert_eq!(GrantType::named("password"), None);
    }
}
