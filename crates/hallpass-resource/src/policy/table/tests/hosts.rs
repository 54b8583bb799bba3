use http::Request;

use super::*;
use crate::policy::RequestHost;

fn labels(policy: &Policy, host: Option<&str>, path: &str) -> Vec<String> {
    let host = host.map(|host| {
        let request = Request::get("/").header("host", host).body(()).unwrap();
        RequestHost::of(&request.into_parts().0).unwrap()
    });
    let path = request_path(path).unwrap();
    let access = policy.resolve(&Method::GET, host.as_ref(), &path).unwrap();
    let decisions = access.decisions(Ok(None));
    decisions
        .map(|(entry, ..)| entry.label.to_string())
        .collect()
}

fn for_hosts(pattern: &str, hosts: &[&str], asked: Rule) -> RouteRule {
    let hosts = hosts.iter().map(|host| host.parse().unwrap());
    rule(pattern, asked).hosts(hosts)
}

#[test]
fn a_rule_of_a_host_is_for_its_host_and_the_nearest_one_counts() {
    let policy = code([
        for_hosts("/**", &["*.shop.example"], Rule::Authenticated),
        for_hosts("/**", &["*.a.shop.example"], Rule::Authenticated),
        for_hosts(
            "/x",
            &["admin.shop.example", "root.shop.example"],
            Rule::all_scopes(scope("a")),
        ),
    ]);
    assert!(policy.names_hosts());
    let one = |host, path| labels(&policy, Some(host), path);
    assert_eq!(one("admin.shop.example", "/x"), ["admin.shop.example/x"]);
    assert_eq!(one("ROOT.shop.example:8443", "/x"), ["root.shop.example/x"]);
    assert_eq!(one("admin.shop.example", "/y"), ["*.shop.example/**"]);
    assert_eq!(one("b.a.shop.example", "/x"), ["*.a.shop.example/**"]);
    assert_eq!(
        one("shop.example", "/x"),
        [""; 0],
        "no rule, so it is refused"
    );
    assert_eq!(labels(&policy, None, "/x"), [""; 0]);
}

/// Whoever sends a request chooses its host, so a rule for one host must not open what the rule for all closes.
#[test]
fn a_made_up_host_opens_nothing_that_a_rule_for_all_hosts_closes() {
    let policy = code([
        rule("/internal/**", Rule::InternalOnly(scope("a"))),
        for_hosts("/**", &["public.example"], Rule::Anonymous),
    ]);
    let both = labels(&policy, Some("public.example"), "/internal/x");
    assert_eq!(both, ["public.example/**", "/internal/**"]);
    let host = Request::get("/")
        .header("host", "public.example")
        .body(())
        .unwrap();
    let host = RequestHost::of(&host.into_parts().0).unwrap();
    let path = request_path("/internal/x").unwrap();
    let access = policy.resolve(&Method::GET, Some(&host), &path).unwrap();
    assert_eq!(access.rule_on(Ok(None)).denial, Some(Denial::MissingToken));
}

#[test]
fn two_rules_of_one_host_and_path_are_a_problem_and_those_of_two_hosts_are_not() {
    let problems = |first: &[&str], second: &[&str]| {
        let mut problems = Vec::new();
        let rules = [first, second].map(|hosts| {
            (
                RuleOrigin::Code,
                for_hosts("/x", hosts, Rule::Authenticated),
            )
        });
        let _ = Policy::new(rules.to_vec(), Mode::Enforce, &mut problems);
        problems.len()
    };
    assert_eq!(problems(&["a.example"], &["b.example"]), 0);
    assert_eq!(problems(&["a.example"], &["A.example."]), 1);
    assert_eq!(problems(&["a.example"], &[]), 0);
}
