//! `application/x-www-form-urlencoded` as RFC 6749 demands it: strict, without copies where nothing is escaped.

use std::borrow::Cow;

use crate::token::refusal::Refusal;

/// Most parameters one request may have; the longest grant has ten.
const MAX_PARAMETERS: usize = 32;

/// Calls `take` with each parameter, also with one without a value.
///
/// A name that comes twice is refused unless it is in `repeatable`.
///
/// # Errors
/// [`Refusal::MalformedForm`], [`Refusal::TooManyParameters`] or [`Refusal::DuplicateParameter`].
pub(crate) fn each_parameter<'a>(
    body: &'a [u8],
    repeatable: &[&str],
    mut take: impl FnMut(&str, Cow<'a, str>),
) -> Result<(), Refusal> {
    let body = str::from_utf8(body).map_err(|_| Refusal::MalformedForm)?;
    let mut seen: Vec<Cow<'a, str>> = Vec::with_capacity(8);
    for pair in body.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name).ok_or(Refusal::MalformedForm)?;
        let value = decode(value).ok_or(Refusal::MalformedForm)?;
        if seen.contains(&name) && !repeatable.contains(&name.as_ref()) {
            return Err(Refusal::DuplicateParameter);
        }
        if seen.len() == MAX_PARAMETERS {
            return Err(Refusal::TooManyParameters);
        }
        take(&name, value);
        seen.push(name);
    }
    Ok(())
}

/// Undoes the form encoding of one name or value; `None` for a broken escape or bytes that are not UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? * 16 + hex(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
        let mut taken = Vec::new();
        each_parameter(body, &["resource"], |name, value| {
            taken.push((name.to_owned(), value.into_owned()))
        })?;
        Ok(taken)
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn reads_escapes_plus_signs_and_text_beyond_ascii() {
        assert_eq!(
            parse(b"a=1&sc%6Fpe=read+write%2Badmin&name=%E4%BD%A0&raw=\xe4\xbd\xa0").unwrap(),
            pairs(&[
                ("a", "1"),
                ("scope", "read write+admin"),
                ("name", "你"),
                ("raw", "你")
            ])
        );
    }

    #[test]
    fn the_digits_of_an_escape_are_read_in_either_case() {
        for (digits, value) in [
            ("5f", "_"),
            ("5F", "_"),
            ("7A", "z"),
            ("7a", "z"),
            ("39", "9"),
            ("30", "0"),
            ("e4%bd%a0", "你"),
        ] {
            let body = format!("a=%{digits}");
            assert_eq!(parse(body.as_bytes()).unwrap(), pairs(&[("a", value)]));
        }
    }

    #[test]
    fn a_parameter_without_value_is_one_and_empty_pairs_are_nothing() {
        assert_eq!(
            parse(b"&&scope=&audience&a=b=c&").unwrap(),
            pairs(&[("scope", ""), ("audience", ""), ("a", "b=c")])
        );
        assert_eq!(parse(b"").unwrap(), []);
    }

    #[test]
    fn refuses_a_name_that_comes_twice_even_when_unknown_or_empty_or_escaped() {
        for body in [
            "scope=a&scope=a",
            "x=1&x=2",
            "scope=&scope=a",
            "scope=a&sc%6Fpe=b",
        ] {
            assert_eq!(
                parse(body.as_bytes()),
                Err(Refusal::DuplicateParameter),
                "{body}"
            );
        }
        assert_eq!(parse(b"resource=a&resource=b").unwrap().len(), 2);
    }

    #[test]
    fn refuses_broken_escapes_and_bytes_that_are_no_utf8() {
        for body in [
            &b"a=%"[..],
            b"a=%4",
            b"a=%zz",
            b"%=1",
            b"a=%ff",
            b"a=\xff",
            b"a=%C3%28",
            b"a=%+1",
        ] {
            assert_eq!(parse(body), Err(Refusal::MalformedForm), "{body:?}");
        }
    }

    #[test]
    fn refuses_more_parameters_than_any_grant_has() {
        let body = |count: usize| {
            (0..count)
                .map(|n| format!("p{n}=1"))
                .collect::<Vec<_>>()
                .join("&")
        };
        assert_eq!(parse(body(32).as_bytes()).unwrap().len(), 32);
        assert_eq!(parse(body(33).as_bytes()), Err(Refusal::TooManyParameters));
    }
}
