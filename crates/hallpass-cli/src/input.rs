//! Reads what a command line points at: a file, or standard input for `-`; never more than a stated limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::output::Failure;

/// Most bytes read from a file of keys (a JWK set of some thousand keys).
pub(crate) const MAX_KEY_FILE_BYTES: u64 = 1024 * 1024;

/// Most bytes read of one token or JWS: far above what any verifier takes, so that the verifier says "too large".
pub(crate) const MAX_TOKEN_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes that were read, and whether the limit cut them off.
#[derive(Debug)]
pub(crate) struct Input {
    /// At most `limit` bytes.
    pub(crate) bytes: Vec<u8>,
    /// True when there was more.
    pub(crate) cut: bool,
}

impl Input {
    /// The content without white space around it, when it is UTF-8.
    pub(crate) fn trimmed_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok().map(str::trim_ascii)
    }
}

/// Reads `path`, or standard input when it is `-`.
///
/// # Errors
/// A usage failure that names the path.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Input, Failure> {
    let outcome = if path.as_os_str() == "-" {
        read_limited(&mut io::stdin().lock(), limit)
    } else {
        File::open(path).and_then(|mut file| read_limited(&mut file, limit))
    };
    outcome.map_err(|error| Failure::usage(format_args!("cannot read {}: {error}", path.display())))
}

fn read_limited(source: &mut impl Read, limit: u64) -> io::Result<Input> {
    let mut bytes = Vec::new();
    source
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let cut = bytes.len() > limit;
    bytes.truncate(limit);
    Ok(Input { bytes, cut })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_up_to_the_limit_and_says_that_there_was_more() {
        let input = read_limited(&mut io::repeat(b'a'), 10).unwrap();
        assert_eq!(input.bytes, b"aaaaaaaaaa");
        assert!(input.cut);
    }

    #[test]
    fn a_trailing_line_feed_is_no_part_of_a_token() {
        let input = read_limited(&mut &b" a.b.c\r\n"[..], 100).unwrap();
        assert_eq!(input.trimmed_text(), Some("a.b.c"));
        assert!(!input.cut);
    }

    #[test]
    fn binary_input_is_no_text() {
        let input = read_limited(&mut &b"\xff\xfe\x00"[..], 100).unwrap();
        assert_eq!(input.trimmed_text(), None);
    }
}
