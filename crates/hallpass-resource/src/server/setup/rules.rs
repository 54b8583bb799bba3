//! The rules of code and settings together.

use crate::error::SetupProblem;
use crate::policy::{RouteRule, Rule, RuleOrigin};
use crate::settings::InternalJwtSettings;
use crate::trusted_issuer::Issuers;

/// A caller of an issuer that is not trusted could never call, so its name is a slip.
pub(super) fn report_unknown_parties(
    rules: &[(RuleOrigin, RouteRule)],
    issuers: &Issuers,
    problems: &mut Vec<SetupProblem>,
) {
    for (_, rule) in rules {
        let unknown = rule
            .foreign_parties()
            .filter(|(_, issuer)| !issuers.contains_name(issuer));
        problems.extend(unknown.map(|(party, _)| SetupProblem::UnknownParty {
            pattern: rule.path().to_string(),
            party: party.to_string(),
        }));
    }
}

/// Those in code and those of the settings, each with what is demanded of all: so no table has less.
pub(super) fn all(
    in_code: &[RouteRule],
    jwt: &InternalJwtSettings,
) -> Vec<(RuleOrigin, RouteRule)> {
    let in_code = in_code.iter().cloned();
    let in_code = in_code.map(|rule| (RuleOrigin::Code, rule));
    let rules = in_code.chain(configured(jwt));
    let rules = rules.map(|(origin, rule)| (origin, rule.bound(jwt.bound)));
    rules.collect()
}

/// The rules that stand in the settings.
fn configured(jwt: &InternalJwtSettings) -> impl Iterator<Item = (RuleOrigin, RouteRule)> + '_ {
    let routes = jwt.routes.iter().cloned();
    let routes = routes.map(|route| (RuleOrigin::Configuration, route));
    let internal_only = &jwt.internal_only;
    let paths = internal_only.paths.iter().cloned().map(|pattern| {
        let rule = Rule::InternalOnly(internal_only.scope.clone());
        let mut rule = RouteRule::new(pattern, rule).bound(internal_only.bound);
        if let Some(mode) = internal_only.mode {
            rule = rule.mode(mode);
        }
        if let Some(percent) = internal_only.enforce_percent {
            rule = rule.enforce_percent(percent);
        }
        (RuleOrigin::InternalOnlyPaths, rule)
    });
    routes.chain(paths)
}
