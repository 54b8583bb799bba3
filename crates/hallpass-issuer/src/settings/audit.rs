//! `issuer.audit`: where audit events go, and how many are kept for questions.

use std::path::PathBuf;

use hallpass_config::{Key, Kind, Section};

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "to",
        Kind::Choice(&["log", "stdout", "file"]),
        "Where audit events go: into the log, as its target `hallpass::audit`; or, as one JSON object a line, to standard output or into `file`, and not \
        into the log then.",
    )
    .or("log"),
    Key::new(
        "file",
        Kind::File,
        "With `to: file`: the file, for its owner alone. It is written at its end, and made anew when somebody moved it away or deleted it (logrotate \
        needs no signal). What cannot be written, as on a full disk, is counted in `hallpass_audit_dropped_total`, and writing goes on by itself. Each \
        instance needs one of its own.",
    ),
    Key::new(
        "rotate-mb",
        Kind::count(0, 65_536),
        "When the file would be longer than so many MiB, it gets the name `FILE.1`, that before it `FILE.2`, and so on. `0`: somebody else does that.",
    )
    .or("100"),
    Key::new(
        "keep",
        Kind::count(0, 1_000),
        "How many files are kept of those before it; the oldest one goes.",
    )
    .or("10"),
    Key::new(
        "retain-mb",
        Kind::count(0, 256),
        "How many MiB of the last events are kept in memory for questions (`GET /admin/v1/audit`); one takes some 350 bytes. With `to: file` they begin \
        with what the file has last.",
    )
    .otherwise("16 where `issuer.admin` is served, else 0"),
];

/// `audit`: where audit events go, and how many are kept for questions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditSettings {
    /// `to`, `file`, `rotate-mb` and `keep`: where events go.
    pub to: AuditPlace,
    /// `retain-mb`, in bytes: how much is kept of the last events; `None`: 16 MiB where somebody can ask, else nothing.
    pub retain_bytes: Option<usize>,
}

/// Where audit events go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuditPlace {
    /// Into the log: `tracing`, target [`AUDIT_TARGET`](crate::AUDIT_TARGET), level INFO.
    #[default]
    Log,
    /// To standard output, one JSON object a line.
    Stdout,
    /// Into a file, one JSON object a line.
    File {
        /// Which one.
        path: PathBuf,
        /// Its length, in bytes, beyond which it begins anew; 0: never by itself.
        rotate_bytes: u64,
        /// How many are kept of those before it.
        keep: u32,
    },
}

const MIB: u32 = 1024 * 1024;

impl AuditSettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let to = section.choice("to", |name| match name {
            "log" => Some(AuditPlace::Log),
            "stdout" => Some(AuditPlace::Stdout),
            "file" => Some(AuditPlace::File {
                path: PathBuf::new(),
                rotate_bytes: 0,
                keep: 0,
            }),
            _ => None,
        });
        let has_file = section.has("file");
        let file = has_file.then(|| section.file("file"));
        let rotate = section.count("rotate-mb");
        let keep = section.count("keep");
        let retain = section.has("retain-mb").then(|| section.count("retain-mb"));
        let is_to_file = matches!(to, Some(AuditPlace::File { .. }));
        match (is_to_file, has_file) {
            (true, false) => section.problem("file", "is missing: `to` is `file`"),
            (false, true) if to.is_some() => {
                section.problem("file", "says nothing unless `to` is `file`");
            }
            _ => {}
        }
        let to = match to? {
            AuditPlace::File { .. } => AuditPlace::File {
                path: file??,
                rotate_bytes: u64::from(rotate?) * u64::from(MIB),
                keep: keep?,
            },
            other => other,
        };
        let retain = match retain {
            Some(retain) => Some(usize::try_from(u64::from(retain?) * u64::from(MIB)).ok()?),
            None => None,
        };
        Some(Self {
            to,
            retain_bytes: retain,
        })
    }
}
