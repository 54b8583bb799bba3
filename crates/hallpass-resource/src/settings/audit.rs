//! The keys of audit.

use hallpass_config::{Key, Kind};

pub(super) const LEVEL: Key = Key::new(
    "audit",
    Kind::Choice(&["all", "denials"]),
    "Which decisions become events of the target `hallpass::audit`: `all`, or `denials`: those that are not simply allowed. See \
    [policy.md](policy.md#audit-events).",
)
.or("all");

pub(super) const FILE: Key = Key::new(
    "audit-file",
    Kind::File,
    "A file that these events are written into as well, a JSON object a line, whatever the log leaves out. It is made, for its owner alone, with \
    the first event, is written at its end, and made anew when it was moved away or deleted (log rotation). What cannot be written, as on \
    a full disk, is counted in `hallpass_audit_dropped_total`, and no call waits for it.",
)
.otherwise("none");
