//! The issuer's name, and where its endpoints are seen from outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hallpass_config::has_credentials;
use hallpass_token::Issuer;
use url::{Host, Url};

use crate::error::Error;

/// Path of the token endpoint.
pub(crate) const TOKEN_PATH: &str = "/oauth2/token";
/// Path of the key set.
pub(crate) const JWKS_PATH: &str = "/oauth2/jwks";
/// Path of the revocation endpoint (RFC 7009).
pub(crate) const REVOKE_PATH: &str = "/oauth2/revoke";
/// Path of the introspection endpoint (RFC 7662).
pub(crate) const INTROSPECT_PATH: &str = "/oauth2/introspect";
/// Path of the deny-list.
pub(crate) const REVOCATIONS_PATH: &str = "/oauth2/revocations";
/// Path of the certificate authority.
pub(crate) const CERTIFICATE_PATH: &str = "/ca/v1/certificate";
/// Path of what those trust who trust its certificates.
pub(crate) const BUNDLE_PATH: &str = "/ca/v1/bundle";
/// Path of the RFC 8414 document, before the path of the issuer's name.
pub(crate) const OAUTH_METADATA_PATH: &str = "/.well-known/oauth-authorization-server";
/// Path of the OpenID alias.
pub(crate) const OIDC_METADATA_PATH: &str = "/.well-known/openid-configuration";

/// Names and addresses that the metadata documents show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicUrls {
    /// The value of `iss`.
    pub(crate) issuer: Issuer,
    /// What the endpoint paths are appended to; without a slash at the end.
    base: String,
    /// The path of the issuer's name; empty, or with a slash at the front and none at the end.
    issuer_path: String,
}

impl PublicUrls {
    /// Endpoints are below `base_url`, else below the host of an issuer name that is a URL, else below `listening`, where `scheme` is spoken.
    ///
    /// # Errors
    /// [`Error::IssuerName`] unless `name` is a plain name such as `internal`, an https URL, or an http URL of a
    /// loopback host; URLs have neither query nor fragment (RFC 8414 section 2).
    pub(crate) fn new(
        name: &Issuer,
        base_url: Option<&Url>,
        scheme: &'static str,
        listening: SocketAddr,
    ) -> Result<Self, Error> {
        let problem = |problem| Error::IssuerName {
            name: name.to_string(),
            problem,
        };
        let url = name.as_str();
        let url = url
            .contains(':')
            .then(|| Url::parse(url).map_err(|_| problem("not a URL")))
            .transpose()?;
        if let Some(url) = &url {
            check(url).map_err(problem)?;
        }
        if base_url.is_some_and(has_credentials) {
            return Err(problem("its base-url holds a user name or a password"));
        }
        let base = match (base_url, &url) {
            (Some(base), _) => base.as_str().trim_end_matches('/').to_owned(),
            (None, Some(url)) => url.origin().ascii_serialization(),
            (None, None) => format!("{scheme}://{}", reachable(listening)),
        };
        let issuer_path = url
            .map(|url| url.path().trim_end_matches('/').to_owned())
            .unwrap_or_default();
        Ok(Self {
            issuer: name.clone(),
            base,
            issuer_path,
        })
    }

    /// The URL of the endpoint at `path`.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Whether `path` is where RFC 8414 section 3.1 puts the document: between host and path of the issuer's name.
    pub(crate) fn is_oauth_metadata(&self, path: &str) -> bool {
        path.strip_prefix(OAUTH_METADATA_PATH) == Some(self.issuer_path.as_str())
    }

    /// Whether `path` is one of the paths of the OpenID alias: below the issuer's name (OpenID Discovery section 4), or as in RFC 8414.
    pub(crate) fn is_oidc_metadata(&self, path: &str) -> bool {
        path.strip_suffix(OIDC_METADATA_PATH) == Some(self.issuer_path.as_str())
            || path.strip_prefix(OIDC_METADATA_PATH) == Some(self.issuer_path.as_str())
    }
}

fn check(url: &Url) -> Result<(), &'static str> {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("a URL without a host"),
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a URL with a query or a fragment (RFC 8414 section 2)");
    }
    if has_credentials(url) {
        return Err("a URL with credentials in it");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => Err("plain http is for loopback hosts only: use https"),
        _ => Err("neither a plain name nor an https URL"),
    }
}

/// An address that a client on this machine can use when the server listens on all of them.
fn reachable(listening: SocketAddr) -> SocketAddr {
    if listening.ip().is_unspecified() {
        tracing::warn!(
            %listening,
            "the metadata documents name loopback, which other machines cannot use: set base-url"
        );
    }
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(name: &str, base_url: Option<&str>) -> Result<PublicUrls, Error> {
        let base_url = base_url.map(|base| Url::parse(base).unwrap());
        let name = name.parse().unwrap();
        let listening = "0.0.0.0:9000".parse().unwrap();
        PublicUrls::new(&name, base_url.as_ref(), "http", listening)
    }

    fn endpoint(name: &str, base_url: Option<&str>) -> String {
        urls(name, base_url).unwrap().endpoint(TOKEN_PATH)
    }

    #[test]
    fn endpoints_come_from_the_base_url_then_from_the_name_then_from_the_address() {
        assert_eq!(
            endpoint("internal", None),
            "http://127.0.0.1:9000/oauth2/token"
        );
        assert_eq!(
            endpoint("internal", Some("https://auth.example/a/")),
            "https://auth.example/a/oauth2/token"
        );
        assert_eq!(
            endpoint("https://auth.example", None),
            "https://auth.example/oauth2/token"
        );
        assert_eq!(
            endpoint("https://auth.example/tenant", None),
            "https://auth.example/oauth2/token"
        );
        assert_eq!(
            endpoint("https://auth.example", Some("http://10.0.0.1:1/")),
            "http://10.0.0.1:1/oauth2/token"
        );
    }

    #[test]
    fn the_path_of_the_name_stands_where_each_standard_wants_it() {
        let tenant = urls("https://auth.example/tenant/1/", None).unwrap();
        assert!(tenant.is_oauth_metadata("/.well-known/oauth-authorization-server/tenant/1"));
        assert!(!tenant.is_oauth_metadata("/.well-known/oauth-authorization-server"));
        assert!(!tenant.is_oauth_metadata("/tenant/1/.well-known/oauth-authorization-server"));
        assert!(tenant.is_oidc_metadata("/tenant/1/.well-known/openid-configuration"));
        assert!(tenant.is_oidc_metadata("/.well-known/openid-configuration/tenant/1"));
        assert!(!tenant.is_oidc_metadata("/.well-known/openid-configuration"));
        let plain = urls("internal", None).unwrap();
        assert!(
            plain.is_oauth_metadata(OAUTH_METADATA_PATH)
                && plain.is_oidc_metadata(OIDC_METADATA_PATH)
        );
    }

    #[test]
    fn an_address_with_credentials_is_never_published() {
        for base in [
            "https://u:p@a.example",
            "https://:p@a.example",
            "https://u@a.example",
        ] {
            assert!(urls("internal", Some(base)).is_err(), "{base}");
        }
    }

    #[test]
    fn a_name_is_plain_or_an_https_url_or_http_to_a_loopback_host() {
        for good in [
            "internal",
            "https://a.example",
            "http://127.0.0.1:9000",
            "http://localhost:1",
            "http://[::1]:1",
        ] {
            assert!(urls(good, None).is_ok(), "{good}");
        }
        let bad = [
            "http://a.example",
            "ftp://a",
            "https://a?x",
            "https://a#x",
            "https://u:p@a",
            "https://u@a",
            "https://:p@a",
            "urn:x",
        ];
        for bad in bad {
            assert!(
                matches!(urls(bad, None), Err(Error::IssuerName { .. })),
                "{bad}"
            );
        }
    }
}
