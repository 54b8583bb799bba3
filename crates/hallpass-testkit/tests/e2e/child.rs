//! Example programs as child processes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hallpass::upstream::{Body, HttpTransport, TransportError};
use http::{Request, StatusCode};
use tower::ServiceExt;

use crate::built::built;

/// The examples that tests start.
const EXAMPLES: [&str; 3] = ["protected", "caller", "getting-started"];

/// A running example, killed at the end.
pub(crate) struct Example {
    child: Child,
    address: String,
}

impl Example {
    /// Starts the example with these variables alone, on a free port.
    pub(crate) fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        Self::start_at(name, "127.0.0.1:0", variables)
    }

    /// As [`Example::start`]; its log goes into a pipe that nobody reads.
    pub(crate) fn start_unread(name: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = command(name, variables);
        Self::say_where(command.env("LISTEN", "127.0.0.1:0").stderr(Stdio::piped()))
    }

    /// As [`Example::start`], at a chosen address.
    pub(crate) fn start_at(name: &str, listen: &str, variables: &[(&str, &str)]) -> Self {
        Self::say_where(command(name, variables).env("LISTEN", listen))
    }

    /// Starts it, and learns from it where it listens.
    fn say_where(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim_end()
            .strip_prefix("listening on ")
            .expect("says where it listens");
        Self {
            address: address.to_owned(),
            child,
        }
    }

    /// Starts the example in `folder`, where its configuration says that it listens at `address`.
    pub(crate) fn start_in(
        folder: &Path,
        name: &str,
        address: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        Self {
            child: command(name, variables)
                .current_dir(folder)
                .spawn()
                .unwrap(),
            address: address.to_owned(),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// As [`url`](Self::url), of an example with a certificate.
    pub(crate) fn https_url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// How a start that fails ends.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// Its standard error.
    pub(crate) said: String,
}

/// Runs an example that cannot start with these variables alone.
pub(crate) fn run_to_the_end(name: &str, variables: &[(&str, &str)]) -> Ended {
    let mut child = command(name, variables)
        .env("LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    if !line.is_empty() {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(line, "", "{name} has started");
    Ended {
        code: output.status.code(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

fn command(name: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(built(&EXAMPLES, &EXAMPLES, name));
    command
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    command
}

/// What a GET came to.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: String,
    pub(crate) body: serde_json::Value,
}

/// GET with or without a bearer token.
pub(crate) async fn get(url: &str, token: Option<&str>) -> Answer {
    let transport = HttpTransport::new().unwrap();
    get_by(transport, url, token).await.unwrap()
}

/// As [`get`], over a transport of the test's own; an error when there is no response.
pub(crate) async fn get_by(
    transport: HttpTransport,
    url: &str,
    token: Option<&str>,
) -> Result<Answer, TransportError> {
    let mut request = Request::get(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).unwrap();
    let response = transport.oneshot(request).await?;
    let content_type = response
        .headers()
        .get("content-type")
        .map(|value| value.to_str().unwrap());
    let content_type = content_type.unwrap_or_default().to_owned();
    let status = response.status();
    let body = response.into_body().collect_within(100_000).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Answer {
        status,
        content_type,
        body,
    })
}
