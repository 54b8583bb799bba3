//! Which trailers go on.

use std::sync::Arc;

use hallpass_resource::is_spelling_of;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    COOKIE, EXPECT, HOST, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName};

use super::identity::IdentityNames;
use super::of_proxies::is_of_proxies;

/// Fields that say what a message is or who sends it: they count in a head alone (RFC 9110 section 6.5.1), and a program that merges trailers into the
/// head would believe them unjudged.
const NEVER: [HeaderName; 17] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("dpop"),
    COOKIE,
    SET_COOKIE,
    HOST,
    CONNECTION,
    EXPECT,
    TE,
    UPGRADE,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    TRANSFER_ENCODING,
    TRAILER,
];

/// Which trailers of a request say something of its caller.
#[derive(Clone, Debug)]
pub(crate) struct TrailerRules {
    pub(crate) names: Arc<IdentityNames>,
    /// The header that names the tenant, where the settings have one.
    pub(crate) tenant: Option<HeaderName>,
}

impl TrailerRules {
    /// Takes out of the trailers of a request what must not be said there.
    pub(crate) fn clean(&self, trailers: &mut HeaderMap) {
        let is_tenant = |text: &str| {
            let tenant = self.tenant.as_ref();
            tenant.is_some_and(|tenant| is_spelling_of(text, tenant.as_str()))
        };
        let is_taken = |name: &&HeaderName| {
            let text = name.as_str();
            NEVER.contains(name) || is_of_proxies(text) || is_tenant(text) || self.names.holds(name)
        };
        let taken: Vec<_> = trailers.keys().filter(is_taken).cloned().collect();
        for name in taken {
            trailers.remove(name);
        }
    }
}

/// Takes out of the trailers of a response what belongs to its head.
pub(crate) fn clean_response(trailers: &mut HeaderMap) {
    for name in NEVER {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::identity::StrippedCounts;
    use super::*;
    use crate::settings::identity::IdentityHeaderSettings;

    #[test]
    fn what_says_who_calls_or_what_a_message_is_is_dropped_from_trailers() {
        let names = IdentityNames::new(
            &IdentityHeaderSettings::default(),
            &StrippedCounts::default(),
        );
        let rules = TrailerRules {
            names: Arc::new(names),
            tenant: Some(HeaderName::from_static("x-tenant-id")),
        };
        let mut trailers = HeaderMap::new();
        for name in [
            "x-user-id",
            "x_user_id",
            "X.Authorities",
            "x-tenant-id",
            "X_Tenant_Id",
            "authorization",
            "dpop",
            "cookie",
            "host",
            "content-length",
            "content-encoding",
            "transfer-encoding",
            "connection",
            "upgrade",
            "x-forwarded-for",
            "x_forwarded_for",
            "forwarded",
            "x-original-url",
            "x_http_method_override",
            "x-real-ip",
            "x-envoy-internal",
            "l5d-client-id",
            "ssl-client-s-dn",
            "client-cert",
            "proxy-authorization",
            "grpc-status",
            "x-checksum",
        ] {
            let name: HeaderName = name.parse().unwrap();
            trailers.insert(name, HeaderValue::from_static("x"));
        }
        rules.clean(&mut trailers);
        let mut left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-status", "x-checksum"]);
    }
}
