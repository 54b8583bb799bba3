//! Whether Redis does what the service asks it to do.

use hallpass::redis::{RedisError, RedisExamination, RedisSettings, UnableCommand};

use super::advice::{form, what_to_do};
use crate::command::doctor::check::Check;
use crate::command::doctor::finding::{Finding, Outcome};

/// Why commands were refused, unless one of the findings `before` says it already.
pub(super) fn examine(
    settings: &RedisSettings,
    found: &RedisExamination,
    before: &[Finding],
) -> Vec<Finding> {
    let has_failed = before.iter().any(|it| it.outcome == Outcome::Failure);
    let mut findings: Vec<Finding> = Vec::new();
    for unable in &found.unable {
        let is_said = has_failed && is_of_the_server(&unable.error);
        let says = says(settings, unable);
        if !is_said && findings.iter().all(|it| it.says != says) {
            let advice = what_to_do(&unable.error);
            findings.push(Finding::failure(Check::Redis, says, advice));
        }
    }
    findings
}

/// Of a server or a cluster that other findings are about.
fn is_of_the_server(error: &RedisError) -> bool {
    !matches!(error, RedisError::Refused { code } if ["NOPERM", "NOREPLICAS"].contains(&&**code))
}

fn says(settings: &RedisSettings, unable: &UnableCommand) -> String {
    let UnableCommand {
        primary,
        command,
        key,
        error,
    } = unable;
    let server = match primary {
        Some(primary) => format!("the primary {primary} of the cluster"),
        None => form(settings),
    };
    match error {
        RedisError::Refused { code } => match &**code {
            "NOPERM" => format!("{server}: the user may not {command} the key `{key}` (NOPERM)"),
            "NOREPLICAS" => format!(
                "{server}: it refuses writes for it has fewer replicas than `min-replicas-to-write` (NOREPLICAS)"
            ),
            code => format!("{server}: it refuses {command} ({code})"),
        },
        error => format!("{server}: {command}: {error}"),
    }
}
