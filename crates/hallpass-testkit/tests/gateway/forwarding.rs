//! Which requests reach which service, as whom, and what never gets there.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::estate::{Estate, Setup, bearer, send, token};
use super::raw::{Raw, Seen};

const ORDERS: &str = "      - { name: orders, path: /orders/**, to: 'lb://orders', identity: relay, rule: authenticated }";
const OPEN: &str =
    "      - { name: open, path: /open/**, to: 'lb://orders', identity: relay, rule: anonymous }";

/// Names that some program or other reads as an identity header.
const SPELLINGS: [&str; 10] = [
    "X-User-Id",
    "x-user-id",
    "X_User_Id",
    "x.user.id",
    "X-USER_ID",
    "X-Username",
    "x_username",
    "X-Authorities",
    "x~authorities",
    "X-Client-Id",
];

fn routes() -> String {
    format!("{ORDERS}\n{OPEN}")
}

#[tokio::test]
async fn a_request_reaches_its_service_once_with_who_calls() {
    let orders = Raw::start().await;
    let estate = Estate::start(orders.address, &routes()).await;
    let bearer = bearer("al\u{fc}ce");
    let answer = estate
        .ask(&[
            "GET /orders/7?page=2 HTTP/1.1",
            "Host: shop.example",
            &bearer,
            "Accept: text/plain",
            "X-Several: 1",
            "X-Several: 2",
        ])
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "service"));
    let seen = orders.only();
    assert_eq!(seen.line, "GET /orders/7?page=2");
    assert_eq!(seen.header("host"), Some(&*orders.address.to_string()));
    assert_eq!(seen.header("accept"), Some("text/plain"));
    assert_eq!(seen.all("x-several"), ["1", "2"]);
    assert_eq!(seen.header("x-user-id"), Some("al%C3%BCce"));
    assert_eq!(seen.header("x-authorities"), Some("SCOPE_orders.read"));
    assert_eq!(seen.header("x-client-id"), Some("app"));
    let sent = bearer.split_once(": ").unwrap().1;
    assert_eq!(seen.header("authorization"), Some(sent));
    assert_eq!(seen.all("content-length").len(), 0);
    assert_eq!(seen.all("connection").len(), 0);
    assert!(seen.header("traceparent").is_some());
    assert_eq!(
        estate.sample("hallpass_gateway_requests_total{route=\"orders\",status=\"2xx\"}"),
        1.0
    );
}

/// Heads that are refused, each with its status and code.
fn refused() -> Vec<(Vec<String>, u16, &'static str)> {
    let good = bearer("alice");
    let ended = format!(
        "Authorization: Bearer {}x",
        token("alice", Duration::from_secs(9))
    );
    let head = |line: &str, more: &[&str]| {
        let mut lines = vec![format!("{line} HTTP/1.1"), "Host: a".to_owned()];
        lines.extend(more.iter().map(|it| (*it).to_owned()));
        lines
    };
    vec![
        (head("GET /orders/7", &[]), 401, "missing_token"),
        (head("GET /orders/7", &[&ended]), 401, "invalid_token"),
        (head("GET /unknown", &[]), 401, "missing_token"),
        (head("GET /unknown", &[&good]), 403, ""),
        (head("GET /orders/../admin", &[&good]), 400, "bad_path"),
        (head("GET /orders/%2e%2e/admin", &[&good]), 400, "bad_path"),
        (head("GET //orders", &[&good]), 400, "bad_path"),
        (head("TRACE /orders/7", &[&good]), 405, "method_not_allowed"),
        (head("OPTIONS *", &[&good]), 400, "bad_path"),
        (
            head("POST /orders/7", &["Content-Length: 99999999", &good]),
            413,
            "body_too_large",
        ),
        (
            head("GET /orders/7", &["Connection: host", &good]),
            400,
            "bad_framing",
        ),
    ]
}

#[tokio::test]
async fn no_connection_is_opened_before_the_decision() {
    let orders = Raw::start().await;
    let estate = Estate::start(orders.address, &routes()).await;
    for (lines, status, code) in refused() {
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let answer = estate.ask(&lines).await;
        assert_eq!(answer.status, status, "{lines:?} {answer:?}");
        if !code.is_empty() {
            assert_eq!(answer.code(), Some(code), "{lines:?}");
        }
    }
    assert_eq!(orders.connections(), 0);
    assert_eq!(estate.get("/orders/7").await.status, 200);
    assert_eq!(orders.connections(), 1);
}

#[tokio::test]
async fn relay_exchange_service_and_none_each_bring_their_token() {
    let orders = Raw::start().await;
    let routes = "
      - { name: relay, path: /relay, to: 'lb://orders', identity: relay, rule: authenticated }
      - { name: exchange, path: /exchange, to: 'lb://orders', identity: exchange, audience: logistics-service, rule: authenticated }
      - { name: service, path: /service, to: 'lb://orders', identity: service, audience: stock-service, rule: authenticated }
      - { name: none, path: /none, to: 'lb://orders', identity: none, rule: authenticated }
      - { name: denied, path: /denied, to: 'lb://orders', identity: exchange, audience: nobody-service, rule: authenticated }";
    let estate = Estate::start(orders.address, routes).await;
    let payload = |authorization: &str| {
        use base64::Engine as _;
        let token = authorization.strip_prefix("Bearer ").unwrap();
        let payload = token.split('.').nth(1).unwrap();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload);
        serde_json::from_slice::<serde_json::Value>(&bytes.unwrap()).unwrap()
    };
    for (path, subject, audience, actor) in [
        ("/relay", "alice", "edge", None),
        ("/exchange", "alice", "logistics-service", Some("edge")),
        ("/service", "edge", "stock-service", None),
    ] {
        orders.forget();
        assert_eq!(estate.get(path).await.status, 200, "{path}");
        let seen = orders.only();
        let claims = payload(seen.header("authorization").unwrap());
        assert_eq!(claims["sub"], subject, "{path}");
        assert_eq!(claims["aud"], audience, "{path}");
        assert_eq!(claims["act"]["sub"].as_str(), actor, "{path}");
        assert_eq!(seen.header("x-user-id"), Some("alice"));
    }
    orders.forget();
    assert_eq!(estate.get("/none").await.status, 200);
    let seen = orders.only();
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("x-user-id"), Some("alice"));
    orders.forget();
    let answer = estate.get("/denied").await;
    assert_eq!((answer.status, answer.code()), (503, Some("no_token")));
    assert!(orders.seen().is_empty());
}

#[tokio::test]
async fn no_spelling_of_an_identity_header_reaches_an_upstream() {
    let orders = Raw::start().await;
    let estate = Estate::start(orders.address, &routes()).await;
    let is_forged = |seen: &Seen| {
        let text = format!("{seen:?}");
        text.contains("forged")
    };
    let bearer = bearer("alice");
    for path in ["/orders/7", "/open/7"] {
        for name in SPELLINGS {
            let forged = [format!("{name}: forged"), format!("Connection: {name}")];
            let line = format!("GET {path} HTTP/1.1");
            let mut lines = vec![&*line, "Host: a", &*forged[0], &*forged[0], &*forged[1]];
            if path.starts_with("/orders") {
                lines.push(&bearer);
            }
            orders.forget();
            let answer = estate.ask(&lines).await;
            assert_eq!(answer.status, 200, "{lines:?}");
            let seen = orders.only();
            assert!(!is_forged(&seen), "{seen:?}");
            let expected = path.starts_with("/orders").then_some("alice");
            assert_eq!(seen.header("x-user-id"), expected, "{lines:?}");
        }
    }
    // In trailers, which a service may merge into the head.
    orders.forget();
    let request = format!(
        "POST /orders/7 HTTP/1.1\r\nHost: a\r\n{bearer}\r\nTE: trailers\r\nTrailer: X-User-Id, X-Sum\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-User-Id: forged\r\nX_Username: forged\r\nX-Sum: 7\r\n\r\n"
    );
    assert_eq!(
        send(estate.address(), request.as_bytes())
            .await
            .unwrap()
            .status,
        200
    );
    let seen = orders.only();
    assert!(!is_forged(&seen), "{seen:?}");
    assert_eq!(seen.body, b"abc");
    // An upgrade that is not handed on.
    orders.forget();
    let lines = [
        "GET /open/7 HTTP/1.1",
        "Host: a",
        "Connection: upgrade, X-User-Id",
        "Upgrade: h2c",
        "X-User-Id: forged",
    ];
    let mut request = lines.join("\r\n");
    request.push_str("\r\nConnection: close\r\n\r\n");
    send(estate.address(), request.as_bytes()).await.unwrap();
    assert!(!is_forged(&orders.only()));
}

#[tokio::test]
async fn what_connection_names_is_gone_for_decision_and_upstream() {
    let orders = Raw::start().await;
    let estate = Estate::start(orders.address, &routes()).await;
    let bearer = bearer("alice");
    // The token is a field of this hop then, and nobody's.
    let answer = estate
        .ask(&[
            "GET /orders/7 HTTP/1.1",
            "Host: a",
            &bearer,
            "Connection: Authorization",
        ])
        .await;
    assert_eq!(answer.status, 401);
    assert_eq!(orders.connections(), 0);
    let answer = estate
        .ask(&[
            "GET /orders/7 HTTP/1.1",
            "Host: a",
            &bearer,
            "Connection: cookie, x-forwarded-for, x-mine",
            "Cookie: a=b",
            "X-Mine: c",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "TE: gzip",
        ])
        .await;
    assert_eq!(answer.status, 200);
    let seen = orders.only();
    for name in [
        "cookie",
        "x-mine",
        "keep-alive",
        "proxy-connection",
        "te",
        "connection",
    ] {
        assert_eq!(seen.all(name).len(), 0, "{name}: {seen:?}");
    }
}

#[tokio::test]
async fn no_request_chooses_its_upstream() {
    let [orders, other] = [Raw::start().await, Raw::start().await];
    let estate = Estate::start(orders.address, &routes()).await;
    let bearer = bearer("alice");
    let elsewhere = other.address.to_string();
    let host = format!("Host: {elsewhere}");
    let absolute = format!("GET http://{elsewhere}/orders/7 HTTP/1.1");
    for lines in [
        vec!["GET /orders/7 HTTP/1.1", &*host, &*bearer],
        vec![&*absolute, &*host, &*bearer],
        vec!["GET /orders/@other/lb://other HTTP/1.1", &*host, &*bearer],
    ] {
        orders.forget();
        let answer = estate.ask(&lines).await;
        if answer.status == 200 {
            let seen = orders.only();
            assert_eq!(seen.header("host"), Some(&*orders.address.to_string()));
            assert!(seen.line.starts_with("GET /orders/"), "{seen:?}");
        }
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_said_to_be_away() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let estate = Estate::start(address, &routes()).await;
    let answer = estate.get("/orders/7").await;
    assert_eq!(
        (answer.status, answer.code()),
        (502, Some("upstream_unreachable"))
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

/// A server of keys that says nothing before it is told, and then what the issuer says.
async fn held_keys() -> (String, Arc<OnceLock<SocketAddr>>, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (issuer, told) = (Arc::new(OnceLock::new()), Arc::new(Notify::new()));
    let (at, tell) = (Arc::clone(&issuer), Arc::clone(&told));
    tokio::spawn(async move {
        while let Ok((mut stream, _gateway)) = listener.accept().await {
            let (at, tell) = (Arc::clone(&at), Arc::clone(&tell));
            tokio::spawn(async move {
                tell.notified().await;
                // For the next ones.
                tell.notify_one();
                let mut issuer = TcpStream::connect(at.get().unwrap()).await.unwrap();
                let _copied = tokio::io::copy_bidirectional(&mut stream, &mut issuer).await;
            });
        }
    });
    (url, issuer, told)
}

#[tokio::test]
async fn the_choice_of_a_route_is_never_made_again_after_a_wait() {
    let [first, second] = [Raw::start().await, Raw::start().await];
    let route = |to: SocketAddr| {
        format!(
            "      - {{ name: orders, path: /orders/**, to: 'http://{to}', identity: relay, rule: authenticated }}"
        )
    };
    let (url, issuer, tell) = held_keys().await;
    let routes = route(first.address);
    let mut estate = Estate::of(Setup {
        routes: &routes,
        more: "    decision-timeout-ms: 20000",
        jwks_url: Some(format!("{url}/oauth2/jwks")),
        ..Setup::default()
    })
    .await;
    let at = estate.issuer.jwks_url();
    let at = at.strip_prefix("http://").unwrap().split('/').next();
    issuer.set(at.unwrap().parse().unwrap()).unwrap();
    // The head is there, and waits for the keys.
    let mut stream = TcpStream::connect(estate.address()).await.unwrap();
    let head = format!(
        "GET /orders/7 HTTP/1.1\r\nHost: a\r\n{}\r\nConnection: close\r\n\r\n",
        bearer("alice")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(300), stream.read_u8()).await;
    assert!(waits.is_err(), "{waits:?}");
    estate
        .reload(&route(second.address), "    decision-timeout-ms: 20000")
        .await;
    tell.notify_one();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!([first.seen().len(), second.seen().len()], [1, 0]);
    assert_eq!(estate.get("/orders/7").await.status, 200);
    assert_eq!([first.seen().len(), second.seen().len()], [1, 1]);
}
