//! Runs the executable and writes the files that it reads.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use hallpass::token::{Algorithm, JwkSet, SigningKey, TokenClaims, UnixTime, sign};
use serde_json::Value;

use crate::kept;

pub(crate) const ISSUER: &str = "internal";
pub(crate) const AUDIENCE: &str = "service-system";
/// The moment at which test tokens are issued.
pub(crate) const NOW: u64 = 1_800_000_000;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "one JSON object: {self:?}");
        serde_json::from_str(&self.stdout).unwrap()
    }
}

pub(crate) fn command<A: AsRef<OsStr>>(arguments: &[A]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.args(arguments).env_remove("RUST_LOG");
    command
}

/// Sends a signal by its name. The shell's own `kill` serves: a small system has no program of that name.
pub(crate) fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("sh")
        .args(["-c", r#"kill -s "$0" "$1""#, name, &id])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Runs to the end with `stdin` as standard input.
pub(crate) fn run_with(arguments: &[&str], stdin: &[u8]) -> Outcome {
    let mut child = spawn(&mut command(arguments));
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // A child that has seen enough closes its end; that is its right.
    let writer = thread::spawn(move || pipe.write_all(&stdin).is_ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let outcome = Outcome {
        code: output
            .status
            .code()
            .expect("ended by itself and not by a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    kept::secrets_in(&outcome.stdout);
    kept::output(outcome.stderr.as_bytes());
    assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
    outcome
}

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    run_with(arguments, b"")
}

pub(crate) fn spawn(command: &mut Command) -> Child {
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    piped.spawn().unwrap()
}

/// A signing key and its public half in a file.
pub(crate) struct Keys {
    pub(crate) signing: SigningKey,
    folder: tempfile::TempDir,
}

impl Keys {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let keys = Self {
            signing: SigningKey::generate(algorithm).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        let set = JwkSet::new([keys.signing.public_jwk()]).to_json();
        std::fs::write(keys.file(), set.to_string()).unwrap();
        keys
    }

    pub(crate) fn file(&self) -> String {
        self.folder
            .path()
            .join("jwks.json")
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// A second file beside the key set.
    pub(crate) fn beside(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A good token, issued at [`NOW`] for ten minutes.
    pub(crate) fn token(&self) -> String {
        let now = UnixTime::from_secs(NOW);
        let end = now.saturating_add(Duration::from_secs(600));
        let mut claims = TokenClaims::new(
            ISSUER.parse().unwrap(),
            "internal-service-client".parse().unwrap(),
            AUDIENCE.parse().unwrap(),
            end,
        );
        claims.scope = "internal-service".parse().unwrap();
        let token = sign(&claims, &self.signing, now).unwrap();
        kept::secret(token.expose());
        token.expose().to_owned()
    }
}
