//! Classes of Java exceptions, where they say what is a failure here too.

use hallpass_config::Foreign;

use super::effective::Effective;

/// What a class of exceptions stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Everything.
    All,
    /// Responses of 500 and more.
    ServerError,
    /// Nothing came, or not in time.
    NoResponse,
    /// Some of the two before.
    SomeFailures,
    /// Responses below 500, which say that the service works.
    ClientError,
    /// What the breaker and its kin throw themselves.
    Refusal,
}

const CLASSES: &[(&str, Class)] = &[
    ("java.lang.Throwable", Class::All),
    ("java.lang.Exception", Class::All),
    ("java.lang.RuntimeException", Class::All),
    ("feign.FeignException", Class::All),
    (
        "org.springframework.web.client.RestClientException",
        Class::All,
    ),
    (
        "feign.FeignException$FeignServerException",
        Class::ServerError,
    ),
    (
        "org.springframework.web.client.HttpServerErrorException",
        Class::ServerError,
    ),
    ("feign.RetryableException", Class::NoResponse),
    ("java.io.IOException", Class::NoResponse),
    ("java.net.ConnectException", Class::NoResponse),
    ("java.net.SocketTimeoutException", Class::NoResponse),
    ("java.util.concurrent.TimeoutException", Class::NoResponse),
    ("java.io.EOFException", Class::SomeFailures),
    ("java.io.InterruptedIOException", Class::SomeFailures),
    ("java.io.UncheckedIOException", Class::SomeFailures),
    ("java.net.NoRouteToHostException", Class::SomeFailures),
    ("java.net.SocketException", Class::SomeFailures),
    ("java.net.UnknownHostException", Class::SomeFailures),
    (
        "java.net.http.HttpConnectTimeoutException",
        Class::SomeFailures,
    ),
    ("java.net.http.HttpTimeoutException", Class::SomeFailures),
    ("javax.net.ssl.SSLException", Class::SomeFailures),
    ("javax.net.ssl.SSLHandshakeException", Class::SomeFailures),
    (
        "org.apache.http.NoHttpResponseException",
        Class::SomeFailures,
    ),
    (
        "org.apache.http.conn.ConnectTimeoutException",
        Class::SomeFailures,
    ),
    (
        "org.springframework.web.client.ResourceAccessException",
        Class::NoResponse,
    ),
    (
        "feign.FeignException$FeignClientException",
        Class::ClientError,
    ),
    ("feign.FeignException$BadRequest", Class::ClientError),
    ("feign.FeignException$Unauthorized", Class::ClientError),
    ("feign.FeignException$Forbidden", Class::ClientError),
    ("feign.FeignException$NotFound", Class::ClientError),
    ("feign.FeignException$Conflict", Class::ClientError),
    (
        "feign.FeignException$UnprocessableEntity",
        Class::ClientError,
    ),
    ("feign.FeignException$Gone", Class::ClientError),
    ("feign.FeignException$MethodNotAllowed", Class::ClientError),
    ("feign.FeignException$NotAcceptable", Class::ClientError),
    ("feign.FeignException$TooManyRequests", Class::ClientError),
    (
        "feign.FeignException$UnsupportedMediaType",
        Class::ClientError,
    ),
    ("feign.FeignException$BadGateway", Class::SomeFailures),
    ("feign.FeignException$GatewayTimeout", Class::SomeFailures),
    (
        "feign.FeignException$InternalServerError",
        Class::SomeFailures,
    ),
    ("feign.FeignException$NotImplemented", Class::SomeFailures),
    (
        "feign.FeignException$ServiceUnavailable",
        Class::SomeFailures,
    ),
    (
        "org.springframework.web.client.HttpClientErrorException",
        Class::ClientError,
    ),
    (
        "io.github.resilience4j.circuitbreaker.CallNotPermittedException",
        Class::Refusal,
    ),
    (
        "io.github.resilience4j.bulkhead.BulkheadFullException",
        Class::Refusal,
    ),
    (
        "io.github.resilience4j.ratelimiter.RequestNotPermitted",
        Class::Refusal,
    ),
];

/// Classes within others, one for each status.
const BY_STATUS: &[(&str, Class)] = &[
    (
        "org.springframework.web.client.HttpClientErrorException$",
        Class::ClientError,
    ),
    (
        "org.springframework.web.client.HttpServerErrorException$",
        Class::SomeFailures,
    ),
];

const UNKNOWN: &str = "names classes of Java that no call fails with here: they change nothing";

/// Says which lists would make something else a failure than is one here: responses of 500 and more, no response, and the deadline. A class that
/// no call fails with, such as an exception of somebody's own code, changes nothing.
pub(super) fn check(config: &Effective<'_>, recorded: &str, ignored: &str) {
    if let Some(list) = config.get(recorded).and_then(List::of) {
        let has = |class| list.classes.contains(&class);
        let names_all = has(Class::All) || (has(Class::ServerError) && has(Class::NoResponse));
        match names_all {
            true => list.note_unknown(),
            false => list.found.problem(
                "would let some failures count as none; here responses of 500 and more, no response and the deadline always count: \
                 leave it out",
            ),
        }
    }
    if let Some(list) = config.get(ignored).and_then(List::of) {
        let may_be = |class: &Class| matches!(class, Class::ClientError | Class::Refusal);
        match list.classes.iter().all(may_be) {
            true => list.note_unknown(),
            false => list.found.problem(
                "would let failures count as none; here responses of 500 and more, no response and the deadline always count: leave \
                 these classes out",
            ),
        }
    }
}

/// The classes of a list that is not empty.
struct List<'a> {
    found: Foreign<'a>,
    /// Those that are known.
    classes: Vec<Class>,
    has_unknown: bool,
}

impl<'a> List<'a> {
    fn of(found: Foreign<'a>) -> Option<Self> {
        let names = found.texts()?;
        let classes: Vec<_> = names.iter().filter_map(|name| class(name)).collect();
        let has_unknown = classes.len() < names.len();
        (!names.is_empty()).then_some(Self {
            found,
            classes,
            has_unknown,
        })
    }

    fn note_unknown(&self) {
        if self.has_unknown {
            self.found.left_alone(UNKNOWN);
        }
    }
}

/// What a class stands for. One within another is written with a dollar or, as Spring reads it too, with a point.
fn class(name: &str) -> Option<Class> {
    let name = with_dollars(name);
    let known = CLASSES.iter().find(|(known, _)| *known == name);
    let by_status = || BY_STATUS.iter().find(|(outer, _)| name.starts_with(*outer));
    known.or_else(by_status).map(|(_, class)| *class)
}

/// `feign.FeignException.NotFound` as `feign.FeignException$NotFound`: names of packages begin with a small letter.
fn with_dollars(name: &str) -> String {
    let mut is_within = false;
    let mut written = String::with_capacity(name.len());
    for (index, part) in name.split('.').enumerate() {
        if index > 0 {
            written.push(if is_within { '$' } else { '.' });
        }
        is_within |= part.starts_with(|first: char| first.is_ascii_uppercase());
        written.push_str(part);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_within_another_is_known_by_a_point_or_a_dollar() {
        for (name, expected) in [
            ("feign.FeignException$NotFound", Some(Class::ClientError)),
            ("feign.FeignException.NotFound", Some(Class::ClientError)),
            (
                "feign.FeignException$TooManyRequests",
                Some(Class::ClientError),
            ),
            (
                "feign.FeignException.ServiceUnavailable",
                Some(Class::SomeFailures),
            ),
            (
                "org.springframework.web.client.HttpServerErrorException.BadGateway",
                Some(Class::SomeFailures),
            ),
            ("java.io.IOException", Some(Class::NoResponse)),
            ("java.io$IOException", None),
            ("com.example.FeignException.NotFound", None),
            ("", None),
        ] {
            assert_eq!(class(name), expected, "{name}");
        }
    }
}
