//! A short name for all rules and modes in effect.

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest;

use super::line::RuleLine;
use super::mode::Mode;
use super::rollout::Rollout;

/// Bytes of the digest that are shown, as two hexadecimal digits each.
const SHOWN_BYTES: usize = 6;

/// The same for the same rules and modes, whatever the order and the files that they are written in, in every instance.
pub(super) fn version(lines: &[RuleLine], rollout: Rollout, without_path: Mode) -> Arc<str> {
    let line = |line: &RuleLine| format!("{line} {}", line.names_its_mode);
    let mut texts: Vec<_> = lines.iter().map(line).collect();
    texts.sort_unstable();
    texts.push(format!("{rollout} {}", without_path.name()));
    let digest = digest::digest(&digest::SHA256, texts.join("\n").as_bytes());
    let mut shown = String::with_capacity(2 * SHOWN_BYTES);
    for byte in digest.as_ref().iter().take(SHOWN_BYTES) {
        // Writing into a String cannot fail.
        let _infallible = write!(shown, "{byte:02x}");
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use crate::policy::{Mode, Policy, RouteRule, Rule, RuleOrigin};

    fn version(rules: &[RouteRule], mode: Mode) -> String {
        let mut problems = Vec::new();
        let rules = rules.iter().cloned();
        let rules = rules.map(|rule| (RuleOrigin::Configuration, rule));
        let policy = Policy::new(rules.collect(), mode, &mut problems);
        assert_eq!(problems, []);
        policy.version().to_string()
    }

    #[test]
    fn the_version_is_the_same_for_the_same_rules_and_modes_and_for_no_others() {
        let orders = RouteRule::new("/orders/**".parse().unwrap(), Rule::Authenticated);
        let health = RouteRule::new("/health".parse().unwrap(), Rule::Anonymous);
        let both = [orders.clone(), health.clone()];
        let of_both = version(&both, Mode::Enforce);
        assert_eq!(of_both.len(), 12);
        let placed = health.clone().written_at("other.yaml:7:3");
        let turned = [placed, orders.clone()];
        assert_eq!(version(&turned, Mode::Enforce), of_both, "order and place");
        let scoped = Rule::all_scopes("orders".parse().unwrap());
        let others = [
            version(&both[..1], Mode::Enforce),
            version(&both, Mode::Report),
            version(
                &[orders.clone().mode(Mode::Enforce), health.clone()],
                Mode::Enforce,
            ),
            version(
                &[orders.clone().mode(Mode::Report), health.clone()],
                Mode::Enforce,
            ),
            version(
                &[
                    orders
                        .clone()
                        .enforce_percent(hallpass_config::Percent::new(10).unwrap()),
                    health.clone(),
                ],
                Mode::Enforce,
            ),
            version(&[orders.roles(["clerk"]), health.clone()], Mode::Enforce),
            version(
                &[
                    RouteRule::new("/orders/**".parse().unwrap(), scoped),
                    health,
                ],
                Mode::Enforce,
            ),
        ];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(*other, of_both, "{index}");
            let same = others.iter().filter(|it| *it == other).count();
            assert_eq!(same, 1, "{index}");
        }
    }
}
