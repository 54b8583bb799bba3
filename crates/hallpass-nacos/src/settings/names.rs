//! What Nacos takes as a name.

/// What Nacos takes as a group, a data id or the id of a namespace.
pub(super) fn checked_name(text: &str) -> Result<String, &'static str> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    match text.len() <= 256 && text.chars().all(is_allowed) {
        true => Ok(text.to_owned()),
        false => Err("must consist of letters, digits, `-`, `_`, `.` and `:`"),
    }
}

/// As [`checked_name`], and not empty.
pub(super) fn checked_id(text: &str) -> Result<String, &'static str> {
    match text.is_empty() {
        true => Err("must not be empty"),
        false => checked_name(text),
    }
}
