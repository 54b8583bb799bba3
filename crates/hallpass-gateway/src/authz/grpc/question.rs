//! The original request, made of what Envoy says of it.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::messages::{AttributeContext, HttpRequest};
use crate::authz::question::{self, Fault, Original};

/// The request that is asked about.
///
/// # Errors
/// What is missing, cannot be read, or stands in two places and differs.
pub(crate) fn original(attributes: AttributeContext) -> Result<Original, Fault> {
    let http = attributes.request.and_then(|request| request.http);
    let http = http.ok_or(Fault::Missing("request.http"))?;
    let host = HeaderValue::try_from(http.host.as_str());
    let host = question::host(&host.map_err(|_| Fault::Unreadable("host"))?, "host")?;
    Ok(Original {
        method: question::method(http.method.as_bytes(), "method")?,
        target: question::target(http.path.as_bytes(), "path")?,
        host,
        headers: headers(&http)?,
        certificate: None,
        can_remove: true,
    })
}

fn headers(http: &HttpRequest) -> Result<HeaderMap, Fault> {
    let mut read = HeaderMap::new();
    let raw = http.header_map.as_ref().map(|map| map.headers.as_slice());
    let raw = raw.unwrap_or_default();
    if !raw.is_empty() && !http.headers.is_empty() {
        return Err(Fault::Conflicting("headers"));
    }
    for (name, value) in &http.headers {
        add(&mut read, http, name, value.as_bytes())?;
    }
    for header in raw {
        let value = match (header.value.as_bytes(), header.raw_value.as_ref()) {
            (value, []) | ([], value) => value,
            _ => return Err(Fault::Conflicting("headers")),
        };
        add(&mut read, http, &header.key, value)?;
    }
    Ok(read)
}

/// What HTTP/2 says in headers whose names begin with a colon must be what the fields say.
fn add(headers: &mut HeaderMap, http: &HttpRequest, name: &str, value: &[u8]) -> Result<(), Fault> {
    let stated = match name {
        ":method" => Some(&http.method),
        ":path" => Some(&http.path),
        ":authority" | "host" => Some(&http.host),
        _ => None,
    };
    match stated {
        Some(stated) if stated.as_bytes() != value => return Err(Fault::Conflicting("headers")),
        Some(_) => return Ok(()),
        None if name.starts_with(':') => return Ok(()),
        None => {}
    }
    let name = HeaderName::try_from(name).map_err(|_| Fault::Unreadable("headers"))?;
    let value = HeaderValue::try_from(value).map_err(|_| Fault::Unreadable("headers"))?;
    // More than a map can hold are more than anybody sends.
    let added = headers.try_append(name, value);
    added.map(drop).map_err(|_| Fault::Unreadable("headers"))
}

#[cfg(test)]
mod tests {
    use super::super::messages::{self, Request};
    use super::*;

    fn question(change: impl FnOnce(&mut HttpRequest)) -> Result<Original, Fault> {
        let mut http = HttpRequest {
            method: "GET".to_owned(),
            path: "/a?b".to_owned(),
            host: "shop.example".to_owned(),
            ..HttpRequest::default()
        };
        http.headers.insert("x-a".to_owned(), "b".to_owned());
        change(&mut http);
        original(AttributeContext {
            request: Some(Request { http: Some(http) }),
            source: None,
        })
    }

    #[test]
    fn what_is_missing_or_says_two_things_is_refused() {
        let read = question(|_| {}).unwrap();
        assert_eq!(
            (read.method.as_str(), read.target.as_str()),
            ("GET", "/a?b")
        );
        assert_eq!(
            (&read.host, &read.headers["x-a"]),
            (
                &HeaderValue::from_static("shop.example"),
                &HeaderValue::from_static("b")
            )
        );
        let no_http = original(AttributeContext::default()).unwrap_err();
        assert_eq!(no_http, Fault::Missing("request.http"));
        type Change = fn(&mut HttpRequest);
        let cases: [(Change, Fault); 9] = [
            (|http| http.method.clear(), Fault::Missing("method")),
            (|http| http.path.clear(), Fault::Missing("path")),
            (|http| http.host.clear(), Fault::Missing("host")),
            (|http| http.path = "*".to_owned(), Fault::Unreadable("path")),
            (
                |http| http.host = "a, b".to_owned(),
                Fault::Unreadable("host"),
            ),
            (
                |http| insert(http, ":path", "/other"),
                Fault::Conflicting("headers"),
            ),
            (
                |http| insert(http, "host", "other.example"),
                Fault::Conflicting("headers"),
            ),
            (
                |http| insert(http, "a b", "c"),
                Fault::Unreadable("headers"),
            ),
            (
                |http| insert(http, "x-b", "c\r\nd"),
                Fault::Unreadable("headers"),
            ),
        ];
        for (at, (change, fault)) in cases.into_iter().enumerate() {
            assert_eq!(question(change).unwrap_err(), fault, "case {at}");
        }
    }

    fn insert(http: &mut HttpRequest, name: &str, value: &str) {
        http.headers.insert(name.to_owned(), value.to_owned());
    }

    #[test]
    fn raw_headers_keep_what_came_twice_and_stand_alone() {
        let header = |value: &'static [u8]| messages::HeaderValue {
            key: "authorization".to_owned(),
            raw_value: value.into(),
            ..messages::HeaderValue::default()
        };
        let both = messages::HeaderMap {
            headers: vec![header(b"Bearer a"), header(b"Bearer b\xe4")],
        };
        let read = question(|http| {
            http.headers.clear();
            http.header_map = Some(both.clone());
        });
        let read = read.unwrap().headers;
        assert_eq!(read.get_all("authorization").iter().count(), 2);
        let mixed = question(|http| http.header_map = Some(both)).unwrap_err();
        assert_eq!(mixed, Fault::Conflicting("headers"));
    }
}
