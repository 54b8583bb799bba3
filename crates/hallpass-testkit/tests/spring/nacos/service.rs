//! A service whose configuration and neighbours are in a real Nacos server.

use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::nacos::{Nacos, NacosDocuments, NacosStartError};
use hallpass::{Hallpass, Settings};

use super::config::publish;
use super::{NacosServer, until};

fn yaml(server: &NacosServer, more: &str) -> String {
    format!(
        "hallpass:
  service: {{ name: caller }}
  discovery: {{ static: {{ target: ['127.0.0.1:1'], only-here: ['127.0.0.1:9'] }}, nacos: true }}
  nacos:
    server-addr: {}
    {more}
",
        server.address()
    )
}

async fn ports(hallpass: &Hallpass, service: &str) -> Vec<u16> {
    let found = hallpass.discovery().instances(service).await;
    found.map_or_else(
        |_| Vec::new(),
        |found| found.iter().map(|it| it.port()).collect(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_go_over_the_file_and_the_environment_over_them_while_the_service_runs() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    let document = |port: u16| {
        format!(
            "hallpass: {{ discovery: {{ static: {{ target: ['127.0.0.1:{port}'] }}, outage-memory-seconds: 7 }}, nacos: {{ server-addr: '127.0.0.1:1' }} }}\n"
        )
    };
    publish(&documents, "live.yaml", &document(2)).await;
    let text = yaml(server, "config: { data-ids: [live.yaml] }");
    let loader = Loader::new("hallpass")
        .text("file", text)
        .environment([("HALLPASS_DISCOVERY_OUTAGE_MEMORY_SECONDS", "8")]);
    let nacos = Nacos::start(loader.clone()).await.unwrap();
    let mut reloader = nacos.reloader().unwrap();
    let loaded = reloader.load::<Settings>().unwrap();
    let shown = loaded.effective();
    assert!(
        shown.contains("# nacos DEFAULT_GROUP/live.yaml:1"),
        "{shown}"
    );
    assert!(
        shown.contains("# environment HALLPASS_DISCOVERY_OUTAGE"),
        "{shown}"
    );
    let settings = loaded.into_settings();
    assert_eq!(settings.discovery.outage_memory, Duration::from_secs(8));
    let hallpass = Hallpass::builder(&settings).nacos(&nacos).build().unwrap();
    let following = tokio::spawn(hallpass.clone().follow(reloader));
    assert_eq!(ports(&hallpass, "target").await, [2]);
    publish(&documents, "live.yaml", &document(3)).await;
    until("the change is taken", async || {
        ports(&hallpass, "target").await == [3]
    })
    .await;

    publish(&documents, "live.yaml", "hallpass: { discovery: [").await;
    let refused = "hallpass_config_reloads_total{result=\"refused\"} 1";
    until("the broken one is refused", async || {
        hallpass.metrics().text().contains(refused)
    })
    .await;
    assert_eq!(
        ports(&hallpass, "target").await,
        [3],
        "the last good one stays"
    );
    publish(&documents, "live.yaml", &document(4)).await;
    until("a good one is taken", async || {
        ports(&hallpass, "target").await == [4]
    })
    .await;
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_takes_a_service_back_from_enforce_to_report_and_nothing_starts_again() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    let step = |mode: &str| format!("hallpass: {{ security: {{ internal-jwt: {{ {mode} }} }} }}\n");
    publish(&documents, "roll-out.yaml", &step("mode: enforce")).await;
    let routes = "security: { internal-jwt: { issuers: [{ name: internal, issuer: internal, jwks-url: 'http://127.0.0.1:1/jwks' }], \
                  routes: [{ path: /orders/**, rule: authenticated }] } }";
    let config = "config: { data-ids: [roll-out.yaml] }\n  ";
    let text = yaml(server, &format!("{config}{routes}"));
    let nacos = Nacos::start(Loader::new("hallpass").text("file", text))
        .await
        .unwrap();
    let mut reloader = nacos.reloader().unwrap();
    let settings = reloader.load::<Settings>().unwrap().into_settings();
    let hallpass = Hallpass::builder(&settings).nacos(&nacos).build().unwrap();
    let resource = hallpass.resource_server().build().unwrap();
    let following = tokio::spawn(hallpass.clone().follow(reloader));
    let passes = async || {
        let request = http::Request::get("/orders/7").body(()).unwrap();
        resource.authorize(&request.into_parts().0).await.is_ok()
    };
    assert!(!passes().await);
    let clock = SystemClock::new();
    for (mode, expected) in [
        ("mode: report, enforce-percent: 100", true),
        ("mode: enforce, enforce-percent: 100", false),
        ("mode: enforce, enforce-percent: 0", true),
        ("mode: enforce", false),
        ("mode: off", true),
    ] {
        let pushed = clock.monotonic();
        publish(&documents, "roll-out.yaml", &step(mode)).await;
        until(mode, async || passes().await == expected).await;
        let took = clock.monotonic() - pushed;
        assert!(took < Duration::from_secs(10), "{mode}: {took:?}");
    }
    let counted = "hallpass_would_deny_total{route=\"/orders/**\",reason=\"missing_token\",caller=\"_unauthenticated\"}";
    assert!(hallpass.metrics().text().contains(counted));
    following.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_finds_another_and_no_longer_after_it_was_withdrawn() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let start = async |text: String| {
        let loader = Loader::new("hallpass").text("file", text);
        let nacos = Nacos::start(loader.clone()).await.unwrap();
        let settings = loader.load::<Settings>().unwrap().into_settings();
        let hallpass = Hallpass::builder(&settings).nacos(&nacos).build().unwrap();
        (nacos, settings, hallpass)
    };
    let caller = yaml(server, "config: {}");
    let provider = caller.replace("name: caller", "name: provider").replace(
        "nacos: true",
        "nacos: { register: { deregister-wait-ms: 1 } }",
    );
    let (_nacos, _, caller) = start(caller).await;
    let (provider, settings, _hallpass) = start(provider).await;
    assert_eq!(ports(&caller, "provider").await, [0; 0]);
    let registration = provider.register(&settings, 8080).await.unwrap().unwrap();
    until("it is found", async || {
        ports(&caller, "provider").await == [8080]
    })
    .await;
    assert_eq!(
        ports(&caller, "only-here").await,
        [9],
        "what is listed is not looked for"
    );
    let text = caller.metrics().text();
    assert!(
        text.contains("hallpass_nacos_connected{module=\"naming\"} 1"),
        "{text}"
    );
    registration.withdraw().await;
    until("it is gone", async || {
        ports(&caller, "provider").await.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_from_the_snapshot_has_what_was_last_taken_and_not_what_was_refused() {
    let Some(mut server) = NacosServer::start(&[]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let more = format!(
        "snapshot-directory: '{}'\n    config: {{ data-ids: [kept.yaml] }}",
        folder.path().display()
    );
    let loader = Loader::new("hallpass").text("file", yaml(&server, &more));
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    let good = "hallpass: { discovery: { static: { target: ['127.0.0.1:5'] } } }\n";
    publish(&documents, "kept.yaml", good).await;
    let nacos = Nacos::start(loader.clone()).await.unwrap();
    let mut reloader = nacos.reloader().unwrap();
    let settings = reloader.load::<Settings>().unwrap().into_settings();
    let hallpass = Hallpass::builder(&settings).nacos(&nacos).build().unwrap();
    let following = tokio::spawn(hallpass.clone().follow(reloader));
    publish(
        &documents,
        "kept.yaml",
        "hallpass: { discovery: { static: 7 } }",
    )
    .await;
    let refused = "hallpass_config_reloads_total{result=\"refused\"} 1";
    until("it is refused", async || {
        hallpass.metrics().text().contains(refused)
    })
    .await;
    following.abort();
    server.kill();

    let nacos = Nacos::start(loader.clone()).await.unwrap();
    let mut reloader = nacos.reloader().unwrap();
    let settings = reloader.load::<Settings>().unwrap().into_settings();
    let target = settings.discovery.instances.get("target").unwrap();
    assert_eq!(target.iter().map(|it| it.port()).collect::<Vec<_>>(), [5]);
}

#[tokio::test]
async fn discovery_without_a_server_is_a_problem_of_the_settings() {
    let loader = Loader::new("hallpass").text("file", "hallpass: { discovery: { nacos: true } }");
    let error = Nacos::start(loader.clone()).await.unwrap_err();
    assert!(matches!(error, NacosStartError::Settings(_)), "{error}");
}
