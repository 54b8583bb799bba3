use hallpass_token::{
    AccessToken, Actor, CallerKind, Scope, SecurityContext, TokenClaims, UnixTime, UnknownCaller,
    VerifiedClaims,
};

use super::*;
use crate::error::Denial;
use crate::path::EncodedCharacters;
use crate::verifier::Verified;

mod bound;
mod conditions;
mod hosts;
mod modes;
mod readings;

/// A request as it comes when no nest has taken anything away.
fn request_path(path: &str) -> Result<RequestPath<'_>, PathFault> {
    RequestPath::parse(None, path, EncodedCharacters::default())
}

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn rule(pattern: &str, rule: Rule) -> RouteRule {
    RouteRule::new(pattern.parse().unwrap(), rule)
}

fn policy(rules: Vec<(RuleOrigin, RouteRule)>) -> Policy {
    let mut problems = Vec::new();
    let policy = Policy::new(rules, Mode::Enforce, &mut problems);
    assert_eq!(problems, []);
    policy
}

fn code(rules: impl IntoIterator<Item = RouteRule>) -> Policy {
    policy(
        rules
            .into_iter()
            .map(|rule| (RuleOrigin::Code, rule))
            .collect(),
    )
}

/// The label of the rule that is found, or the fault of the path.
fn found(policy: &Policy, method: &Method, path: &str) -> Result<String, PathFault> {
    let path = request_path(path)?;
    policy
        .resolve(method, None, &path)
        .map(|access| access.label().to_string())
}

fn caller(subject: &str, client: Option<&str>, scopes: &str, internal: bool) -> Verified {
    let end = UnixTime::from_secs(9);
    let mut claims = TokenClaims::new(
        "internal".parse().unwrap(),
        subject.parse().unwrap(),
        "a".parse().unwrap(),
        end,
    );
    claims.client_id = client.map(|client| client.parse().unwrap());
    claims.scope = scope(scopes);
    Verified::for_tests(
        SecurityContext::new(
            VerifiedClaims::dangerous_unverified(claims),
            AccessToken::new("t"),
        ),
        internal,
    )
}

fn decide(rules: Vec<(RuleOrigin, RouteRule)>, caller: Option<&Verified>) -> Result<(), Denial> {
    let policy = policy(rules);
    let path = request_path("/x").unwrap();
    let access = policy.resolve(&Method::GET, None, &path).unwrap();
    access.rule_on(Ok(caller)).denial.map_or(Ok(()), Err)
}

fn decide_one(asked: Rule, caller: Option<&Verified>) -> Result<(), Denial> {
    decide(vec![(RuleOrigin::Code, rule("/x", asked))], caller)
}

#[test]
fn the_most_specific_rule_counts_whatever_the_order() {
    let policy = code([
        rule("/**", Rule::Anonymous),
        rule("/orders/{id}", Rule::Authenticated),
        rule("/orders/new", Rule::all_scopes(scope("a"))).methods([Method::POST]),
        rule("/orders/{id}", Rule::all_scopes(scope("a"))).methods([Method::DELETE, Method::PUT]),
    ]);
    let label = |method: Method, path| found(&policy, &method, path).unwrap();
    assert_eq!(label(Method::POST, "/orders/new"), "POST /orders/new");
    assert_eq!(label(Method::GET, "/orders/new"), "/orders/{id}");
    assert_eq!(label(Method::DELETE, "/orders/7"), "DELETE /orders/{id}");
    assert_eq!(label(Method::GET, "/orders/7"), "/orders/{id}");
    assert_eq!(label(Method::GET, "/orders"), "/**");
}

#[test]
fn head_falls_under_the_rule_for_get_unless_it_has_its_own() {
    let policy = code([
        rule("/**", Rule::Anonymous),
        rule("/a", Rule::Authenticated).methods([Method::GET]),
        rule("/b", Rule::Authenticated).methods([Method::GET]),
        rule("/b", Rule::Anonymous).methods([Method::HEAD]),
    ]);
    assert_eq!(found(&policy, &Method::HEAD, "/a").unwrap(), "GET /a");
    assert_eq!(found(&policy, &Method::HEAD, "/b").unwrap(), "HEAD /b");
    assert_eq!(found(&policy, &Method::OPTIONS, "/a").unwrap(), "/**");
}

#[test]
fn an_escaped_letter_cannot_reach_another_rule() {
    let policy = code([
        rule("/{page}", Rule::Anonymous),
        rule("/admin", Rule::Authenticated),
        rule("/files/{name}", Rule::Anonymous),
    ]);
    assert_eq!(
        found(&policy, &Method::GET, "/%61dmin"),
        Err(PathFault::TwoRules)
    );
    assert_eq!(
        found(&policy, &Method::GET, "/ad%6Din"),
        Err(PathFault::TwoRules)
    );
    // Where no other rule is in reach, escapes are nobody's harm: clients write them.
    assert_eq!(
        found(&policy, &Method::GET, "/files/%7Ejoe%2D1").unwrap(),
        "/files/{name}"
    );
}

#[test]
fn every_table_with_a_rule_must_allow() {
    let rules = |code: Rule, configured: Rule| {
        vec![
            (RuleOrigin::Code, rule("/x", code)),
            (RuleOrigin::Configuration, rule("/**", configured)),
        ]
    };
    // Configuration opens nothing that code closed, and tightens what code allows.
    assert_eq!(
        decide(rules(Rule::Authenticated, Rule::Anonymous), None),
        Err(Denial::MissingToken)
    );
    assert_eq!(
        decide(rules(Rule::Anonymous, Rule::Authenticated), None),
        Err(Denial::MissingToken)
    );
    assert_eq!(
        decide(rules(Rule::Anonymous, Rule::Anonymous), None),
        Ok(())
    );
    // It opens what code says nothing about.
    assert_eq!(
        decide(
            vec![(RuleOrigin::Configuration, rule("/x", Rule::Anonymous))],
            None
        ),
        Ok(())
    );

    let user = caller("alice", Some("shop"), "internal-service a", true);
    let mut internal = rules(Rule::Authenticated, Rule::Anonymous);
    let only = Rule::InternalOnly(scope("internal-service"));
    internal.push((RuleOrigin::InternalOnlyPaths, rule("/x", only)));
    assert!(matches!(
        decide(internal, Some(&user)),
        Err(Denial::NotInternal { .. })
    ));
}

#[test]
fn of_two_rules_that_refuse_as_strictly_the_first_says_why() {
    let user = caller("alice", None, "", false);
    let rules = vec![
        (
            RuleOrigin::Configuration,
            rule("/**", Rule::all_scopes(scope("b"))),
        ),
        (RuleOrigin::Code, rule("/x", Rule::all_scopes(scope("a")))),
    ];
    let required = scope("a");
    assert_eq!(
        decide(rules, Some(&user)),
        Err(Denial::InsufficientScope { required }),
        "code stands before configuration"
    );
}

#[test]
fn without_a_rule_nobody_passes() {
    assert_eq!(decide(vec![], None), Err(Denial::MissingToken));
    let service = caller("svc", Some("svc"), "internal-service", true);
    assert_eq!(decide(vec![], Some(&service)), Err(Denial::NoRule));
}

#[test]
fn internal_only_is_for_services_of_an_internal_issuer() {
    let required = scope("internal-service");
    let only = || Rule::InternalOnly(required.clone());
    let all = "internal-service admin everything";
    assert_eq!(
        decide_one(only(), Some(&caller("svc", Some("svc"), all, true))),
        Ok(())
    );

    // What is missing is not the scope.
    let refused = |caller, internal| {
        let missing = Scope::empty();
        Err(Denial::NotInternal {
            missing,
            caller,
            internal,
        })
    };
    assert_eq!(
        decide_one(only(), Some(&caller("alice", Some("svc"), all, true))),
        refused(CallerKind::User, true)
    );
    assert_eq!(
        decide_one(only(), Some(&caller("svc", None, all, true))),
        refused(CallerKind::Unknown(UnknownCaller::NoClient), true)
    );
    assert_eq!(
        decide_one(only(), Some(&caller("svc", Some("svc"), all, false))),
        refused(CallerKind::Service, false)
    );
    assert_eq!(decide_one(only(), None), Err(Denial::MissingToken));
    let lacking = Err(Denial::InsufficientScope {
        required: required.clone(),
    });
    assert_eq!(
        decide_one(only(), Some(&caller("svc", Some("svc"), "other", true))),
        lacking
    );

    // A service's token that somebody else acts with is not a call of a service.
    let service = caller("svc", Some("svc"), all, true);
    let mut claims = service.context().claims().clone().into_claims();
    claims.actor = Some(Actor::new("gateway".parse().unwrap()));
    let acted = Verified::for_tests(
        SecurityContext::new(
            VerifiedClaims::dangerous_unverified(claims),
            AccessToken::new("t"),
        ),
        true,
    );
    assert_eq!(
        decide_one(only(), Some(&acted)),
        refused(CallerKind::Unknown(UnknownCaller::NoMark), true)
    );
}

#[test]
fn scopes_are_all_or_any_and_the_answer_names_what_is_missing() {
    let user = caller("alice", None, "a b", false);
    let user = Some(&user);
    let lacking = |text: &str| {
        Err(Denial::InsufficientScope {
            required: scope(text),
        })
    };
    assert_eq!(decide_one(Rule::all_scopes(scope("a b")), user), Ok(()));
    assert_eq!(
        decide_one(Rule::all_scopes(scope("a c")), user),
        lacking("a c")
    );
    assert_eq!(decide_one(Rule::any_scope(scope("c b")), user), Ok(()));
    assert_eq!(
        decide_one(Rule::any_scope(scope("c d")), user),
        lacking("c d")
    );
    let both = |all: &str, any: &str| Rule::Scopes {
        all: scope(all),
        any: scope(any),
    };
    assert_eq!(decide_one(both("a", "b c"), user), Ok(()));
    assert_eq!(decide_one(both("a", "c"), user), lacking("c"));
    assert_eq!(decide_one(both("c", "b"), user), lacking("c"));
}

#[test]
fn a_rule_that_cannot_be_meant_is_a_problem() {
    let mut problems = Vec::new();
    let rules = [
        rule("/a/{id}", Rule::Anonymous),
        rule("/a/{name}", Rule::Authenticated),
        rule(
            "/b",
            Rule::Scopes {
                all: Scope::empty(),
                any: Scope::empty(),
            },
        ),
    ];
    let rules = rules
        .into_iter()
        .map(|rule| (RuleOrigin::Code, rule))
        .collect();
    let policy = Policy::new(rules, Mode::Enforce, &mut problems);
    assert_eq!(
        problems,
        [
            SetupProblem::TwoRules {
                route: "/a/{name}".to_owned(),
                origin: RuleOrigin::Code
            },
            SetupProblem::EmptyScopes {
                pattern: "/b".to_owned()
            },
        ]
    );
    // Were it taken nevertheless, it would let nobody in.
    let path = request_path("/b").unwrap();
    let access = policy.resolve(&Method::GET, None, &path).unwrap();
    let user = caller("alice", None, "a", false);
    let required = Scope::empty();
    assert_eq!(
        access.rule_on(Ok(Some(&user))).denial,
        Some(Denial::InsufficientScope { required })
    );
}

#[test]
fn rules_are_listed_with_origin_and_mode_in_the_order_of_trial() {
    let policy = policy(vec![
        (
            RuleOrigin::InternalOnlyPaths,
            rule("/internal/**", Rule::InternalOnly(scope("s"))),
        ),
        (
            RuleOrigin::Code,
            rule("/**", Rule::Anonymous).mode(Mode::Report),
        ),
        (
            RuleOrigin::Code,
            rule("/a", Rule::any_scope(scope("b c"))).methods([Method::GET]),
        ),
        (
            RuleOrigin::Code,
            rule(
                "/b",
                Rule::Scopes {
                    all: scope("a"),
                    any: scope("b c"),
                },
            ),
        ),
    ]);
    let lines: Vec<_> = policy.lines().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "GET /a scopes(any: b c) [enforce, code]",
            "* /b scopes(all: a; any: b c) [enforce, code]",
            "* /** anonymous [report, code]",
            "* /internal/** internal-only(s) [enforce, internal-only paths]",
        ]
    );
}
