//! What the sections mean once they are read.

use std::time::Duration;

use hallpass_config::{
    AlgorithmName, CallIdentity, ClientAuthentication, IdentityAbsent, IdentityHeaders,
    JwksLocation, Loader, Mode, RouteAccess, SecretKind, Settings, TargetParameter,
};

use crate::{TOKEN, load, problems};

fn everything() -> Settings {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/everything.yaml");
    let loader = Loader::new("hallpass")
        .file(path)
        .environment([("KEY", "k")]);
    loader.load::<Settings>().unwrap().into_settings()
}

#[test]
fn credentials_inherit_what_they_leave_out() {
    let token = everything().internal_token.unwrap();
    let [billing] = &token.clients[..] else {
        panic!("one client")
    };
    assert_eq!(billing.name, "billing");
    let credential = &billing.credential;
    assert_eq!(credential.client_id, "billing-caller");
    assert_eq!(credential.client_secret.expose(), "InternalSecret123!");
    assert_eq!(
        (credential.scope.as_str(), credential.audience.as_deref()),
        ("", Some("service-billing"))
    );
    assert_eq!(credential.client_authentication, ClientAuthentication::Post);
    assert_eq!(credential.target_parameter, TargetParameter::Resource);
    assert_eq!(token.memory_cache.max_entries, 500);
}

#[test]
fn further_credentials_have_names_of_their_own_and_an_audience() {
    let clients =
        "    clients: [{name: a, audience: x}, {name: a, audience: y}, {audience: z}, {name: b}]\n";
    assert_eq!(
        problems(&format!("{TOKEN}{clients}")),
        [
            "6:46: internal-token.clients[1].name: is the same as in an entry before",
            "6:63: internal-token.clients[2].name: is required",
            "6:78: internal-token.clients[3].audience: is required, here or in the section above",
        ]
    );
}

#[test]
fn a_second_credential_for_one_audience_is_a_problem_because_no_call_would_use_it() {
    let clients = "    audience: x\n    clients: [{name: a}, {name: b, audience: y}, {name: c, audience: y}, {name: d}]\n";
    assert_eq!(
        problems(&format!("{TOKEN}{clients}")),
        [
            "7:70: internal-token.clients[2].audience: is the same as in an entry before",
            "7:74: internal-token.clients[3].audience: is the same as in an entry before",
        ]
    );
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
    assert_eq!(
        customers.algorithms,
        [AlgorithmName::Rs256, AlgorithmName::EdDsa]
    );
    assert!(customers.dangerous_accept_untyped);
    assert_eq!(
        (partners.audience.as_str(), &partners.algorithms[..]),
        ("service-order", &AlgorithmName::ALL[..])
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
        let problems = crate::loader(text)
            .environment([(name, value)])
            .load::<Settings>()
            .unwrap_err();
        let expected = format!(
            "1:37: security.permit-all: is refused: {name} in the environment says that this is production"
        );
        assert_eq!(crate::lines(&problems), [expected]);
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
    let settings = crate::loader("")
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
fn clients_of_the_call_layer_are_read_by_name() {
    let feign = everything().feign;
    let logistics = feign.client("logistics-service");
    assert_eq!(logistics.identity, Some(CallIdentity::Relay));
    assert_eq!(logistics.when_absent, Some(IdentityAbsent::Fail));
    assert_eq!(logistics.deadline, Some(Duration::from_millis(800)));
    assert_eq!(logistics.breaker, feign.defaults.breaker);
    assert_eq!(
        feign.client("mail.sender").identity,
        Some(CallIdentity::None)
    );
    assert_eq!(feign.client("unknown"), &feign.defaults);
}

#[test]
fn instances_are_read_by_the_name_of_their_service() {
    let instances = everything().discovery.instances;
    let shown = |name: &str| {
        instances[name]
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        shown("service-auth"),
        ["127.0.0.1:9000", "https://auth-2.example:9443"]
    );
    assert_eq!(shown("logistics-service"), ["127.0.0.1:9001"]);
    assert_eq!(
        problems("hallpass: { discovery: { static: { 'a/b': [], c: ['d'] } } }"),
        [
            "1:36: discovery.static.?: must be a name of letters, digits, `-`, `_` and `.`",
            "1:51: discovery.static.c[0]: is no address of an instance; write host:port or https://host:port",
        ]
    );
}

#[test]
fn the_issuer_knows_its_clients() {
    let issuer = everything().issuer.unwrap();
    assert_eq!(issuer.base_url.unwrap().as_str(), "https://issuer.example/");
    assert!(issuer.store.ends_with("tests/data/data/hallpass.db"));
    assert_eq!(issuer.key_encryption_key.unwrap().expose(), "k");
    assert_eq!(issuer.algorithm, AlgorithmName::EdDsa);
    let [internal, batch] = &issuer.clients[..] else {
        panic!("two clients")
    };
    assert_eq!(internal.secret_kind, SecretKind::Chosen);
    assert_eq!(internal.audiences, ["service-system", "service-billing"]);
    assert_eq!(
        (internal.token_life, batch.token_life),
        (None, Some(Duration::from_secs(60)))
    );
    assert_eq!(
        (batch.secret_kind, batch.scopes.len()),
        (SecretKind::Generated, 0)
    );
}

#[test]
fn an_issuer_that_could_not_work_is_a_problem() {
    let text = "\
hallpass:
  issuer:
    name: http://issuer.example
    base-url: https://a:b@issuer.example
    clients:
      - { client-id: a, client-secret: x }
      - { client-id: a, client-secret: x, secret-kind: generated, grant-types: [password] }
      - {}
";
    assert_eq!(
        problems(text),
        [
            "3:11: issuer.name: must be an https URL, or http to a loopback address",
            "4:15: issuer.base-url: must not hold a user name or password",
            "7:22: issuer.clients[1].client-id: is the same as in an entry before",
            "7:56: issuer.clients[1].secret-kind: is `generated`, but the secret has less than 32 characters",
            "7:81: issuer.clients[1].grant-types[0]: must be `client_credentials`",
            "8:9: issuer.clients[2].client-id: is required",
            "8:9: issuer.clients[2].client-secret: is required",
        ]
    );
}
