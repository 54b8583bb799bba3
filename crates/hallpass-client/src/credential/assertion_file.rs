//! The token that another issuer has given this service, such as the cluster that it runs in: a file that somebody renews.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass_config::Secret;
use hallpass_config::files::{self, FileError};
use hallpass_token::UnixTime;

use crate::error::AssertionFault;
use crate::unverified_end::unverified_end;

/// Largest file that is read, in bytes: twice what our issuer takes, and more than any issuer is known to write.
const MAX_BYTES: usize = 16 * 1024;

/// What stands in it, without the line end that may follow. It has the form of a JWT; nothing of it is checked, since only whom it is shown to
/// has the keys for that. It blocks the thread.
///
/// # Errors
/// When there is no such file, or it cannot be read again, is empty, larger than 16 KiB or no JWT.
pub(crate) fn read(path: &Path) -> Result<Secret, AssertionFault> {
    let read = files::read_text_again(path, MAX_BYTES).ok_or(AssertionFault::NotAFile)?;
    let text = read.map_err(AssertionFault::File)?;
    match text.trim() {
        "" => Err(AssertionFault::File(FileError::Empty)),
        token if is_jwt(token) => Ok(Secret::new(token)),
        _ => Err(AssertionFault::NotAJwt),
    }
}

/// Whether it has ended by what it says itself. One that does not say so has not: whom it is shown to decides.
pub(crate) fn has_ended(token: &Secret, now: UnixTime) -> bool {
    unverified_end(token.expose()).is_some_and(|end| end <= now)
}

/// Three parts, each the base64 of something. A token that is half written has fewer, or a shorter signature, which the issuer refuses.
fn is_jwt(token: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && URL_SAFE_NO_PAD.decode(part).is_ok();
    token.split('.').count() == 3 && token.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_bytes(content: &[u8]) -> Result<Secret, AssertionFault> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        read(file.path())
    }

    fn token(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part("{}"), part(claims), part("signature"))
    }

    #[test]
    fn a_token_is_read_without_its_line_end() {
        let token = token("{}");
        for end in ["", "\n", "\r\n"] {
            let read = read_bytes(format!("{token}{end}").as_bytes()).unwrap();
            assert_eq!(read.expose(), token);
        }
    }

    #[test]
    fn what_is_no_jwt_is_not_sent() {
        let fault = |content: &[u8]| read_bytes(content).unwrap_err();
        let jwt = token("{}");
        let two = format!("{jwt}\n{jwt}");
        for other in [
            "InternalSecret123!",
            "a.b",
            "..",
            "e30..e30",
            "e30.e30.e30.e30",
            "e30.e30.e3!",
            &two,
        ] {
            assert_eq!(fault(other.as_bytes()), AssertionFault::NotAJwt, "{other}");
        }
        let file = AssertionFault::File;
        for empty in ["", " \n"] {
            assert_eq!(fault(empty.as_bytes()), file(FileError::Empty));
        }
        let large = format!("e30.{}.e30", "A".repeat(MAX_BYTES));
        let max_bytes = MAX_BYTES;
        assert_eq!(
            fault(large.as_bytes()),
            file(FileError::TooLarge { max_bytes })
        );
        assert_eq!(fault(b"\xff"), file(FileError::NotText));
        let folder = read(Path::new("/")).unwrap_err();
        assert_eq!(folder, AssertionFault::NotAFile);
        let absent = read(Path::new("/absent/token")).unwrap_err();
        assert_eq!(
            absent,
            file(FileError::Unreadable(std::io::ErrorKind::NotFound))
        );
    }

    #[test]
    fn a_token_ends_when_it_says() {
        let ended = |claims: &str| has_ended(&Secret::new(token(claims)), UnixTime::from_secs(100));
        assert!(ended(r#"{"exp":100}"#) && ended(r#"{"exp":99}"#));
        assert!(!ended(r#"{"exp":101}"#) && !ended("{}"));
    }
}
