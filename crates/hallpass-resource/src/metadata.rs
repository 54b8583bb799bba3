//! The protected resource metadata document (RFC 9728).

use bytes::Bytes;
use hallpass_config::{has_credentials, is_loopback, strict_url};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response};
use serde_json::json;
use url::Url;

use crate::error::SetupProblem;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The document and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    /// The path under which this service serves the document.
    path: String,
    /// The whole address, for challenges.
    address: String,
    document: Bytes,
}

/// Whether `resource` can be this service's own public address: `https` (or `http` on loopback), without user, query
/// and fragment (RFC 9728 section 1.2).
pub(crate) fn check_resource(resource: &Url) -> Result<(), &'static str> {
    let secure = match resource.scheme() {
        "https" => resource.has_host(),
        "http" => is_loopback(resource),
        _ => false,
    };
    let plain =
        resource.query().is_none() && resource.fragment().is_none() && !has_credentials(resource);
    if secure && plain {
        Ok(())
    } else {
        Err("must be an https URL without user, query and fragment (http only on loopback)")
    }
}

/// Whether an issuer's name is an address for others to see.
fn is_shown(issuer: &str) -> bool {
    issuer.starts_with("https://") && strict_url(issuer).is_some_and(|url| !has_credentials(&url))
}

impl Metadata {
    /// `resource` must pass [`check_resource`]. The well-known part goes between host and path (section 3.1).
    pub(crate) fn new<'a>(
        resource: &Url,
        issuers: impl Iterator<Item = &'a str>,
        scopes: impl Iterator<Item = &'a str>,
    ) -> Result<Self, SetupProblem> {
        check_resource(resource).map_err(|message| SetupProblem::BadValue {
            key: "security.internal-jwt.resource".to_owned(),
            message: message.to_owned(),
        })?;
        let suffix = resource.path().trim_end_matches('/');
        let path = format!("{WELL_KNOWN}{suffix}");
        let mut address = resource.clone();
        address.set_path(&path);
        let identifier = if suffix.is_empty() {
            resource.as_str().trim_end_matches('/')
        } else {
            resource.as_str()
        };
        let mut servers = Vec::new();
        // An issuer may be there several times, with other audiences.
        for issuer in issuers.filter(|it| is_shown(it)) {
            if !servers.contains(&issuer) {
                servers.push(issuer);
            }
        }
        let mut scopes: Vec<_> = scopes.collect();
        scopes.sort_unstable();
        scopes.dedup();
        let document = json!({
            "resource": identifier,
            // An issuer's identifier is an https URL (RFC 8414); one that is merely a name is left out.
            "authorization_servers": servers,
            "scopes_supported": scopes,
            "bearer_methods_supported": ["header"],
        });
        Ok(Self {
            path,
            address: address.into(),
            document: document.to_string().into(),
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The response, if the request asks for the document.
    pub(crate) fn response(&self, method: &Method, path: &str) -> Option<Response<Bytes>> {
        if path != self.path || !(method == Method::GET || method == Method::HEAD) {
            return None;
        }
        let mut response = Response::new(self.document.clone());
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(resource: &str) -> Result<Metadata, SetupProblem> {
        let issuers = [
            "internal",
            "https://issuer.example",
            "https://:secret@issuer.example",
        ];
        Metadata::new(
            &resource.parse().unwrap(),
            issuers.into_iter(),
            ["b", "a", "b"].into_iter(),
        )
    }

    #[test]
    fn the_well_known_part_stands_between_host_and_path() {
        let root = metadata("https://shop.example").unwrap();
        assert_eq!(
            root.address(),
            "https://shop.example/.well-known/oauth-protected-resource"
        );
        let deep = metadata("https://shop.example:8443/api/orders").unwrap();
        assert_eq!(
            deep.address(),
            "https://shop.example:8443/.well-known/oauth-protected-resource/api/orders"
        );
        let response = deep
            .response(
                &Method::GET,
                "/.well-known/oauth-protected-resource/api/orders",
            )
            .unwrap();
        let document: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "resource": "https://shop.example:8443/api/orders",
                "authorization_servers": ["https://issuer.example"],
                "scopes_supported": ["a", "b"],
                "bearer_methods_supported": ["header"],
            })
        );
        assert!(
            deep.response(
                &Method::POST,
                "/.well-known/oauth-protected-resource/api/orders"
            )
            .is_none()
        );
        assert!(
            deep.response(&Method::GET, "/.well-known/oauth-protected-resource")
                .is_none()
        );
    }

    #[test]
    fn an_address_that_is_no_resource_identifier_is_refused() {
        for resource in [
            "http://shop.example",
            "https://u@shop.example",
            "https://shop.example/?a",
            "https://shop.example/#a",
        ] {
            assert!(
                matches!(metadata(resource), Err(SetupProblem::BadValue { .. })),
                "{resource}"
            );
        }
        assert!(metadata("http://127.0.0.1:8080").is_ok());
    }
}
