mod advice;

use hallpass_config::{Loaded, Loader, Problems};
use hallpass_upstream::Http2;

use super::*;
use crate::settings::access_log::{AccessLogFormat, AccessLogLevel, AccessLogTarget};
use crate::settings::caller_bulkhead::CallerBulkheadBy;
use crate::settings::cors::CorsOrigins;
use crate::settings::forwarded::ForwardedForm;
use crate::settings::logout::LogoutReport;
use crate::settings::rate::{RateAcross, RateBy, RateWhenAway};

fn load(text: &str) -> Result<Loaded<GatewaySettings>, Vec<String>> {
    let lines = |problems: Problems| {
        let lines = problems.iter().map(ToString::to_string);
        lines
            .map(|line| line.replace("hallpass.gateway.", ""))
            .collect()
    };
    Loader::new("hallpass")
        .text("t", text)
        .load()
        .map_err(lines)
}

fn read(gateway: &str) -> GatewaySettings {
    let text = format!("hallpass: {{ gateway: {gateway} }}");
    load(&text).unwrap().into_settings()
}

fn problems(gateway: &str) -> Vec<String> {
    load(&format!("hallpass: {{ gateway: {gateway} }}")).unwrap_err()
}

fn warnings(gateway: &str) -> Vec<String> {
    let loaded = load(&format!("hallpass: {{ gateway: {gateway} }}")).unwrap();
    loaded.warnings().iter().map(ToString::to_string).collect()
}

/// A route with these keys besides.
fn route(keys: &str) -> String {
    format!("{{ routes: [{{ name: a, path: /a/**, to: lb://a, identity: relay{keys} }}] }}")
}

#[test]
fn without_keys_all_has_its_default_and_nothing_is_forwarded() {
    assert_eq!(read("{}"), GatewaySettings::default());
    let loaded = load("hallpass: {}").unwrap();
    assert_eq!(loaded.into_settings(), GatewaySettings::default());
    let expected = RouteSettings::new("a", "/a/**".parse().unwrap(), "lb://a".parse().unwrap());
    let routes = read(&route("")).routes;
    assert_eq!(
        routes,
        [RouteSettings {
            written_at: routes[0].written_at.clone(),
            ..expected
        }]
    );
    assert!(routes[0].written_at.starts_with("t:1"));
}

#[test]
fn every_key_is_read() {
    let settings = load(include_str!("../../../tests/data/gateway.yaml"))
        .unwrap()
        .into_settings();
    assert_eq!(settings.listen.len(), 2);
    assert_eq!(settings.management_listen.port(), 9911);
    assert!(settings.tls.is_some());
    assert_eq!((settings.connections, settings.streams), (100, 7));
    assert_eq!(settings.connections_per_address, 9);
    assert_eq!(settings.head_bytes, 65_536);
    assert_eq!(settings.decision_timeout, Duration::from_millis(700));
    assert_eq!(settings.drain_delay, Duration::from_secs(1));
    assert_eq!(settings.drain_limit, Duration::from_secs(60));
    let forwarded = &settings.forwarded;
    assert!(forwarded.trust.contains("10.1.2.3".parse().unwrap()));
    assert_eq!(forwarded.write, ForwardedForm::Both);
    assert_eq!(forwarded.keep, ["x-real-ip"]);
    let names: Vec<_> = settings.identity.names().map(ToString::to_string).collect();
    let expected = [
        "x-user",
        "x-username",
        "x-authorities",
        "x-tenant-id",
        "from-source",
    ];
    assert_eq!(names, expected);
    assert_eq!(settings.access_log.level, AccessLogLevel::All);
    assert_eq!(settings.access_log.format, AccessLogFormat::Combined);
    assert!(matches!(settings.access_log.to, AccessLogTarget::File(_)));
    assert!(settings.access_log.has_query && settings.access_log.has_callers);
    let logout = settings.logout.unwrap();
    assert_eq!(logout.path, "/bye");
    assert_eq!(logout.credential.as_deref(), Some("edge"));
    assert_eq!(logout.report_to, LogoutReport::Both);
    let [caller, key] = settings.rates.as_slice() else {
        panic!("{:?}", settings.rates)
    };
    assert_eq!((&caller.by, caller.burst), (&RateBy::Caller, 200));
    let name = http::HeaderName::from_static("x-api-key");
    assert_eq!((&key.by, key.burst), (&RateBy::Header(name), 5_000));
    assert_eq!(key.across, RateAcross::Redis);
    assert_eq!(key.when_away, RateWhenAway::Refuse);
    let order = &settings.services["order-service"];
    assert_eq!(order.http2, Http2::Auto);
    assert_eq!(order.bulkhead.max_concurrent, 64, "inherited");
    let of_callers = order.caller_bulkhead.unwrap();
    assert_eq!(of_callers.by, CallerBulkheadBy::Client, "inherited");
    assert_eq!(of_callers.most(&order.bulkhead), 32, "half of it");
    assert!(!order.guard.is_empty());
    let [orders, chat, partner] = settings.routes.as_slice() else {
        panic!("{:?}", settings.routes)
    };
    check_orders(orders);
    assert_eq!(chat.timeouts.websocket_idle, Duration::from_secs(60));
    assert_eq!(chat.timeouts.idle, Duration::from_secs(30), "inherited");
    assert!(chat.cors.is_some(), "that of the gateway");
    assert_eq!(chat.max_body_bytes, 1_000);
    assert_eq!(partner.cors, None);
    assert_eq!(partner.rates, Vec::<String>::new());
    let header = partner.response_headers[0].0.as_str();
    assert_eq!(header, "x-frame-options", "taken whole, not mixed");
    assert_eq!(partner.removed_response_headers, ["x-partner"]);
}

fn check_orders(orders: &RouteSettings) {
    let shown = |it: &[http::HeaderValue]| format!("{it:?}");
    assert_eq!(orders.hosts.len(), 1);
    assert_eq!(shown(&orders.headers[1].values), r#"["2", "3"]"#);
    assert!(orders.headers[0].values.is_empty());
    assert_eq!(orders.rewrite.strip_segments, 1);
    assert_eq!(orders.rewrite.prefix.as_deref(), Some("/v2"));
    let audience = orders.audience.as_ref().map(ToString::to_string);
    assert_eq!(audience.as_deref(), Some("order-service"), "of lb://");
    assert_eq!(orders.rates, ["per-caller", "estate"]);
    assert_eq!(orders.retry.max_attempts, 2);
    assert_eq!(orders.response_headers.len(), 1, "inherited");
    assert_eq!(
        orders.removed_response_headers,
        ["server", "x-powered-by"],
        "inherited"
    );
    let cors = orders.cors.as_ref().unwrap();
    assert!(matches!(&cors.origins, CorsOrigins::These(it) if it.len() == 1));
    assert!(cors.has_credentials, "inherited");
    assert!(orders.rule.is_some());
}

#[test]
fn what_cannot_be_meant_is_said_all_at_once_with_its_place() {
    let found = problems(
        "{ listen: [], connections: 0, tls: { client-auth: need }, forwarded: { trust: 10.0.0.7/8 }, \
         identity-headers: { user-id: Host, strip: [] }, access-log: { level: some }, \
         cors: { origins: '*', credentials: true }, rates: [{ name: a, by: all, count: 1 }, { name: a, by: route, count: 1, when-away: refuse }], \
         logout: { path: /a/../b }, services: { a: { http2: maybe } }, defaults: { timeouts: { idle-ms: 0 } }, \
         routes: [{ name: r, path: x, to: http://partner.example, identity: user }, \
         { name: r, path: /b, to: 'lb://b?x=1', identity: service, roles: [ADMIN], headers: { Host: a } }, \
         { name: s, path: /c, to: 'https://c.example', identity: exchange, prefix: /v2/, rewrite: { from: /a, to: '/{b}' } }] }",
    );
    for about in [
        "listen: must name at least one address",
        "connections: ",
        "tls.certificate-file: is required",
        "tls.private-key-file: is required",
        "tls.client-ca-file: is required",
        "forwarded.trust[0]: has bits set",
        "identity-headers.user-id: is a header of HTTP itself",
        "access-log.level: ",
        "cors.credentials: must not go with",
        "rates[0].by: must be caller, client,",
        "rates[1].name: ",
        "rates[1].when-away: means nothing",
        "logout.path: ",
        "services.a.http2: ",
        "defaults.timeouts.idle-ms: ",
        "routes[0].path: ",
        "routes[0].to: is plain http",
        "routes[0].identity: ",
        "routes[1].name: ",
        "routes[1].to: must not have a query",
        "routes[1].roles: means nothing without `rule`",
        "routes[1].headers: names one that is a header of HTTP",
        "routes[2].audience: is required",
        "routes[2].prefix: must be a path without a slash",
        "routes[2].rewrite.to: has a name that `from` does not have",
    ] {
        assert!(
            found.iter().any(|line| line.contains(about)),
            "{about}\n{found:#?}"
        );
    }
    assert_eq!(found.len(), 25, "{found:#?}");
    assert!(
        found.iter().all(|line| line.starts_with("t:1")),
        "{found:#?}"
    );
}

#[test]
fn two_spellings_of_one_identity_header_are_a_problem() {
    let found = problems("{ identity-headers: { claims: { X_User_Id: tenant } } }");
    assert!(
        found[0].contains("identity-headers.claims: names a header twice"),
        "{found:?}"
    );
    let found = problems("{ identity-headers: { claims: { Content-Length: tenant } } }");
    assert!(found[0].contains("not one of HTTP's own"), "{found:?}");
}

#[test]
fn a_header_of_a_route_that_does_nothing_is_said() {
    let said = warnings(&route(", set-headers: { x_user_id: 1 }"));
    assert!(
        said.iter()
            .any(|it| it.contains("routes[0].set-headers: names an identity header")),
        "{said:?}"
    );
    let said = warnings(&route(", headers: { X-Version: '\\d+' }"));
    assert!(
        said.iter()
            .any(|it| it.contains("routes[0].headers: has a value that looks like a regular")),
        "{said:?}"
    );
    let found = problems(&route(", remove-response-headers: [Content-Length]"));
    assert!(
        found[0].contains("remove-response-headers[0]: is a header of HTTP itself"),
        "{found:?}"
    );
    let all = "{ services: { a: { caller-bulkhead: { max-concurrent: 256 } } } }";
    let said = warnings(all);
    assert!(
        said.iter()
            .any(|it| it.contains("leaves one caller all places")),
        "{said:?}"
    );
    let found = problems(&route(", response-headers: { X-Powered-By: [] }"));
    assert!(
        found[0].contains("response-headers: must have a value for each"),
        "{found:?}"
    );
}

#[test]
fn a_route_that_gets_no_request_and_a_rate_that_limits_nothing_are_warned_of() {
    let said = warnings(
        "{ rates: [{ name: r, by: route, count: 1 }], routes: [{ name: all, path: /**, to: lb://a, identity: relay }, \
         { name: some, path: /b, to: lb://b, identity: relay }] }",
    );
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said.iter()
            .any(|it| it.contains("routes[1].path: gets no request: all of them fit `all` too"))
    );
    assert!(said.iter().any(|it| it.contains("no route names `r`")));
    let found =
        problems("{ routes: [{ name: all, path: /**, to: lb://a, identity: relay, rates: [r] }] }");
    assert!(
        found[0].contains("route `all` names a rate that `rates` does not have"),
        "{found:?}"
    );
}

#[test]
fn a_rule_that_counts_for_an_earlier_route_is_warned_of() {
    let said = |first: &str, second: &str| {
        let yaml = format!(
            "{{ routes: [{{ name: staff, to: lb://staff, identity: relay, {first} }}, {{ name: open, to: lb://open, identity: relay, {second} }}] }}"
        );
        let said = warnings(&yaml);
        said.iter()
            .any(|it| it.contains("routes[1].rule: counts in place of that of `staff` too"))
    };
    let staff = "path: /a/**, headers: { X-Staff: 1 }, rule: scopes, all: [staff]";
    for (first, second, is_said) in [
        (staff, "path: '/a/{id}', rule: anonymous", true),
        (staff, "path: /a/b, rule: anonymous, methods: [GET]", true),
        (
            "path: /a/**, rule: authenticated",
            "path: /a/b, rule: anonymous",
            true,
        ),
        (staff, "path: '/a/{id}', rule: scopes, all: [staff]", false),
        (staff, "path: /b, rule: anonymous", false),
        (staff, "path: '/a/{id}'", false),
        // Both rules must be satisfied, or no request is for both.
        (
            staff,
            "path: /a/b, rule: anonymous, hosts: [a.example]",
            false,
        ),
        (
            "path: /a/**, rule: authenticated, methods: [GET]",
            "path: /a/b, rule: anonymous, methods: [POST]",
            false,
        ),
        (
            "path: /a/**, headers: { X-Staff: 1 }",
            "path: /a/b, rule: anonymous",
            false,
        ),
        (
            "path: /a/b, rule: anonymous",
            "path: /a/**, rule: authenticated",
            false,
        ),
    ] {
        assert_eq!(said(first, second), is_said, "{first} | {second}");
    }
}

#[test]
fn rules_that_stand_in_routes_are_rules_of_the_policy() {
    let of = |second: &str| {
        format!(
            "{{ routes: [{{ name: new, path: /a/**, headers: {{ X-Version: 2 }}, to: lb://new, identity: relay, rule: scopes, all: [a] }}, \
             {{ name: old, path: /a/**, to: lb://old, identity: relay, {second} }}, {{ name: b, path: /b, to: lb://b, identity: relay }}] }}"
        )
    };
    let settings = read(&of("rule: scopes, all: [a]"));
    assert_eq!(settings.rules().len(), 1, "{:?}", settings.rules());
    let found = problems(&of("rule: authenticated"));
    assert!(
        found[0].contains("routes[1].rule: is not that of an earlier route"),
        "{found:?}"
    );
    let settings = read(&of("methods: [PUT], rule: authenticated"));
    assert_eq!(settings.rules().len(), 2);
}

#[test]
fn a_regular_expression_is_told_from_a_pattern() {
    let found = problems(&route(
        ", rewrite: { from: '/red/(?<segment>.*)', to: '/$\\{segment}' }",
    ));
    assert!(
        found[0].contains("rewrite.from: is a pattern and no regular expression"),
        "{found:?}"
    );
}
