//! Credentials of a service in documents of a real Nacos server, written in Spring's language.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::{Router, routing::get};
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::nacos::{Nacos, NacosDocuments};
use hallpass::prelude::*;
use hallpass::token::ValueSealer;
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{TestIssuer, TestServer};
use tokio::task::JoinSet;

use super::config::publish;
use super::{NacosServer, until};

#[feign_client(name = "billing")]
trait Billing {
    #[get("/who")]
    async fn who(&self) -> Result<String, FeignError>;
}

#[feign_client(name = "service-system")]
trait System {
    #[get("/who")]
    async fn who(&self) -> Result<String, FeignError>;
}

const SEAL_KEY: &str = "0123456789abcdef0123456789abcdef";

/// What all services share. It names keys of the document of each.
const SHARED: &str = "\
estate: { domain: '${estate.host:http://none.example:80}', expire: 9m }
hallpass:
  internalToken:
    CLIENT-ID: ${estate.caller}
    client_secret: default-caller-first
    tokenUrl: ${estate.domain}/oauth2/token
    cacheExpireSeconds: ${estate.expire}
";

/// The document of one service, with its secret for billing sealed.
fn own(issuer: &TestIssuer, callee: &TestServer, secret: &str) -> String {
    let place = "internal-token.clients[billing].client-secret";
    let sealed = ValueSealer::new(SEAL_KEY).unwrap().seal(secret, place);
    format!(
        "\
spring.application.name: caller
estate: {{ caller: default-caller, host: '{}' }}
hallpass:
  discovery.static: {{ billing: '{callee}', service-system: '{callee}' }}
  internal-token:
    clients: [{{ name: billing, clientId: billing-caller, clientSecret: '{}', audience: service-billing }}]
---
spring.config.activate.on-profile: [prod, 'qa & !eu']
hallpass.internal-token.refresh-ahead-seconds: PT30S
",
        issuer.url(""),
        sealed.unwrap(),
        callee = callee.address(),
    )
}

async fn issuer() -> TestIssuer {
    let client = |id: &str, audience: &str| {
        format!(
            "{{ client-id: {id}, client-secret: {id}-second, previous-client-secret: {id}-first, \
             previous-client-secret-until: 2099-01-01T00:00:00Z, audiences: [{audience}] }}"
        )
    };
    let clients = [
        client("default-caller", "service-system"),
        client("billing-caller", "service-billing"),
    ];
    let text = format!(
        "hallpass: {{ issuer: {{ clients: [{}] }} }}",
        clients.join(", ")
    );
    let loader = Loader::new("hallpass").text("issuer", text);
    let settings: IssuerSettings = loader.load().unwrap().into_settings();
    TestIssuer::of(settings).start().await.unwrap()
}

async fn callee(issuer: &TestIssuer) -> TestServer {
    let yaml = format!(
        "hallpass:\n  security.internal-jwt:\n    issuers:\n      - {{ name: internal, issuer: internal, internal: true, \
         jwks-url: '{}', audience: [service-system, service-billing] }}\n    routes: [{{ path: /who, rule: authenticated }}]\n",
        issuer.jwks_url()
    );
    let loader = Loader::new("hallpass").text("callee", yaml);
    let settings = loader.load::<Settings>().unwrap().into_settings();
    let guard = Hallpass::from_settings(&settings).unwrap();
    let guard = guard.resource_server().build().unwrap();
    let who = get(async |caller: Caller| axum::Json(caller.subject().to_string()));
    let router = Router::new().route("/who", who).layer(guard.layer());
    TestServer::start(router).await.unwrap()
}

/// Where the service finds its documents and the key to what is sealed in them.
fn loader(server: &NacosServer, key: &Path) -> Loader {
    let yaml = format!(
        "\
hallpass:
  sealing: {{ key-file: '{}' }}
  nacos:
    server-addr: {}
    config: {{ data-ids: [credentials.yaml], shared-configs: [{{ data-id: credentials-shared.yaml }}] }}
",
        key.display(),
        server.address()
    );
    let loader = Loader::new("hallpass").text("file", yaml);
    loader.environment([("SPRING_PROFILES_ACTIVE", "blue, qa")])
}

/// Calls both services until `stop`, each with the credential that is meant for it.
fn call_without_end(
    caller: &Hallpass,
    stop: &Arc<AtomicBool>,
    calls: &Arc<AtomicU64>,
) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    for _worker in 0..4 {
        let billing = FeignBilling::new(caller.feign()).unwrap();
        let system = FeignSystem::new(caller.feign()).unwrap();
        let (stop, calls) = (Arc::clone(stop), Arc::clone(calls));
        workers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(billing.who().await.unwrap(), "billing-caller");
                assert_eq!(system.who().await.unwrap(), "default-caller");
                calls.fetch_add(2, Ordering::Relaxed);
            }
        });
    }
    workers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_rotated_in_nacos_costs_no_call_and_of_other_credentials_no_token() {
    let Some(server) = NacosServer::shared() else {
        return;
    };
    let documents = NacosDocuments::connect(&server.parts()).unwrap();
    let issuer = issuer().await;
    let callee = callee(&issuer).await;
    publish(&documents, "credentials-shared.yaml", SHARED).await;
    let first = own(&issuer, &callee, "billing-caller-first");
    publish(&documents, "credentials.yaml", &first).await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("seal.key");
    std::fs::write(&key, SEAL_KEY).unwrap();
    let nacos = Nacos::start(loader(server, &key)).await.unwrap();
    let mut reloader = nacos.reloader().unwrap();
    let settings = reloader.load::<Settings>().unwrap().into_settings();
    assert_eq!(settings.service.name.as_deref(), Some("caller"));
    let tokens = settings.internal_token.token_service.as_ref().unwrap();
    assert_eq!(tokens.credential.client_id.as_str(), "default-caller");
    let life = tokens.credential.cache_life;
    assert_eq!(life.expire(), Duration::from_secs(540));
    assert_eq!(life.refresh_ahead(), Duration::from_secs(30));
    let caller = Hallpass::builder(&settings).nacos(&nacos).build().unwrap();
    let following = tokio::spawn(caller.clone().follow(reloader));

    let (stop, calls) = (Arc::default(), Arc::default());
    let mut workers = call_without_end(&caller, &stop, &calls);
    until("both have a token", async || issuer.tokens_issued() == 2).await;
    publish(
        &documents,
        "credentials.yaml",
        "hallpass: { internal-token: ",
    )
    .await;
    let refused = r#"hallpass_config_reloads_total{result="refused"} 1"#;
    until("a broken document is refused", async || {
        caller.metrics().text().lines().any(|line| line == refused)
    })
    .await;
    let second = own(&issuer, &callee, "billing-caller-second");
    publish(&documents, "credentials.yaml", &second).await;
    until("the new secret is in use", async || {
        issuer.tokens_issued() == 3
    })
    .await;
    let before = calls.load(Ordering::Relaxed);
    until("calls go on", async || {
        calls.load(Ordering::Relaxed) > before + 60
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    assert_eq!(issuer.tokens_issued(), 3);
    following.abort();
}
