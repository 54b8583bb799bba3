//! Tokens that are there before they are asked for.

use std::sync::Arc;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::resource::EncodedCharacters;
use hallpass::{Hallpass, Settings};
use hallpass_clock::ManualClock;
use hallpass_gateway::{RunningSidecar, Sidecar, SidecarServer, SidecarSettings};
use hallpass_testkit::TestIssuer;

use crate::estate::ask;
use crate::process::{BETWEEN_LOOKS, START};
use crate::raw::Raw;
use crate::rig::{Rig, issuer, say};

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let looking = async {
        let mut again = tokio::time::interval(BETWEEN_LOOKS);
        while !is_so().await {
            again.tick().await;
        }
    };
    tokio::time::timeout(START, looking).await.expect(what);
}

/// A sidecar whose issuer is away.
struct Waiting {
    clock: Arc<ManualClock>,
    issuer: TestIssuer,
    settings: SidecarSettings,
    running: RunningSidecar,
    _hallpass: Hallpass,
}

impl Waiting {
    async fn start() -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let issuer = TestIssuer::builder().clock(clock.clone()).start();
        let mut issuer = issuer.await.unwrap();
        issuer.stop().await.unwrap();
        let yaml = format!(
            "
hallpass:
  service: {{ name: order-service }}
  internal-token: {{ client-id: {}, client-secret: '{}', token-url: '{}' }}
  sidecar:
    management: {{ listen: '127.0.0.1:0' }}
    outbound: {{ services: [{{ name: service-system, identity: service, listen: '127.0.0.1:0' }}] }}
",
            TestIssuer::CLIENT_ID,
            TestIssuer::CLIENT_SECRET,
            issuer.token_url(),
        );
        let loader = Loader::new("hallpass").text("sidecar", yaml);
        let settings = loader.load_part::<SidecarSettings>().unwrap();
        let settings = settings.into_settings();
        let service = loader.load_part::<Settings>().unwrap().into_settings();
        let hallpass = Hallpass::builder(&service).clock(clock.clone()).build();
        let hallpass = hallpass.unwrap();
        let resource = hallpass.resource_server().build().unwrap();
        let sidecar = Sidecar {
            inbound: resource.clone(),
            outbound: resource,
            tokens: hallpass.tokens().clone(),
            network: hallpass.network().clone(),
            encoded: service.security.paths.allow_encoded,
        };
        let running = SidecarServer::start(sidecar, &settings).await.unwrap();
        Self {
            clock,
            issuer,
            settings,
            running,
            _hallpass: hallpass,
        }
    }

    async fn health(&self) -> u16 {
        let port = self.running.management_addr().port();
        ask(port, "/health/ready", &[]).await.0
    }

    async fn becomes_ready(&self) {
        // An issuer that was away is asked again after some time, by the clock that stands still here.
        until("ready", async || {
            self.clock.advance_seconds(1);
            self.health().await == 200
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_sidecar_injects_is_renewed_without_a_request() {
    let mut waiting = Waiting::start().await;
    assert_eq!(waiting.health().await, 503);
    waiting.issuer.restart().await.unwrap();
    waiting.becomes_ready().await;
    let first = waiting.issuer.tokens_issued();
    assert_eq!(first, 1);
    waiting.clock.advance(Duration::from_secs(530));
    until("renewed", async || waiting.issuer.tokens_issued() > first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_that_is_reloaded_while_its_issuer_is_away_is_ready_when_that_is_back() {
    let mut waiting = Waiting::start().await;
    let settings = waiting.settings.clone();
    for _ in 0..2 {
        let applied = waiting
            .running
            .apply(&settings, EncodedCharacters::default());
        applied.await.unwrap();
        assert_eq!(waiting.health().await, 503, "no token yet");
    }
    waiting.issuer.restart().await.unwrap();
    waiting.becomes_ready().await;
    // What was ready once stays so.
    waiting.issuer.stop().await.unwrap();
    let applied = waiting
        .running
        .apply(&settings, EncodedCharacters::default());
    applied.await.unwrap();
    assert_eq!(waiting.health().await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_settings_while_the_first_tokens_are_awaited_is_no_reason_to_wait_for_ever() {
    let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
    let mut issuer = issuer(Some(clock.clone())).await;
    let stock = Raw::start().await;
    let sidecar = |identity: &str| {
        format!(
            "    outbound: {{ listen: '127.0.0.1:0', services: [{{ name: stock-service, {identity} }}] }}\n"
        )
    };
    issuer.stop().await.unwrap();
    let own = sidecar("identity: service");
    let mut rig = Rig::start_by(issuer, stock.address, &own, clock.clone()).await;
    let health = rig.sidecar.management_addr().port();
    let is_ready = async || ask(health, "/health/ready", &[]).await.0 == 200;
    assert!(!is_ready().await);
    // A token of its own is needed for this one too, and is there before a call without a user.
    rig.reload(&sidecar("identity: relay, when-absent: service"))
        .await;
    assert!(!is_ready().await);
    rig.issuer.restart().await.unwrap();
    until("ready", async || {
        clock.advance_seconds(1);
        is_ready().await
    })
    .await;
    assert_eq!(rig.issuer.tokens_issued(), 1);
    rig.reload(&own).await;
    assert!(is_ready().await, "what is ready stays so");
    let lines = ["GET /a HTTP/1.1", "Host: stock-service"];
    assert_eq!(say(rig.proxy(), &lines).await.status, 200);
    assert!(stock.only().header("authorization").is_some());
}
