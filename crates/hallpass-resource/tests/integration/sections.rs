//! What the section `security` means once it is read.

use std::time::Duration;

use hallpass_config::{Configuration, Key, Kind, Loader, Problems, Section};
use hallpass_resource::{IdentityHeaders, JwksLocation, Mode, RouteRule, Rule, SecuritySettings};
use hallpass_token::{Algorithm, Algorithms};
use http::Method;

/// The section, of a service that has a name.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) security: SecuritySettings,
}

const SERVICE_KEYS: &[Key] = &[Key::new("name", Kind::Text { what: "" }, "")];

impl Configuration for Settings {
    fn keys() -> Vec<Key> {
        let service = Key::new("service", Kind::Section(SERVICE_KEYS), "");
        [SecuritySettings::keys(), vec![service]].concat()
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let name = root.section("service").parsed("name");
        let security = SecuritySettings::read_for(root, name.as_ref());
        Some(Self {
            security: security?,
        })
    }
}

fn everything() -> Settings {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/security.yaml");
    let loader = Loader::new("hallpass").file(path);
    loader.load().unwrap().into_settings()
}

/// A loader for `text`, with an empty environment.
fn loader(text: &str) -> Loader {
    let nothing: [(&str, &str); 0] = [];
    Loader::new("hallpass")
        .text("test.yaml", text)
        .environment(nothing)
}

pub(crate) fn load(text: &str) -> Settings {
    loader(text).load().unwrap().into_settings()
}

/// What is wrong with `text`, one problem a line, without the file's name.
pub(crate) fn problems(text: &str) -> Vec<String> {
    lines(&loader(text).load::<Settings>().unwrap_err())
}

/// Whether something is wrong with `text`.
pub(crate) fn is_refused(text: &str) -> bool {
    loader(text).load::<Settings>().is_err()
}

fn lines(problems: &Problems) -> Vec<String> {
    let lines = problems.iter().map(ToString::to_string);
    lines
        .map(|line| line.replace("test.yaml:", "").replace("hallpass.", ""))
        .collect()
}

#[test]
fn issuers_come_from_the_list_and_from_the_short_form() {
    let jwt = everything().security.internal_jwt;
    assert_eq!(jwt.mode, Mode::Report);
    assert_eq!(
        (jwt.leeway, jwt.jwks_cooldown),
        (Duration::from_secs(5), Duration::from_secs(30))
    );
    assert_eq!(jwt.identity_headers, IdentityHeaders::Set);
    let [customers, partners, internal] = &jwt.issuers[..] else {
        panic!("three issuers")
    };
    assert_eq!(
        (customers.audiences[0].as_str(), customers.internal),
        ("shop", false)
    );
    let two: Algorithms = [Algorithm::Rs256, Algorithm::EdDsa].into_iter().collect();
    assert_eq!(customers.algorithms, two);
    assert!(customers.dangerous_accept_untyped);
    assert_eq!(
        (partners.audiences[0].as_str(), partners.algorithms),
        ("service-order", Algorithms::ALL)
    );
    let JwksLocation::File(path) = &partners.jwks else {
        panic!("a file")
    };
    assert!(
        path.ends_with("tests/data/partners.json"),
        "relative to the file: {}",
        path.display()
    );
    assert_eq!(
        (
            internal.name.as_str(),
            internal.issuer.as_str(),
            internal.internal
        ),
        ("internal", "internal", true)
    );
}

#[test]
fn the_audience_is_the_services_name_unless_said_otherwise() {
    let jwt = load(
        "hallpass: { service.name: a, security.internal-jwt: { jwks-url: 'lb://auth/jwks' } }",
    );
    assert_eq!(jwt.security.internal_jwt.issuers[0].audiences, ["a"]);
    assert_eq!(
        problems("hallpass: { security.internal-jwt: { jwks-url: 'lb://auth/jwks' } }"),
        ["1:13: security.internal-jwt.audience: is required, here or as service.name"]
    );
}

#[test]
fn an_issuer_has_keys_in_one_place_and_is_named_once() {
    let issuers = |list: &str| {
        problems(&format!(
            "hallpass: {{ service.name: a, security.internal-jwt: {list} }}"
        ))
    };
    assert_eq!(
        issuers("{ issuers: [{ name: a, issuer: b }] }"),
        ["1:65: security.internal-jwt.issuers[0].jwks-url: is required, or jwks-file"]
    );
    assert_eq!(
        issuers("{ jwks-url: 'lb://a/b', jwks-file: x }"),
        ["1:88: security.internal-jwt.jwks-file: contradicts `jwks-url`: give one of the two"]
    );
    assert_eq!(
        issuers("{ issuers: [{ name: internal, issuer: b, jwks-file: x }], jwks-file: y }"),
        ["1:30: security.internal-jwt.issuer: of the short form stands among `issuers` already"]
    );
    assert_eq!(
        issuers(
            "{ issuers: [{ name: a, issuer: b, jwks-url: 'http://b.example', algorithms: [none] }] }"
        ),
        [
            "1:97: security.internal-jwt.issuers[0].jwks-url: is plain http to a host that is not loopback; \
             write https",
            "1:130: security.internal-jwt.issuers[0].algorithms[0]: must be `ES256`, `EdDSA` or `RS256`",
        ]
    );
}

#[test]
fn routes_say_who_may_call() {
    let jwt = everything().security.internal_jwt;
    let route = |path: &str, rule| RouteRule::new(path.parse().unwrap(), rule);
    let scopes = Rule::Scopes {
        all: "orders".parse().unwrap(),
        any: "read write".parse().unwrap(),
    };
    assert_eq!(
        jwt.routes,
        [
            route("/health/**", Rule::Anonymous),
            route("/orders/{id}", scopes)
                .methods([Method::GET, Method::PUT])
                .mode(Mode::Off),
            route("/jobs/*", Rule::InternalOnly("jobs".parse().unwrap())),
            route("/files/{*rest}", Rule::Authenticated),
        ]
    );
    assert_eq!(jwt.internal_only.paths, ["/internal/**".parse().unwrap()]);
}

#[test]
fn an_internal_only_route_demands_the_scope_of_the_section_by_default() {
    let text = "hallpass: { security.internal-jwt: { routes: [{path: /a, rule: internal-only}] } }";
    let rule = Rule::InternalOnly("internal-service".parse().unwrap());
    let route = RouteRule::new("/a".parse().unwrap(), rule);
    assert_eq!(load(text).security.internal_jwt.routes, [route]);
}

#[test]
fn values_that_cannot_be_meant_are_named_with_their_keys() {
    let text = "\
hallpass:
  security.internal-jwt:
    issuers:
      - { name: x, issuer: '', audience: \"a\\nb\", jwks-file: jwks.json }
    routes:
      - { path: no-slash, rule: anonymous }
      - { path: /a, rule: internal-only, scope: '\"' }
      - { path: /b, rule: anonymous, methods: [GE T] }
      - { path: '/{a}b', rule: anonymous }
    resource: http://shop.example
";
    assert_eq!(
        problems(text),
        [
            "4:28: security.internal-jwt.issuers[0].issuer: must be 1 to 2048 bytes without control characters",
            "4:42: security.internal-jwt.issuers[0].audience[0]: must be 1 to 2048 bytes without control characters",
            "6:17: security.internal-jwt.routes[0].path: no request can have this path: the path does not begin \
             with a slash",
            "7:49: security.internal-jwt.routes[1].scope: not a scope: words of printable ASCII without quote and \
             backslash, one space between",
            "8:48: security.internal-jwt.routes[2].methods[0]: must be an HTTP method in capitals",
            "9:17: security.internal-jwt.routes[3].path: a segment is a literal, {name}, *, {*rest} or **",
            "10:15: security.internal-jwt.resource: must be an https URL without user, query and fragment (http \
             only on loopback)",
        ]
    );
}

#[test]
fn a_route_that_says_two_things_is_a_problem() {
    let cases = [
        ("{path: /a}", "rule: is required"),
        ("{rule: anonymous}", "path: is required"),
        (
            "{path: a, rule: anonymous}",
            "path: no request can have this path: the path does not begin with a slash",
        ),
        (
            "{path: /**/b, rule: anonymous}",
            "path: {*rest} and ** stand only at the end",
        ),
        (
            "{path: '/a?b', rule: anonymous}",
            "path: must be a path without query, fragment and spaces",
        ),
        (
            "{path: /a, rule: anonymous, methods: [get]}",
            "methods[0]: must be an HTTP method in capitals",
        ),
        (
            "{path: /a, rule: anonymous, scope: x}",
            "scope: means nothing beside this rule",
        ),
        (
            "{path: /a, rule: internal-only, any: [x]}",
            "any: means nothing beside this rule",
        ),
        (
            "{path: /a, rule: scopes}",
            "rule: demands scopes, in `all` or in `any`",
        ),
        (
            "{path: /a, rule: scopes, all: ['a b']}",
            "all[0]: not a scope: words of printable ASCII without quote and backslash, one space between",
        ),
        (
            "{path: /a, rule: permit}",
            "rule: must be one of `anonymous`, `authenticated`, `internal-only`, `scopes`",
        ),
    ];
    for (route, expected) in cases {
        let problems = problems(&format!(
            "hallpass: {{ security.internal-jwt: {{ routes: [{route}] }} }}"
        ));
        assert_eq!(problems.len(), 1, "{route}: {problems:?}");
        let expected = format!("security.internal-jwt.routes[0].{expected}");
        assert!(problems[0].ends_with(&expected), "{route}: {problems:?}");
    }
}

#[test]
fn permit_all_is_refused_beside_any_sign_of_production() {
    let text = "hallpass: { security: { permit-all: true } }";
    assert!(load(text).security.permit_all);
    for (name, value) in [
        ("HALLPASS_ENV", "production"),
        ("SPRING_PROFILES_ACTIVE", "eu,prod"),
        ("APP_ENV", "prod"),
        ("RUST_ENV", "production"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
    ] {
        let problems = loader(text)
            .environment([(name, value)])
            .load::<Settings>()
            .unwrap_err();
        let expected =
            format!("1:37: security.permit-all: is refused: {name} says that this is production");
        assert_eq!(lines(&problems), [expected]);
    }
}

#[test]
fn permit_all_is_refused_if_nobody_looked_for_signs_of_production() {
    let loader = Loader::new("hallpass").text("t", "hallpass: { security: { permit-all: true } }");
    assert!(
        loader
            .load::<Settings>()
            .unwrap_err()
            .to_string()
            .contains("the environment was not looked at")
    );
}

#[test]
fn the_production_signal_is_kept_for_those_who_switch_off_checks_in_code() {
    let settings = loader("")
        .environment([("APP_ENV", "prod")])
        .load::<Settings>()
        .unwrap()
        .into_settings();
    assert_eq!(
        settings.security.production_signal.as_deref(),
        Some("APP_ENV")
    );
}

#[test]
fn the_switch_of_the_first_design_is_a_mode() {
    for (switch, mode) in [
        ("true", Mode::Enforce),
        ("false", Mode::Off),
        ("'off'", Mode::Off),
        ("report", Mode::Report),
        ("{ mode: on }", Mode::Enforce),
    ] {
        let text = format!("hallpass: {{ security: {{ internal-jwt: {switch} }} }}");
        assert_eq!(load(&text).security.internal_jwt.mode, mode, "{switch}");
    }
    assert_eq!(
        problems("hallpass: { security: { internal-jwt: maybe } }"),
        ["1:39: security.internal-jwt.mode: must be one of `off`, `report`, `enforce`"]
    );
}

#[test]
fn a_comma_does_not_become_part_of_a_scope() {
    let routes = |scope: &str| {
        problems(&format!(
            "hallpass: {{ security.internal-jwt: {{ internal-only: {{ {scope} }}, routes: [{{ path: /a, rule: internal-only, {scope} }}] }} }}"
        ))
    };
    assert_eq!(routes("scope: 'a,b'").len(), 2);
    let scopes = |all: &str| {
        load(&format!(
            "hallpass: {{ security.internal-jwt: {{ routes: [{{ path: /a, rule: scopes, all: {all} }}] }} }}"
        ))
    };
    for all in ["'a,b'", "'a b'", "[a, b]"] {
        let rule = Rule::all_scopes("a b".parse().unwrap());
        let route = RouteRule::new("/a".parse().unwrap(), rule);
        assert_eq!(scopes(all).security.internal_jwt.routes, [route], "{all}");
    }
}

#[test]
fn the_longest_token_encoded_characters_and_kept_headers_are_read() {
    let absent = load("hallpass: {}").security;
    assert_eq!(absent, SecuritySettings::default());
    assert_eq!(absent.max_token_bytes, 8_192);
    let settings = load(
        "hallpass:\n  security:\n    max-token-bytes: 16384\n    paths: { allow-encoded: [slash, percent] }\n    \
         internal-jwt: { dangerous-keep-identity-headers: true }\n",
    );
    assert_eq!(settings.security.max_token_bytes, 16_384);
    assert!(
        settings
            .security
            .internal_jwt
            .dangerous_keep_identity_headers
    );
    let encoded = settings.security.paths.allow_encoded;
    assert!(encoded.slash && encoded.percent && !encoded.semicolon && !encoded.backslash);
    let problems = problems(
        "hallpass:\n  security:\n    max-token-bytes: 100\n    paths: { allow-encoded: [dots] }\n",
    );
    assert_eq!(problems.len(), 2, "{problems:?}");
}
