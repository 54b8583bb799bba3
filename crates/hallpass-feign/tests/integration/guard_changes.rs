//! What guards know when their settings change while the process runs.

use hallpass_client::TokenFeignSettings;
use hallpass_clock::ManualClock;
use hallpass_config::Loader;
use hallpass_feign::{FeignClientSettings, FeignError, FeignSettings, feign_client};

use crate::clients::FeignOrders;
use crate::guards::{BREAKER, codes, feign, metric, settings, with_status};
use crate::support::runtime_at;

#[feign_client(name = "service-b")]
trait Other {
    #[get("/items")]
    async fn items(&self) -> Result<String, FeignError>;
}

#[tokio::test]
async fn the_guards_of_a_service_survive_a_reload_that_does_not_change_them() {
    let (upstream, _) = with_status(500).await;
    let clock = ManualClock::default();
    let feign = feign(&clock, &[&upstream], BREAKER);
    let orders = FeignOrders::new(&feign).unwrap();
    let opened = ["server_error", "server_error", "breaker_open"];
    assert_eq!(codes(&orders, 3).await, opened);
    drop(orders);
    let apply = |service: &str| {
        let tokens = TokenFeignSettings::default();
        feign.apply(&settings(service), &tokens).unwrap();
    };
    apply(&BREAKER.replacen('{', "{ deadline-ms: 700, ", 1));
    let orders = FeignOrders::new(&feign).unwrap();
    assert_eq!(codes(&orders, 1).await, ["breaker_open"]);
    apply(&BREAKER.replace("open-ms: 30000", "open-ms: 20000"));
    assert_eq!(
        codes(&orders, 3).await,
        opened,
        "other settings, another one"
    );
    apply(BREAKER);
    assert_eq!(codes(&orders, 3).await, opened, "nothing is kept for ever");
}

#[tokio::test]
async fn a_rate_that_is_changed_in_an_outage_closes_no_breaker() {
    let (upstream, _) = with_status(500).await;
    let clock = ManualClock::default();
    let feign = feign(&clock, &[&upstream], BREAKER);
    let orders = FeignOrders::new(&feign).unwrap();
    let opened = ["server_error", "server_error", "breaker_open"];
    assert_eq!(codes(&orders, 3).await, opened);
    let limited = BREAKER.replacen("service: {", "service: { rate: { per-second: 1000 },", 1);
    assert_ne!(limited, BREAKER);
    let tokens = TokenFeignSettings::default();
    feign.apply(&settings(&limited), &tokens).unwrap();
    assert_eq!(codes(&orders, 1).await, ["breaker_open"]);
    let state = r#"hallpass_feign_service_breaker_state{client="service-a",method=""}"#;
    assert_eq!(metric(&feign, state).unwrap(), "2");
}

#[tokio::test]
async fn the_breaker_of_a_service_is_still_shown_after_a_reload_that_was_refused() {
    let (upstream, _) = with_status(500).await;
    let feign = feign(&ManualClock::default(), &[&upstream], BREAKER);
    let orders = FeignOrders::new(&feign).unwrap();
    assert_eq!(codes(&orders, 1).await, ["server_error"]);
    let mut refused = settings(&BREAKER.replace("open-ms: 30000", "open-ms: 20000"));
    // The client that was built first is prepared for them, and goes on as before.
    let _other = FeignOther::new(&feign).unwrap();
    let bad = FeignClientSettings {
        audience: Some(String::new()),
        ..FeignClientSettings::default()
    };
    refused.clients.insert("service-b".to_owned(), bad);
    let tokens = TokenFeignSettings::default();
    feign.apply(&refused, &tokens).unwrap_err();
    assert_eq!(codes(&orders, 2).await, ["server_error", "breaker_open"]);
    let state = r#"hallpass_feign_service_breaker_state{client="service-a",method=""}"#;
    assert_eq!(metric(&feign, state).unwrap(), "2");
    // One that is open already as well.
    feign.apply(&refused, &tokens).unwrap_err();
    assert_eq!(metric(&feign, state).unwrap(), "2");
}

#[tokio::test]
async fn what_the_estate_says_of_a_method_survives_reloads_that_do_not_change_it() {
    let (upstream, _) = with_status(500).await;
    let load = |deadline: u32| -> FeignSettings {
        let yaml = format!(
            "
resilience4j.circuitbreaker.instances:
  'Orders#remove(Long)': {{ slidingWindowSize: 2, minimumNumberOfCalls: 2 }}
hallpass.feign.defaults: {{ deadline-ms: {deadline}, breaker: {{ enabled: false }} }}
"
        );
        let loader = Loader::new("hallpass").text("hallpass.yaml", &yaml);
        loader.load().unwrap().into_settings()
    };
    let tokens = TokenFeignSettings::default();
    let feign = runtime_at(&ManualClock::default(), &[&upstream]);
    let feign = feign.settings(&load(500), &tokens).build();
    let orders = FeignOrders::new(&feign).unwrap();
    let opened = ["server_error", "server_error", "breaker_open"];
    assert_eq!(codes(&orders, 3).await, opened);
    for deadline in [600, 700] {
        feign.apply(&load(deadline), &tokens).unwrap();
        assert_eq!(codes(&orders, 1).await, ["breaker_open"]);
        let another = FeignOrders::new(&feign).unwrap();
        assert_eq!(codes(&another, 1).await, ["breaker_open"]);
    }
    drop(orders);
    feign.apply(&load(800), &tokens).unwrap();
    let orders = FeignOrders::new(&feign).unwrap();
    assert_eq!(codes(&orders, 1).await, ["breaker_open"]);
}
