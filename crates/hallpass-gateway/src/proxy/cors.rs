//! Pages of other origins: what browsers are told of them (the CORS protocol of the Fetch standard). It protects visitors of other sites, and no
//! service: whoever is no browser may send what it likes.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;

use crate::settings::cors::{CorsOrigins, CorsSettings};

const TRUE: HeaderValue = HeaderValue::from_static("true");
const ANY: HeaderValue = HeaderValue::from_static("*");
/// Whether the answer depends on these, for caches between a browser and us.
const VARIES: HeaderValue = HeaderValue::from_static(
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
);
const VARIES_BY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");

/// What upstreams may say, which is ours to say where `cors` is set.
const SAID_BY_UPSTREAMS: [HeaderName; 6] = [
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE,
];

/// `cors`, made ready.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    settings: CorsSettings,
    methods: HeaderValue,
    headers: HeaderValue,
    exposed: Option<HeaderValue>,
    max_age: HeaderValue,
}

/// The method of the request that a browser asks about, where it asks whether a page may send one (a preflight): the route of that one answers. Such a
/// question has no token.
pub(crate) fn asked_method(parts: &Parts) -> Option<Method> {
    if parts.method != Method::OPTIONS || !parts.headers.contains_key(ORIGIN) {
        return None;
    }
    let asked = parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    Method::from_bytes(asked.as_bytes()).ok()
}

impl Cors {
    pub(crate) fn new(settings: &CorsSettings) -> Self {
        let names = |names: &[HeaderName]| {
            let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
            HeaderValue::try_from(names.join(", ")).ok()
        };
        let methods: Vec<_> = settings.methods.iter().map(Method::as_str).collect();
        let empty = || HeaderValue::from_static("");
        let exposed = (!settings.expose.is_empty()).then(|| names(&settings.expose));
        Self {
            methods: HeaderValue::try_from(methods.join(", ")).unwrap_or_else(|_| empty()),
            headers: names(&settings.headers).unwrap_or_else(empty),
            exposed: exposed.flatten(),
            max_age: HeaderValue::from(settings.max_age.as_secs()),
            settings: settings.clone(),
        }
    }

    /// The answer to a preflight: 204, which allows what may be, or nothing. Browsers compare it with what the page wants.
    pub(crate) fn preflight(&self, parts: &Parts) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(VARY, VARIES);
        let mut origins = parts.headers.get_all(ORIGIN).iter();
        let origin = origins.next().filter(|_| origins.next().is_none());
        if let Some(origin) = self.allowed(origin) {
            self.allow(headers, origin);
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            if !self.headers.is_empty() {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
            }
            headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        }
        response
    }

    /// Says in a response, ours or the upstream's, whether the page that asked may read it, in place of what the upstream says.
    pub(crate) fn decorate(&self, origin: Option<&HeaderValue>, response: &mut HeaderMap) {
        for name in SAID_BY_UPSTREAMS {
            response.remove(name);
        }
        // The same response for all is one that caches may give to all.
        if self.settings.origins != CorsOrigins::Any {
            response.append(VARY, VARIES_BY_ORIGIN);
        }
        if let Some(origin) = self.allowed(origin) {
            self.allow(response, origin);
            if let Some(exposed) = &self.exposed {
                response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
            }
        }
    }

    fn allow(&self, headers: &mut HeaderMap, origin: HeaderValue) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.settings.has_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
    }

    /// What `Access-Control-Allow-Origin` says; `None` for a page that may not, and for a request of no page.
    fn allowed(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        let origin = origin?;
        match &self.settings.origins {
            CorsOrigins::Any => Some(ANY),
            CorsOrigins::These(patterns) => {
                let text = origin.to_str().ok()?;
                let is_one = patterns.iter().any(|it| it.matches(text));
                is_one.then(|| origin.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hallpass_config::Loader;
    use http::Request;

    use super::*;
    use crate::settings::gateway::GatewaySettings;

    fn cors(keys: &str) -> Cors {
        let text = format!(
            "hallpass: {{ gateway: {{ cors: {{ {keys} }}, routes: [{{ name: a, path: /**, to: lb://a, identity: none }}] }} }}"
        );
        let settings = Loader::new("hallpass").text("t", text).load();
        let settings: GatewaySettings = settings.unwrap().into_settings();
        Cors::new(settings.routes[0].cors.as_ref().unwrap())
    }

    fn asked(method: Method, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/a");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_page_of_a_listed_origin_is_told_what_it_may_send_and_another_nothing() {
        let cors = cors(
            "origins: ['https://shop.example', 'https://*.shop.example'], methods: [GET, PUT], credentials: true",
        );
        let preflight = |origin| {
            let parts = asked(
                Method::OPTIONS,
                &[("origin", origin), ("access-control-request-method", "PUT")],
            );
            assert_eq!(asked_method(&parts), Some(Method::PUT));
            let response = cors.preflight(&parts);
            assert_eq!(response.status(), StatusCode::NO_CONTENT);
            shown(response.headers())
        };
        let vary = "vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
        assert_eq!(
            preflight("https://a.shop.example"),
            [
                "access-control-allow-credentials: true",
                "access-control-allow-headers: authorization, content-type",
                "access-control-allow-methods: GET, PUT",
                "access-control-allow-origin: https://a.shop.example",
                "access-control-max-age: 600",
                vary,
            ]
        );
        for stranger in ["https://evil.example", "null", "http://shop.example"] {
            assert_eq!(preflight(stranger), [vary], "{stranger}");
        }
    }

    #[test]
    fn what_an_upstream_says_of_origins_is_replaced() {
        let cors = cors("origins: 'https://shop.example', expose: [X-Total]");
        let decorated = |origin: &[(&str, &str)]| {
            let mut response = HeaderMap::new();
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
            response.insert(VARY, HeaderValue::from_static("Accept"));
            let asked = asked(Method::GET, origin).headers;
            cors.decorate(asked.get(ORIGIN), &mut response);
            shown(&response)
        };
        assert_eq!(
            decorated(&[("origin", "https://shop.example")]),
            [
                "access-control-allow-origin: https://shop.example",
                "access-control-expose-headers: x-total",
                "vary: Accept",
                "vary: Origin",
            ]
        );
        for sent in [&[("origin", "https://evil.example")][..], &[]] {
            assert_eq!(
                decorated(sent),
                ["vary: Accept", "vary: Origin"],
                "{sent:?}"
            );
        }
    }

    #[test]
    fn for_all_origins_the_response_is_the_same_for_all() {
        let cors = cors("origins: '*'");
        let mut response = HeaderMap::new();
        let asked = asked(Method::GET, &[("origin", "https://anybody.example")]);
        cors.decorate(asked.headers.get(ORIGIN), &mut response);
        assert_eq!(shown(&response), ["access-control-allow-origin: *"]);
    }

    #[test]
    fn options_without_a_question_of_a_browser_is_a_request_like_others() {
        fn asked_by(method: Method, headers: &[(&str, &str)]) -> Option<Method> {
            asked_method(&asked(method, headers))
        }
        let (origin, wanted) = (
            ("origin", "https://a"),
            ("access-control-request-method", "PUT"),
        );
        assert_eq!(asked_by(Method::OPTIONS, &[origin]), None);
        assert_eq!(asked_by(Method::OPTIONS, &[wanted]), None);
        assert_eq!(asked_by(Method::GET, &[origin, wanted]), None);
        assert_eq!(
            asked_by(Method::OPTIONS, &[origin, wanted]),
            Some(Method::PUT)
        );
    }
}
