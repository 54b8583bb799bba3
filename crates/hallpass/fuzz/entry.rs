//! What the fuzz target runs; the smoke test in `tests/integration` runs it too.

use hallpass::Settings;
use hallpass::config::{Loader, detect_prefix};

/// A secret in the environment: no message may repeat it, wherever a placeholder puts it.
const PLANTED: &str = "InternalSecret123!";

/// Loads `input` as YAML, and its lines as flags and environment variables.
pub(crate) fn config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _ = detect_prefix(&text);
    let mut loader = Loader::new("hallpass")
        .text("input", text.as_ref())
        .environment([("PLANTED", PLANTED)]);
    for line in text.lines().take(16) {
        if let Some((name, value)) = line.split_once('=') {
            loader = loader.environment([(name, value)]).flag(name, value);
        }
    }
    match loader.load::<Settings>() {
        Ok(loaded) => {
            let notes = loaded.warnings().iter().chain(loaded.left_alone());
            for note in notes {
                assert!(!note.contains(PLANTED), "a note repeats a secret");
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(
                !problems.to_string().contains(PLANTED),
                "a problem repeats a secret"
            );
        }
    }
}
