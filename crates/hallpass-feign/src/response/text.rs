//! A response that is text: by itself, or as a text in JSON.

use bytes::Bytes;
use http::HeaderValue;

use crate::error::DecodeError;

/// No value, in JSON.
pub(super) const NULL: &[u8] = b"null";

/// Media types of their own that are JSON end so.
const JSON_SUFFIX: &str = "+json";

/// The media type of a body without its parameters.
pub(super) fn essence(media_type: Option<&HeaderValue>) -> Option<&str> {
    let text = media_type?.to_str().ok()?;
    text.split(';').next().map(str::trim)
}

/// Reads text by its media type: a text in JSON is decoded, all else is taken as it is. Servers say JSON of text that is none, because
/// their callers asked for JSON: Spring does for each controller that returns a `String`. So what is no text in JSON is taken as it is too,
/// but for `null`, which is nothing.
pub(super) fn read(media_type: Option<&HeaderValue>, body: Bytes) -> Result<String, DecodeError> {
    if essence(media_type).is_some_and(is_json) {
        match serde_json::from_slice(&body) {
            Ok(text) => return Ok(text),
            Err(error) if is_null(media_type, &body) => {
                return Err(DecodeError::new::<String>(&error));
            }
            Err(_) => {}
        }
    }
    match charset(media_type) {
        // RFC 9110 section 8.3.2: names of charsets have no case.
        Some(name) if is_one_of(name, &["iso-8859-1", "latin1"]) => {
            Ok(body.iter().map(|&byte| char::from(byte)).collect())
        }
        Some(name) if !is_one_of(name, &["utf-8", "utf8", "us-ascii"]) => {
            Err(DecodeError::no_text())
        }
        _ => String::from_utf8(body.into()).map_err(|_| DecodeError::no_text()),
    }
}

/// Whether it is the `null` of JSON.
pub(super) fn is_null(media_type: Option<&HeaderValue>, body: &[u8]) -> bool {
    body.trim_ascii() == NULL && essence(media_type).is_some_and(is_json)
}

fn is_json(essence: &str) -> bool {
    let begins_at = essence.len().checked_sub(JSON_SUFFIX.len());
    let suffix = begins_at.and_then(|at| essence.get(at..));
    is_one_of(essence, &["application/json", "text/json"])
        || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(JSON_SUFFIX))
}

/// The value of the parameter `charset`.
fn charset(media_type: Option<&HeaderValue>) -> Option<&str> {
    let text = media_type?.to_str().ok()?;
    let mut parameters = text.split(';').skip(1);
    parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_it = name.trim().eq_ignore_ascii_case("charset");
        is_it.then(|| value.trim().trim_matches('"'))
    })
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(media_type: &'static str, body: &'static [u8]) -> Result<String, DecodeError> {
        let media_type = (!media_type.is_empty()).then(|| HeaderValue::from_static(media_type));
        read(media_type.as_ref(), Bytes::from_static(body))
    }

    #[test]
    fn text_is_read_by_its_media_type() {
        for (media_type, body, expected) in [
            ("text/plain", b"paid".as_slice(), "paid"),
            (
                "text/plain;charset=UTF-8",
                "bezahlt \u{2713}".as_bytes(),
                "bezahlt \u{2713}",
            ),
            ("text/plain; charset=\"ISO-8859-1\"", b"f\xfcr", "f\u{fc}r"),
            ("", b"paid", "paid"),
            ("text/csv", b"\"a\",1", "\"a\",1"),
            ("text/plain", b"\"quoted\"", "\"quoted\""),
            ("application/json", b"\"paid\"", "paid"),
            ("application/vnd.shop+json; v=1", b" \"a\\nb\" ", "a\nb"),
            // What Spring sends of a `String` to whoever accepts JSON.
            ("application/json", b"paid", "paid"),
            ("application/json", b"{\"id\":7}", "{\"id\":7}"),
            ("application/json", b"", ""),
        ] {
            assert_eq!(
                text(media_type, body).as_deref(),
                Ok(expected),
                "{media_type}"
            );
        }
    }

    #[test]
    fn the_null_of_json_is_no_text_and_a_text_of_four_letters_is() {
        let error = text("application/json", b" null\n").unwrap_err();
        assert_eq!((error.line(), error.column()), (1, 5));
        assert_eq!(text("text/plain", b"null").as_deref(), Ok("null"));
        assert_eq!(text("application/json", b"\"null\"").as_deref(), Ok("null"));
        assert_eq!(
            text("application/json", b"nullable").as_deref(),
            Ok("nullable")
        );
    }

    #[test]
    fn what_is_no_text_is_an_error_and_never_guessed() {
        for (media_type, body) in [
            ("text/plain", b"f\xfcr".as_slice()),
            ("application/octet-stream", &[0xff]),
            ("text/plain; charset=utf-16", b"a\0"),
        ] {
            assert_eq!(
                text(media_type, body),
                Err(DecodeError::no_text()),
                "{media_type}"
            );
        }
    }
}
