//! The identity headers of the estate: removed from every incoming call, and written again only from a verified token.

use std::fmt::Write;

use hallpass_token::SecurityContext;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use serde_json::Value;

/// The headers, in the form that programs look for them.
///
/// Anything that differs from these only in case, or by another sign (`_`, `.`, `~`, ...) in the place of a hyphen, is removed
/// too: CGI-like servers behind read `X_User_Id`, `X.User.Id` and `X-User-Id` as one.
const IDENTITY_HEADERS: [&str; 3] = ["x-user-id", "x-username", "x-authorities"];
/// Longest value that is written, in bytes. A longer one is left out.
const MAX_VALUE_BYTES: usize = 4096;

/// Removes all identity headers that came from outside.
pub(crate) fn strip(headers: &mut HeaderMap, metrics: &HeaderMetrics) {
    let found: Vec<(HeaderName, &'static str)> = headers
        .keys()
        .filter_map(|name| {
            IDENTITY_HEADERS
                .iter()
                .find(|it| same(name.as_str().as_bytes(), it))
                .map(|it| (name.clone(), *it))
        })
        .collect();
    for (name, canonical) in found {
        headers.remove(&name);
        metrics.stripped(canonical);
    }
    strip_options(headers, |name| {
        let named = IDENTITY_HEADERS.iter().find(|it| same(name, it));
        if let Some(canonical) = named {
            metrics.stripped(canonical);
        }
        named.is_some() || name == b"authorization"
    });
}

/// Removes a header in all its spellings, and counts each.
pub(crate) fn strip_spellings(
    headers: &mut HeaderMap,
    canonical: &'static str,
    metrics: &HeaderMetrics,
) {
    let names = headers.keys();
    let found = names.filter(|name| same(name.as_str().as_bytes(), canonical));
    for name in found.cloned().collect::<Vec<_>>() {
        headers.remove(&name);
        metrics.stripped(canonical);
    }
}

/// Sees to it that the next hop hands a header on, which the caller has named in `Connection`.
pub(crate) fn keep_beyond_next_hop(headers: &mut HeaderMap, kept: &HeaderName) {
    strip_options(headers, |name| same(name, kept.as_str()));
}

/// Removes names from the options of `Connection` (RFC 9110 section 7.6.1): a proxy behind this service would drop the headers
/// that they name, and so lose the identity that is written here.
fn strip_options(headers: &mut HeaderMap, mut strips: impl FnMut(&[u8]) -> bool) {
    let mut kept = Vec::new();
    let mut is_foreign = false;
    for value in headers.get_all(CONNECTION) {
        for option in value.as_bytes().split(|byte| *byte == b',') {
            let name = option.trim_ascii().to_ascii_lowercase();
            if strips(&name) {
                is_foreign = true;
            } else {
                kept.push(option.trim_ascii().to_vec());
            }
        }
    }
    if is_foreign {
        headers.remove(CONNECTION);
        // What was part of a header's value is one; none is left where nothing else was named.
        if let Ok(kept) = HeaderValue::from_bytes(&kept.join(&b", "[..]))
            && !kept.is_empty()
        {
            headers.insert(CONNECTION, kept);
        }
    }
}

/// The value of a header that names somebody: percent-encoded where it is not printable ASCII (and for `%` and `,`), so that no name can break
/// or forge a header. `None` for one of more than 4,096 bytes.
#[must_use]
pub fn identity_header_value(text: &str) -> Option<HeaderValue> {
    let value = encode(text);
    HeaderValue::try_from(value)
        .ok()
        .filter(|it| it.len() <= MAX_VALUE_BYTES)
}

/// Whether a header is `canonical`, or the same with another sign (`_`, `.`, `~`, ...) in the place of a hyphen, or of another sign: CGI-like
/// programs read them as one. Both are in lower case, as header names arrive.
#[must_use]
pub fn is_spelling_of(header: &str, canonical: &str) -> bool {
    same(header.as_bytes(), canonical)
}

/// `name` is in lower case, as header names arrive.
fn same(name: &[u8], canonical: &str) -> bool {
    name.len() == canonical.len()
        && name.iter().zip(canonical.bytes()).all(|(one, other)| {
            let are_signs = !one.is_ascii_alphanumeric() && !other.is_ascii_alphanumeric();
            *one == other || are_signs
        })
}

/// Writes who calls, for handlers and older code that read headers. Values are percent-encoded where they are not
/// printable ASCII (and for `%` and `,`), so that no name can break or forge a header.
///
/// | header | from |
/// |---|---|
/// | `X-User-Id` | `sub` |
/// | `X-Username` | the claim `username`, else `preferred_username`; left out without either |
/// | `X-Authorities` | the claim `authorities` (texts), else each scope as `SCOPE_...`; joined by commas |
pub(crate) fn write(headers: &mut HeaderMap, context: &SecurityContext) {
    let claims = context.claims();
    let mut set = |name: &'static str, value: String| {
        if value.len() <= MAX_VALUE_BYTES
            && let Ok(value) = HeaderValue::try_from(value)
        {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-user-id", encode(claims.subject.as_str()));
    let username = ["username", "preferred_username"]
        .into_iter()
        .find_map(|name| claims.extra.get(name)?.as_str());
    if let Some(username) = username {
        set("x-username", encode(username));
    }
    let authorities = match claims.extra.get("authorities") {
        Some(Value::Array(values)) => values
            .iter()
            .filter_map(Value::as_str)
            .map(encode)
            .collect(),
        _ => claims
            .scope
            .iter()
            .map(|scope| encode(&format!("SCOPE_{scope}")))
            .collect::<Vec<_>>(),
    };
    set("x-authorities", authorities.join(","));
}

/// Each of the headers with the value that [`write`] gives it, if it gives it one.
pub(crate) fn of(context: Option<&SecurityContext>) -> Vec<(HeaderName, Option<HeaderValue>)> {
    let mut headers = HeaderMap::new();
    if let Some(context) = context {
        write(&mut headers, context);
    }
    let names = IDENTITY_HEADERS.into_iter().map(HeaderName::from_static);
    names
        .map(|name| {
            let value = headers.remove(&name);
            (name, value)
        })
        .collect()
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' && byte != b',' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeaderLabels {
    header: &'static str,
}

/// How often somebody outside sent identity headers. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderMetrics {
    stripped: Family<HeaderLabels, Counter>,
}

impl HeaderMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_header_stripped",
            "Identity headers from outside",
            self.stripped.clone(),
        );
    }

    fn stripped(&self, header: &'static str) {
        self.stripped.get_or_create(&HeaderLabels { header }).inc();
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::{AccessToken, TokenClaims, UnixTime, VerifiedClaims};
    use serde_json::json;

    use super::*;

    #[test]
    fn every_spelling_of_an_identity_header_is_removed_and_nothing_else() {
        let mut headers = HeaderMap::new();
        for name in [
            "X-User-Id",
            "x_user_id",
            "x.user.id",
            "x.user~id",
            "X-USER_ID",
            "X_Username",
            "x-authorities",
            "X-AUTHORITIES",
        ] {
            headers.append(
                HeaderName::try_from(name).unwrap(),
                HeaderValue::from_static("forged"),
            );
        }
        headers.append("x-user-id", HeaderValue::from_static("forged too"));
        for name in [
            "x-user-idx",
            "x-user",
            "xxuser0id",
            "authorization",
            "x-request-id",
        ] {
            headers.append(
                HeaderName::try_from(name).unwrap(),
                HeaderValue::from_static("kept"),
            );
        }
        strip(&mut headers, &HeaderMetrics::default());
        assert_eq!(headers.len(), 5);
        assert!(headers.values().all(|value| value == "kept"), "{headers:?}");
    }

    #[test]
    fn no_identity_header_is_named_as_one_that_ends_at_the_next_hop() {
        for (sent, kept) in [
            (&["X-User-Id"][..], None),
            (&["close, x_user_id"], Some("close")),
            (
                &["keep-alive , Authorization,X-AUTHORITIES"],
                Some("keep-alive"),
            ),
            (&["close", "x-username", "upgrade"], Some("close, upgrade")),
            (&["upgrade, x-request-id"], Some("upgrade, x-request-id")),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append(CONNECTION, HeaderValue::from_static(value));
            }
            strip(&mut headers, &HeaderMetrics::default());
            let left = headers.get_all(CONNECTION).iter().collect::<Vec<_>>();
            assert_eq!(left, kept.as_slice(), "{sent:?}");
        }
    }

    #[test]
    fn values_come_from_the_token_and_cannot_break_a_header() {
        let [issuer, audience] = ["internal", "shop"];
        let subject = "al\u{fc}ce, 100%".parse().unwrap();
        let end = UnixTime::from_secs(9);
        let mut claims = TokenClaims::new(
            issuer.parse().unwrap(),
            subject,
            audience.parse().unwrap(),
            end,
        );
        claims.scope = "orders read".parse().unwrap();
        claims.extra.insert(
            "preferred_username".to_owned(),
            json!("爱丽丝\r\nX-User-Id: root"),
        );
        let mut headers = HeaderMap::new();
        write(
            &mut headers,
            &SecurityContext::new(
                VerifiedClaims::dangerous_unverified(claims.clone()),
                AccessToken::new("t"),
            ),
        );
        assert_eq!(headers["x-user-id"], "al%C3%BCce%2C%20100%25");
        assert_eq!(
            headers["x-username"],
            "%E7%88%B1%E4%B8%BD%E4%B8%9D%0D%0AX-User-Id:%20root"
        );
        assert_eq!(headers["x-authorities"], "SCOPE_orders,SCOPE_read");

        claims
            .extra
            .insert("authorities".to_owned(), json!(["ROLE_A", "a,b", 7]));
        write(
            &mut headers,
            &SecurityContext::new(
                VerifiedClaims::dangerous_unverified(claims),
                AccessToken::new("t"),
            ),
        );
        assert_eq!(headers["x-authorities"], "ROLE_A,a%2Cb");
    }
}
