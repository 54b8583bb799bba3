//! A real Prometheus with the rules that are delivered.

use std::fs;
use std::process::Command;

use hallpass::upstream::{Body, HttpTransport};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::expressions::Expression;
use crate::programs::deploy;
use crate::server::Server;

/// What is scraped.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) role: String,
    pub(super) address: String,
}

pub(super) struct Prometheus {
    server: Server,
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
        let data = folder.path().join("data");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()));
        Self {
            server: Server::start(command, &folder.path().join("log")),
            _folder: folder,
        }
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
        let url = format!("http://{}{path}", self.server.address);
        let said = body(&url);
        let document: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(document["status"], "success", "{url}: {document}");
        document
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
