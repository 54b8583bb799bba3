//! Headers that every call of a client or of a method has: what its declaration says, and what the configuration says
//! over it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hallpass_client::context::AllowList;
use hallpass_config::{Key, Kind, Section};
use hallpass_upstream::is_for_a_secret;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::spare_headers;
use crate::spec::{ClientSpec, MethodSpec};

/// A name and its value.
pub(crate) type Header = (HeaderName, HeaderValue);

/// Room for accept, traceparent, what is left of the time, authorization and host, and for content type: so no layer allocates for its own.
const USUAL_HEADERS: usize = 6;

/// What a call begins with.
pub(crate) fn begun(constants: &[Header]) -> HeaderMap {
    let mut headers = spare_headers::take(USUAL_HEADERS + constants.len());
    for (name, value) in constants {
        headers.insert(name, value.clone());
    }
    headers
}

/// Says what a call asks for, unless it says so itself.
pub(crate) fn accept(headers: &mut HeaderMap, accept: &'static str) {
    if !headers.contains_key(ACCEPT) {
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
    }
}

/// Headers that belong to identity or to the framing of the message. The macro refuses them in the code.
const OWNED: [&str; 11] = [
    "authorization",
    "proxy-authorization",
    "dpop",
    "host",
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "upgrade",
];

/// Headers that each call has its own of, or the context: as a constant one would be that of all users,
/// and an interceptor would have another one for each attempt. Arguments may be called so.
const PER_CALL: [&str; 11] = [
    "idempotency-key",
    "x-request-timeout-ms",
    "grpc-timeout",
    "x-envoy-expected-rq-timeout-ms",
    "traceparent",
    "tracestate",
    "x-user-id",
    "x-username",
    "x-authorities",
    "keep-alive",
    "proxy-connection",
];

/// `feign.clients.NAME.headers`: what each call of a client has in its headers, whatever its method. They go over the
/// constants of the declaration, and a `#[header]` argument goes over them. They are shown with the settings, so none is
/// for a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderSettings(Vec<(HeaderName, HeaderValue)>);

impl HeaderSettings {
    pub(crate) const KEY: Key = Key::new(
        "headers",
        Kind::NamedTexts {
            what: "values; several are sent as one, with commas",
        },
        "Headers of each call, such as `X-Api-Version`: they go over what the code declares for all calls, and an argument of \
        a call goes over them. Not for secrets: names that say they are for one are refused, as are those that belong to \
        the identity of a call or to its body.",
    );

    /// `None` when one of them cannot be sent.
    pub(crate) fn read(section: &Section<'_>) -> Option<Self> {
        let named = section.named_texts("headers", |text| {
            if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                Ok(text.to_owned())
            } else {
                Err("must be printable ASCII (RFC 9110 section 5.5)")
            }
        })?;
        let mut headers = BTreeMap::new();
        let mut sound = true;
        for (name, values) in named {
            match header(&name, &values) {
                Ok((name, value)) => {
                    headers.insert(name.as_str().to_owned(), (name, value));
                }
                Err(message) => {
                    section.problem("headers", format!("`{name}` {message}"));
                    sound = false;
                }
            }
        }
        sound.then(|| Self(headers.into_values().collect()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

/// Whether nobody but the layers below sets this header.
pub(crate) fn is_owned(name: &HeaderName) -> bool {
    OWNED.contains(&name.as_str())
}

/// Whether the layers of a call write this header, or an argument of the call does: what comes after them leaves it alone.
pub(crate) fn is_per_call(name: &HeaderName) -> bool {
    // Servers behind may read any other sign as a hyphen.
    let is_sign = |sign: char| !sign.is_ascii_alphanumeric();
    PER_CALL.contains(&&*name.as_str().replace(is_sign, "-"))
}

fn header(name: &str, values: &[String]) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name: HeaderName = name
        .parse()
        .map_err(|_| "is not the name of a header (RFC 9110 section 5.1)")?;
    if is_owned(&name) {
        return Err(
            "is not set here: it belongs to the identity of a call, to its body or to the connection",
        );
    }
    if is_per_call(&name) {
        return Err("is not set here: it is another one for each call");
    }
    if is_for_a_secret(&name) {
        return Err(
            "is for a secret by its name, and these are shown: pass it as an argument of the call",
        );
    }
    // RFC 9110 section 5.3: a list in one header means the same as several of the name.
    let value =
        HeaderValue::try_from(values.join(", ")).map_err(|_| "has a value that cannot be sent")?;
    if value.is_empty() {
        return Err("has no value");
    }
    Ok((name, value))
}

/// What each call of a method begins with: the trait's, then the method's, then the configuration's, the later ones in place
/// of earlier ones of the same name.
pub(crate) fn of_method(
    client: &ClientSpec,
    method: &MethodSpec,
    configured: &HeaderSettings,
) -> Box<[(HeaderName, HeaderValue)]> {
    let declared = client.shared.headers.iter().chain(method.shared.headers);
    let declared = declared.filter_map(|(name, value)| {
        // The macro has checked both, so none is left out.
        let name = HeaderName::from_lowercase(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    });
    let configured = configured
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (name, value) in declared.chain(configured) {
        headers.retain(|(before, _)| *before != name);
        headers.push((name, value));
    }
    headers.into_boxed_slice()
}

/// The same without those that travel with the context, and these by themselves: they are for calls whose context has none.
pub(crate) fn beside_context(
    headers: Box<[Header]>,
    list: &AllowList,
) -> (Arc<[Header]>, Box<[Header]>) {
    let headers = headers.into_vec().into_iter();
    let (of_context, own): (Vec<_>, Vec<_>) = headers.partition(|(name, _)| list.allows(name));
    (own.into(), of_context.into())
}

#[cfg(test)]
mod tests {
    use super::{OWNED, PER_CALL};

    #[test]
    fn the_macro_and_the_configuration_refuse_the_same_headers() {
        let macros = include_str!("../../hallpass-feign-macros/src/model/headers.rs");
        let list = |name: &str| -> Vec<&str> {
            let list = macros.split(name).nth(1).unwrap();
            let list = list.split("];").next().unwrap();
            let texts = list.split('"').skip(1).step_by(2);
            texts.filter(|text| !text.contains(' ')).collect()
        };
        assert_eq!(list("const OWNED_HEADERS"), OWNED);
        assert_eq!(list("const PER_CALL_HEADERS"), PER_CALL);
    }
}
