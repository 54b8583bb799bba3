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
    (
        "org.springframework.web.client.HttpClientErrorException",
        Class::ClientError,
    ),
    (
        "org.springframework.web.client.HttpClientErrorException$NotFound",
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

/// Says which lists would make something else a failure than is one here: responses of 500 and more, no response, and the deadline.
pub(super) fn check(config: &Effective<'_>, recorded: &str, ignored: &str) {
    if let Some((found, classes)) = config.get(recorded).and_then(classes) {
        let has = |class| classes.contains(&class);
        let names_all = has(Class::All) || (has(Class::ServerError) && has(Class::NoResponse));
        if !names_all {
            found.problem(
                "would let some failures count as none; here responses of 500 and more, no response and the deadline always count: \
                 leave it out",
            );
        }
    }
    if let Some((found, classes)) = config.get(ignored).and_then(classes) {
        let may_be = |class: &Class| matches!(class, Class::ClientError | Class::Refusal);
        if !classes.iter().all(may_be) {
            found.problem(
                "would let failures count as none; here responses of 500 and more, no response and the deadline always count: leave \
                 these classes out",
            );
        }
    }
}

/// The classes of a list, or a problem where one is not known.
fn classes(found: Foreign<'_>) -> Option<(Foreign<'_>, Vec<Class>)> {
    let names = found.texts()?;
    let known = |name: &String| {
        CLASSES
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, it)| *it)
    };
    let classes: Option<Vec<_>> = names.iter().map(known).collect();
    if classes.is_none() {
        found.problem(
            "names a class of Java that means nothing here: responses of 500 and more, no response and the deadline are failures, \
             all else is none. Leave it out",
        );
    }
    Some((found, classes?))
}
