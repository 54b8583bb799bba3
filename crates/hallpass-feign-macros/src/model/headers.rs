//! Headers: which names an argument or a constant may set, and what a constant says.

use syn::{Attribute, LitStr};

/// Headers that belong to identity or to the framing of the message, with the reason why neither an argument nor a
/// constant sets them. `hallpass-feign` refuses the same ones in the configuration, and has a test that both lists are equal.
const OWNED_HEADERS: &[(&str, &str)] = &[
    (
        "authorization",
        "identity is stated by `identity = ...` and attached for you",
    ),
    (
        "proxy-authorization",
        "identity is stated by `identity = ...` and attached for you",
    ),
    (
        "dpop",
        "identity is stated by `identity = ...` and attached for you",
    ),
    ("host", "it comes from the service that is called"),
    (
        "content-type",
        "it comes from the body: #[bytes(\"image/png\")] names one",
    ),
    ("content-length", "it comes from the body"),
    ("transfer-encoding", "it comes from the body"),
    ("connection", "it belongs to the connection"),
    ("te", "it belongs to the connection"),
    ("trailer", "it belongs to the connection"),
    ("upgrade", "it belongs to the connection"),
];

/// Headers that a constant does not set, since as one it would be that of all users. `hallpass-feign` refuses the same ones in the
/// configuration.
const PER_CALL_HEADERS: &[&str] = &[
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

/// A header that each call of a client or of a method has.
pub(crate) struct ConstantHeader {
    /// In lower case.
    pub(crate) name: String,
    pub(crate) value: String,
}

impl ConstantHeader {
    /// Reads `Name: value`.
    pub(crate) fn parse(literal: &LitStr) -> syn::Result<Self> {
        let text = literal.value();
        let error = |message: &str| Err(syn::Error::new(literal.span(), message));
        let Some((name, value)) = text.split_once(':') else {
            return error("write a header with its value: \"X-Name: value\"");
        };
        let name = self::name(literal, name, "a constant")?;
        let is_sign = |sign: char| !sign.is_ascii_alphanumeric();
        if PER_CALL_HEADERS.contains(&&*name.replace(is_sign, "-")) {
            return error(
                "this header is another one for each call: it is set for you, or by an argument",
            );
        }
        let value = value.trim();
        if value.contains("${") {
            return error(
                "a constant has no placeholder: what differs by environment stands in the configuration, \
                 `feign.clients.NAME.headers`",
            );
        }
        if value.is_empty() || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return error("the value of a header is printable ASCII (RFC 9110 section 5.5)");
        }
        Ok(Self {
            name,
            value: value.to_owned(),
        })
    }
}

/// The name of a header in lower case, as `HeaderName::from_static` of the generated code wants it.
pub(crate) fn name(literal: &LitStr, text: &str, setter: &str) -> syn::Result<String> {
    let name = text.to_ascii_lowercase();
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(syn::Error::new(
            literal.span(),
            "this is not a header name (RFC 9110 section 5.1)",
        ));
    }
    if let Some((_, reason)) = OWNED_HEADERS.iter().find(|(owned, _)| *owned == name) {
        let message = format!("`{text}` is not set by {setter}: {reason}");
        return Err(syn::Error::new(literal.span(), message));
    }
    Ok(name)
}

/// `type/subtype`, with parameters where there are any (RFC 9110 section 8.3.1).
pub(crate) fn media_type(literal: &LitStr) -> syn::Result<String> {
    let text = literal.value();
    let (essence, parameters) = text.split_once(';').unwrap_or((&text, ""));
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_token);
    let sound = essence
        .trim_end()
        .split_once('/')
        .is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype));
    if !sound || !parameters.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(syn::Error::new(
            literal.span(),
            "this is not a media type such as \"image/png\" (RFC 9110 section 8.3.1)",
        ));
    }
    Ok(text)
}

/// Text leaves in UTF-8, so its media type says nothing else.
pub(crate) fn check_charset(attribute: &Attribute, media_type: &str) -> syn::Result<()> {
    let parameters = media_type.split(';').skip(1);
    let mut charsets = parameters.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case("charset");
        is_it.then(|| value.trim().trim_matches('"'))
    });
    match charsets.find(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
        Some(_) => Err(syn::Error::new_spanned(
            attribute,
            "text is sent in UTF-8: leave out the charset, or send bytes of your own by #[bytes(\"...\")]",
        )),
        None => Ok(()),
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
