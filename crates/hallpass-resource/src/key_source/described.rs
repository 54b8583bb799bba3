//! Where an issuer says that its keys are (OpenID Discovery 1.0 section 4).

use hallpass_token::Issuer;
use hallpass_upstream::{EndpointUrl, EndpointUrlError};
use serde::Deserialize;

use crate::error::KeysError;

/// What its document is called, behind its name.
const DOCUMENT: &str = "/.well-known/openid-configuration";
/// Most bytes of the document.
pub(super) const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

/// An issuer whose document names its key set.
#[derive(Debug)]
pub(super) struct Described {
    issuer: Issuer,
    document: EndpointUrl,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

impl Described {
    /// # Errors
    /// The name of the issuer is not an address that keys may be trusted from.
    pub(super) fn new(issuer: &Issuer) -> Result<Self, EndpointUrlError> {
        let name: EndpointUrl = issuer.as_str().parse()?;
        if let EndpointUrl::LoadBalanced { .. } = name {
            return Err(EndpointUrlError::Scheme);
        }
        let address = format!("{}{DOCUMENT}", issuer.as_str().trim_end_matches('/'));
        Ok(Self {
            issuer: issuer.clone(),
            document: address.parse()?,
        })
    }

    /// Where the document is.
    pub(super) const fn document(&self) -> &EndpointUrl {
        &self.document
    }

    /// Where the document says that the keys are.
    ///
    /// # Errors
    /// [`KeysError::Metadata`] unless it is a document of this very issuer (section 4.3), and the keys are at an https URL, or
    /// on this machine as the issuer is.
    pub(super) fn key_set(&self, document: &[u8]) -> Result<EndpointUrl, KeysError> {
        let document: Document = serde_json::from_slice(document)
            .map_err(|_| KeysError::Metadata("it is no JSON object with issuer and jwks_uri"))?;
        if document.issuer != self.issuer.as_str() {
            return Err(KeysError::Metadata("it is of another issuer"));
        }
        match (document.jwks_uri.parse(), &self.document) {
            (Ok(url @ EndpointUrl::Https(_)), _)
            | (Ok(url @ EndpointUrl::LoopbackHttp(_)), EndpointUrl::LoopbackHttp(_)) => Ok(url),
            _ => Err(KeysError::Metadata(
                "its jwks_uri is not an https URL that keys can be trusted from",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(issuer: &str) -> Result<Described, EndpointUrlError> {
        Described::new(&issuer.parse().unwrap())
    }

    #[test]
    fn the_document_stands_below_the_name_of_the_issuer() {
        for (issuer, document) in [
            (
                "https://a.example",
                "https://a.example/.well-known/openid-configuration",
            ),
            (
                "https://a.example/",
                "https://a.example/.well-known/openid-configuration",
            ),
            (
                "https://a.example/realms/shop",
                "https://a.example/realms/shop/.well-known/openid-configuration",
            ),
        ] {
            let found = described(issuer).unwrap().document().to_string();
            assert_eq!(found, document);
        }
        for issuer in [
            "internal",
            "lb://auth",
            "http://a.example",
            "https://u:p@a.example",
        ] {
            assert!(described(issuer).is_err(), "{issuer}");
        }
    }

    #[test]
    fn keys_are_taken_from_where_this_very_issuer_says_over_tls_alone() {
        let found = |issuer: &str, document: &str| {
            let url = described(issuer).unwrap().key_set(document.as_bytes());
            url.ok().map(|url| url.to_string())
        };
        let (issuer, local) = ("https://a.example", "http://127.0.0.1:1");
        let document = |issuer: &str, keys: &str| {
            format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}","token_endpoint":1}}"#)
        };
        let keys = "https://keys.example/jwks";
        assert_eq!(
            found(issuer, &document(issuer, keys)).as_deref(),
            Some(keys)
        );
        let beside = "http://127.0.0.1:1/jwks";
        assert_eq!(
            found(local, &document(local, beside)).as_deref(),
            Some(beside)
        );
        for (name, keys) in [
            ("https://a.example/", keys),
            ("https://b.example", keys),
            (issuer, "http://keys.example/jwks"),
            (issuer, beside),
            (issuer, "lb://keys/jwks"),
            (issuer, "file:///etc/keys"),
            (issuer, ""),
        ] {
            assert_eq!(found(issuer, &document(name, keys)), None, "{name} {keys}");
        }
        for other in ["", "[]", r#"{"issuer":"https://a.example"}"#] {
            assert_eq!(found(issuer, other), None, "{other}");
        }
    }
}
