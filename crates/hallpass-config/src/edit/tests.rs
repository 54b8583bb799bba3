use super::*;

const MODE: &str = "hallpass.security.internal-jwt.mode";
const PERCENT: &str = "hallpass.security.internal-jwt.enforce-percent";

fn changed(text: &str, values: &[(&str, &str)]) -> String {
    let changed = with_values(text, values).unwrap_or_else(|error| panic!("{error}: {text}"));
    changed.expose().to_owned()
}

/// The step of ten percent, in whatever way the file is written.
#[test]
fn a_value_is_changed_in_its_place_and_all_else_stays_as_it_stands() {
    let values = [(MODE, "enforce"), (PERCENT, "10")];
    for (before, after) in [
        (
            "# ours\r\nhallpass:\r\n  security:\r\n    internal-jwt:\r\n      mode:   'report'   # why\r\n\r\n      jwks-url: x\r\n",
            "# ours\r\nhallpass:\r\n  security:\r\n    internal-jwt:\r\n      mode:   'enforce'   # why\r\n      enforce-percent: 10\r\n\r\n      jwks-url: x\r\n",
        ),
        (
            "hallpass: { security: { internalJwt: { mode: report, jwks-url: 'x' } } } # all",
            "hallpass: { security: { internalJwt: { mode: enforce, enforce-percent: 10, jwks-url: 'x' } } } # all",
        ),
        (
            "hallpass.security.internal-jwt.mode: \"report\"\nhallpass.service.name: a",
            "hallpass.security.internal-jwt.mode: \"enforce\"\nhallpass.security.internal-jwt.enforce-percent: 10\nhallpass.service.name: a",
        ),
        (
            "other: &a { x: 1 }\n---\nhallpass:\n    security:\n        internal-jwt:\n            enforce-percent: 50 # half\n            routes: [{ path: /a, mode: report }]\n",
            "other: &a { x: 1 }\n---\nhallpass:\n    security:\n        internal-jwt:\n            mode: enforce\n            enforce-percent: 10 # half\n            routes: [{ path: /a, mode: report }]\n",
        ),
        (
            "hallpass:\n  security:\n    internal-jwt: # nothing yet\n  service: { name: a }\n",
            "hallpass:\n  security:\n    internal-jwt: { mode: enforce, enforce-percent: 10 } # nothing yet\n  service: { name: a }\n",
        ),
        (
            "hallpass:\n  # who\n  service: { name: a }\n",
            "hallpass:\n  # who\n  security: { internal-jwt: { mode: enforce, enforce-percent: 10 } }\n  service: { name: a }\n",
        ),
        (
            "hallpass:\n  security:\n    internal-jwt:\n      <<: &all { mode: report }\n      issuer: ä # ü\n",
            "hallpass:\n  security:\n    internal-jwt:\n      mode: enforce\n      enforce-percent: 10\n      <<: &all { mode: report }\n      issuer: ä # ü\n",
        ),
        (
            "hallpass: { security: { internal-jwt: {} } }",
            "hallpass: { security: { internal-jwt: { mode: enforce, enforce-percent: 10 } } }",
        ),
        (
            "hallpass:\n  security:\n    internal-jwt:\n      mode: report",
            "hallpass:\n  security:\n    internal-jwt:\n      mode: enforce\n      enforce-percent: 10",
        ),
    ] {
        assert_eq!(changed(before, &values), after, "{before}");
    }
}

/// A document in Nacos may be JSON, which others read by a parser of JSON.
#[test]
fn json_stays_json() {
    let values = [(MODE, "enforce"), (PERCENT, "10")];
    for (before, after) in [
        (
            r#"{ "hallpass": { "security": { "internal-jwt": { "mode": "report", "issuer": "a" } } } }"#,
            r#"{ "hallpass": { "security": { "internal-jwt": { "mode": "enforce", "enforce-percent": 10, "issuer": "a" } } } }"#,
        ),
        (
            "{\n  \"hallpass\": {\n    \"service\": { \"name\": \"a\" }\n  }\n}\n",
            "{\n  \"hallpass\": {\n    \"security\": { \"internal-jwt\": { \"mode\": \"enforce\", \"enforce-percent\": 10 } }, \"service\": { \"name\": \"a\" }\n  }\n}\n",
        ),
        (
            r#"{"hallpass":{"security":{"internal-jwt":{}}}}"#,
            r#"{"hallpass":{"security":{"internal-jwt":{ "mode": "enforce", "enforce-percent": 10 }}}}"#,
        ),
        (
            r#"{"hallpass.security.internal-jwt.enforce-percent": 50, "x": "1"}"#,
            r#"{"hallpass.security.internal-jwt.mode": "enforce", "hallpass.security.internal-jwt.enforce-percent": 10, "x": "1"}"#,
        ),
        (
            r#"{"hallpass": {"security": {"internal-jwt": {"mode": "report", "enforce-percent": "1"}}}}"#,
            r#"{"hallpass": {"security": {"internal-jwt": {"mode": "enforce", "enforce-percent": "10"}}}}"#,
        ),
    ] {
        let after_all = changed(before, &values);
        assert_eq!(after_all, after, "{before}");
        assert_eq!(
            changed(&after_all, &[(MODE, "report"), (MODE, "enforce")]),
            after
        );
    }
}

#[test]
fn what_stands_there_already_changes_nothing_and_one_way_leads_back() {
    let text = "hallpass:\n  security: # a\n    internal-jwt: { mode: report, x: [1, 2] } # b\n";
    assert_eq!(changed(text, &[(MODE, "report")]), text);
    let forth = changed(text, &[(MODE, "enforce")]);
    assert_ne!(forth, text);
    assert_eq!(changed(&forth, &[(MODE, "report")]), text);
}

#[test]
fn an_element_of_a_list_and_a_whole_section_can_be_written() {
    let text = "hallpass:\n  security:\n    internal-jwt:\n      routes:\n        - path: /a # first\n          mode: enforce\n        - { path: /b }\n";
    let routes = "hallpass.security.internal-jwt.routes";
    let first = format!("{routes}[0].mode");
    let second = format!("{routes}[1].mode");
    let after = changed(text, &[(&first, "report"), (&second, "report")]);
    assert_eq!(
        after,
        text.replace("mode: enforce", "mode: report")
            .replace("{ path: /b }", "{ mode: report, path: /b }")
    );
    let short = "hallpass: { security: { internal-jwt: true } }";
    let section = "{ mode: enforce, enforce-percent: 10 }";
    let path = "hallpass.security.internal-jwt";
    assert_eq!(
        changed(short, &[(path, section)]),
        short.replace("true", section)
    );
}

#[test]
fn what_would_change_something_else_is_refused() {
    for (text, error) in [
        // Somebody else refers to the value.
        (
            "a: &m report\nhallpass: { security: { internal-jwt: { mode: *m } } }",
            EditError::NotAValue,
        ),
        (
            "hallpass: { security: { internal-jwt: { mode: &m report } }, other: *m }",
            EditError::NotInPlace,
        ),
        ("hallpass: { security: *m }", EditError::NotYaml),
        ("scccy: { security: {} }", EditError::NoRoot),
        ("", EditError::NoRoot),
        ("hallpass: [", EditError::NotYaml),
        (
            "hallpass: { security: { internal-jwt: true } }",
            EditError::NotAValue,
        ),
        (
            "hallpass: { security: { internal-jwt: { mode: [a] } } }",
            EditError::NotAValue,
        ),
        (
            "hallpass: { security: { internal-jwt: { mode: a } } }\n---\nhallpass: { security: { internal-jwt: { mode: b } } }",
            EditError::Several,
        ),
        (
            "hallpass: { security: { internal-jwt: { mode: a }, internal-jwt.mode: b } }",
            EditError::Several,
        ),
    ] {
        let refused = with_values(text, &[(MODE, "enforce")]);
        assert_eq!(
            refused.map(|it| it.expose().to_owned()),
            Err(error),
            "{text}"
        );
    }
    let text = "hallpass: { security: { internal-jwt: { mode: a } } }";
    for value in ["a\nb: c", "a, b: c", "}", "a # b", "a: b: c", ""] {
        assert!(with_values(text, &[(MODE, value)]).is_err(), "{value}");
    }
}

#[test]
fn what_is_written_is_found_with_its_line_and_never_shown() {
    let text = "x: 1\n---\nscccy:\n  security.internal-jwt:\n    MODE: ${M:report}\n";
    let mode = written_value(text, "scccy.security.internal-jwt.mode")
        .unwrap()
        .unwrap();
    assert_eq!(mode.line, 5);
    assert_eq!(mode.text.as_ref().unwrap().expose(), "${M:report}");
    assert!(!format!("{mode:?}").contains("report"));
    let section = written_value(text, "scccy.security").unwrap().unwrap();
    assert!(section.text.is_none());
    assert!(written_value(text, MODE).unwrap().is_none());
    assert!(
        written_value(text, "scccy.security.mode")
            .unwrap()
            .is_none()
    );
}
