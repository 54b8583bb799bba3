//! What is wrong is told: all of it, at its place, with its key.

use crate::{Settings, loader, problems};

#[test]
fn a_problem_has_parts_for_programs() {
    let problems = loader("hallpass:\n  internal-token:\n    clientIdd: x\n    enabled: false")
        .load::<Settings>();
    let problems = problems.unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert_eq!(problem.origin, "test.yaml");
    assert_eq!((problem.line, problem.column), (Some(3), Some(5)));
    assert_eq!(problem.key_path, "hallpass.internal-token.clientIdd");
    assert_eq!(problem.message, "is not a known key");
    assert_eq!(problem.suggestion.as_deref(), Some("client-id"));
    assert_eq!(problems.len(), 1);
}

#[test]
fn columns_count_characters() {
    let text = "hallpass: { service: { name: 'é', 'schön': 1, nam: x } }";
    assert_eq!(
        problems(text),
        [
            "1:30: service.name: must be a name of letters, digits, `-`, `_` and `.`",
            "1:35: service.?: is not a known key",
            "1:47: service.nam: is not a known key; did you mean `name`?",
        ]
    );
}

#[test]
fn what_is_missing_is_told_at_its_section() {
    assert_eq!(
        problems("hallpass:\n  internal-token:\n    scope: x\n"),
        [
            "2:3: internal-token.client-id: is required",
            "2:3: internal-token.client-secret: is required",
            "2:3: internal-token.token-url: is required",
        ]
    );
}

#[test]
fn a_wrong_type_is_told_with_the_type_that_was_expected() {
    let cases = [
        (
            "service: x",
            "1:22: service: must be a mapping, but is a single value",
        ),
        (
            "service: [x]",
            "1:13: service: must be a mapping, but is a list",
        ),
        (
            "service: {name: [x]}",
            "1:23: service.name: must be a single value, but is a list",
        ),
        (
            "service: {name: {x: y}}",
            "1:23: service.name: must be a single value, but is a mapping",
        ),
        (
            "discovery: {static: x}",
            "1:33: discovery.static: must be a mapping, but is a single value",
        ),
        (
            "discovery: {static: {a: {b: c}}}",
            "1:34: discovery.static.a: must be a list, but is a mapping",
        ),
        (
            "issuer: {clients: {a: b}}",
            "1:22: issuer.clients: must be a list, but is a mapping",
        ),
        (
            "issuer: {clients: [a]}",
            "1:32: issuer.clients[0]: must be a mapping, but is a single value",
        ),
        (
            "issuer: {token-life-seconds: 1.5}",
            "1:42: issuer.token-life-seconds: must be a whole number of seconds from 30 to 86400, \
             or a duration such as 90s, 9m or PT9M",
        ),
        (
            "security: {permit-all: maybe}",
            "1:36: security.permit-all: must be true or false",
        ),
        (
            "service: {listen: localhost}",
            "1:31: service.listen: must be an IP address and a port, such as 127.0.0.1:8080 or [::]:8080",
        ),
        (
            "service: {name: !vault x}",
            "1:36: service.name: has a YAML tag, which means nothing here",
        ),
    ];
    for (section, expected) in cases {
        let problems = problems(&format!("hallpass: {{ {section} }}"));
        assert_eq!(
            problems.first().map(String::as_str),
            Some(expected),
            "{section}"
        );
    }
}

#[test]
fn keys_given_twice_are_a_problem_however_they_are_spelled() {
    let twice = [
        "hallpass: { service: {name: a, name: a} }",
        "hallpass: { service: {name: a}, service: {} }",
        "hallpass: { service: {name: a}, service.name: b }",
        "hallpass: { service.name: a }\nhallpass.service: { name: b }",
        "hallpass: {}\nhallpass: {}",
        "hallpass: { discovery: { static: {a: [], '[a]': []} } }",
    ];
    for text in twice {
        let problems = problems(text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(
            problems[0].ends_with("is given twice"),
            "{text}: {problems:?}"
        );
    }
}

#[test]
fn an_inherited_mistake_is_told_once() {
    let text = "\
hallpass:
  internal-token:
    client-id: caller
    client-secret: s3cret
    token-url: http://issuer.example/token
    audience: a
    clients: [{name: b}, {name: c, audience: d}]
";
    assert_eq!(
        problems(text),
        ["5:16: internal-token.token-url: is plain http"]
    );
}

#[test]
fn without_a_source_only_what_is_required_is_missing() {
    let loaded = hallpass_config::Loader::new("hallpass")
        .load::<Settings>()
        .unwrap();
    assert!(loaded.settings().internal_token.is_none());

    let problems = hallpass_config::Loader::new("hallpass")
        .environment([("HALLPASS_INTERNALTOKEN_CLIENTID", "x")])
        .load::<Settings>();
    let problems = problems.unwrap_err();
    assert_eq!(problems.len(), 2);
    assert!(
        problems
            .to_string()
            .contains("hallpass.internal-token.token-url: is required")
    );
}
