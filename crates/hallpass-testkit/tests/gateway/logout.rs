//! Taking a token back by the list of the estate in Redis.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::estate::{Answer, Estate, LIMIT, Setup, token_with};
use super::raw::{Raw, Says};
use super::redis::Redis;

const ROUTES: &str = "      - { name: orders, path: /orders/**, to: lb://orders, identity: relay, rule: authenticated }";

struct Gateways<'a> {
    orders: &'a Raw,
    redis: u16,
    /// Of `security.internal-jwt.blacklist`.
    recheck_ms: u64,
    /// Of `gateway.logout`.
    logout: String,
}

impl Gateways<'_> {
    async fn start(&self) -> Estate {
        let above = format!("  redis: {{ host: 127.0.0.1, port: {} }}\n", self.redis);
        let jwt = format!(
            ", blacklist: {{ redis-key: 'jwt:blacklist:{{jti}}', recheck-ms: {}, issuers: [internal] }}",
            self.recheck_ms
        );
        let more = format!("    logout: {{ path: /bye, {} }}\n", self.logout);
        Estate::of(Setup {
            orders: &[self.orders.address],
            routes: ROUTES,
            more: &more,
            above: &above,
            jwt: &jwt,
            ..Setup::default()
        })
        .await
    }
}

/// The line that shows a token of this name.
fn bearer(token_id: &str) -> String {
    let token = token_with("alice", Duration::from_secs(600), |claims| {
        claims.token_id = Some(token_id.parse().unwrap());
    });
    format!("Authorization: Bearer {token}")
}

async fn get(estate: &Estate, bearer: &str) -> Answer {
    let lines = ["GET /orders/7 HTTP/1.1", "Host: a", bearer];
    estate.ask(&lines).await
}

async fn log_out(estate: &Estate, bearer: &str) -> Answer {
    let lines = ["POST /bye HTTP/1.1", "Host: a", "Content-Length: 0", bearer];
    estate.ask(&lines).await
}

/// Asks until this is the answer. On a busy machine Redis may take longer than anybody waits for it: then nobody passes, and nothing is taken back.
async fn until<F: Future<Output = Answer>>(status: u16, ask: impl Fn() -> F) {
    let begun = Instant::now();
    loop {
        let answer = ask().await;
        if answer.status == status {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{status}, and not {answer:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An event stream that goes on for ever, of which the first event has come.
async fn stream(estate: &Estate, bearer: &str) -> TcpStream {
    let begun = Instant::now();
    loop {
        let mut stream = TcpStream::connect(estate.address()).await.unwrap();
        let request = format!("GET /orders/events HTTP/1.1\r\nHost: a\r\n{bearer}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = read_until(&mut stream, b"\r\n\r\n").await;
        // As in `until`: Redis may have taken too long.
        if head.starts_with("HTTP/1.1 200") {
            read_until(&mut stream, b"data: 1\n\n\r\n").await;
            return stream;
        }
        assert!(begun.elapsed() < LIMIT, "{head}");
    }
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        bytes.push(timeout(LIMIT, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn says(events: &str) -> Says {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    match events.contains("/events") {
        true => Says::text(&format!("{head}9\r\ndata: 1\n\n\r\n")),
        false => Says::ok("service"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_in_redis_counts_at_every_gateway_for_calls_and_streams() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let orders = Raw::answering(|seen| says(&seen.line)).await;
    let gateways = Gateways {
        orders: &orders,
        redis: redis.port,
        recheck_ms: 0,
        logout: "report-to: redis".to_owned(),
    };
    let (one, other) = (gateways.start().await, gateways.start().await);
    let (gone, stays) = (bearer("a-1"), bearer("a-2"));
    for estate in [&one, &other] {
        until(200, || get(estate, &gone)).await;
    }
    let mut streams = [stream(&one, &gone).await, stream(&other, &gone).await];
    until(204, || log_out(&one, &gone)).await;
    assert_eq!(redis.cli(&["EXISTS", "jwt:blacklist:a-1"]).trim(), "1");
    // As long as anybody could take it: 600 s, and 300 s for clocks that differ.
    let left: u64 = redis
        .cli(&["PTTL", "jwt:blacklist:a-1"])
        .trim()
        .parse()
        .unwrap();
    assert!((800_000..=900_000).contains(&left), "{left}");
    assert_ne!(get(&one, &gone).await.status, 200);
    for estate in [&one, &other] {
        until(401, || get(estate, &gone)).await;
        until(200, || get(estate, &stays)).await;
    }
    for stream in &mut streams {
        let mut rest = Vec::new();
        let end = timeout(LIMIT, stream.read_to_end(&mut rest)).await;
        let _closed = end.expect("it goes on");
        assert!(!rest.ends_with(b"0\r\n\r\n"), "cut off, and not ended well");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_that_redis_has_not_taken_is_said_to_have_failed_and_counts_here() {
    let Some(mut redis) = Redis::start().await else {
        return;
    };
    let orders = Raw::start().await;
    let issuer = Raw::answering(|_| Says::ok("")).await;
    let url = format!("revoke-url: 'http://{}/oauth2/revoke'", issuer.address);
    for (number, logout) in [
        "report-to: redis".to_owned(),
        format!("report-to: both, {url}"),
    ]
    .into_iter()
    .enumerate()
    {
        if number > 0 {
            redis = Redis::start().await.unwrap();
        }
        let gateways = Gateways {
            orders: &orders,
            redis: redis.port,
            // What was read counts for longer than the test takes.
            recheck_ms: 60_000,
            logout,
        };
        let estate = gateways.start().await;
        let gone = bearer("a-1");
        until(200, || get(&estate, &gone)).await;
        let _nobody = redis.kill();
        let answer = log_out(&estate, &gone).await;
        assert_eq!((answer.status, answer.code()), (503, Some("logout_failed")));
        assert!(answer.header("retry-after").is_some());
        let after = get(&estate, &gone).await;
        assert_eq!((after.status, after.code()), (401, Some("invalid_token")));
    }
    assert_eq!(
        issuer.seen().len(),
        1,
        "the other one was told all the same"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_are_told_and_204_says_that_both_have_heard_it() {
    let Some(redis) = Redis::start().await else {
        return;
    };
    let orders = Raw::start().await;
    for (token_id, answer, status) in [
        ("a-1", Says::ok(""), 204),
        (
            "a-2",
            Says::text("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"),
            503,
        ),
    ] {
        let issuer = Raw::answering(move |_| answer.clone()).await;
        let url = format!("revoke-url: 'http://{}/oauth2/revoke'", issuer.address);
        let gateways = Gateways {
            orders: &orders,
            redis: redis.port,
            recheck_ms: 60_000,
            logout: format!("report-to: both, {url}"),
        };
        let estate = gateways.start().await;
        let gone = bearer(token_id);
        until(200, || get(&estate, &gone)).await;
        let name = format!("jwt:blacklist:{token_id}");
        // Redis may be slow to say that it has it; the issuer is asked each time.
        let begun = Instant::now();
        loop {
            let said = log_out(&estate, &gone).await;
            if said.status == status && redis.cli(&["EXISTS", &name]).trim() == "1" {
                break;
            }
            assert!(begun.elapsed() < LIMIT, "{said:?}");
        }
        assert_eq!(issuer.seen()[0].line, "POST /oauth2/revoke");
    }
}
