//! Paths that several programs read differently.

use super::*;

#[test]
fn a_path_with_an_allowed_escape_must_satisfy_the_rules_of_every_reading() {
    let policy = code([
        rule("/items/{id}", Rule::Anonymous),
        rule("/items/{id}/secret", Rule::Authenticated),
        rule("/admin/**", Rule::Authenticated),
    ]);
    let allowed = EncodedCharacters {
        slash: true,
        backslash: true,
        semicolon: true,
        percent: true,
    };
    let is_open = |path| {
        let path = RequestPath::parse(None, path, allowed)?;
        let access = policy.resolve(&Method::GET, None, &path)?;
        Ok(access.rule_on(Ok(None)).denial.is_none())
    };
    for path in [
        "/items/2024%2F001",
        "/items/a%3Bb",
        "/items/%2541",
        "/items/a%5Cb",
    ] {
        assert_eq!(is_open(path), Ok(true), "{path}");
    }
    for path in ["/items/7%2Fsecret", "/items/7%5Csecret"] {
        assert_eq!(is_open(path), Ok(false), "{path}");
    }
    assert_eq!(
        is_open("/items/..%2F..%2Fadmin%2Fx"),
        Err(PathFault::DotSegment)
    );
    assert_eq!(is_open("/items/%2561%252fsecret"), Ok(false));
}

#[test]
fn no_rule_is_left_out_where_every_reading_of_a_path_has_its_own_in_every_table() {
    let patterns = ["/api/**", "/api/a/{z}", "/{x}", "/a/{y}"];
    let of = |origin, last: Rule| {
        let rules = patterns.map(|pattern| match pattern {
            "/a/{y}" => rule(pattern, last.clone()),
            _ => rule(pattern, Rule::Anonymous),
        });
        rules.map(|rule| (origin, rule))
    };
    let policy = policy(
        [
            of(RuleOrigin::Code, Rule::Anonymous),
            of(RuleOrigin::Configuration, Rule::Anonymous),
            of(
                RuleOrigin::InternalOnlyPaths,
                Rule::InternalOnly(scope("s")),
            ),
        ]
        .concat(),
    );
    let allowed = EncodedCharacters {
        slash: true,
        ..EncodedCharacters::default()
    };
    let path = RequestPath::parse(Some("/api/a%2Fb"), "/a%2Fb", allowed).unwrap();
    let access = policy.resolve(&Method::GET, None, &path).unwrap();
    let ruling = access.rule_on(Ok(None));
    assert_eq!(ruling.denial, Some(Denial::MissingToken));
}

#[test]
fn a_rule_for_whole_paths_is_not_taken_for_one_without_the_prefix_of_a_nest() {
    let policy = code([
        rule("/{*rest}", Rule::Anonymous),
        rule("/**", Rule::Authenticated),
    ]);
    // What the nest has left, `/`, fits only the second rule. The whole path has the first.
    let path = RequestPath::parse(Some("/api/"), "/", EncodedCharacters::default()).unwrap();
    let access = policy.resolve(&Method::GET, None, &path).unwrap();
    assert_eq!(access.rule_on(Ok(None)).denial, None);
}
