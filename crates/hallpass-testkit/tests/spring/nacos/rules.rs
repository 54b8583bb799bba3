//! Rules of Sentinel in a real Nacos server, written as its dashboard writes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use axum::{Router, routing::get};
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::nacos::{Nacos, NacosDocuments};
use hallpass::prelude::*;
use hallpass_testkit::TestServer;

use super::config::publish_in;
use super::{NacosServer, until};

#[feign_client(name = "logistics-service", identity = "none")]
trait Logistics {
    #[get("/logistics/orders/{order_id}/shipments")]
    async fn shipments(&self, order_id: u64) -> Result<String, FeignError>;

    #[get("/logistics/health")]
    async fn health(&self) -> Result<String, FeignError>;
}

const GROUP: &str = "SENTINEL_GROUP";
const DEGRADE: &str = "order-service-degrade-rules";
const FLOW: &str = "order-service-flow-rules";

/// As it stands in the estate's own file.
fn yaml(server: &NacosServer, callee: &TestServer) -> String {
    let (address, callee) = (server.address(), callee.address());
    format!(
        "\
feign.sentinel.enabled: true
spring:
  application.name: order-service
  cloud:
    sentinel:
      datasource:
        degrade.nacos: {{ server-addr: '{address}', data-id: '${{spring.application.name}}-degrade-rules', group-id: {GROUP}, rule-type: degrade, data-type: json }}
        flow.nacos: {{ server-addr: '{address}', data-id: '${{spring.application.name}}-flow-rules', groupId: {GROUP}, ruleType: flow }}
hallpass:
  discovery.static: {{ logistics-service: '{callee}' }}
  nacos.server-addr: '{address}'
  feign.defaults: {{ breaker: {{ enabled: false }}, retry: {{ max-attempts: 1 }} }}
"
    )
}

fn entity(resource: &str, own: &str) -> String {
    format!(
        r#"[{{"app":"order-service","gmtCreate":1764200000000,"gmtModified":1764200000000,"id":7,"ip":"10.0.0.9","limitApp":"default","port":8719,"resource":"{resource}",{own}}}]"#
    )
}

/// A service by that file, and one that it calls.
struct Estate {
    documents: NacosDocuments,
    hallpass: Hallpass,
    logistics: FeignLogistics,
    /// Requests for shipments that have arrived.
    asked: Arc<AtomicUsize>,
    _callee: TestServer,
}

impl Estate {
    async fn start(server: &NacosServer) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&asked);
        let fails = get(async move || {
            counting.fetch_add(1, Ordering::SeqCst);
            StatusCode::INTERNAL_SERVER_ERROR
        });
        let router = Router::new()
            .route("/logistics/orders/{order_id}/shipments", fails)
            .route("/logistics/health", get(async || axum::Json("up")));
        let callee = TestServer::start(router).await.unwrap();
        let loader = Loader::new("hallpass").text("application.yaml", yaml(server, &callee));
        let nacos = Nacos::start(loader).await.unwrap();
        let mut reloader = nacos.reloader().unwrap();
        let settings = reloader.load::<Settings>().unwrap().into_settings();
        let hallpass = Hallpass::builder(&settings).nacos(&nacos).build().unwrap();
        // It ends with the runtime of the test.
        drop(tokio::spawn(hallpass.clone().follow(reloader)));
        Self {
            documents: NacosDocuments::connect(&server.parts()).unwrap(),
            logistics: FeignLogistics::new(hallpass.feign()).unwrap(),
            hallpass,
            asked,
            _callee: callee,
        }
    }

    async fn publish(&self, data_id: &str, rules: &str) {
        publish_in(&self.documents, GROUP, data_id, rules).await;
    }

    async fn shipments(&self) -> &'static str {
        match self.logistics.shipments(1).await {
            Ok(_) => "ok",
            Err(error) => error.code(),
        }
    }

    /// Whatever others publish, the open breaker stays, and the service goes on.
    async fn leaves_bad_rules_out(&self) {
        // Whoever may write rules may change nothing else, and can stop neither the service nor later configurations.
        for (rules, bad) in [
            ("{\"hallpass\": {\"feign\": {\"estate\": []}}}", "1"),
            ("[]", "0"),
            ("[{", "1"),
            ("[]", "0"),
            (
                r#"[{"resource":"logistics-service","count":1,"clusterMode":true},{"resource":"/hello","count":1}]"#,
                "1",
            ),
        ] {
            self.publish(FLOW, rules).await;
            until("it is left out", async || self.bad() == bad).await;
            assert_eq!(self.shipments().await, "breaker_open", "{rules}");
            assert!(self.logistics.health().await.is_ok(), "{rules}");
        }
        let others = "hallpass_feign_estate_rules_skipped{reason=\"others\"}";
        assert_eq!(self.metric(others), "1");
        let refused = self.metric("hallpass_config_reloads_total{result=\"refused\"}");
        assert_eq!(refused, "0");
        self.publish(DEGRADE, "[{").await;
        until("it is left out", async || self.bad() == "2").await;
        assert_eq!(
            self.shipments().await,
            "breaker_open",
            "the last good rules stay"
        );
    }

    /// The value of a metric.
    fn metric(&self, name: &str) -> String {
        let text = self.hallpass.metrics().text();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_default().to_owned()
    }

    /// Rules that were left out because they cannot be had.
    fn bad(&self) -> String {
        self.metric("hallpass_feign_estate_rules_skipped{reason=\"bad\"}")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_published_in_nacos_opens_and_closes_a_breaker_without_a_restart() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let estate = Estate::start(server).await;
    for _call in 0..10 {
        assert_eq!(
            estate.shipments().await,
            "server_error",
            "there is no rule yet"
        );
    }

    let rule = entity(
        "GET:http://logistics-service/logistics/orders/{orderId}/shipments",
        r#""count":2.0,"grade":2,"minRequestAmount":3,"slowRatioThreshold":null,"statIntervalMs":60000,"timeWindow":3600"#,
    );
    estate.publish(DEGRADE, &rule).await;
    until("the rule opens a breaker", async || {
        estate.shipments().await == "breaker_open"
    })
    .await;
    let before = estate.asked.load(Ordering::SeqCst);
    assert_eq!(estate.shipments().await, "breaker_open");
    let after = estate.asked.load(Ordering::SeqCst);
    assert_eq!(after, before, "nothing is sent");
    let health = estate.logistics.health().await.unwrap();
    assert_eq!(health, "up", "the rule is about another method");

    estate.leaves_bad_rules_out().await;
    let nothing = r#""clusterMode":false,"controlBehavior":0,"count":0.0,"grade":1,"strategy":0"#;
    estate
        .publish(FLOW, &entity("logistics-service", nothing))
        .await;
    until("a flow rule lets nothing through", async || {
        let health = estate.logistics.health().await;
        health.is_err_and(|error| error.code() == "rate_limited")
    })
    .await;
    estate.publish(FLOW, "[]").await;
    estate.publish(DEGRADE, "[]").await;
    until("without rules all calls go out", async || {
        estate.shipments().await == "server_error" && estate.logistics.health().await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_rules_may_stand_in_a_document_of_nacos() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    let (application, rules) = ("rules-by-document.yaml", "rules-by-document");
    let rule = entity("logistics-service", r#""count":7.0,"grade":1"#);
    publish_in(&documents, GROUP, rules, &rule).await;
    let address = server.address();
    let source = format!(
        "feign.sentinel.enabled: true
spring.cloud.sentinel.datasource.ds.nacos: {{ server-addr: '${{spring.cloud.nacos.server-addr}}', data-id: {rules}, group-id: {GROUP}, rule-type: flow }}"
    );
    publish_in(&documents, "DEFAULT_GROUP", application, &source).await;
    let yaml =
        format!("hallpass.nacos: {{ server-addr: '{address}', config.data-ids: {application} }}");
    let loader = Loader::new("hallpass").text("application.yaml", yaml);
    let nacos = Nacos::start(loader).await.unwrap();
    let loaded = nacos.reloader().unwrap().load::<Settings>().unwrap();
    let client = loaded.settings().feign.client("logistics-service").clone();
    assert_eq!(client.service.rates[0].calls, 7);
}

#[tokio::test]
async fn rules_in_another_nacos_are_not_read_and_stop_nothing() {
    let yaml = "
feign.sentinel.enabled: true
spring.cloud.sentinel.datasource.ds.nacos: { server-addr: '127.0.0.1:2', namespace: other, data-id: x, rule-type: flow }
hallpass.nacos.server-addr: '127.0.0.1:1'
";
    let loader = Loader::new("hallpass").text("application.yaml", yaml);
    let nacos = Nacos::start(loader.clone()).await.unwrap();
    drop(nacos);
    let mut loaded = loader.load::<Settings>().unwrap();
    let warnings = loaded.take_warnings().join("\n");
    for expected in [
        "ds.nacos.server-addr: is another Nacos",
        "ds.nacos.namespace: is another namespace",
    ] {
        assert!(warnings.contains(expected), "{warnings}");
    }
}
