//! No secret and no token that these tests use stands in what the issuer says meanwhile: they are noted here, with its log, for `scripts/leaks.sh`.

use std::io;
use std::process::Command;
use std::sync::Once;

use base64::Engine as _;
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::Response;
use crate::kept;

/// Of a form: what proves something, and what is asked about.
const SECRET_PARAMETERS: [&str; 7] = [
    "client_secret",
    "client_assertion",
    "subject_token",
    "actor_token",
    "token",
    "refresh_token",
    "assertion",
];
/// Of a response.
const SECRET_MEMBERS: [&str; 3] = ["access_token", "refresh_token", "client_secret"];

/// Keeps the log of all threads without one of their own.
pub(crate) fn keep_log() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if kept::is_on() {
            let subscriber = tracing_subscriber::fmt()
                .with_ansi(false)
                .with_max_level(tracing::Level::DEBUG)
                .with_writer(Keeps)
                .finish();
            tracing::subscriber::set_global_default(subscriber).unwrap();
        }
    });
}

struct Keeps;

impl io::Write for Keeps {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        kept::output(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Keeps {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

/// Notes what a request has that nobody may say.
pub(crate) fn request(bytes: &[u8]) {
    if !kept::is_on() {
        return;
    }
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    for line in head.lines() {
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization(value),
            "dpop" => kept::secret(value),
            _ => {}
        }
    }
    for parameter in body.split('&') {
        if let Some((name, value)) = parameter.split_once('=')
            && SECRET_PARAMETERS.contains(&name)
        {
            kept::secret(value);
        }
    }
}

fn authorization(value: &str) {
    let credential = value.rsplit(' ').next().unwrap_or_default();
    kept::secret(credential);
    let decoded = base64::engine::general_purpose::STANDARD.decode(credential);
    let decoded = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some((_, secret)) = decoded.as_deref().and_then(|it| it.split_once(':')) {
        kept::secret(secret);
    }
}

/// The same of a response; what everybody may read of the issuer is kept.
pub(crate) fn response(response: &Response) {
    if !kept::is_on() {
        return;
    }
    kept::secrets_in(&response.body);
    let json: Value = serde_json::from_str(&response.body).unwrap_or_default();
    for member in SECRET_MEMBERS {
        if let Some(secret) = json[member].as_str() {
            kept::secret(secret);
        }
    }
    let is_for_all = response
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/openmetrics-text"));
    if is_for_all || response.status >= 400 {
        kept::output(response.body.as_bytes());
        kept::output(b"\n");
    }
}

#[test]
fn the_search_finds_each_secret_in_what_was_said_and_says_nothing_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let below = |name: &str| folder.path().join(name);
    for name in ["secrets", "outputs"] {
        std::fs::create_dir(below(name)).unwrap();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/leaks.sh");
    let search = || {
        let ran = Command::new("sh").arg(script).arg(folder.path()).output();
        let ran = ran.unwrap();
        (ran.status.success(), String::from_utf8(ran.stderr).unwrap())
    };
    assert_eq!(search(), (true, String::new()), "nothing was noted");
    std::fs::write(
        below("secrets/a-1"),
        "hunter2.hunter2\nsignature+of/a=token\n",
    )
    .unwrap();
    std::fs::write(below("outputs/a-1"), "one line\nhunter2xhunter2\n").unwrap();
    assert_eq!(search(), (true, String::new()), "nothing was said");
    std::fs::write(
        below("outputs/b-2"),
        "one\ntwo token=signature+of/a=token.\n",
    )
    .unwrap();
    let (is_clean, said) = search();
    assert!(!is_clean);
    assert!(said.contains("b-2:2:signature+of/a=token"), "{said}");
}
