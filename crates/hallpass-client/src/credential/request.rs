//! How a token is asked for, in the words of configuration.

/// How a token is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrantType {
    /// `client_credentials`, RFC 6749 section 4.4.
    #[default]
    ClientCredentials,
}

impl GrantType {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// `basic`: by its secret in the `Authorization` header, which every issuer has to take (RFC 6749 section 2.3.1).
    #[default]
    Basic,
    /// `post`: by its secret in the form.
    Post,
    /// `private_key_jwt`: by a JWT that it signs for each request (RFC 7523 section 2.2); it has no secret.
    PrivateKeyJwt,
    /// `tls_client_auth`, `self_signed_tls_client_auth`: by the certificate that the connection shows (RFC 8705 section 2); the
    /// form has its id alone.
    Certificate,
}

/// Which form field names the audience of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TargetParameter {
    /// `audience`.
    #[default]
    Audience,
    /// `resource` (RFC 8707).
    Resource,
}

impl GrantType {
    /// The grant with that name; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        (name == Self::ClientCredentials.as_str()).then_some(Self::ClientCredentials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_known_by_its_name_on_the_wire_alone() {
        let grant = GrantType::ClientCredentials;
        assert_eq!(GrantType::named(grant.as_str()), Some(grant));
        assert_eq!(GrantType::named("password"), None);
    }
}
