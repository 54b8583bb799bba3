//! Runs the demonstration, and ends it whatever happens.

use std::process::{Child, Command, Stdio};

use hallpass::upstream::{Body, HttpTransport};
use tower::ServiceExt;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A demonstration that is up. Killed when it is dropped, also by a test that fails half-way.
pub(crate) struct Demo {
    pub(crate) child: Child,
}

impl Demo {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = command(arguments);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self {
            child: piped.spawn().unwrap(),
        }
    }

    /// Ctrl-C. The shell's own `kill` serves: a small system has no program of that name.
    pub(crate) fn interrupt(&self) {
        assert!(kill("INT", self.child.id()));
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Runs to the end.
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    let output = command(arguments).output().unwrap();
    let code = output.status.code();
    Outcome {
        code: code.expect("ended by itself and not by a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Status of a GET with a bearer token.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn get(url: &str, token: &str) -> u16 {
    let request = http::Request::get(url).header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::empty()).unwrap();
    let transport = HttpTransport::new().unwrap();
    transport.oneshot(request).await.unwrap().status().as_u16()
}

/// Status of a request for a token with a secret that nobody has.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn guess(url: &str) -> u16 {
    let request =
        http::Request::post(url).header("content-type", "application/x-www-form-urlencoded");
    let form = "grant_type=client_credentials&client_id=nobody&client_secret=guessed";
    let request = request.body(Body::from(form.as_bytes().to_vec())).unwrap();
    let transport = HttpTransport::new().unwrap();
    transport.oneshot(request).await.unwrap().status().as_u16()
}

pub(crate) fn is_running(id: u32) -> bool {
    kill("0", id)
}

fn kill(signal: &str, id: u32) -> bool {
    let sent = Command::new("sh")
        .args(["-c", r#"kill -s "$0" "$1" 2>&1"#, signal, &id.to_string()])
        .stdout(Stdio::null())
        .status();
    sent.unwrap().success()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.args(arguments).env_remove("RUST_LOG");
    command
}
