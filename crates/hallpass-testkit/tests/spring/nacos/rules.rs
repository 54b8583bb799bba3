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

    /// Configurations that were refused.
    fn refused(&self) -> Option<String> {
        let text = self.hallpass.metrics().text();
        let line = "hallpass_config_reloads_total{result=\"refused\"}";
        let mut lines = text.lines();
        lines.find(|it| it.starts_with(line)).map(str::to_owned)
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
        "GET:http://logistics-service/logistics/orders/{order_id}/shipments",
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

    // Whoever may write rules may change nothing else, and what is no rule changes nothing.
    let refused = estate.refused();
    let other = "{\"hallpass\": {\"feign\": {\"estate\": []}}}";
    estate.publish(FLOW, other).await;
    until("it is refused", async || estate.refused() != refused).await;
    assert_eq!(
        estate.shipments().await,
        "breaker_open",
        "the last good rules stay"
    );

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

#[tokio::test]
async fn rules_in_another_nacos_are_a_problem() {
    let yaml = "
spring.cloud.sentinel.datasource.ds.nacos: { server-addr: '127.0.0.1:2', namespace: other, data-id: x, rule-type: flow }
hallpass.nacos.server-addr: '127.0.0.1:1'
";
    let loader = Loader::new("hallpass").text("application.yaml", yaml);
    let problems = Nacos::start(loader)
        .await
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        problems.contains("ds.nacos.server-addr: is another Nacos"),
        "{problems}"
    );
    assert!(
        problems.contains("ds.nacos.namespace: is another namespace"),
        "{problems}"
    );
}
