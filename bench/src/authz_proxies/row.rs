//! What is compared: the shipped files, and what is taken out of them or put in its place.

use crate::measure::Failure;

/// A proxy with one way to decide.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// The row of the same proxy that decides nothing.
    pub(super) alone: &'static str,
    pub(super) proxy: Proxy,
    /// Whether it asks `hallpass authz`.
    pub(super) asks: bool,
    file: &'static str,
    change: Change,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proxy {
    Envoy,
    Nginx,
}

#[derive(Clone, Copy)]
enum Change {
    /// As it is shipped.
    None,
    /// Nobody is asked.
    Open,
    /// Envoy decides by itself, with or without its cache.
    Itself { cache: bool },
}

const ENVOY: &str = include_str!("../../../deploy/proxies/envoy/http.yaml");
const ENVOY_BY_GRPC: &str = include_str!("../../../deploy/proxies/envoy/grpc.yaml");
const NGINX: &str = include_str!("../../../deploy/proxies/nginx/nginx.conf");

const ENVOY_ALONE: &str = "Envoy alone";
const NGINX_ALONE: &str = "nginx alone";

const fn envoy(name: &'static str, file: &'static str, change: Change) -> Row {
    Row {
        name,
        alone: ENVOY_ALONE,
        proxy: Proxy::Envoy,
        asks: matches!(change, Change::None),
        file,
        change,
    }
}

const fn nginx(name: &'static str, change: Change) -> Row {
    Row {
        name,
        alone: NGINX_ALONE,
        proxy: Proxy::Nginx,
        asks: matches!(change, Change::None),
        file: NGINX,
        change,
    }
}

pub(super) const ROWS: [Row; 7] = [
    nginx(NGINX_ALONE, Change::Open),
    nginx("nginx, auth_request", Change::None),
    envoy(ENVOY_ALONE, ENVOY, Change::Open),
    envoy("Envoy, jwt_authn", ENVOY, Change::Itself { cache: false }),
    envoy(
        "Envoy, jwt_authn with its cache",
        ENVOY,
        Change::Itself { cache: true },
    ),
    envoy("Envoy, ext_authz by HTTP", ENVOY, Change::None),
    envoy("Envoy, ext_authz by gRPC", ENVOY_BY_GRPC, Change::None),
];

/// The filter that asks, and what comes after it.
const ASKING: &str = "                  - name: envoy.filters.http.ext_authz\n";
const AFTER: &str = "                  - name: envoy.filters.http.router\n";
const ASKING_OF_NGINX: &str = "            auth_request /hallpass;\n";

impl Row {
    /// Its file, before the ports are written into it.
    pub(super) fn file(&self, jwks: &str) -> Result<String, Failure> {
        let filter = match self.change {
            Change::None => return Ok(self.file.to_owned()),
            Change::Open => String::new(),
            Change::Itself { cache } => jwt_authn(jwks, cache),
        };
        if self.proxy == Proxy::Nginx {
            let (before, after) = self
                .file
                .split_once(ASKING_OF_NGINX)
                .ok_or("nginx asks nobody")?;
            return Ok(format!("{before}{after}"));
        }
        let (before, rest) = self.file.split_once(ASKING).ok_or("Envoy asks nobody")?;
        let (_asking, after) = rest.split_once(AFTER).ok_or("Envoy routes nothing")?;
        Ok(format!("{before}{filter}{AFTER}{after}"))
    }
}

/// Signature, issuer, audience and expiry, which is less than the rules of `hallpass authz` demand; the claim of the user goes
/// into a header as there.
fn jwt_authn(jwks: &str, cache: bool) -> String {
    let cache = match cache {
        true => "\n                          jwt_cache_config: { jwt_cache_size: 1000 }",
        false => "",
    };
    format!(
        r#"                  - name: envoy.filters.http.jwt_authn
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
                      providers:
                        internal:
                          issuer: internal
                          audiences: [shop]
                          require_expiration: true
                          claim_to_headers: [{{ header_name: x-user-id, claim_name: sub }}]
                          local_jwks: {{ inline_string: '{jwks}' }}{cache}
                      rules:
                        - match: {{ prefix: / }}
                          requires: {{ provider_name: internal }}
"#
    )
}
