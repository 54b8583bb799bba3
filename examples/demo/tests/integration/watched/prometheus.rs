//! A real Prometheus with the rules that are delivered.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::upstream::{Body, HttpTransport};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::expressions::Expression;
use crate::programs::deploy;

const START: Duration = Duration::from_secs(60);

/// What is scraped.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) role: String,
    pub(super) address: String,
}

/// Killed when dropped.
pub(super) struct Prometheus {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl Prometheus {
    pub(super) fn start(mut command: Command, targets: &[Target]) -> Self {
        assert_eq!(targets.len(), 5, "{targets:?}");
        let folder = tempfile::tempdir().unwrap();
        let rules = deploy().join("prometheus/rules/*.yaml");
        let mut configuration = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: ['{}']\nscrape_configs:\n",
            rules.display()
        );
        for (number, target) in targets.iter().enumerate() {
            configuration.push_str(&format!(
                "- job_name: {role}-{number}\n  static_configs: [ {{ targets: ['{address}'], labels: {{ role: {role} }} }} ]\n",
                role = target.role,
                address = target.address,
            ));
        }
        let file = folder.path().join("prometheus.yaml");
        fs::write(&file, configuration).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let log_file = folder.path().join("log");
        let log = File::create(&log_file).unwrap();
        let command = command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"));
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        let started = Self {
            process: command.stderr(log).spawn().unwrap(),
            url: format!("http://{address}"),
            _folder: folder,
        };
        let clock = SystemClock::new();
        let end = clock.monotonic() + START;
        let ready = format!("{}/-/ready", started.url);
        // It listens before it has read everything.
        let is_ready =
            || TcpStream::connect(address).is_ok() && body(&ready).ends_with(b"is Ready.\n");
        while !is_ready() {
            let log = || fs::read_to_string(&log_file).unwrap();
            assert!(clock.monotonic() < end, "{}", log());
            thread::park_timeout(Duration::from_millis(50));
        }
        started
    }

    /// Every rule, as it has read them.
    pub(super) fn rules(&self) -> Vec<Expression> {
        let document = self.ask("/api/v1/rules");
        let groups = document["data"]["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|it| it["rules"].as_array().unwrap());
        let expression = |rule: &Value| Expression {
            place: rule["name"].as_str().unwrap().to_owned(),
            text: rule["query"].as_str().unwrap().to_owned(),
            is_alert: rule["type"] == "alerting",
        };
        rules.map(expression).collect()
    }

    pub(super) fn has_series(&self, selector: &str) -> bool {
        let found = self.ask(&format!("/api/v1/series?match[]={}", encoded(selector)));
        !found["data"].as_array().unwrap().is_empty()
    }

    pub(super) fn has_result(&self, expression: &str) -> bool {
        let found = self.ask(&format!("/api/v1/query?query={}", encoded(expression)));
        !found["data"]["result"].as_array().unwrap().is_empty()
    }

    fn ask(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.url);
        let said = body(&url);
        let document: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(document["status"], "success", "{url}: {document}");
        document
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn body(url: &str) -> Vec<u8> {
    let request = http::Request::get(url).body(Body::empty()).unwrap();
    let transport = HttpTransport::new().unwrap();
    let response = transport.oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    body.to_bytes().to_vec()
}

/// For a query of a URL.
fn encoded(text: &str) -> String {
    let byte = |it: u8| match it {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(it).to_string(),
        _ => format!("%{it:02X}"),
    };
    text.bytes().map(byte).collect()
}
