//! What the section `security` means once it is read.

use std::time::Duration;

use hallpass_config::{Configuration, Key, Kind, Loader, Problems, Section};
use hallpass_resource::{IdentityHeaders, JwksLocation, Mode, RouteAccess, SecuritySettings};
use hallpass_token::Algorithm;

/// The section, of a service that has a name.
#[derive(Debug)]
struct Settings {
    security: SecuritySettings,
}

const SERVICE_KEYS: &[Key] = &[Key::new("name", Kind::Text { what: "" }, "")];

impl Configuration for Settings {
    fn keys() -> Vec<Key> {
        let service = Key::new("service", Kind::Section(SERVICE_KEYS), "");
        [SecuritySettings::keys(), vec![service]].concat()
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let name = root.section("service").service_name("name");
        let security = SecuritySettings::read_for(root, name.as_deref());
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

fn load(text: &str) -> Settings {
    loader(text).load().unwrap().into_settings()
}

/// What is wrong with `text`, one problem a line, without the file's name.
fn problems(text: &str) -> Vec<String> {
    lines(&loader(text).load::<Settings>().unwrap_err())
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
        (customers.audience.as_str(), customers.internal),
        ("shop", false)
    );
    assert_eq!(customers.algorithms, [Algorithm::Rs256, Algorithm::EdDsa]);
    assert!(customers.dangerous_accept_untyped);
    assert_eq!(
        (partners.audience.as_str(), &partners.algorithms[..]),
        ("service-order", &Algorithm::EVERY[..])
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
    assert_eq!(jwt.security.internal_jwt.issuers[0].audience, "a");
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
             write https or lb",
            "1:130: security.internal-jwt.issuers[0].algorithms[0]: must be `ES256`, `EdDSA` or `RS256`",
        ]
    );
}

#[test]
fn routes_say_who_may_call() {
    let jwt = everything().security.internal_jwt;
    let access: Vec<_> = jwt
        .routes
        .iter()
        .map(|route| route.access.clone())
        .collect();
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        access,
        [
            RouteAccess::Anonymous,
            RouteAccess::Scopes {
                all: texts(&["orders"]),
                any: texts(&["read", "write"])
            },
            RouteAccess::InternalOnly {
                scope: "jobs".to_owned()
            },
            RouteAccess::Authenticated,
        ]
    );
    assert_eq!(jwt.routes[1].methods, ["GET", "PUT"]);
    assert_eq!(
        (jwt.routes[1].mode, jwt.routes[0].mode),
        (Some(Mode::Off), None)
    );
    assert_eq!(jwt.internal_only.paths, ["/internal/**"]);
}

#[test]
fn an_internal_only_route_demands_the_scope_of_the_section_by_default() {
    let text = "hallpass: { security.internal-jwt: { routes: [{path: /a, rule: internal-only}] } }";
    let access = load(text).security.internal_jwt.routes.remove(0).access;
    assert_eq!(
        access,
        RouteAccess::InternalOnly {
            scope: "internal-service".to_owned()
        }
    );
}

#[test]
fn a_route_that_says_two_things_is_a_problem() {
    let cases = [
        ("{path: /a}", "rule: is required"),
        ("{rule: anonymous}", "path: is required"),
        (
            "{path: a, rule: anonymous}",
            "path: must begin with a slash",
        ),
        (
            "{path: /**/b, rule: anonymous}",
            "path: must have `**` or `{*name}` at its end alone",
        ),
        (
            "{path: '/a?b', rule: anonymous}",
            "path: must be a path without query, fragment, spaces and backslashes",
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
            "all[0]: is no scope: visible ASCII characters without quotes \
          and backslashes",
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
        let expected = format!(
            "1:37: security.permit-all: is refused: {name} in the environment says that this is production"
        );
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
