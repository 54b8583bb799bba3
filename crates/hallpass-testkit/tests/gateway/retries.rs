//! Which requests are sent again, and which never are.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::estate::{Answer, Estate, bearer, send};
use super::raw::{Raw, Says};

const ORDERS: &str = "      - { name: orders, path: /orders/**, to: 'lb://orders', identity: relay, rule: authenticated, max-body-bytes: 1000000 }";

/// Bound and not listening: connections to it are refused, and nobody else gets the port.
fn gone() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

async fn with_body(estate: &Estate, method: &str, body: &str) -> Answer {
    let request = format!(
        "{method} /orders/7 HTTP/1.1\r\nHost: a\r\n{}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        bearer("alice"),
        body.len()
    );
    send(estate.address(), request.as_bytes()).await.unwrap()
}

/// Fails so many times first.
async fn failing(times: usize, fails: Says) -> Raw {
    let failed = Arc::new(AtomicUsize::new(0));
    Raw::answering(
        move |_| match failed.fetch_add(1, Ordering::SeqCst) < times {
            true => fails.clone(),
            false => Says::ok("service"),
        },
    )
    .await
}

#[tokio::test]
async fn an_unsent_post_is_tried_elsewhere() {
    let orders = Raw::start().await;
    let gone = gone();
    let instances = [gone.local_addr().unwrap(), orders.address];
    let estate = Estate::start_with(&instances, ORDERS, "").await;
    for number in 0..10 {
        let body = format!("body {number}");
        let answer = with_body(&estate, "POST", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(orders.only().body, body.as_bytes());
        orders.forget();
    }
}

#[tokio::test]
async fn a_sent_post_is_not_sent_again_and_a_get_is() {
    for (method, body, status, seen) in [
        ("POST", "abc", 502, 1),
        // Without a body all of it could be sent again, and is not.
        ("POST", "", 502, 1),
        ("PATCH", "", 502, 1),
        ("GET", "abc", 200, 2),
        ("PUT", "abc", 200, 2),
    ] {
        let orders = failing(1, Says::closes("")).await;
        let estate = Estate::start(orders.address, ORDERS).await;
        let answer = with_body(&estate, method, body).await;
        assert_eq!(answer.status, status, "{method} {answer:?}");
        let all = orders.seen();
        assert_eq!(all.len(), seen, "{method} {body}");
        assert!(
            all.iter().all(|it| it.body == body.as_bytes()),
            "{method} {all:?}"
        );
    }
}

#[tokio::test]
async fn a_response_that_may_be_better_next_time_is_asked_for_again() {
    let busy = || Says::text("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
    for (method, body, status, seen) in [
        ("GET", String::new(), 200, 3),
        ("PUT", "abc".to_owned(), 200, 3),
        ("POST", "abc".to_owned(), 503, 1),
        // Too long to be kept.
        ("PUT", "x".repeat(100_000), 503, 1),
    ] {
        let orders = failing(2, busy()).await;
        let estate = Estate::start(orders.address, ORDERS).await;
        let answer = with_body(&estate, method, &body).await;
        assert_eq!(answer.status, status, "{method}");
        let all = orders.seen();
        assert_eq!(all.len(), seen, "{method}");
        let is_whole = |it: &super::raw::Seen| it.body == body.as_bytes();
        assert!(all.iter().all(is_whole), "{method}");
    }
}

#[tokio::test]
async fn an_address_in_a_route_is_called_as_its_host_in_services_says() {
    let fails = || Says::text("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
    for (host, status) in [("127.0.0.1", 503), ("127.0.0.2", 500)] {
        let orders = failing(usize::MAX, fails()).await;
        let route = format!(
            "      - {{ name: orders, path: /orders/**, to: 'http://{}', identity: relay, rule: authenticated }}",
            orders.address
        );
        // What holds otherwise opens later.
        let breaker = "{ window: 3, minimum-calls: 3, open-ms: 3600000 }";
        let more = format!("    services: {{ '[{host}]': {{ breaker: {breaker} }} }}");
        let estate = Estate::start_with(&[], &route, &more).await;
        for _ in 0..3 {
            assert_eq!(estate.get("/orders/7").await.status, 500);
        }
        assert_eq!(estate.get("/orders/7").await.status, status, "{host}");
    }
}

#[tokio::test]
async fn breakers_live_through_a_reload() {
    let fails = Says::text("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
    let orders = failing(usize::MAX, fails).await;
    let more =
        "    services: { orders: { breaker: { window: 10, minimum-calls: 10, open-ms: 60000 } } }";
    let mut estate = Estate::start_with(&[orders.address], ORDERS, more).await;
    for _ in 0..10 {
        assert_eq!(estate.get("/orders/7").await.status, 500);
    }
    let is_open = |answer: &Answer| {
        (answer.status, answer.code().unwrap_or_default().to_owned())
            == (503, "upstream_busy".to_owned())
    };
    let answer = estate.get("/orders/7").await;
    assert!(is_open(&answer), "{answer:?}");
    assert!(answer.header("retry-after").is_some());
    let calls = orders.seen().len();
    let other = "      - { name: other, path: /other/**, to: 'lb://orders', identity: relay, rule: authenticated }";
    estate.reload(&format!("{ORDERS}\n{other}"), more).await;
    let answer = estate.get("/other/7").await;
    assert!(is_open(&answer), "{answer:?}");
    assert_eq!(orders.seen().len(), calls);
}

/// How long a request waits for the only instance, as it is documented.
const GRACE: Duration = Duration::from_secs(2);

/// Whether a request that comes while the only instance restarts is answered by it. `None` where the machine was so busy that the time was over in which
/// it waits: that shows nothing.
async fn survives_a_restart(method: &str) -> Option<bool> {
    let socket = gone();
    let address = socket.local_addr().unwrap();
    // One attempt more, and no further one, unless it waits for the instance.
    let route = ORDERS.replace(" }", ", retry: { max-attempts: 2 } }");
    let estate = Estate::start(address, &route).await;
    let begun = Instant::now();
    let mut asked = pin!(with_body(&estate, method, "abc"));
    let restarted = async {
        while estate.sample("hallpass_gateway_retries_total{service=\"orders\"}") < 3.0 {
            tokio::task::yield_now().await;
        }
        Raw::on(socket.listen(8).unwrap(), |_| Says::ok("service"))
    };
    let answered = tokio::select! {
        answer = &mut asked => (answer, None),
        orders = restarted => (asked.await, Some(orders)),
    };
    match answered {
        (answer, Some(orders)) if answer.status == 200 => {
            Some(orders.only().body == b"abc" && answer.body == "service")
        }
        _ if begun.elapsed() < GRACE => Some(false),
        _ => None,
    }
}

#[tokio::test]
async fn a_restart_of_the_only_instance_loses_no_request() {
    for method in ["GET", "POST"] {
        let mut trials = 0;
        loop {
            match survives_a_restart(method).await {
                Some(survived) => break assert!(survived, "{method}"),
                None => trials += 1,
            }
            assert!(trials < 50, "the machine is never quick enough");
        }
    }
}

#[tokio::test]
async fn a_token_of_ours_that_is_rejected_is_renewed_once() {
    let rejects = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer realm=\"a\", error=\"invalid_token\"\r\ncontent-length: 0\r\n\r\n";
    for (identity, times, status, seen) in [
        ("exchange, audience: logistics-service", 1, 200, 2),
        ("service, audience: stock-service", 1, 200, 2),
        ("exchange, audience: logistics-service", 2, 401, 2),
        // It is the caller's own: who gets a new one is the caller.
        ("relay", 1, 401, 1),
    ] {
        let orders = failing(times, Says::text(rejects)).await;
        let route = format!(
            "      - {{ name: orders, path: /orders/**, to: 'lb://orders', identity: {identity}, rule: authenticated }}"
        );
        let estate = Estate::start(orders.address, &route).await;
        assert_eq!(estate.get("/orders/7").await.status, status, "{identity}");
        let all = orders.seen();
        assert_eq!(all.len(), seen, "{identity}");
        if let [first, second] = &all[..] {
            let [first, second] = [first, second].map(|it| it.header("authorization"));
            assert_ne!(first, second, "{identity}");
        }
    }
}

#[tokio::test]
async fn many_who_wait_for_a_restart_do_not_storm_it() {
    // Bound, so that nobody else gets it, and not listened on.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = nobody.local_addr().unwrap();
    let estate = Arc::new(Estate::start(address, ORDERS).await);
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..200 {
        let estate = Arc::clone(&estate);
        asking.spawn(async move {
            // More than one caller has places for.
            let bearer = bearer(&format!("user-{}", number % 4));
            let lines = ["GET /orders/7 HTTP/1.1", "Host: a", &bearer];
            estate.ask(&lines).await.status
        });
    }
    let answers = asking.join_all().await;
    let retries = estate.sample("hallpass_gateway_retries_total{service=\"orders\"}");
    assert!(
        answers.iter().all(|it| [502, 503].contains(it)),
        "{answers:?}"
    );
    // Each by itself would look some forty times in the two seconds.
    assert!((1.0..2_000.0).contains(&retries), "{retries}");
}
