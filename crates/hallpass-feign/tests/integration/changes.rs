//! Settings that change while clients call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::response::IntoResponse as _;
use futures_util::future::BoxFuture;
use hallpass_client::{TokenFeignSettings, context};
use hallpass_feign::{Feign, FeignClientSettings, FeignSettings, Identity};
use hallpass_upstream::{
    BreakerSettings, BulkheadSettings, Discover, DiscoverError, Instances, Network, RetrySettings,
    StaticDiscovery,
};
use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;

use crate::clients::{AsCaller, FeignAsCaller, FeignOrders, Orders};
use crate::support::{Answer, Upstream, caller, runtime};

/// Settings of `service-a`.
fn settings(service: FeignClientSettings) -> FeignSettings {
    FeignSettings {
        clients: [("service-a".to_owned(), service)].into(),
        ..FeignSettings::default()
    }
}

fn at(upstream: &Upstream) -> FeignClientSettings {
    let url = format!("http://{}", upstream.address());
    FeignClientSettings {
        url: Some(url.parse().unwrap()),
        ..FeignClientSettings::default()
    }
}

fn apply(feign: &Feign, service: FeignClientSettings) {
    feign
        .apply(&settings(service), &TokenFeignSettings::default())
        .unwrap();
}

async fn good() -> Upstream {
    Upstream::answering(|_, _| "\"ok\"").await
}

async fn failing() -> Upstream {
    Upstream::answering(|_, _| StatusCode::INTERNAL_SERVER_ERROR).await
}

#[tokio::test]
async fn clients_that_exist_call_where_the_new_settings_say() {
    let (before, after) = (good().await, good().await);
    let feign = runtime(&[&before]).build();
    let orders = FeignOrders::new(&feign).unwrap();
    orders.remove(1).await.unwrap();
    apply(&feign, at(&after));
    orders.remove(2).await.unwrap();
    FeignOrders::new(&feign).unwrap().remove(3).await.unwrap();
    assert_eq!((before.seen().len(), after.seen().len()), (1, 2));
    apply(&feign, FeignClientSettings::default());
    orders.remove(4).await.unwrap();
    assert_eq!((before.seen().len(), after.seen().len()), (2, 2));
}

#[tokio::test]
async fn clients_that_exist_carry_what_the_new_settings_say() {
    let upstream = good().await;
    let feign = runtime(&[&upstream]).build();
    let client = FeignAsCaller::new(&feign).unwrap();
    let call = async || context::scope(caller("anna"), client.mine()).await.unwrap();
    call().await;
    apply(
        &feign,
        FeignClientSettings {
            identity: Some(Identity::None),
            ..FeignClientSettings::default()
        },
    );
    call().await;
    apply(&feign, FeignClientSettings::default());
    call().await;
    let skip = TokenFeignSettings {
        skip_clients: vec!["service-a".to_owned()],
        ..TokenFeignSettings::default()
    };
    feign.apply(&FeignSettings::default(), &skip).unwrap();
    call().await;
    let anna = Some("Bearer token-of-anna".to_owned());
    assert_eq!(upstream.identities(), [anna.clone(), None, anna, None]);
}

#[tokio::test]
async fn what_the_code_says_of_a_client_goes_over_new_settings_too() {
    let (said, configured) = (good().await, good().await);
    let feign = runtime(&[]).build();
    let url = format!("http://{}", said.address()).parse().unwrap();
    let orders = FeignOrders::builder(&feign).url(url).build().unwrap();
    apply(&feign, at(&configured));
    orders.remove(1).await.unwrap();
    assert_eq!((said.seen().len(), configured.seen().len()), (1, 0));
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_changes_nothing_for_any_client() {
    let upstream = good().await;
    let feign = runtime(&[&upstream]).build();
    let address = format!("http://{}", upstream.address());
    let own_url = FeignAsCaller::builder(&feign).url(address.parse().unwrap());
    let first = own_url.build().unwrap();
    let second = FeignOrders::new(&feign).unwrap();
    // The first client, which has an address of its own, could use these.
    let bad = FeignClientSettings {
        url: Some(format!("{address}/?a=b").parse().unwrap()),
        identity: Some(Identity::None),
        ..FeignClientSettings::default()
    };
    let tokens = TokenFeignSettings::default();
    let error = feign.apply(&settings(bad), &tokens).unwrap_err();
    assert!(
        error.to_string().contains("must not hold a query"),
        "{error}"
    );
    second.remove(1).await.unwrap();
    let mine = context::scope(caller("anna"), first.mine()).await;
    mine.unwrap();
    FeignOrders::new(&feign).unwrap().remove(2).await.unwrap();
    let anna = Some("Bearer token-of-anna".to_owned());
    assert_eq!(upstream.identities(), [None, anna, None]);
}

#[tokio::test]
async fn an_open_breaker_stays_open_unless_its_own_settings_change() {
    let upstream = failing().await;
    let feign = runtime(&[&upstream]).build();
    let breaker = BreakerSettings {
        window: 2,
        minimum_calls: 2,
        ..BreakerSettings::default()
    };
    let service = FeignClientSettings {
        breaker,
        ..FeignClientSettings::default()
    };
    apply(&feign, service.clone());
    let orders = FeignOrders::new(&feign).unwrap();
    let code = async || orders.remove(1).await.unwrap_err().code();
    assert_eq!(code().await, "server_error");
    assert_eq!(code().await, "server_error");
    assert_eq!(code().await, "breaker_open");

    let mut changed = FeignClientSettings {
        deadline: Some(Duration::from_secs(9)),
        retry: RetrySettings {
            max_attempts: 2,
            ..service.retry
        },
        ..service
    };
    apply(&feign, changed.clone());
    assert_eq!(code().await, "breaker_open");
    let another = FeignOrders::new(&feign).unwrap();
    assert_eq!(another.remove(1).await.unwrap_err().code(), "breaker_open");
    changed.breaker.window = 3;
    apply(&feign, changed);
    assert_eq!(code().await, "server_error");
}

#[tokio::test]
async fn a_call_that_has_begun_goes_on_by_the_settings_it_began_with() {
    let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&asked), Arc::clone(&go_on));
    let upstream = Upstream::scripted(move |_, number| -> Answer {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        Box::pin(async move {
            tell.notify_one();
            if number == 1 {
                wait.notified().await;
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            StatusCode::OK.into_response()
        })
    })
    .await;
    let elsewhere = failing().await;
    let feign = runtime(&[&upstream]).build();
    let orders = FeignOrders::new(&feign).unwrap();
    let change = async {
        asked.notified().await;
        let once = FeignClientSettings {
            retry: RetrySettings {
                max_attempts: 1,
                ..RetrySettings::default()
            },
            ..at(&elsewhere)
        };
        apply(&feign, once);
        go_on.notify_one();
    };
    let (result, ()) = tokio::join!(orders.remove(1), change);
    result.unwrap();
    assert_eq!((upstream.seen().len(), elsewhere.seen().len()), (2, 0));
}

#[tokio::test]
async fn the_series_of_a_breaker_goes_with_the_settings_it_was_made_for() {
    let (before, after) = (good().await, good().await);
    let feign = runtime(&[&before]).build();
    let orders = FeignOrders::new(&feign).unwrap();
    let mut registry = Registry::default();
    feign.metrics().register(&mut registry);
    let shown = |upstream: &Upstream| {
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let series = format!("instance=\"http://{}\"}} 0", upstream.address());
        text.lines().any(|line| line.ends_with(&series))
    };
    orders.remove(1).await.unwrap();
    assert!(shown(&before));
    apply(&feign, at(&after));
    orders.remove(1).await.unwrap();
    assert!(shown(&after) && !shown(&before));
    // Another breaker at the same instance: the one that goes does not take the series along.
    let mut same = at(&after);
    same.breaker.window = 7;
    apply(&feign, same);
    orders.remove(1).await.unwrap();
    apply(&feign, at(&after));
    orders.remove(1).await.unwrap();
    assert!(shown(&after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_settings_change() {
    let (one, other) = (good().await, good().await);
    let feign = runtime(&[&one]).build();
    let orders = Arc::new(FeignOrders::new(&feign).unwrap());
    let callers = (0..8).map(|_| {
        let orders = Arc::clone(&orders);
        tokio::spawn(async move {
            for _ in 0..100 {
                orders.remove(1).await.unwrap();
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut changes = 0;
    while callers.iter().any(|caller| !caller.is_finished()) {
        let mut service = at(if changes % 2 == 0 { &other } else { &one });
        service.breaker.window = 10 + changes % 5;
        apply(&feign, service);
        changes += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(one.seen().len() + other.seen().len(), 800);
    assert!(changes > 1 && !other.seen().is_empty(), "{changes}");
}

/// A list of instances that is there until it is away.
#[derive(Clone, Debug)]
struct Nacos {
    list: Arc<StaticDiscovery>,
    is_away: Arc<AtomicBool>,
}

impl Discover for Nacos {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoverError>> {
        match self.is_away.load(Ordering::SeqCst) {
            true => Box::pin(async { Err(DiscoverError::unavailable(service, "away")) }),
            false => self.list.instances(service),
        }
    }
}

#[tokio::test]
async fn what_changes_while_discovery_is_away_leaves_no_client_without_an_instance() {
    let upstream = good().await;
    let instance = upstream.address().parse().unwrap();
    let registry = Nacos {
        list: Arc::new(StaticDiscovery::new().with("service-a", [instance])),
        is_away: Arc::default(),
    };
    let network = Network::system(Arc::new(registry.clone())).unwrap();
    let feign = Feign::builder(&network).build();
    let orders = FeignOrders::new(&feign).unwrap();
    orders.remove(1).await.unwrap();
    registry.is_away.store(true, Ordering::SeqCst);
    let mut changed = FeignClientSettings::default();
    for change in 0..5 {
        match change {
            0 => changed.eject.base = Duration::from_secs(10),
            1 => changed.breaker.open = Duration::from_secs(5),
            2 => changed.balance.zone_preference = false,
            3 => changed.bulkhead = BulkheadSettings::new(7, Duration::ZERO),
            _ => changed.retry.budget = hallpass_config::Percent::ALL,
        }
        apply(&feign, changed.clone());
        orders.remove(2).await.unwrap();
    }
    // So does a client that is built then.
    let builder = FeignOrders::builder(&feign).breaker(BreakerSettings::default());
    builder.build().unwrap().remove(3).await.unwrap();
    assert_eq!(upstream.seen().len(), 7);
}

#[tokio::test]
async fn a_breaker_is_still_shown_after_a_reload_that_was_refused() {
    let upstream = failing().await;
    let feign = runtime(&[&upstream]).build();
    let breaker = BreakerSettings {
        window: 2,
        minimum_calls: 2,
        ..BreakerSettings::default()
    };
    let service = FeignClientSettings {
        breaker,
        ..FeignClientSettings::default()
    };
    apply(&feign, service.clone());
    let orders = FeignOrders::new(&feign).unwrap();
    orders.remove(1).await.unwrap_err();
    let mut refused = settings(service);
    let client = refused.clients.get_mut("service-a").unwrap();
    client.breaker.window = 9;
    client.audience = Some(String::new());
    let tokens = TokenFeignSettings::default();
    feign.apply(&refused, &tokens).unwrap_err();
    orders.remove(1).await.unwrap_err();
    let mut registry = Registry::default();
    feign.metrics().register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let series = format!("instance=\"http://{}\"}} 2", upstream.address());
    assert!(text.lines().any(|line| line.ends_with(&series)), "{text}");
}
