//! Settings that change while services call each other.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::{Router, routing::get};
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::reload::Reloader;
use hallpass_testkit::{TestIssuer, TestServer};
use http::StatusCode;
use tempfile::TempDir;
use tokio::task::{JoinHandle, JoinSet};

use crate::child;
use crate::service::{FeignSystem, System};

const WORKERS: usize = 4;
/// The client that takes over.
const SECOND: &str = "second-client";
const SECOND_SECRET: &str = "TheSecondSecret456?";

/// A service that follows its file.
struct Following {
    folder: TempDir,
    hallpass: Hallpass,
    task: JoinHandle<()>,
}

impl Following {
    fn start(yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hallpass.yaml");
        fs::write(&file, yaml).unwrap();
        fs::write(folder.path().join("secret"), TestIssuer::CLIENT_SECRET).unwrap();
        let reloader = Reloader::new(Loader::new("hallpass").file(file)).unwrap();
        let mut reloader = reloader.every(Duration::from_millis(20));
        let settings = reloader.load::<Settings>().unwrap().into_settings();
        let hallpass = Hallpass::from_settings(&settings).unwrap();
        let task = tokio::spawn(hallpass.clone().follow(reloader));
        Self {
            folder,
            hallpass,
            task,
        }
    }

    fn write(&self, name: &str, content: &str) {
        replace(self.folder.path(), name, content);
    }

    fn counted(&self, line: &str) -> bool {
        let text = self.hallpass.metrics().text();
        text.lines().any(|counted| counted == line)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn replace(folder: &Path, name: &str, content: &str) {
    fs::write(folder.join("new"), content).unwrap();
    fs::rename(folder.join("new"), folder.join(name)).unwrap();
}

fn callee_yaml(issuer: &TestIssuer, mode: &str) -> String {
    format!(
        "hallpass:\n  service: {{ name: service-system }}\n  security:\n    internal-jwt:\n      mode: {mode}\n      \
         issuer: internal\n      jwks-url: '{}'\n      internal-only: {{ paths: [/internal/**] }}\n",
        issuer.jwks_url()
    )
}

fn caller_yaml(issuer: &TestIssuer, callee: &TestServer, client: &str, secret: &str) -> String {
    format!(
        "hallpass:\n  discovery: {{ static: {{ service-system: ['{}'] }} }}\n  internal-token:\n    client-id: {client}\n    \
         {secret}\n    token-url: '{}'\n    scope: {}\n",
        callee.address(),
        issuer.token_url(),
        TestIssuer::SCOPE,
    )
}

async fn until(mut reached: impl AsyncFnMut() -> bool) {
    let waiting = async {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        while !reached().await {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mode_flips_and_a_credential_rotates_under_load_without_a_failed_call() {
    let (scope, audience) = (TestIssuer::SCOPE, TestIssuer::AUDIENCE);
    let issuer = TestIssuer::builder().client(SECOND, SECOND_SECRET, scope, audience);
    let issuer = issuer.start().await.unwrap();
    let callee = Following::start(&callee_yaml(&issuer, "report"));
    let guard = callee.hallpass.resource_server().build().unwrap();
    let report = get(async |caller: Caller| axum::Json(caller.subject().to_string()));
    let router = Router::new()
        .route("/internal/report", report)
        .route("/internal/open", get(async || "open"))
        .layer(guard.layer());
    let server = TestServer::start(router).await.unwrap();
    let in_file = "client-secret-file: secret";
    let first = caller_yaml(&issuer, &server, TestIssuer::CLIENT_ID, in_file);
    let caller = Following::start(&first);
    let system = Arc::new(FeignSystem::new(caller.hallpass.feign()).unwrap());

    let stop = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _worker in 0..WORKERS {
        let (system, stop, calls) = (Arc::clone(&system), Arc::clone(&stop), Arc::clone(&calls));
        workers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                system.report().await.expect("no call is lost");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // Without a token: what only the mode decides.
    let open = server.url("/internal/open");
    for (mode, status) in [
        ("enforce", StatusCode::UNAUTHORIZED),
        ("report", StatusCode::OK),
        ("enforce", StatusCode::UNAUTHORIZED),
    ] {
        callee.write("hallpass.yaml", &callee_yaml(&issuer, mode));
        until(async || child::get(&open, None).await.status == status).await;
    }
    // A file that is broken changes nothing.
    callee.write("hallpass.yaml", "hallpass: { security: ");
    let refused = r#"hallpass_config_reloads_total{result="refused"} 1"#;
    until(async || callee.counted(refused)).await;
    assert_eq!(
        child::get(&open, None).await.status,
        StatusCode::UNAUTHORIZED
    );
    // Another client, with its secret in the other place; then the first one again.
    let inline = format!("client-secret: '{SECOND_SECRET}'");
    let second = caller_yaml(&issuer, &server, SECOND, &inline);
    for (yaml, client) in [(second, SECOND), (first, TestIssuer::CLIENT_ID)] {
        caller.write("hallpass.yaml", &yaml);
        until(async || system.report().await.unwrap() == client).await;
    }
    let before = calls.load(Ordering::Relaxed);
    until(async || calls.load(Ordering::Relaxed) > before + 50).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    assert!(caller.counted(r#"hallpass_config_reloads_total{result="ok"} 2"#));
}

#[tokio::test]
async fn another_name_of_the_service_is_refused_while_it_runs() {
    let issuer = TestIssuer::builder().start().await.unwrap();
    let load = |yaml: &str| {
        let loader = Loader::new("hallpass").text("hallpass.yaml", yaml);
        loader.load::<Settings>().unwrap().into_settings()
    };
    let yaml = callee_yaml(&issuer, "enforce");
    let hallpass = Hallpass::from_settings(&load(&yaml)).unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    let report = get(async |caller: Caller| axum::Json(caller.subject().to_string()));
    let router = Router::new().route("/internal/report", report);
    let server = TestServer::start(router.layer(guard.layer()))
        .await
        .unwrap();

    // The audience of tokens comes from the name: with another one the callers' tokens would be refused.
    let renamed = load(&yaml.replace("name: service-system", "name: other"));
    let error = hallpass.apply(&renamed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`service.name` has changed: it needs a restart"
    );
    let client = format!("client-secret: '{}'", TestIssuer::CLIENT_SECRET);
    let caller = caller_yaml(&issuer, &server, TestIssuer::CLIENT_ID, &client);
    let caller = Hallpass::from_settings(&load(&caller)).unwrap();
    let system = FeignSystem::new(caller.feign()).unwrap();
    assert_eq!(system.report().await.unwrap(), TestIssuer::CLIENT_ID);
}
