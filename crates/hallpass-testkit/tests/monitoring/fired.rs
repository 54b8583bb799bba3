//! One alert on its whole way: a service that lets everybody in, Prometheus, Alertmanager, and a webhook.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use axum::routing::{get, post};
use axum::{Json, Router};
use hallpass::config::Loader;
use hallpass::{Hallpass, Settings};
use hallpass_testkit::TestServer;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::timeout;

use crate::programs::{deploy, program};
use crate::server::Server;

/// For all of it, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_reaches_the_webhook_with_its_place_in_the_runbook() {
    let (Some(prometheus), Some(alertmanager)) =
        (program("prometheus"), program("prometheus-alertmanager"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let service = open_service().await;
    let (told, mut pages) = mpsc::channel(16);
    let page = post(move |Json(page): Json<Value>| async move {
        let _full = told.try_send(page);
    });
    let webhook = TestServer::start(Router::new().route("/pages", page)).await;
    let webhook = webhook.unwrap();

    let manager = start_alertmanager(alertmanager, folder.path(), &webhook);
    let _prometheus = start_prometheus(prometheus, folder.path(), &service, manager.address);

    let ours = async {
        loop {
            let page = pages.recv().await.unwrap();
            if page["commonLabels"]["alertname"] == "HallpassPermitAll" {
                return page;
            }
        }
    };
    let page = timeout(PATIENCE, ours).await;
    let page = page.expect("an alert within the time");
    assert_eq!(page["status"], "firing", "{page}");
    assert_eq!(page["receiver"], "on-call", "{page}");
    let alert = &page["alerts"][0];
    assert_eq!(alert["labels"]["job"], "open-service", "{page}");
    assert_eq!(
        alert["annotations"]["runbook_url"], "https://docs.example/runbook.md#hallpasspermitall",
        "{page}"
    );
}

/// A service with `security.permit-all`, which shows its metrics.
async fn open_service() -> TestServer {
    let yaml = "hallpass:\n  service: { name: open-service }\n  security: { permit-all: true }\n";
    let settings: Settings = Loader::new("hallpass")
        .text("test", yaml)
        .environment([("HALLPASS_NOTHING", "")])
        .load()
        .unwrap()
        .into_settings();
    let hallpass = Hallpass::builder(&settings).build().unwrap();
    let resource = hallpass.resource_server().build().unwrap();
    let metrics = get(move || {
        // What decides is there as long as what it shows.
        let _decides = &resource;
        std::future::ready(hallpass.metrics().text())
    });
    let server = TestServer::start(Router::new().route("/metrics", metrics)).await;
    server.unwrap()
}

/// By the sample, with the webhook of this test, and without the pause in which it collects.
fn start_alertmanager(mut command: Command, folder: &Path, webhook: &TestServer) -> Server {
    let sample = std::fs::read_to_string(deploy().join("prometheus/alertmanager.yaml")).unwrap();
    let ours = changed(&sample, "http://127.0.0.1:9095", &webhook.url(""));
    let ours = changed(&ours, "group_wait: 5s", "group_wait: 0s");
    let file = folder.join("alertmanager.yaml");
    std::fs::write(&file, ours).unwrap();
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", folder.join("am").display()))
        // Without a value it opens no port for others of its kind.
        .arg("--cluster.listen-address=");
    block_in_place(|| Server::start(command, &folder.join("alertmanager.log")))
}

/// With the rules as they are delivered, evaluated each second.
fn start_prometheus(
    mut command: Command,
    folder: &Path,
    service: &TestServer,
    manager: SocketAddr,
) -> Server {
    let rules = deploy().join("prometheus/rules/*.yaml");
    let configuration = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: ['{}']\n\
         alerting: {{ alertmanagers: [ {{ static_configs: [ {{ targets: ['{manager}'] }} ] }} ] }}\n\
         scrape_configs:\n- job_name: open-service\n  static_configs: [ {{ targets: ['{}'], labels: {{ role: service }} }} ]\n",
        rules.display(),
        service.address(),
    );
    let file = folder.join("prometheus.yaml");
    std::fs::write(&file, configuration).unwrap();
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("tsdb").display()
        ));
    block_in_place(|| Server::start(command, &folder.join("prometheus.log")))
}

fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the sample has no {from} any more");
    text.replace(from, to)
}
