//! Whether a request fits a route.

use hallpass_resource::{HostPattern, NormalPath, PathPattern, PathReading};
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, ACCESS_CONTROL_REQUEST_HEADERS, CONTENT_LANGUAGE, RANGE,
};
use http::{HeaderMap, HeaderName, Method};

use crate::proxy::parts::Head;
use crate::settings::route::{HeaderCondition, RouteSettings};

/// Headers that a page may add without a question, as far as routes can ask for them.
const SAFELISTED: [HeaderName; 4] = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_LANGUAGE, RANGE];

/// What a route asks of requests.
#[derive(Debug)]
pub(super) struct Matcher {
    /// The first segment of the path, where it is a literal without escapes: most routes are told apart by it.
    first: Option<Box<str>>,
    path: PathPattern,
    hosts: Vec<HostPattern>,
    methods: Vec<Method>,
    headers: Vec<HeaderCondition>,
}

impl Matcher {
    pub(super) fn new(settings: &RouteSettings) -> Self {
        let text = settings.path.to_string();
        let first = text.split('/').nth(1).unwrap_or_default();
        let is_literal = first.is_ascii() && !first.contains(['*', '{', '%']);
        Self {
            first: is_literal.then(|| first.into()),
            path: settings.path.clone(),
            hosts: settings.hosts.clone(),
            methods: settings.methods.clone(),
            headers: settings.headers.clone(),
        }
    }

    pub(super) fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    pub(super) fn has_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// For a path without escapes: such a one has one reading.
    pub(super) fn fits_path(&self, path: &NormalPath<'_>) -> bool {
        self.path.matches(path)
    }

    pub(super) fn reading(&self, path: &NormalPath<'_>) -> PathReading {
        self.path.reading(path)
    }

    pub(super) fn fits_all_but_path(&self, head: &Head<'_>) -> bool {
        self.fits_method(head.method)
            && (self.hosts.is_empty() || head.host.is_some_and(|host| self.fits_host(host)))
            && self.headers.iter().all(|it| match head.is_asked_about {
                true => will_fit_header(it, head.headers),
                false => fits_header(it, head.headers),
            })
    }

    fn fits_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|it| it.matches_name(host))
    }

    fn fits_method(&self, method: &Method) -> bool {
        let is_head = *method == Method::HEAD;
        self.methods.is_empty()
            || self.methods.contains(method)
            || (is_head && self.methods.contains(&Method::GET))
    }
}

/// Each field of that name must say it: of several that differ, nobody knows which one the upstream reads.
fn fits_header(condition: &HeaderCondition, headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(&condition.name).iter().peekable();
    let is_there = fields.peek().is_some();
    is_there && fields.all(|it| condition.values.is_empty() || condition.values.contains(it))
}

/// Whether a request that a browser asks about may have the field: what a page adds is named before, but for what it may always add (the safelisted
/// headers of the Fetch standard), and nobody says values. What the browser adds by itself stands in its question too.
fn will_fit_header(condition: &HeaderCondition, headers: &HeaderMap) -> bool {
    let name = condition.name.as_str();
    let mut asked = headers
        .get_all(ACCESS_CONTROL_REQUEST_HEADERS)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    asked.any(|it| it.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
        || SAFELISTED.contains(&condition.name)
        || fits_header(condition, headers)
}
