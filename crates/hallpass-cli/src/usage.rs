//! What is said of a command line that cannot be read: what stands there in a wrong place may be a token.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::output::Exit;

/// Shorter words are names.
const LEAST_CHARS: usize = 40;

/// Help and version exit with 0; every other message of clap is bad usage (64, where clap has 2).
pub(crate) fn explain(error: &clap::Error) -> Exit {
    let text = error.render().to_string();
    let shown = without_tokens(&text);
    // There is nowhere else to report that the terminal cannot be written to.
    let _unwritable = match shown == text {
        true => error.print(),
        false => io::stderr().write_all(shown.as_bytes()),
    };
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Ok
    }
}

/// `text` with a word in the place of each that looks like a token, or like a secret that Hallpass has made.
fn without_tokens(text: &str) -> String {
    let is_part = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|it| !is_part(it)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        shown.push_str(before);
        let is_token = word.starts_with("ey") && word.matches('.').count() == 2;
        let is_secret = word.starts_with("hallpass_");
        match word.len() >= LEAST_CHARS && (is_token || is_secret) {
            // Writing into a text does not fail.
            true => _ = write!(shown, "[{} characters, not shown]", word.len()),
            false => shown.push_str(word),
        }
        rest = after;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_a_wrong_place_is_not_repeated() {
        let token = format!("eyJhbGciOiJFUzI1NiJ9.{}.{}", "a".repeat(30), "b".repeat(86));
        let said = format!(
            "error: invalid value '{token}' for '--leeway <SECONDS>'\n\nUsage: hallpass token verify\n"
        );
        let shown = without_tokens(&said);
        assert!(!shown.contains("bbbb"), "{shown}");
        assert!(
            shown.starts_with("error: invalid value '[138 characters, not shown]' for '--leeway"),
            "{shown}"
        );
        let secret = format!("hallpass_{}", "A".repeat(43));
        let shown = without_tokens(&format!("--client-secret={secret}"));
        assert_eq!(shown, "--client-secret=[52 characters, not shown]");
        let harmless = "error: unexpected argument '--leewayy' found, é, eyes.of.some";
        assert_eq!(without_tokens(harmless), harmless);
    }
}
