//! What a name may be.

/// Longest name of a client, issuer, audience or service, in bytes.
const MAX_NAME_BYTES: usize = 512;

/// The name of somebody or something: 1 to 512 bytes, no control characters.
///
/// # Errors
/// What is wrong, without the text.
pub fn check_name(text: &str) -> Result<String, &'static str> {
    match text {
        "" => Err("must not be empty"),
        _ if text.len() > MAX_NAME_BYTES => Err("is longer than 512 bytes"),
        _ if text.chars().any(char::is_control) => Err("must not hold control characters"),
        _ => Ok(text.to_owned()),
    }
}

/// The name of a service or of an entry of the configuration: [`check_name`], of letters, digits, `-`, `_` and `.`.
///
/// # Errors
/// What is wrong, without the text.
pub fn check_service_name(text: &str) -> Result<String, &'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match check_name(text) {
        Ok(_) if !text.chars().all(allowed) => {
            Err("must be a name of letters, digits, `-`, `_` and `.`")
        }
        name => name,
    }
}
