//! Headers that say who calls, what a message is, or how it travels: each hop has its own.

/// In lower case, with hyphens, in order.
const NAMES: [&str; 49] = [
    "accept",
    "accept-encoding",
    "client-ip",
    "connection",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "dpop",
    "dpop-nonce",
    "expect",
    "forwarded",
    "grpc-timeout",
    "host",
    "http2-settings",
    "idempotency-key",
    "keep-alive",
    "last-event-id",
    "max-forwards",
    "origin",
    "proxy-authenticate",
    "proxy-connection",
    "range",
    "referer",
    "rpc-type",
    "specifydomain",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "via",
    "www-authenticate",
    "x-authorities",
    "x-client-cert",
    "x-client-id",
    "x-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-real-ip",
    "x-request-timeout-ms",
    "x-rewrite-url",
    "x-ssl-client-cert",
    "x-user-id",
    "x-username",
];

/// What the names of whole families begin with, likewise. By `tri-...` Dubbo's protocol says which version, group and timeout of the **next** service
/// a call is for; what programs attach has none of it.
const FAMILIES: [&str; 7] = [
    "if-",
    "sec-",
    "tri-",
    "x-envoy-",
    "x-forwarded-",
    "x-hallpass-",
    "x-original-",
];

/// Whether a name, in lower case and with a hyphen for every other sign, is one of them.
pub(super) fn is_of_one_hop(plain: &str) -> bool {
    NAMES.contains(&plain) || FAMILIES.iter().any(|family| plain.starts_with(family))
}
