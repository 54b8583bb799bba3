//! What a request is made of once more.

use hallpass_upstream::Body;
use http::{Extensions, HeaderName, HeaderValue, Method, Request, Uri, Version};

/// Enough of a request to send it again. Most are never needed, so it costs one allocation: a header map would cost two, and values and
/// addresses are shared with the request.
#[derive(Debug)]
pub(super) struct Spare {
    method: Method,
    uri: Uri,
    version: Version,
    headers: Vec<(HeaderName, HeaderValue)>,
    extensions: Extensions,
    body: Body,
}

impl Spare {
    /// Of a request whose body can be sent again; `None` for a stream. Extensions come along, and the caller with them.
    pub(super) fn of(request: &Request<Body>) -> Option<Self> {
        let body = request.body().try_clone()?;
        let mut headers = Vec::with_capacity(request.headers().len());
        for (name, value) in request.headers() {
            headers.push((name.clone(), value.clone()));
        }
        Some(Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers,
            extensions: request.extensions().clone(),
            body,
        })
    }

    /// The same request again.
    pub(super) fn into_request(self) -> Request<Body> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.version_mut() = self.version;
        let headers = request.headers_mut();
        headers.reserve(self.headers.len());
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        *request.extensions_mut() = self.extensions;
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_again_is_the_same_in_all_its_parts() {
        let mut request = Request::post("http://orders/a?b=c")
            .version(Version::HTTP_2)
            .header("accept", "a/b")
            .header("x-several", "1")
            .header("x-several", "2")
            .body(Body::from("again"))
            .unwrap();
        request.extensions_mut().insert(7_u8);
        let again = Spare::of(&request).unwrap().into_request();
        assert_eq!(again.method(), request.method());
        assert_eq!(again.uri(), request.uri());
        assert_eq!(again.version(), request.version());
        assert_eq!(again.headers(), request.headers());
        let several: Vec<_> = again.headers().get_all("x-several").iter().collect();
        assert_eq!(several, ["1", "2"]);
        assert_eq!(again.extensions().get::<u8>(), Some(&7));
        let stream = request.map(Body::wrap);
        assert!(Spare::of(&stream).is_none());
    }
}
