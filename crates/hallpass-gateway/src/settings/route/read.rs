//! Reads a route.

use hallpass_client::Identity;
use hallpass_config::{Section, check_service_name};
use hallpass_resource::{NormalPath, PathPattern, RuleDemands};
use hallpass_token::{Audience, Scope};
use hallpass_upstream::{EndpointUrl, RetrySettings};
use http::{HeaderName, HeaderValue};

use super::template::check_plain;
use super::{
    HeaderCondition, PathReplacement, PathTemplate, RewriteSettings, RouteSettings, TimeoutSettings,
};
use crate::settings::cors::CorsSettings;
use crate::settings::header;

impl RouteSettings {
    /// Looks at what routes inherit, for its own sake: there may be no route.
    pub(crate) fn check_defaults(defaults: &Section<'_>) {
        let _ = OfDefaults::read(defaults, defaults);
    }

    /// `own` inherits from `defaults`; `cors` is that of the gateway.
    pub(crate) fn read(
        own: &Section<'_>,
        defaults: &Section<'_>,
        cors: &Section<'_>,
    ) -> Option<Self> {
        let name = own.required("name", Section::service_name);
        let path: Option<PathPattern> = own.required("path", Section::parsed);
        let hosts = own.texts("hosts", str::parse);
        let methods = own.texts("methods", header::method);
        let headers = read_headers(own);
        let to = own.required("to", |own, key| own.checked(key, parse_target));
        if let Some(to) = &to {
            check_target(own, to);
        }
        let rewrite = read_rewrite(own);
        let preserves_host = own.flag("preserve-host");
        let set_headers = header::values(own, "set-headers");
        let token = OfToken::read(own, to.as_ref());
        let demands = RuleDemands::read_if_given(own);
        let of_defaults = OfDefaults::read(own, defaults);
        let cors = CorsSettings::read(&own.section("cors").inheriting(cors));
        let OfDefaults {
            max_body_bytes,
            websocket,
            rates,
            timeouts,
            retry,
            removed_response_headers,
            response_headers,
        } = of_defaults?;
        let (path, hosts, methods) = (path?, hosts?, methods?);
        let demands = demands?;
        let rule = demands.map(|it| it.for_requests(path.clone(), methods.clone(), hosts.clone()));
        let token = token?;
        Some(Self {
            name: name?,
            hosts,
            path,
            methods,
            headers: headers?,
            to: to?,
            rewrite: rewrite?,
            preserves_host: preserves_host?,
            set_headers: set_headers?,
            removed_response_headers,
            response_headers,
            identity: token.identity,
            audience: token.audience,
            scope: token.scope,
            credential: token.credential,
            rule,
            rates,
            cors: cors?,
            max_body_bytes,
            websocket,
            timeouts,
            retry,
            written_at: own.written_at(),
        })
    }
}

/// What a route inherits.
struct OfDefaults {
    max_body_bytes: u64,
    websocket: bool,
    rates: Vec<String>,
    timeouts: TimeoutSettings,
    retry: RetrySettings,
    removed_response_headers: Vec<HeaderName>,
    response_headers: Vec<(HeaderName, HeaderValue)>,
}

impl OfDefaults {
    /// `section` inherits from `defaults`, but for mappings, which are taken whole.
    fn read(section: &Section<'_>, defaults: &Section<'_>) -> Option<Self> {
        let max_body_bytes = section.whole("max-body-bytes");
        let websocket = section.flag("websocket");
        let rates = section.texts("rates", check_service_name);
        let timeouts = TimeoutSettings::read(&section.section("timeouts"));
        let retry = RetrySettings::read(&section.section("retry"));
        let removed_response_headers = section.texts("remove-response-headers", header::free_name);
        let response_headers = match section.has_own("response-headers") {
            true => header::values(section, "response-headers"),
            false => header::values(defaults, "response-headers"),
        };
        Some(Self {
            max_body_bytes: max_body_bytes?,
            websocket: websocket?,
            rates: rates?,
            timeouts: timeouts?,
            retry: retry?,
            removed_response_headers: removed_response_headers?,
            response_headers: response_headers?,
        })
    }
}

impl TimeoutSettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let response = section.millis("response-ms");
        let idle = section.millis("idle-ms");
        let stream_idle = section.millis("stream-idle-ms");
        let websocket_idle = section.millis("websocket-idle-ms");
        let total = match section.has("total-ms") {
            true => section.millis("total-ms").map(Some),
            false => Some(None),
        };
        Some(Self {
            response: response?,
            idle: idle?,
            stream_idle: stream_idle?,
            websocket_idle: websocket_idle?,
            total: total?,
        })
    }
}

/// Whose token is sent.
struct OfToken {
    identity: Identity,
    audience: Option<Audience>,
    scope: Scope,
    credential: Option<String>,
}

impl OfToken {
    fn read(section: &Section<'_>, to: Option<&EndpointUrl>) -> Option<Self> {
        let identity = section.required("identity", |section, key| {
            section.choice(key, Identity::named)
        });
        let audience = match section.has("audience") {
            true => section.parsed::<Audience>("audience").map(Some),
            false => Some(None),
        };
        let scope = section.parsed::<Scope>("token-scope");
        let credential = match section.has("credential") {
            true => section.service_name("credential").map(Some),
            false => Some(None),
        };
        let identity = identity?;
        let needs_token = matches!(identity, Identity::Service | Identity::Exchange);
        for key in ["audience", "token-scope", "credential"] {
            if !needs_token && section.has_own(key) {
                section.problem(
                    key,
                    "has no effect without `identity: service` or `exchange`; say which is meant",
                );
            }
        }
        let audience = audience?.filter(|_| needs_token);
        let of_service = || match to {
            Some(EndpointUrl::LoadBalanced { service, .. }) => service.parse().ok(),
            _ => None,
        };
        let audience = match needs_token {
            true => audience.or_else(of_service),
            false => None,
        };
        if needs_token && audience.is_none() && to.is_some() {
            section.missing(
                "audience",
                "is required with `service` and `exchange` to an address that is no `lb://`",
            );
        }
        Some(Self {
            identity,
            audience,
            scope: scope?,
            credential: credential?,
        })
    }
}

fn read_headers(section: &Section<'_>) -> Option<Vec<HeaderCondition>> {
    let lists = section.named_texts("headers", |text| match text {
        "*" => Ok(None),
        text => header::value(text).map(Some),
    })?;
    let mut conditions = Vec::new();
    for (name, values) in lists {
        let is_any = values.contains(&None);
        if values.iter().flatten().any(is_like_an_expression) {
            section.warn(
                "headers",
                "has a value that looks like a regular expression: values are compared whole, and `*` alone stands for any",
            );
        }
        let name = header::free_name(&name);
        let name =
            name.map_err(|fault| section.problem("headers", format!("names one that {fault}")));
        if values.is_empty() || (is_any && values.len() > 1) {
            section.problem("headers", "must have values for each, or `*` alone");
            return None;
        }
        conditions.push(HeaderCondition {
            name: name.ok()?,
            values: values.into_iter().flatten().collect(),
        });
    }
    Some(conditions)
}

/// As predicates of Spring Cloud Gateway have it: `\d+`, `.+`, `red|blue`.
fn is_like_an_expression(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    text.contains(['\\', '^', '|', '[']) || text.contains(".*") || text.contains(".+")
}

/// Targets of Spring Cloud Gateway, and what stands in their place.
const TARGETS_OF_SPRING: [(&str, &str); 6] = [
    (
        "lb:ws://",
        "must be `lb://service`: WebSockets take the same route",
    ),
    (
        "lb:wss://",
        "must be `lb://service`: WebSockets take the same route",
    ),
    (
        "ws://",
        "must be `lb://service` or `https://host`: WebSockets take the same route",
    ),
    (
        "wss://",
        "must be `lb://service` or `https://host`: WebSockets take the same route",
    ),
    (
        "forward:",
        "must lead to a service: the gateway has no answers of its own, and no fallback routes",
    ),
    (
        "no:",
        "must lead to a service: the gateway has no answers of its own",
    ),
];

fn parse_target(text: &str) -> Result<EndpointUrl, String> {
    let mut foreign = TARGETS_OF_SPRING.iter();
    match foreign.find(|(scheme, _)| text.starts_with(scheme)) {
        Some((_, advice)) => Err((*advice).to_owned()),
        None => text
            .parse::<EndpointUrl>()
            .map_err(|fault| fault.to_string()),
    }
}

/// A query there would be that of every request, beside their own.
fn check_target(section: &Section<'_>, to: &EndpointUrl) {
    let (path, has_query) = match to {
        EndpointUrl::Https(url) | EndpointUrl::LoopbackHttp(url) => {
            (url.path(), url.query().is_some())
        }
        EndpointUrl::LoadBalanced { path, .. } => (path.as_str(), path.contains('?')),
    };
    if has_query {
        section.problem("to", "must not have a query");
    } else if NormalPath::parse(path).is_err() {
        section.problem("to", "has a path that could mean several things");
    }
}

fn read_rewrite(section: &Section<'_>) -> Option<RewriteSettings> {
    let strip_segments = section.count("strip-prefix");
    let rewrite = section.section("rewrite");
    let replacement = match rewrite.is_given() {
        true => read_replacement(&rewrite).map(Some),
        false => Some(None),
    };
    let prefix = match section.has("prefix") {
        true => section.checked("prefix", check_prefix).map(Some),
        false => Some(None),
    };
    Some(RewriteSettings {
        strip_segments: strip_segments?,
        replacement: replacement?,
        prefix: prefix?,
    })
}

fn read_replacement(section: &Section<'_>) -> Option<PathReplacement> {
    let from: Option<PathPattern> = section.required("from", |section, key| {
        section.checked(key, |text| match text.contains(['(', '?', '\\', '$']) {
            true => Err("is a pattern and no regular expression: `/red/{*rest}`".to_owned()),
            false => text
                .parse()
                .map_err(|fault: hallpass_resource::PatternFault| fault.to_string()),
        })
    });
    let to = section.required("to", |section, key| match &from {
        Some(from) => section.checked(key, |text| PathTemplate::parse(text, from)),
        None => None,
    });
    Some(PathReplacement {
        from: from?,
        to: to?,
    })
}

/// `/v2`: a path with one meaning and no slash at its end, which the path itself begins with.
fn check_prefix(text: &str) -> Result<String, String> {
    check_plain(text)?;
    match text.ends_with('/') {
        true => Err("must be a path without a slash at its end".to_owned()),
        false => Ok(text.to_owned()),
    }
}
