//! What audit events are called, and what administrators do: a question for anything else has no answer.

/// Each `event`.
const EVENTS: [&str; 10] = [
    "token_issued",
    "token_refused",
    "token_revoked",
    "token_introspected",
    "refresh_token_revoked",
    "certificate_issued",
    "certificate_refused",
    "locked_out",
    "lockout_ended",
    "administration",
];

/// Each `action` of an `administration`, those of commands among them.
const ACTIONS: [&str; 18] = [
    "key_import",
    "key_rotate",
    "key_taint",
    "revoke",
    "client_add",
    "client_set",
    "client_rotate_secret",
    "client_disable",
    "client_enable",
    "client_delete",
    "client_unlock",
    "ca_rotate",
    "ca_distrust",
    "store_migrate",
    "store_restore",
    "apply",
    "read",
    "change",
];

/// Whether there are events that are called so, or of which this is the action.
pub(crate) fn is_event_or_action(name: &str) -> bool {
    EVENTS.contains(&name) || is_action(name)
}

/// Whether administrators do something that is called so.
pub(super) fn is_action(name: &str) -> bool {
    ACTIONS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in the row of `docs/operations.md` that begins so.
    fn of_row(begin: &str, end: &str) -> Vec<&'static str> {
        let page = include_str!("../../../../docs/operations.md");
        let row = page.lines().find(|line| line.starts_with(begin)).unwrap();
        let names = row.strip_prefix(begin).unwrap();
        let (names, _) = names.split_once(end).unwrap();
        names.split('`').skip(1).step_by(2).collect()
    }

    #[test]
    fn the_names_are_those_of_the_page() {
        assert_eq!(of_row("| `event` | all |", " |"), EVENTS);
        let begin = "| `action`, `object`, `outcome` | administration |";
        assert_eq!(of_row(begin, "of who was kept out"), ACTIONS);
    }
}
