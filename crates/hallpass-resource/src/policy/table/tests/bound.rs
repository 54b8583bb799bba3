//! Rules that take bound tokens alone.

use hallpass_token::{Confirmation, Thumbprint};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::error::ProofFault;
use crate::policy::Bound;

const ORIGINS: [RuleOrigin; 3] = [
    RuleOrigin::Code,
    RuleOrigin::Configuration,
    RuleOrigin::InternalOnlyPaths,
];
const ALL: [Bound; 5] = [
    Bound::No,
    Bound::Any,
    Bound::Key,
    Bound::Certificate,
    Bound::Both,
];

/// A service with every scope of an internal issuer, whose token is bound so.
fn bound_caller(key: bool, certificate: bool) -> Verified {
    let member = |is: bool| is.then_some(Thumbprint([1; 32]));
    let mut claims = TokenClaims::new(
        "internal".parse().unwrap(),
        "order".parse().unwrap(),
        "a".parse().unwrap(),
        UnixTime::from_secs(9),
    );
    claims.client_id = Some("order".parse().unwrap());
    claims.scope = scope("a b");
    claims.confirmation = (key || certificate).then(|| Confirmation {
        jkt: member(key),
        x5t_s256: member(certificate),
        ..Confirmation::default()
    });
    let claims = VerifiedClaims::dangerous_unverified(claims);
    let context = SecurityContext::new(claims, AccessToken::new("t"));
    Verified::for_tests(context, true)
}

fn any_rule() -> impl Strategy<Value = Rule> {
    select(vec![
        Rule::Anonymous,
        Rule::Authenticated,
        Rule::InternalOnly(scope("a")),
        Rule::all_scopes(scope("a b")),
        Rule::any_scope(scope("b")),
    ])
}

fn any_rules() -> impl Strategy<Value = Vec<(RuleOrigin, RouteRule)>> {
    let origins = select(ORIGINS.to_vec());
    let modes = select(vec![None, Some(Mode::Enforce)]);
    let one = (origins, any_rule(), select(ALL.to_vec()), modes);
    let rule_of = |(origin, asked, bound, mode): (_, _, _, Option<Mode>)| {
        let route = rule("/x", asked).bound(bound);
        (origin, mode.map_or(route.clone(), |mode| route.mode(mode)))
    };
    // One for each table: two of a table with the same paths are a problem.
    vec(one.prop_map(rule_of), 1..6).prop_map(|mut rules| {
        let mut seen = Vec::new();
        rules.retain(|(origin, _)| {
            let is_new = !seen.contains(origin);
            seen.push(*origin);
            is_new
        });
        rules
    })
}

proptest! {
    /// Whatever the other rules say, and in which table the demand stands.
    #[test]
    fn no_token_passes_that_is_not_bound_as_a_rule_demands(
        rules in any_rules(),
        of_all in select(ALL.to_vec()),
        key in any::<bool>(),
        certificate in any::<bool>(),
        with_token in option::weighted(0.9, Just(())),
    ) {
        // As the setup makes of `internal-jwt.bound`.
        let rules: Vec<_> = rules
            .into_iter()
            .map(|(origin, rule)| (origin, rule.bound(of_all)))
            .collect();
        let demanded = rules.iter().fold(Bound::No, |all, (_, rule)| all.and(rule.conditions.bound));
        let caller = bound_caller(key, certificate);
        let claims = caller.context().claims();
        let is_met = demanded.is_met_by(claims.confirmation.as_ref());
        match (with_token, decide(rules.clone(), with_token.map(|()| &caller))) {
            (Some(()), result) => prop_assert_eq!(result.is_ok(), is_met, "{:?}", rules),
            (None, Ok(())) => {
                prop_assert!(rules.iter().all(|(_, rule)| rule.rule == Rule::Anonymous));
            }
            (None, Err(denial)) => prop_assert_eq!(denial, Denial::MissingToken),
        }
    }
}

#[test]
fn a_token_that_is_bound_to_nothing_is_refused_with_a_reason_of_its_own() {
    let unbound = bound_caller(false, false);
    for bound in [Bound::Any, Bound::Key, Bound::Certificate, Bound::Both] {
        for asked in [
            Rule::Authenticated,
            Rule::Anonymous,
            Rule::InternalOnly(scope("a")),
        ] {
            let rules = vec![(RuleOrigin::Code, rule("/x", asked).bound(bound))];
            let denial = decide(rules, Some(&unbound)).unwrap_err();
            assert_eq!(denial, ProofFault::Unbound(bound).into());
            assert_eq!(
                (denial.reason(), denial.log_code()),
                ("unbound", "token_unbound")
            );
            assert_eq!(denial.response().status, 401);
        }
    }
    let without_scope = vec![(
        RuleOrigin::Code,
        rule("/x", Rule::all_scopes(scope("z"))).bound(Bound::Key),
    )];
    let denial = decide(without_scope, Some(&unbound)).unwrap_err();
    assert_eq!(
        denial.reason(),
        "scope",
        "who may not call is not asked for a proof"
    );
}

#[test]
fn a_demand_is_said_where_rules_are_listed() {
    let policy = code([
        rule("/x", Rule::Authenticated).bound(Bound::Certificate),
        rule("/y", Rule::Authenticated),
    ]);
    let lines: Vec<_> = policy.lines().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "* /x authenticated and bound(certificate) [enforce, code]",
            "* /y authenticated [enforce, code]"
        ]
    );
}
