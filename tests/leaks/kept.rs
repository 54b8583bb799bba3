//! The secrets and tokens that tests use, and what programs say meanwhile, both in a folder below the build's own: `scripts/leaks.sh` looks for the one in the
//! other. Nothing is kept unless that folder is there, which `test.sh` makes.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

/// A secret that is shorter may be a word of any text.
const MIN_SECRET_CHARS: usize = 12;
/// Of a secret that we make, behind its prefix: 256 bits in base64url.
const GENERATED_CHARS: usize = 43;

/// Files of this process.
struct Kept {
    secrets: Mutex<(File, HashSet<String>)>,
    output: File,
}

fn kept() -> Option<&'static Kept> {
    static KEPT: OnceLock<Option<Kept>> = OnceLock::new();
    let open = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("leaks");
        let file = |below: &str| -> Option<File> {
            let name = format!("{}-{}", env!("CARGO_PKG_NAME"), std::process::id());
            let path: PathBuf = folder.join(below).join(name);
            OpenOptions::new().create(true).append(true).open(path).ok()
        };
        Some(Kept {
            secrets: Mutex::new((file("secrets")?, HashSet::new())),
            output: file("outputs")?,
        })
    };
    KEPT.get_or_init(open).as_ref()
}

/// Whether anything is kept.
pub(crate) fn is_on() -> bool {
    kept().is_some()
}

/// No program may say this: a secret, or of a token its signature.
pub(crate) fn secret(text: &str) {
    let Some(kept) = kept() else {
        return;
    };
    let text = match text.rsplit_once('.') {
        Some((before, signature)) if before.contains('.') => signature,
        _ => text,
    };
    if text.chars().count() < MIN_SECRET_CHARS || text.contains(['\n', '\r']) {
        return;
    }
    let mut secrets = kept.secrets.lock().unwrap();
    if secrets.1.insert(text.to_owned()) {
        let line = format!("{text}\n");
        secrets.0.write_all(line.as_bytes()).unwrap();
    }
}

/// The tokens in a text, and the secrets that we have made: what a command prints for whoever asked for it.
pub(crate) fn secrets_in(text: &str) {
    if !is_on() {
        return;
    }
    let is_part = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    for word in text.split(|it| !is_part(it)) {
        let is_token = word.starts_with("ey") && word.matches('.').count() == 2;
        // So is the name of a metric, but for its length and its letters.
        let is_made = word.strip_prefix("hallpass_").is_some_and(|rest| {
            rest.len() == GENERATED_CHARS && rest.contains(|it: char| it.is_ascii_uppercase())
        });
        if is_token || is_made {
            secret(word);
        }
    }
}

/// What a program has said where anybody may read it: its log, its errors.
pub(crate) fn output(bytes: &[u8]) {
    if let Some(kept) = kept() {
        (&kept.output).write_all(bytes).unwrap();
    }
}
