//! The two metadata documents (RFC 8414, and OpenID Discovery for clients that know only that).

use axum::response::Response;
use bytes::Bytes;
use hallpass_token::{Algorithm, Algorithms};
use http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use http::{Method, StatusCode, Uri};
use serde::Serialize;

use crate::clients::client_keys::ASSERTION_ALGORITHMS;
use crate::clients::registration::GrantType;
use crate::clients::registry::{ClientUse, Registry};
use crate::error::Error;
use crate::http::public_urls::{
    INTROSPECT_PATH, JWKS_PATH, PublicUrls, REVOCATIONS_PATH, REVOKE_PATH, TOKEN_PATH,
};
use crate::http::{TEXT, respond};
use crate::keys::ring::KeyRing;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// How clients prove who they are, at each endpoint. Tokens of trusted issuers come by the same parameters as what `private_key_jwt` signs;
/// a name of their own has none but those of SPIFFE.
const AUTH_METHODS: [&str; 3] = [
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
];
/// JWT-SVIDs (draft-ietf-oauth-spiffe-client-auth section 4).
const SPIFFE_METHOD: &str = "spiffe_jwt";
const READ_ONLY: HeaderValue = HeaderValue::from_static("GET,HEAD");

/// Both documents, rendered once per snapshot.
#[derive(Debug)]
pub(crate) struct Metadata {
    oauth: Bytes,
    oidc: Bytes,
}

#[derive(Serialize)]
struct Document<'a> {
    issuer: &'a str,
    token_endpoint: String,
    jwks_uri: String,
    grant_types_supported: [&'a str; GrantType::ALL.len()],
    token_endpoint_auth_methods_supported: Vec<&'a str>,
    token_endpoint_auth_signing_alg_values_supported: Vec<&'a str>,
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: Vec<&'a str>,
    revocation_endpoint_auth_signing_alg_values_supported: Vec<&'a str>,
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: Vec<&'a str>,
    introspection_endpoint_auth_signing_alg_values_supported: Vec<&'a str>,
    /// What a signed response is signed with (RFC 9701 section 7).
    introspection_signing_alg_values_supported: Vec<&'a str>,
    /// Our own member: where verifiers follow what is revoked.
    revocations_endpoint: String,
    /// Proofs of possession (RFC 9449 section 5.1).
    dpop_signing_alg_values_supported: Vec<&'a str>,
    /// RFC 8705 section 3.3. Said where some client has such tokens.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_client_certificate_bound_access_tokens: bool,
    /// Left out when there is none: RFC 8414 section 3.2 forbids empty lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<&'a str>,
    /// Demanded by RFC 8414 section 2, and not empty by its section 3.2. There is no authorization endpoint to use it at.
    response_types_supported: [&'a str; 1],
    #[serde(flatten)]
    oidc: Option<OidcOnly<'a>>,
}

/// What OpenID Discovery section 3 demands beyond RFC 8414. No ID token is ever issued.
#[derive(Serialize)]
struct OidcOnly<'a> {
    subject_types_supported: [&'a str; 1],
    id_token_signing_alg_values_supported: Vec<&'a str>,
    claims_supported: [&'a str; 10],
}

impl Metadata {
    pub(crate) fn render(
        urls: &PublicUrls,
        registry: &Registry,
        keys: &KeyRing,
    ) -> Result<Self, Error> {
        let oidc = OidcOnly {
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: signing_algorithms(keys),
            claims_supported: [
                "iss",
                "sub",
                "aud",
                "client_id",
                "scope",
                "iat",
                "nbf",
                "exp",
                "jti",
                "act",
            ],
        };
        Ok(Self {
            oauth: render(urls, registry, keys, None)?,
            oidc: render(urls, registry, keys, Some(oidc))?,
        })
    }
}

/// The document at the path of `uri`, or 404: where the metadata is depends on the issuer's name.
pub(crate) fn response(
    metadata: &Metadata,
    urls: &PublicUrls,
    cache_control: &HeaderValue,
    method: &Method,
    uri: &Uri,
) -> Response {
    let document = if urls.is_oauth_metadata(uri.path()) {
        &metadata.oauth
    } else if urls.is_oidc_metadata(uri.path()) {
        &metadata.oidc
    } else {
        let body = Bytes::from_static(b"not found\n");
        return respond(StatusCode::NOT_FOUND, TEXT, body);
    };
    if method != Method::GET && method != Method::HEAD {
        let body = Bytes::from_static(b"GET only\n");
        let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, body);
        response.headers_mut().insert(ALLOW, READ_ONLY);
        return response;
    }
    let mut response = respond(StatusCode::OK, JSON, document.clone());
    response
        .headers_mut()
        .insert(CACHE_CONTROL, cache_control.clone());
    response
}

fn render(
    urls: &PublicUrls,
    registry: &Registry,
    keys: &KeyRing,
    oidc: Option<OidcOnly<'_>>,
) -> Result<Bytes, Error> {
    let signing = ASSERTION_ALGORITHMS.iter();
    let signing: Vec<&str> = signing.map(|algorithm| algorithm.as_str()).collect();
    let methods = auth_methods(registry);
    let document = Document {
        issuer: urls.issuer.as_str(),
        token_endpoint: urls.endpoint(TOKEN_PATH),
        jwks_uri: urls.endpoint(JWKS_PATH),
        grant_types_supported: GrantType::ALL.map(GrantType::as_str),
        token_endpoint_auth_methods_supported: methods.clone(),
        token_endpoint_auth_signing_alg_values_supported: signing.clone(),
        revocation_endpoint: urls.endpoint(REVOKE_PATH),
        revocation_endpoint_auth_methods_supported: methods.clone(),
        revocation_endpoint_auth_signing_alg_values_supported: signing.clone(),
        introspection_endpoint: urls.endpoint(INTROSPECT_PATH),
        introspection_endpoint_auth_methods_supported: methods,
        introspection_endpoint_auth_signing_alg_values_supported: signing,
        introspection_signing_alg_values_supported: signing_algorithms(keys),
        revocations_endpoint: urls.endpoint(REVOCATIONS_PATH),
        dpop_signing_alg_values_supported: Algorithms::WITH_VERIFY_ONLY
            .iter()
            .map(Algorithm::as_str)
            .collect(),
        tls_client_certificate_bound_access_tokens: registry.uses(ClientUse::BoundToCertificate),
        scopes_supported: registry.scopes_supported().collect(),
        response_types_supported: ["none"],
        oidc,
    };
    let json = serde_json::to_vec(&document).map_err(|_| Error::Internal {
        operation: "rendering the metadata",
    })?;
    Ok(json.into())
}

/// What this issuer signs with.
fn signing_algorithms(keys: &KeyRing) -> Vec<&'static str> {
    let algorithms = keys.algorithms().iter();
    algorithms.map(|algorithm| algorithm.as_str()).collect()
}

/// What this issuer's clients may use. What needs more than the issuer alone is there where a client has it: that of SPIFFE with a
/// rule about a trust domain, and those with certificates (RFC 8705 section 2).
fn auth_methods(registry: &Registry) -> Vec<&'static str> {
    let further = [
        (ClientUse::Svid, SPIFFE_METHOD),
        (ClientUse::NamedCertificate, "tls_client_auth"),
        (
            ClientUse::RegisteredCertificate,
            "self_signed_tls_client_auth",
        ),
    ];
    let further = further
        .into_iter()
        .filter_map(|(wanted, method)| registry.uses(wanted).then_some(method));
    AUTH_METHODS.into_iter().chain(further).collect()
}
