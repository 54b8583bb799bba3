//! Rules in a file of their own, that is replaced while calls come.

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

const WORKERS: usize = 4;
/// How often the rules are replaced under load, each time with broken ones in between.
const ROUNDS: u64 = 6;

/// A service that reads its rules from a file beside its own.
struct Service {
    folder: TempDir,
    hallpass: Hallpass,
    server: TestServer,
    task: JoinHandle<()>,
}

impl Service {
    async fn start(issuer: &TestIssuer, rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = format!(
            "hallpass:\n  service: {{ name: service-system }}\n  security:\n    internal-jwt:\n      issuer: internal\n      \
             jwks-url: '{}'\n",
            issuer.jwks_url()
        );
        replace(folder.path(), "service.yaml", &own);
        replace(folder.path(), "rules.yaml", rules);
        let files = ["service.yaml", "rules.yaml"].map(|it| folder.path().join(it));
        let loader = files
            .into_iter()
            .fold(Loader::new("hallpass"), Loader::file);
        let reloader = Reloader::new(loader).unwrap();
        let mut reloader = reloader.every(Duration::from_millis(20));
        let settings = reloader.load::<Settings>().unwrap().into_settings();
        let hallpass = Hallpass::from_settings(&settings).unwrap();
        let task = tokio::spawn(hallpass.clone().follow(reloader));
        let guard = hallpass.resource_server().build().unwrap();
        let router = Router::new()
            .route("/always", get(async || "ran"))
            .route("/sometimes", get(async || "ran"))
            .layer(guard.layer());
        let server = TestServer::start(router).await.unwrap();
        Self {
            folder,
            hallpass,
            server,
            task,
        }
    }

    fn write_rules(&self, rules: &str) {
        replace(self.folder.path(), "rules.yaml", rules);
    }

    fn refused(&self) -> u64 {
        let text = self.hallpass.metrics().text();
        let line = r#"hallpass_config_reloads_total{result="refused"} "#;
        let counted = text.lines().find_map(|it| it.strip_prefix(line));
        counted.unwrap().parse().unwrap()
    }

    async fn sometimes(&self) -> StatusCode {
        let url = self.server.url("/sometimes");
        child::get(&url, None).await.status
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// As Kubernetes does: nobody ever reads half a file.
fn replace(folder: &Path, name: &str, content: &str) {
    fs::write(folder.join("new"), content).unwrap();
    fs::rename(folder.join("new"), folder.join(name)).unwrap();
}

/// Both open `/always`; `rule` is what `/sometimes` asks.
fn rules(rule: &str) -> String {
    format!(
        "hallpass:\n  security:\n    internal-jwt:\n      routes:\n        - {{ path: /always, rule: anonymous }}\n        \
         - {{ path: /sometimes, rule: {rule} }}\n"
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
async fn a_rule_file_replaced_under_load_loses_no_call() {
    let issuer = TestIssuer::builder().start().await.unwrap();
    let service = Service::start(&issuer, &rules("anonymous")).await;
    let stop = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _worker in 0..WORKERS {
        let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
        let url = service.server.url("/always");
        workers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(child::get(&url, None).await.status, StatusCode::OK);
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for round in 0..ROUNDS {
        let (rule, status) = match round % 2 {
            0 => ("authenticated", StatusCode::UNAUTHORIZED),
            _ => ("anonymous", StatusCode::OK),
        };
        let before = calls.load(Ordering::Relaxed);
        service.write_rules(&rules(rule));
        until(async || service.sometimes().await == status).await;
        service.write_rules("hallpass: { security: { internal-jwt: { routes: [ ");
        until(async || service.refused() == round + 1).await;
        assert_eq!(
            service.sometimes().await,
            status,
            "the last good rules stay"
        );
        until(async || calls.load(Ordering::Relaxed) > before + 10).await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
}

#[tokio::test]
async fn no_broken_rule_file_opens_or_closes_anything() {
    let issuer = TestIssuer::builder().start().await.unwrap();
    let service = Service::start(&issuer, &rules("authenticated")).await;
    let whole = rules("anonymous");
    let broken = [
        // Cut off, as a file that is being written.
        whole[..whole.len() - 12].to_owned(),
        // Words that nobody knows, each in one rule: the good one beside it is not taken either.
        rules("anonymous, methd: [GET]"),
        rules("nobody"),
        rules("anonymous, methods: [get it]"),
        rules("anonymous }\n        - { path: '/a/**/b', rule: anonymous"),
        rules("anonymous }\n        - { path: '/{id:[0-9]+}', rule: anonymous"),
        // Two rules for the same requests.
        rules("anonymous }\n        - { path: /sometimes, rule: authenticated"),
        rules("scopes, all: []"),
        "\u{0}".to_owned(),
    ];
    for (count, text) in (1..).zip(broken) {
        service.write_rules(&text);
        until(async || service.refused() >= count).await;
        assert_eq!(service.refused(), count, "counted once: {text}");
        assert_eq!(
            service.sometimes().await,
            StatusCode::UNAUTHORIZED,
            "{text}"
        );
        let always = child::get(&service.server.url("/always"), None).await;
        assert_eq!(always.status, StatusCode::OK, "{text}");
    }
    // A file that is gone is broken too, and one without rules is not: it closes.
    fs::remove_file(service.folder.path().join("rules.yaml")).unwrap();
    until(async || service.refused() >= 10).await;
    assert_eq!(service.sometimes().await, StatusCode::UNAUTHORIZED);
    service.write_rules(&whole);
    until(async || service.sometimes().await == StatusCode::OK).await;
    service.write_rules("hallpass: {}\n");
    until(async || service.sometimes().await == StatusCode::UNAUTHORIZED).await;
}
