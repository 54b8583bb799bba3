//! How many requests each caller may send, over real sockets.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::estate::{Estate, LIMIT, Setup, bearer};
use super::raw::Raw;

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
    let orders = Raw::start().await;
    let estate = Estate::start_with(&[orders.address], ROUTES, RATES).await;
    let (alice, bob) = (bearer("alice"), bearer("bob"));
    for _ in 0..3 {
        assert_eq!(get(&estate, "/orders/1", &alice).await, 200);
    }
    let line = "GET /orders/1 HTTP/1.1";
    let answer = estate.ask(&[line, "Host: a.example", &alice]).await;
    assert_eq!((answer.status, answer.code()), (429, Some("rate_limited")));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1_000..=1_200).contains(&wait), "{wait}");
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

/// A real server; `None`, loudly, where it is not installed.
struct Redis {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    async fn start() -> Option<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = process else {
            eprintln!("SKIPPED: redis-server is not installed, so no quota was shared");
            return None;
        };
        let reached = tokio::time::timeout(LIMIT, async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        reached.await.expect("Redis listens");
        Some(Self {
            process,
            port,
            _folder: folder,
        })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _killed = self.process.kill();
        let _ended = self.process.wait();
    }
}

fn shared(redis: &Redis, count: u32) -> (String, String) {
    let rates = format!(
        "    rates:\n      - {{ name: callers, by: caller, count: {count}, per-seconds: 3600, across: redis }}
      - {{ name: addresses, by: address, count: 2 }}\n"
    );
    let above = format!("  redis: {{ host: 127.0.0.1, port: {} }}\n", redis.port);
    (rates, above)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_share_one_quota() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let orders = Raw::start().await;
    let (rates, above) = shared(&redis, 100);
    let start = async || {
        Estate::of(Setup {
            orders: &[orders.address],
            routes: ROUTES,
            more: &rates,
            above: &above,
            ..Setup::default()
        })
        .await
    };
    let (one, other) = (start().await, start().await);
    let alice = bearer("alice");
    let mut passed = 0;
    for _ in 0..80 {
        for estate in [&one, &other] {
            passed += u32::from(get(estate, "/orders/1", &alice).await == 200);
        }
    }
    // A busy machine may take longer than Redis is waited for: then one passes by the quota of the process, and five may be lost.
    let away =
        |estate: &Estate| estate.sample("hallpass_gateway_rate_store_total{result=\"away\"}");
    let away = away(&one) + away(&other);
    let passed = f64::from(passed);
    assert!(passed <= 100.0 + away, "{passed}, away {away}");
    assert!(passed + 5.0 * away >= 100.0, "{passed}, away {away}");
    assert_eq!(get(&one, "/orders/1", &bearer("bob")).await, 200);
    let asked = one.sample("hallpass_gateway_rate_store_total{result=\"answered\"}");
    assert!(
        (5.0..=20.0).contains(&asked),
        "most requests ask nobody: {asked}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_each_holds_the_quota_alone() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let orders = Raw::start().await;
    let (rates, above) = shared(&redis, 3);
    drop(redis);
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
