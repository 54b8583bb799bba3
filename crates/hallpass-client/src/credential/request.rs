//! How a token is asked for, in the words of configuration.

use hallpass_token::JWT_BEARER_ASSERTION;

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
    /// `federated_jwt`: by a token that another issuer has given it, such as the cluster that it runs in (RFC 7523 section 2.2); it has
    /// no secret.
    FederatedJwt,
    /// `tls_client_auth`, `self_signed_tls_client_auth`: by the certificate that the connection shows (RFC 8705 section 2); the
    /// form has its id alone.
    Certificate,
}

/// What a token of another issuer is sent as: `client_assertion_type` (RFC 7521 section 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AssertionType {
    /// `jwt-bearer`: any JWT (RFC 7523 section 2.2), such as that of a service account of Kubernetes.
    #[default]
    JwtBearer,
    /// `jwt-spiffe`: a JWT-SVID (draft-ietf-oauth-spiffe-client-auth).
    JwtSpiffe,
}

impl AssertionType {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JwtBearer => JWT_BEARER_ASSERTION,
            Self::JwtSpiffe => "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe",
        }
    }
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
