use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::caller_mapping::Mark;
use crate::error::ConditionFault;
use crate::policy::{Actors, Conditions, Names, Party};

/// Alice, for whom `order-service` has asked, with what `change` makes of her token.
fn alice(change: impl FnOnce(&mut TokenClaims)) -> Verified {
    let end = UnixTime::from_secs(9);
    let mut claims = TokenClaims::new(
        "internal".parse().unwrap(),
        "alice".parse().unwrap(),
        "a".parse().unwrap(),
        end,
    );
    claims.client_id = Some("order-service".parse().unwrap());
    claims.scope = scope("orders");
    change(&mut claims);
    let claims = VerifiedClaims::dangerous_unverified(claims);
    Verified::for_tests(SecurityContext::new(claims, AccessToken::new("t")), true)
}

fn extra(name: &str, value: serde_json::Value) -> Verified {
    alice(|it| {
        it.extra.insert(name.to_owned(), value);
    })
}

fn acted_by(actor: Actor) -> Verified {
    alice(|it| it.actor = Some(actor))
}

fn actor(name: &str) -> Actor {
    Actor::new(name.parse().unwrap())
}

fn parties(names: &[&str]) -> Vec<Party> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// Which condition refuses the caller of an `authenticated` route with what `change` demands.
fn refused(change: impl FnOnce(RouteRule) -> RouteRule, caller: &Verified) -> Option<&'static str> {
    let rule = change(rule("/x", Rule::Authenticated));
    match decide(vec![(RuleOrigin::Code, rule)], Some(caller)) {
        Ok(()) => None,
        Err(denial @ Denial::Condition(_)) => Some(denial.log_code()),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn roles_stand_in_a_list_or_a_text_and_all_that_are_demanded_must_be_there() {
    let admin = |rule: RouteRule| rule.roles(["admin", "audit"]);
    assert_eq!(refused(admin, &alice(|_| {})), Some("role_required"));
    assert_eq!(
        refused(admin, &extra("roles", json!(["admin"]))),
        Some("role_required")
    );
    assert_eq!(
        refused(admin, &extra("roles", json!(["audit", "x", "admin"]))),
        None
    );
    let one = |rule: RouteRule| rule.any_role(["admin", "audit"]);
    assert_eq!(refused(one, &extra("roles", json!("audit"))), None);
    assert_eq!(
        refused(one, &extra("roles", json!(["Audit", "administrator"]))),
        Some("role_required")
    );
    // What is not understood says nothing.
    for odd in [
        json!({"admin": true}),
        json!(["admin", 7]),
        json!("admin audit"),
        json!(null),
        json!(true),
    ] {
        assert_eq!(
            refused(one, &extra("roles", odd.clone())),
            Some("role_required"),
            "{odd}"
        );
    }
}

#[test]
fn authorities_are_those_of_the_token_and_what_spring_derives() {
    let caller = alice(|it| {
        it.extra.insert("roles".to_owned(), json!(["admin"]));
        it.extra
            .insert("authorities".to_owned(), json!(["orders:write"]));
    });
    let demanding = |name: &'static str| move |rule: RouteRule| rule.authorities([name]);
    for has in ["SCOPE_orders", "ROLE_admin", "orders:write"] {
        assert_eq!(refused(demanding(has), &caller), None, "{has}");
    }
    for lacks in [
        "orders",
        "admin",
        "SCOPE_admin",
        "ROLE_orders",
        "SCOPE_orders:write",
    ] {
        assert_eq!(
            refused(demanding(lacks), &caller),
            Some("authority_required"),
            "{lacks}"
        );
    }
    let any = |rule: RouteRule| rule.any_authority(["x", "ROLE_admin"]);
    assert_eq!(refused(any, &caller), None);
    assert_eq!(refused(any, &alice(|_| {})), Some("authority_required"));
}

#[test]
fn a_caller_is_a_client_of_the_issuer_that_is_meant() {
    let of = |names: &'static [&'static str]| move |rule: RouteRule| rule.callers(parties(names));
    let from_inside = alice(|_| {});
    assert_eq!(
        refused(of(&["billing", "order-service"]), &from_inside),
        None
    );
    assert_eq!(
        refused(of(&["billing"]), &from_inside),
        Some("caller_not_allowed")
    );
    assert_eq!(
        refused(of(&[]), &from_inside),
        Some("caller_not_allowed"),
        "an empty list is nobody"
    );
    let nameless = alice(|it| it.client_id = None);
    assert_eq!(
        refused(of(&["order-service"]), &nameless),
        Some("caller_not_allowed")
    );
    // Another issuer gives its own names.
    let claims = from_inside.context().claims().clone();
    let context = SecurityContext::new(claims, AccessToken::new("t"));
    let from_outside = Verified::for_tests(context, false);
    assert_eq!(
        refused(of(&["order-service"]), &from_outside),
        Some("caller_not_allowed")
    );
    assert_eq!(refused(of(&["order-service@test"]), &from_outside), None);
    assert_eq!(
        refused(of(&["order-service@login"]), &from_outside),
        Some("caller_not_allowed")
    );
}

#[test]
fn the_outermost_actor_decides_and_who_acts_for_nobody_is_not_asked() {
    let only = |rule: RouteRule| rule.actors(parties(&["order-service"]));
    let none = |rule: RouteRule| rule.actors([]);
    assert_eq!(refused(only, &alice(|_| {})), None);
    assert_eq!(refused(none, &alice(|_| {})), None);
    assert_eq!(refused(only, &acted_by(actor("order-service"))), None);
    assert_eq!(
        refused(none, &acted_by(actor("order-service"))),
        Some("actor_not_allowed")
    );
    let mut chain = actor("gateway");
    chain.actor = Some(Box::new(actor("order-service")));
    assert_eq!(refused(only, &acted_by(chain)), Some("actor_not_allowed"));
    let mut elsewhere = actor("order-service");
    elsewhere.issuer = Some("https://elsewhere.example".parse().unwrap());
    assert_eq!(
        refused(only, &acted_by(elsewhere)),
        Some("actor_not_allowed")
    );
}

#[test]
fn every_condition_on_claims_must_hold() {
    let acme = |rule: RouteRule| {
        let mark = |text: &str| text.parse::<Mark>().unwrap();
        rule.claim(mark("tenant=acme")).claim(mark("!guest"))
    };
    assert_eq!(refused(acme, &extra("tenant", json!("acme"))), None);
    assert_eq!(
        refused(acme, &extra("tenant", json!("acme2"))),
        Some("claim_not_allowed")
    );
    assert_eq!(refused(acme, &alice(|_| {})), Some("claim_not_allowed"));
    let guest = alice(|it| {
        it.extra.insert("tenant".to_owned(), json!("acme"));
        it.extra.insert("guest".to_owned(), json!(false));
    });
    assert_eq!(refused(acme, &guest), Some("claim_not_allowed"));
}

#[test]
fn conditions_beside_an_open_rule_are_a_problem() {
    let mut problems = Vec::new();
    let open = rule("/x", Rule::Anonymous).roles(["admin"]);
    let _ = Policy::new(vec![(RuleOrigin::Code, open)], Mode::Enforce, &mut problems);
    let pattern = "/x".to_owned();
    assert_eq!(problems, [SetupProblem::IdleConditions { pattern }]);
}

#[test]
fn no_condition_opens_an_internal_only_route_for_a_user() {
    let asked = rule("/x", Rule::InternalOnly(scope("orders")))
        .callers(parties(&["order-service"]))
        .actors(parties(&["order-service"]))
        .roles(["admin"]);
    let user = alice(|it| {
        it.actor = Some(actor("order-service"));
        it.extra.insert("roles".to_owned(), json!(["admin"]));
    });
    let denial = decide(vec![(RuleOrigin::Code, asked)], Some(&user)).unwrap_err();
    assert_eq!(denial.log_code(), "not_internal");
}

#[test]
fn the_caller_learns_which_kind_of_condition_it_was_and_no_name() {
    let denial = Denial::from(ConditionFault::Role("secret-role".to_owned()));
    let response = denial.response();
    assert_eq!(
        (response.status.as_u16(), response.code),
        (403, "role_required")
    );
    assert!(!response.title.contains("secret-role"));
    assert!(
        denial.to_string().contains("secret-role"),
        "the log says it"
    );
    assert!(denial.required_scope().is_none());
}

fn any_rule() -> impl Strategy<Value = Rule> {
    prop_oneof![
        Just(Rule::Authenticated),
        Just(Rule::InternalOnly(scope("orders"))),
        Just(Rule::all_scopes(scope("orders"))),
        Just(Rule::any_scope(scope("stock"))),
    ]
}

fn any_conditions() -> impl Strategy<Value = Conditions> {
    let names = || proptest::collection::vec(prop_oneof!["admin", "SCOPE_orders"], 0..2);
    let some = || proptest::collection::vec(prop_oneof!["order-service", "x", "alice@test"], 0..2);
    (names(), names(), some(), proptest::option::of(some())).prop_map(
        |(roles, any, callers, actors)| {
            let parties = |names: &[String]| -> Vec<Party> {
                names.iter().map(|it| it.parse().unwrap()).collect()
            };
            Conditions {
                peers: None,
                roles: Names {
                    all: roles.clone(),
                    any: any.clone(),
                },
                authorities: Names {
                    all: any,
                    any: roles,
                },
                callers: Some(parties(&callers)).filter(|it| !it.is_empty()),
                actors: actors.map_or(Actors::Any, |it| Actors::Only(parties(&it))),
                claims: Vec::new(),
                bound: crate::policy::Bound::No,
            }
        },
    )
}

fn any_caller() -> impl Strategy<Value = Verified> {
    (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(admin, acts, service)| {
        alice(|it| {
            if admin {
                it.extra.insert("roles".to_owned(), json!(["admin"]));
            }
            if acts {
                it.actor = Some(actor("order-service"));
            }
            if service {
                it.subject = "order-service".parse().unwrap();
            }
        })
    })
}

proptest! {
    /// Whatever conditions stand beside a rule, nobody passes whom the rule alone refuses.
    #[test]
    fn conditions_only_ever_tighten(asked in any_rule(), conditions in any_conditions(), caller in any_caller()) {
        let bare = decide_one(asked.clone(), Some(&caller));
        let tightened = rule("/x", asked).conditions(conditions);
        let both = decide(vec![(RuleOrigin::Code, tightened)], Some(&caller));
        prop_assert!(bare.is_ok() || both == bare);
    }

    /// What an explanation says is what the judge does.
    #[test]
    fn an_explanation_says_what_is_decided(
        rules in proptest::collection::vec((any_rule(), any_conditions(), any::<bool>(), 0..3_usize), 0..4),
        caller in proptest::option::of(any_caller()),
    ) {
        let mut problems = Vec::new();
        let origins = [RuleOrigin::Code, RuleOrigin::Configuration, RuleOrigin::InternalOnlyPaths];
        let rules = rules.into_iter().map(|(asked, conditions, reports, origin)| {
            let one = rule("/x", asked).conditions(conditions);
            (origins[origin], if reports { one.mode(Mode::Report) } else { one })
        });
        let policy = Policy::new(rules.collect(), Mode::Enforce, &mut problems);
        let path = request_path("/x").unwrap();
        let access = policy.resolve(&Method::GET, None, &path).unwrap();
        let ruling = access.rule_on(Ok(caller.as_ref()));
        let found = crate::policy::Found { method: &Method::GET, host: None, path: &path, access: &access, beside: None };
        let explained = policy.explain(found, Ok(caller.clone()), false);
        prop_assert_eq!(&explained.denial, &ruling.denial);
        prop_assert_eq!(explained.mode, ruling.mode);
        let deciding: Vec<_> = explained.decisions.iter().filter(|it| it.decides).collect();
        let is_ruled = ruling.denial.is_some() && !explained.decisions.is_empty();
        prop_assert_eq!(deciding.len(), usize::from(is_ruled));
        prop_assert!(deciding.iter().all(|it| it.denial == ruling.denial && it.mode == ruling.mode));
        let lines = explained.decisions.len() + explained.passed_over.len();
        prop_assert_eq!(lines, policy.lines().len(), "each rule of this path is asked or passed over");
    }
}
