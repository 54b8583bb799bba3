//! Which route a request takes, what becomes of its path, and what upstreams are told of its way.

use super::estate::{Estate, bearer};
use super::raw::{Raw, Says};

#[tokio::test]
async fn a_host_a_verb_and_a_header_choose_the_route() {
    let (orders, other) = (Raw::start().await, Raw::start().await);
    let routes = format!(
        "      - {{ name: host, hosts: [api.shop.example], path: /orders/**, to: 'http://{other}/by-host', identity: relay, rule: authenticated }}
      - {{ name: verb, path: /orders/**, methods: [POST], to: 'http://{other}/by-verb', identity: relay, rule: authenticated }}
      - {{ name: header, path: /orders/**, headers: {{ X-Version: 2 }}, to: 'http://{other}/by-header', identity: relay, rule: authenticated }}
      - {{ name: rest, path: /orders/**, to: lb://orders, identity: relay, rule: authenticated }}",
        other = other.address
    );
    let estate = Estate::start(orders.address, &routes).await;
    let bearer = bearer("alice");
    for (line, host, more, expected) in [
        (
            "GET /orders/7",
            "api.shop.example:8443",
            "X-A: b",
            "GET /by-host/orders/7",
        ),
        (
            "POST /orders/7",
            "shop.example",
            "Content-Length: 0",
            "POST /by-verb/orders/7",
        ),
        (
            "GET /orders/7",
            "shop.example",
            "X-Version: 2",
            "GET /by-header/orders/7",
        ),
    ] {
        let (line, host) = (format!("{line} HTTP/1.1"), format!("Host: {host}"));
        let answer = estate.ask(&[&line, &host, &bearer, more]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(other.only().line, expected);
        other.forget();
    }
    assert_eq!(estate.get("/orders/7").await.status, 200);
    assert_eq!(orders.only().line, "GET /orders/7");
    assert_eq!(other.seen().len(), 0);
}

#[tokio::test]
async fn a_path_is_rewritten_and_leaves_nothing_of_its_base() {
    let orders = Raw::start().await;
    let routes = "      - { name: orders, path: /api/orders/**, to: lb://orders/base, identity: relay, rule: authenticated, \
        strip-prefix: 1, rewrite: { from: '/orders/{*rest}', to: '/items/{rest}' }, prefix: /v2 }";
    let estate = Estate::start(orders.address, routes).await;
    let answer = estate.get("/api/orders/7/a%20b?q=/../x").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = orders.only();
    assert_eq!(seen.line, "GET /base/v2/items/7/a%20b?q=/../x");
    assert_eq!(seen.header("x-forwarded-prefix"), Some("/api"));
    orders.forget();
    for path in [
        "/api/orders/../../admin",
        "/api/orders/%2e%2e/admin",
        "/api/orders/a%2Fb",
        "/api/orders/a;b",
        "/api//orders/7",
        "/api/orders/a%5Cb",
        "/api/%6frders/7",
    ] {
        let answer = estate.get(path).await;
        assert_eq!(answer.status, 400, "{path} {answer:?}");
    }
    assert_eq!(orders.seen().len(), 0);
}

#[tokio::test]
async fn what_a_stranger_says_of_proxies_reaches_no_upstream() {
    let orders = Raw::start().await;
    let routes = "      - { name: orders, path: /orders/**, to: lb://orders, identity: relay, rule: authenticated, set-headers: { X-From: edge }, \
        response-headers: { Strict-Transport-Security: max-age=9 } }";
    let estate = Estate::start(orders.address, routes).await;
    let answer = estate
        .ask(&[
            "GET /orders/7 HTTP/1.1",
            "Host: shop.example",
            &bearer("alice"),
            "X-Forwarded-For: 10.0.0.1",
            "x_forwarded_for: 10.0.0.1",
            "X-Forwarded-Host: evil.example",
            "Forwarded: for=10.0.0.1",
            "X-Original-URL: /admin",
            "X-Forwarded-Client-Cert: By=x;URI=spiffe://a/b",
            "L5d-Client-Id: a",
            "X-HTTP-Method-Override: DELETE",
            "True-Client-IP: 10.0.0.1",
            "cf-connecting-ip: 10.0.0.1",
            "Proxy: http://evil.example",
            "X-From: stranger",
        ])
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=9")
    );
    let seen = orders.only();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-host"), Some("shop.example"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-from"), Some("edge"));
    for gone in [
        "x_forwarded_for",
        "forwarded",
        "x-original-url",
        "x-forwarded-client-cert",
        "l5d-client-id",
        "x-http-method-override",
        "true-client-ip",
        "cf-connecting-ip",
        "proxy",
    ] {
        assert_eq!(seen.all(gone).len(), 0, "{gone}: {seen:?}");
    }
}

#[tokio::test]
async fn headers_of_responses_are_removed_replaced_and_left() {
    let says = "HTTP/1.1 200 OK\r\nx-powered-by: service 1.2\r\nX-Internal: a\r\nx-internal: b\r\nx-frame-options: ALLOWALL\r\n\
                x-frame-options: SAMEORIGIN\r\nx-left: c\r\ncontent-length: 0\r\n\r\n";
    let orders = Raw::answering(move |_| Says::text(says)).await;
    let routes = "      - { name: orders, path: /orders/**, to: lb://orders, identity: relay, rule: authenticated }
      - { name: own, path: /own/**, to: lb://orders, identity: relay, rule: authenticated, remove-response-headers: [x-left], \
        set-headers: { X-Two: [1, 2] } }";
    let more = "    defaults: { remove-response-headers: [X-Powered-By, X-Internal, X-Frame-Options], response-headers: { X-Frame-Options: DENY, \
        X-Two: [d, e] } }\n";
    let estate = Estate::start_with(&[orders.address], routes, more).await;
    let answer = estate.get("/orders/7").await;
    assert_eq!(answer.header("x-powered-by"), None);
    assert_eq!(answer.header("x-internal"), None);
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("x-left"), Some("c"));
    let two = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let of_two: Vec<_> = answer.headers.iter().filter(|it| it.0 == "x-two").collect();
    assert_eq!(of_two, [&two("x-two", "d"), &two("x-two", "e")]);
    // A list of a route takes the place of that of the defaults.
    orders.forget();
    let answer = estate.get("/own/7").await;
    assert_eq!(answer.header("x-powered-by"), Some("service 1.2"));
    assert_eq!(answer.header("x-left"), None);
    assert_eq!(orders.only().all("x-two"), ["1", "2"]);
}

#[tokio::test]
async fn a_route_without_a_rule_opens_nothing() {
    let orders = Raw::start().await;
    let routes = "      - { name: orders, path: /orders/**, to: lb://orders, identity: relay }";
    let estate = Estate::start(orders.address, routes).await;
    assert_eq!(estate.get("/orders/7").await.status, 403);
    assert_eq!(orders.connections(), 0);
}
