//! `hallpass rollout` over documents of a real Nacos server, with a service in two instances under load.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::{Router, routing::get};
use hallpass::Settings;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::nacos::{Nacos, NacosDocuments, NacosError};
use hallpass::prelude::*;
use hallpass::upstream::{Body, HttpTransport};
use hallpass_testkit::{TestIssuer, TestServer};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::config::{publish, publish_in};
use super::export::executable;
use super::{NacosServer, PATIENCE, until};
use crate::service_token;

const GROUP: &str = "ROLL_OUT";

/// Two instances whose mode is in one document.
struct Estate {
    instances: Vec<TestServer>,
    following: JoinSet<()>,
    folder: TempDir,
}

impl Estate {
    async fn start(server: &NacosServer, issuer: &TestIssuer, data_id: &str) -> Self {
        let mut estate = Self {
            instances: Vec::new(),
            following: JoinSet::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        for _instance in 0..2 {
            estate.serve(server, issuer, data_id).await;
        }
        let urls: Vec<_> = estate
            .instances
            .iter()
            .map(|it| it.url("/metrics"))
            .collect();
        let plan = format!(
            "hallpass:\n  nacos: {{ server-addr: '{}' }}\n  rollout:\n    watch-seconds: 1\n    \
             steps: [{{ step: report }}, {{ step: 10 }}, {{ step: enforce }}]\n    \
             services: [{{ name: edge, nacos: {{ data-id: {data_id}, group: {GROUP} }}, metrics: [{}] }}]\n",
            server.address(),
            urls.join(", ")
        );
        std::fs::write(estate.folder.path().join("rollout.yaml"), plan).unwrap();
        estate
    }

    async fn serve(&mut self, server: &NacosServer, issuer: &TestIssuer, data_id: &str) {
        let text = format!(
            "scccy:\n  service: {{ name: {} }}\n  nacos:\n    server-addr: {}\n    \
             config: {{ group: {GROUP}, data-ids: [{data_id}] }}\n  security:\n    internal-jwt:\n      \
             issuer: internal\n      jwks-url: '{}'\n      routes:\n        \
             - {{ path: /metrics, rule: anonymous }}\n        - {{ path: /orders/**, rule: authenticated }}\n",
            TestIssuer::AUDIENCE,
            server.address(),
            issuer.jwks_url()
        );
        let nacos = Nacos::start(Loader::new("scccy").text("file", text))
            .await
            .unwrap();
        let mut reloader = nacos.reloader().unwrap();
        let settings = reloader.load::<Settings>().unwrap().into_settings();
        let hallpass = Hallpass::builder(&settings).nacos(&nacos).build().unwrap();
        let guard = hallpass.resource_server().build().unwrap();
        let metrics = hallpass.metrics();
        let router = Router::new()
            .route("/orders/7", get(async || "tea"))
            .route("/metrics", get(async move || metrics.text()))
            .layer(guard.layer());
        self.instances
            .push(TestServer::start(router).await.unwrap());
        self.following.spawn(async move {
            hallpass.follow(reloader).await;
            drop(nacos);
        });
    }

    async fn rollout(&self, arguments: &[&str]) -> (i32, String) {
        let arguments: Vec<String> = arguments.iter().map(|&it| it.to_owned()).collect();
        let folder = self.folder.path().to_owned();
        let run = move || {
            let mut command = Command::new(executable());
            command
                .arg("rollout")
                .args(arguments)
                .current_dir(folder)
                .output()
                .unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(said).unwrap(),
        )
    }

    /// Goes on as soon as it is safe.
    async fn advance(&self) -> String {
        let clock = SystemClock::new();
        let end = clock.monotonic() + PATIENCE;
        loop {
            match self.rollout(&["advance"]).await {
                (0, said) => return said,
                (65, said) => assert!(clock.monotonic() < end, "{said}"),
                (code, said) => panic!("{code}: {said}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Good calls to all instances, until they are told to end: how many, and the statuses of those that failed.
    fn load(
        &self,
        token: &str,
        is_over: &Arc<AtomicBool>,
        calls: &Arc<AtomicU64>,
    ) -> JoinSet<Vec<u16>> {
        let mut callers = JoinSet::new();
        for instance in &self.instances {
            let (url, token) = (instance.url("/orders/7"), token.to_owned());
            let (is_over, calls) = (Arc::clone(is_over), Arc::clone(calls));
            callers.spawn(async move {
                let mut failed = Vec::new();
                let transport = HttpTransport::new().unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    let status = status(&transport, &url, Some(&token)).await;
                    failed.extend((status != 200).then_some(status));
                    calls.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                failed
            });
        }
        callers
    }

    async fn strangers(&self) -> Vec<u16> {
        let transport = HttpTransport::new().unwrap();
        let mut all = Vec::new();
        for instance in &self.instances {
            all.push(status(&transport, &instance.url("/orders/7"), None).await);
        }
        all
    }
}

async fn status(transport: &HttpTransport, url: &str, token: Option<&str>) -> u16 {
    let mut request = http::Request::get(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).unwrap();
    let response = transport.clone().oneshot(request).await;
    response.map_or(0, |it| it.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_goes_by_its_plan_to_enforce_and_back_over_nacos_in_both_formats_under_load() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let issuer = TestIssuer::start().await.unwrap();
    let (id, secret) = (TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET);
    let token = service_token(&issuer.token_url(), id, secret, "scope=internal-service").await;
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    for (data_id, text, percent) in [
        (
            "roll-out-plan.yaml",
            "# ask Ann\nscccy:\n  security:\n    internal-jwt:\n      mode: off # since May\n",
            "\n      enforce-percent: 100",
        ),
        (
            "roll-out-plan.properties",
            "# ask Ann\nscccy.security.internal-jwt.mode = off\n",
            "\nscccy.security.internal-jwt.enforce-percent = 100",
        ),
    ] {
        publish_in(&documents, GROUP, data_id, text).await;
        let estate = Estate::start(server, &issuer, data_id).await;
        let (is_over, calls) = (Arc::default(), Arc::default());
        let load = estate.load(&token, &is_over, &calls);
        assert!(estate.advance().await.contains("off -> report"));
        assert_eq!(estate.strangers().await, [200, 200]);
        let (url, transport) = (
            estate.instances[0].url("/orders/7"),
            HttpTransport::new().unwrap(),
        );
        let strangers = tokio::spawn(async move {
            for _call in 0..100_000 {
                status(&transport, &url, None).await;
            }
        });
        let (code, said) = estate.rollout(&["advance"]).await;
        strangers.abort();
        assert_eq!(code, 65, "{said}");
        assert!(
            said.contains("_unauthenticated would be denied at /orders/**: missing_token"),
            "{said}"
        );
        for step in ["report -> enforce 10 %", "enforce 10 % -> enforce ("] {
            let said = estate.advance().await;
            assert!(
                said.contains(step) && said.contains("taken by 2 of 2"),
                "{said}"
            );
        }
        assert_eq!(estate.strangers().await, [401, 401]);
        let clock = SystemClock::new();
        let began = clock.monotonic();
        let (code, said) = estate.rollout(&["back"]).await;
        assert_eq!(estate.strangers().await, [200, 200], "{said}");
        assert!(
            clock.monotonic() - began < Duration::from_secs(20),
            "{said}"
        );
        assert_eq!(code, 0, "{said}");
        is_over.store(true, Ordering::Relaxed);
        let failed: Vec<u16> = load.join_all().await.concat();
        let calls = calls.load(Ordering::Relaxed);
        assert!(calls > 100, "{calls} calls");
        assert_eq!(failed, [0_u16; 0], "of {calls} calls");
        let kept = documents.get(data_id, GROUP).await.unwrap().unwrap();
        let kept = kept.expose().replace(percent, "");
        assert_eq!(kept, text.replace("off", "report"), "comments stay");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_written_meanwhile_is_not_replaced() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    let (data_id, group) = ("compare-and-set.yaml", "DEFAULT_GROUP");
    publish(&documents, data_id, "a: 1\n").await;
    let read = documents.read(data_id, group).await.unwrap().unwrap();
    assert_eq!(read.text().expose(), "a: 1\n");
    documents
        .replace(data_id, group, &read, "a: 2\n")
        .await
        .unwrap();
    until("the new one is there", async || {
        let there = documents.get(data_id, group).await.unwrap();
        there.is_some_and(|it| it.expose() == "a: 2\n")
    })
    .await;
    let refused = documents
        .replace(data_id, group, &read, "a: 3\n")
        .await
        .unwrap_err();
    assert!(matches!(refused, NacosError::Changed { .. }), "{refused}");
    let there = documents.get(data_id, group).await.unwrap().unwrap();
    assert_eq!(there.expose(), "a: 2\n");
}
