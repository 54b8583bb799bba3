//! Looking for a header where there are few.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Up to so many headers are looked at one after the other.
const FEW: usize = 8;

/// The first value of a header, as [`HeaderMap::get`] gives it, for maps that most often have few headers and not this one: to hash a name,
/// byte by byte, takes longer than to compare it with a few others.
#[must_use]
pub fn find_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    if headers.len() > FEW {
        return headers.get(name);
    }
    let mut all = headers.iter();
    all.find_map(|(known, value)| (known == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_the_map_finds_however_many_headers_there_are() {
        let mut headers = HeaderMap::new();
        for number in 0..2 * FEW {
            for asked in 0..2 * FEW {
                let name = HeaderName::try_from(format!("x-{asked}")).unwrap();
                assert_eq!(find_header(&headers, &name), headers.get(&name));
            }
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            // The first of several is the one.
            headers.append(&name, HeaderValue::from(number));
            headers.append(&name, HeaderValue::from_static("another"));
        }
        let standard = http::header::CONTENT_TYPE;
        assert_eq!(find_header(&headers, &standard), None);
        headers.insert(&standard, HeaderValue::from_static("a/b"));
        assert_eq!(find_header(&headers, &standard).unwrap(), "a/b");
    }
}
