//! How many requests each caller may send, over real sockets.

use super::estate::{Estate, Setup, bearer};
use super::raw::{Raw, Says};
use super::redis::{Redis, nobody_at};

const ROUTES: &str = "      - { name: orders, path: /orders/**, to: lb://orders, identity: relay, rule: authenticated, rates: [callers] }
      - { name: open, path: /open/**, to: lb://orders, identity: none, rule: anonymous, rates: [addresses] }";
const RATES: &str = "    rates:
      - { name: callers, by: caller, count: 3, per-seconds: 3600 }
      - { name: addresses, by: address, count: 2, per-seconds: 3600 }\n";

async fn get(estate: &Estate, path: &str, header: &str) -> u16 {
    let line = format!("GET {path} HTTP/1.1");
    estate.ask(&[&line, "Host: a.example", header]).await.status
}

#[tokio::test]
async fn each_caller_has_its_own_quota() {
    // What a service says of its own quotas is not what the caller has here.
    let says = "HTTP/1.1 200 OK\r\nratelimit-remaining: 77\r\ncontent-length: 0\r\n\r\n";
    let orders = Raw::answering(move |_| Says::text(says)).await;
    let estate = Estate::start_with(&[orders.address], ROUTES, RATES).await;
    let (alice, bob) = (bearer("alice"), bearer("bob"));
    let of = |answer: &super::estate::Answer| {
        let names = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];
        names.map(|it| answer.header(it).map(|it| it.parse::<u64>().unwrap()))
    };
    for remaining in (0..3).rev() {
        let lines = ["GET /orders/1 HTTP/1.1", "Host: a.example", &alice];
        let answer = estate.ask(&lines).await;
        assert_eq!(answer.status, 200);
        let used = 3 - remaining;
        assert_eq!(of(&answer), [Some(3), Some(remaining), Some(used * 1_200)]);
    }
    let line = "GET /orders/1 HTTP/1.1";
    let answer = estate.ask(&[line, "Host: a.example", &alice]).await;
    assert_eq!((answer.status, answer.code()), (429, Some("rate_limited")));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1_000..=1_200).contains(&wait), "{wait}");
    assert_eq!(of(&answer), [Some(3), Some(0), Some(wait)]);
    assert_eq!(get(&estate, "/orders/1", &bob).await, 200);
    // Who may not pass uses up nobody's quota.
    let forged = format!("{alice}x");
    assert_eq!(get(&estate, "/orders/1", &forged).await, 401);
    assert_eq!(orders.seen().len(), 4);
    let refused = "hallpass_gateway_rate_refused_total{rate=\"callers\"}";
    assert_eq!(estate.sample(refused), 1.0);
}

#[tokio::test]
async fn an_address_is_counted_before_a_token_costs_anything() {
    let orders = Raw::start().await;
    let estate = Estate::start_with(&[orders.address], ROUTES, RATES).await;
    let forged = format!("{}x", bearer("alice"));
    for status in [401, 401, 429, 429] {
        assert_eq!(get(&estate, "/open/1", &forged).await, status);
    }
    assert_eq!(orders.connections(), 0);
}

#[tokio::test]
async fn invented_values_of_a_header_bring_no_more_quotas() {
    let orders = Raw::start().await;
    let rates = RATES
        .replace("by: caller", "by: 'header:X-Device'")
        .replace("count: 3", "count: 1");
    let estate = Estate::start_with(&[orders.address], ROUTES, &rates).await;
    let (alice, bob) = (bearer("alice"), bearer("bob"));
    let ask = async |header: &str, device: u32| {
        let device = format!("X-Device: {device}");
        let lines = ["GET /orders/1 HTTP/1.1", "Host: a.example", header, &device];
        estate.ask(&lines).await.status
    };
    let mut passed = 0;
    for device in 0..40 {
        passed += u32::from(ask(&alice, device).await == 200);
    }
    // Sixteen with a quota each, and one for all others.
    assert_eq!(passed, 17);
    assert_eq!((ask(&bob, 0).await, ask(&bob, 39).await), (200, 200));
}

fn shared(redis: u16, count: u32) -> (String, String) {
    // So long that none comes back before the test is over.
    let rates = format!(
        "    rates:\n      - {{ name: callers, by: caller, count: {count}, per-seconds: 86400, across: redis }}
      - {{ name: addresses, by: address, count: 2 }}\n"
    );
    let above = format!("  redis: {{ host: 127.0.0.1, port: {redis} }}\n");
    (rates, above)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_share_one_quota() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let orders = Raw::start().await;
    let (rates, above) = shared(redis.port, 100);
    let start = async || {
        Estate::of(Setup {
            orders: &[orders.address],
            routes: ROUTES,
            more: &rates,
            above: &above,
            // However busy the machine is, Redis decides, and nobody alone.
            waits_for_redis: true,
            ..Setup::default()
        })
        .await
    };
    let (one, other) = (start().await, start().await);
    let alice = bearer("alice");
    let mut passed = 0;
    for _ in 0..80 {
        let both = tokio::join!(
            get(&one, "/orders/1", &alice),
            get(&other, "/orders/1", &alice)
        );
        passed += [both.0, both.1].iter().filter(|it| **it == 200).count();
    }
    let asked = |result: &str| {
        let name = format!("hallpass_gateway_rate_store_total{{result=\"{result}\"}}");
        one.sample(&name) + other.sample(&name)
    };
    assert_eq!(asked("away"), 0.0);
    assert_eq!(passed, 100);
    // Twenty times five were taken; each refusal is believed for a second.
    assert!(asked("answered") >= 20.0, "{}", asked("answered"));
    assert!(
        asked("in_hand") >= 80.0,
        "most requests ask nobody: {}",
        asked("in_hand")
    );
    assert_eq!(get(&one, "/orders/1", &bearer("bob")).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_each_holds_the_quota_alone() {
    let nobody = nobody_at(0);
    let orders = Raw::start().await;
    let (rates, above) = shared(nobody.local_addr().unwrap().port(), 3);
    let estate = Estate::of(Setup {
        orders: &[orders.address],
        routes: ROUTES,
        more: &rates,
        above: &above,
        ..Setup::default()
    })
    .await;
    let alice = bearer("alice");
    for status in [200, 200, 200, 429] {
        assert_eq!(get(&estate, "/orders/1", &alice).await, status);
    }
    let refusing = rates.replace("across: redis", "across: redis, when-away: refuse");
    let estate = Estate::of(Setup {
        orders: &[orders.address],
        routes: ROUTES,
        more: &refusing,
        above: &above,
        ..Setup::default()
    })
    .await;
    assert_eq!(get(&estate, "/orders/1", &alice).await, 503);
}
