//! What a request is made of once more.

use hallpass_token::SecurityContext;
use http::{Extensions, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::body::Body;
use crate::target::Target;
use crate::transport::Http2;

/// Enough of a request to send it again. Most are never needed, so it costs one allocation, unless others than Hallpass have put something into the
/// extensions: a header map would cost two, and values and addresses are shared with the request.
#[derive(Debug)]
pub struct SpareRequest {
    method: Method,
    uri: Uri,
    version: Version,
    headers: Vec<(HeaderName, HeaderValue)>,
    extensions: Kept,
    body: Body,
}

/// Extensions. To copy those of the http crate costs two allocations and one for each of them.
#[derive(Debug)]
enum Kept {
    /// There are no others than those of the call layer, and they are shared.
    Ours {
        target: Option<Target>,
        identity: Option<SecurityContext>,
        http2: Option<Http2>,
    },
    /// Somebody else's are among them.
    All(Extensions),
}

impl SpareRequest {
    /// Of a request whose body can be sent again; `None` for a stream. Extensions come along, and the caller with them.
    #[must_use]
    pub fn of(request: &Request<Body>) -> Option<Self> {
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
            extensions: Kept::of(request.extensions()),
            body,
        })
    }

    /// The same request again.
    #[must_use]
    pub fn into_request(self) -> Request<Body> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.version_mut() = self.version;
        let headers = request.headers_mut();
        headers.reserve(self.headers.len());
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        self.extensions.put_into(request.extensions_mut());
        request
    }
}

impl Kept {
    fn of(extensions: &Extensions) -> Self {
        let target = extensions.get::<Target>();
        let identity = extensions.get::<SecurityContext>();
        let http2 = extensions.get::<Http2>();
        let known = [target.is_some(), identity.is_some(), http2.is_some()];
        let known = known.into_iter().filter(|is_there| *is_there).count();
        if known < extensions.len() {
            return Self::All(extensions.clone());
        }
        Self::Ours {
            target: target.cloned(),
            identity: identity.cloned(),
            http2: http2.copied(),
        }
    }

    fn put_into(self, extensions: &mut Extensions) {
        match self {
            Self::All(all) => *extensions = all,
            Self::Ours {
                target,
                identity,
                http2,
            } => {
                target.map(|it| extensions.insert(it));
                identity.map(|it| extensions.insert(it));
                http2.map(|it| extensions.insert(it));
            }
        }
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
        let again = SpareRequest::of(&request).unwrap().into_request();
        assert_eq!(again.method(), request.method());
        assert_eq!(again.uri(), request.uri());
        assert_eq!(again.version(), request.version());
        assert_eq!(again.headers(), request.headers());
        let several: Vec<_> = again.headers().get_all("x-several").iter().collect();
        assert_eq!(several, ["1", "2"]);
        assert_eq!(again.extensions().get::<u8>(), Some(&7));
        // Of the call layer's alone, each is there again.
        let mut request = request;
        request.extensions_mut().remove::<u8>();
        let target = Target::new("orders", "127.0.0.1:80".parse().unwrap());
        let target = target.with_note(std::sync::Arc::new(7_u16));
        request.extensions_mut().insert(target.clone());
        request.extensions_mut().insert(Http2::Always);
        let again = SpareRequest::of(&request).unwrap().into_request();
        assert_eq!(again.extensions().get::<Target>(), Some(&target));
        let note = again.extensions().get::<Target>().and_then(Target::note);
        assert_eq!(note, Some(&7_u16));
        assert_eq!(again.extensions().get::<Http2>(), Some(&Http2::Always));
        assert_eq!(again.extensions().len(), 2);
        let stream = request.map(Body::wrap);
        assert!(SpareRequest::of(&stream).is_none());
    }
}
