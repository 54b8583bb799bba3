//! Beside a service of Spring Cloud Alibaba, at the same Nacos server.

use axum::{Router, routing::get};
use hallpass::nacos::{
    DiscoverySettings, NacosDiscovery, NacosDocuments, OwnInstance, RegisterSettings,
};
use hallpass::upstream::Discover as _;
use hallpass_testkit::TestServer;

use super::config::publish;
use super::{NacosServer, until};
use crate::java::SpringBoot;

/// The Spring program, with its caches and logs in a folder of its own.
fn neighbour(server: &NacosServer, home: &std::path::Path) -> Option<SpringBoot> {
    let jvm = [
        "-Xmx256m".to_owned(),
        format!("-Duser.home={}", home.display()),
    ];
    let properties = [
        "server.address=127.0.0.1".to_owned(),
        "server.port=0".to_owned(),
        "spring.application.name=spring-side".to_owned(),
        format!("spring.cloud.nacos.server-addr={}", server.address()),
        "spring.cloud.nacos.discovery.ip=127.0.0.1".to_owned(),
        "spring.config.import=nacos:neighbour.yaml".to_owned(),
    ];
    SpringBoot::start_by("nacos-neighbour", &jvm, &properties)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_spring_cloud_alibaba_and_one_of_ours_find_and_call_each_other() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    publish(&documents, "neighbour.yaml", "greeting: written by us\n").await;
    let home = tempfile::tempdir().unwrap();
    let Some(spring) = neighbour(server, home.path()) else {
        return;
    };
    let router = Router::new().route("/hello", get(async || "from Hallpass"));
    let ours = TestServer::start(router).await.unwrap();
    let discovery = NacosDiscovery::start(&server.parts(), &DiscoverySettings::default()).unwrap();
    let own = OwnInstance::new("hallpass-side", ours.address().port());
    let registration = discovery
        .register(&own, &RegisterSettings::default())
        .await
        .unwrap();

    let seen = crate::get(&spring.url("/property/greeting"), None).await;
    assert_eq!(seen.body, "written by us");
    until("Spring is found", async || {
        discovery.instances("spring-side").await.is_ok()
    })
    .await;
    let found = discovery.instances("spring-side").await.unwrap();
    let url = format!("{}/hello", found.iter().next().unwrap());
    assert_eq!(crate::get(&url, None).await.body, "from Spring");

    let instances = spring.url("/instances/hallpass-side");
    let expected = format!("[\"{} SPRING_CLOUD\"]", ours.url(""));
    until("Spring finds us", async || {
        crate::get(&instances, None).await.body == expected
    })
    .await;
    let seen = crate::get(&spring.url("/call/hallpass-side"), None).await;
    assert_eq!(seen.body, "from Hallpass");

    registration.withdraw().await;
    until("Spring has heard of the end", async || {
        crate::get(&instances, None).await.body == "[]"
    })
    .await;
}
