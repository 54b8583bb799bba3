//! What a request is made of once more.

use hallpass_token::SecurityContext;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::body::Body;
use crate::target::Target;
use crate::transport::Http2;

/// Enough of a request to send it again. Most are never needed, so it costs no allocation, or one where there are more than three headers, unless
/// others than Hallpass have put something into the extensions: a header map would cost two, and values and addresses are shared with the request.
#[derive(Debug)]
pub struct SpareRequest {
    method: Method,
    uri: Uri,
    version: Version,
    headers: Headers,
    extensions: Kept,
    body: Body,
}

/// Headers by their order.
#[derive(Debug)]
enum Headers {
    /// As most requests of the call layer have before the last ones are written.
    Few([Option<(HeaderName, HeaderValue)>; FEW]),
    Many(Vec<(HeaderName, HeaderValue)>),
}

const FEW: usize = 3;

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
        Some(Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            headers: Headers::of(request.headers()),
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
        self.headers.put_into(request.headers_mut());
        self.extensions.put_into(request.extensions_mut());
        request
    }
}

impl Headers {
    fn of(headers: &HeaderMap) -> Self {
        let copies = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        if headers.len() > FEW {
            return Self::Many(copies.collect());
        }
        let mut few = [const { None }; FEW];
        for (place, header) in few.iter_mut().zip(copies) {
            *place = Some(header);
        }
        Self::Few(few)
    }

    fn put_into(self, headers: &mut HeaderMap) {
        let (few, many) = match self {
            Self::Few(few) => (Some(few), None),
            Self::Many(many) => (None, Some(many)),
        };
        headers.reserve(many.as_ref().map_or(FEW, Vec::len));
        let few = few.into_iter().flatten().flatten();
        for (name, value) in few.chain(many.into_iter().flatten()) {
            headers.append(name, value);
        }
    }
}

impl Kept {
    fn of(extensions: &Extensions) -> Self {
        let target = extensions.get::<Target>();
        if extensions.len() == usize::from(target.is_some()) {
            // As in nearly every call.
            return Self::Ours {
                target: target.cloned(),
                identity: None,
                http2: None,
            };
        }
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
    use crate::upstream::Destination;

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
        let mut many = SpareRequest::of(&request).unwrap().into_request();
        many.headers_mut().append("x-several", "3".parse().unwrap());
        many.headers_mut().append("x-more", "4".parse().unwrap());
        let again = SpareRequest::of(&many).unwrap().into_request();
        assert_eq!(again.headers(), many.headers());
        // Of the call layer's alone, each is there again.
        let mut request = request;
        request.extensions_mut().remove::<u8>();
        let target = Target::new("orders", "127.0.0.1:80".parse().unwrap());
        request.extensions_mut().insert(target.clone());
        request.extensions_mut().insert(Http2::Always);
        let again = SpareRequest::of(&request).unwrap().into_request();
        assert_eq!(again.extensions().get::<Target>(), Some(&target));
        let known = again.extensions().get::<Target>();
        assert!(known.and_then(Target::directed::<Destination>).is_some());
        assert_eq!(again.extensions().get::<Http2>(), Some(&Http2::Always));
        assert_eq!(again.extensions().len(), 2);
        let stream = request.map(Body::wrap);
        assert!(SpareRequest::of(&stream).is_none());
    }
}
