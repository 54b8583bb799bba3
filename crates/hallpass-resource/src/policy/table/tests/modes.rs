//! In which mode a request is judged.

use hallpass_config::Percent;

use super::*;

#[test]
fn a_rule_has_its_own_mode_and_the_strictest_that_is_named_holds_where_rules_meet() {
    let with = |pattern: &str, mode: Option<Mode>| {
        let rule = rule(pattern, Rule::Authenticated);
        match mode {
            Some(mode) => rule.mode(mode),
            None => rule,
        }
    };
    let policy = policy(vec![
        (RuleOrigin::Code, with("/x", Some(Mode::Off))),
        (RuleOrigin::Code, with("/y", None)),
        (RuleOrigin::Code, with("/enforced", Some(Mode::Enforce))),
        (RuleOrigin::Configuration, with("/**", Some(Mode::Report))),
    ]);
    let mode = |path| {
        let path = request_path(path).unwrap();
        policy.resolve(&Method::GET, None, &path).unwrap().mode()
    };
    assert_eq!(mode("/x"), Mode::Report);
    // The rule in code has the mode of the service, whatever a wider one says in another table.
    assert_eq!(mode("/y"), Mode::Enforce);
    assert_eq!(mode("/enforced"), Mode::Enforce);
    assert_eq!(mode("/z"), Mode::Report);
}

#[test]
fn a_request_depends_on_its_token_where_a_rule_or_the_lack_of_one_is_enforced() {
    let depends = |mode, rules: Vec<RouteRule>| {
        let rules = rules.into_iter().map(|rule| (RuleOrigin::Code, rule));
        let policy = Policy::new(rules.collect(), mode, &mut Vec::new());
        let path = request_path("/x").unwrap();
        let access = policy.resolve(&Method::GET, None, &path).unwrap();
        access.depends_on_identity()
    };
    for (mode, enforced) in [
        (Mode::Off, false),
        (Mode::Report, false),
        (Mode::Enforce, true),
    ] {
        assert_eq!(depends(mode, vec![]), enforced, "no rule, {mode:?}");
        let closed = vec![rule("/x", Rule::Authenticated)];
        assert_eq!(depends(mode, closed), enforced, "{mode:?}");
        assert!(!depends(mode, vec![rule("/x", Rule::Anonymous)]));
    }
}

/// Who calls decides whether it is enforced for him, so it must be known.
#[test]
fn a_request_depends_on_its_token_where_it_is_enforced_for_some() {
    let [service, some] = [0, 1].map(|it| Rollout::new(Mode::Enforce, Percent::new(it).unwrap()));
    let depends = |service: Rollout, rules: Vec<RouteRule>| {
        let rules = rules.into_iter().map(|rule| (RuleOrigin::Code, rule));
        let policy = Policy::new(rules.collect(), service, &mut Vec::new());
        let path = request_path("/x").unwrap();
        let access = policy.resolve(&Method::GET, None, &path).unwrap();
        (access.is_partial(), access.depends_on_identity())
    };
    let closed = || rule("/x", Rule::Authenticated);
    let for_some = closed().enforce_percent(Percent::new(1).unwrap());
    assert_eq!(depends(service, vec![for_some]), (true, true));
    assert_eq!(depends(some, vec![closed()]), (true, true));
    assert_eq!(depends(some, vec![]), (true, true));
    assert_eq!(depends(service, vec![closed()]), (false, false));
}

#[test]
fn a_path_without_meaning_has_the_strictest_mode_of_all() {
    let of = |service, named: Option<Mode>| {
        let rule = rule("/x", Rule::Authenticated);
        let rule = match named {
            Some(mode) => rule.mode(mode),
            None => rule,
        };
        let mut problems = Vec::new();
        Policy::new(vec![(RuleOrigin::Code, rule)], service, &mut problems).mode_without_path()
    };
    assert_eq!(of(Mode::Report, Some(Mode::Enforce)), Mode::Enforce);
    assert_eq!(of(Mode::Off, Some(Mode::Report)), Mode::Report);
    assert_eq!(of(Mode::Enforce, Some(Mode::Off)), Mode::Enforce);
    assert_eq!(of(Mode::Off, None), Mode::Off);
}
