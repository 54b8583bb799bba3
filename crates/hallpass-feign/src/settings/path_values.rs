//! `path-values`: which values may stand in a path.

/// Which values may stand in a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PathValues {
    /// `safe`: none with a slash, backslash, semicolon, control character or escape (`%41`). Servers that read a path in
    /// one way only refuse these, also percent-encoded; Hallpass's resource server and Spring's firewall do.
    #[default]
    Safe,
    /// `any`: all but dot segments, percent-encoded, for servers that take them.
    Any,
}

impl PathValues {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "safe" => Some(Self::Safe),
            "any" => Some(Self::Any),
            _ => None,
        }
    }
}
