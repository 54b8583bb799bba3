//! Which headers only proxies write.

/// Headers that only proxies write. `-` stands for any sign that is no letter and no digit: CGI-like programs read them as one. With `*` at the
/// end all that begin so are meant.
const OF_PROXIES: [&str; 24] = [
    "cf-connecting-ip*",
    "client-cert",
    "client-cert-chain",
    "forwarded",
    "front-end-https",
    "l5d-*",
    "proxy",
    "ssl-client-*",
    "true-client-ip",
    "txn-token",
    "workload-*",
    "x-client-cert",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-*",
    "x-forwarded",
    "x-forwarded-*",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-*",
    "x-real-ip",
    "x-rewrite-url",
    "x-ssl-*",
];

/// Whether only proxies write a header of this name, which is in lower case, as names arrive.
pub(crate) fn is_of_proxies(name: &str) -> bool {
    // Nearly all headers are told from them by their first letter.
    let may_be = matches!(
        name.as_bytes(),
        [b'c' | b'f' | b'l' | b'p' | b's' | b't' | b'w' | b'x', ..]
    );
    may_be
        && OF_PROXIES
            .iter()
            .any(|pattern| is_like(name.as_bytes(), pattern))
}

fn is_like(name: &[u8], pattern: &str) -> bool {
    let (wanted, is_beginning) = match pattern.strip_suffix('*') {
        Some(beginning) => (beginning, true),
        None => (pattern, false),
    };
    let fits = |(one, other): (&u8, u8)| match other {
        b'-' => !one.is_ascii_alphanumeric(),
        _ => *one == other,
    };
    let has_length = name.len() == wanted.len() || (is_beginning && name.len() > wanted.len());
    has_length && name.iter().zip(wanted.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_only_look_like_those_of_proxies_stay() {
        for (name, is_theirs) in [
            ("x-forwarded-anything", true),
            ("x_forwarded-", true),
            ("x-forwardedfor", false),
            ("x-real-ip", true),
            ("x-real-ips", false),
            ("x-request-id", false),
            ("workload-identity-token", true),
            ("workloads", false),
            ("forwarded", true),
            ("forwarded-by", false),
            ("client-certs", false),
            ("true-client-ip", true),
            ("true_client_ip", true),
            ("cf-connecting-ip", true),
            ("cf-connecting-ipv6", true),
            ("x-client-ip", true),
            ("x-client-id", false),
            ("x-cluster-client-ip", true),
            ("x-forwarded", true),
            ("front-end-https", true),
            // What programs of CGI read as the proxy that they are to use.
            ("proxy", true),
            ("proxy-status", false),
            ("proxies", false),
        ] {
            assert_eq!(is_of_proxies(name), is_theirs, "{name}");
        }
    }
}
