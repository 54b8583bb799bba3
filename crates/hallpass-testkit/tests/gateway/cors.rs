//! Pages of other origins, over real sockets.

use super::estate::{Estate, bearer};
use super::raw::{Raw, Says};

const ROUTES: &str = "      - { name: orders, path: /orders/**, methods: [GET, PUT], to: lb://orders, identity: relay, rule: authenticated }
      - { name: own, path: /own/**, to: lb://orders, identity: none, rule: anonymous, cors: off }";
const CORS: &str =
    "    cors: { origins: ['https://shop.example'], methods: [GET, PUT], credentials: true }\n";

#[tokio::test]
async fn a_browser_learns_what_a_page_may_send_without_a_token_and_without_the_service() {
    let orders = Raw::start().await;
    let estate = Estate::start_with(&[orders.address], ROUTES, CORS).await;
    let preflight = async |path: &str, origin: &str, method: &str| {
        let line = format!("OPTIONS {path} HTTP/1.1");
        let origin = format!("Origin: {origin}");
        let method = format!("Access-Control-Request-Method: {method}");
        estate
            .ask(&[&line, "Host: api.example", &origin, &method])
            .await
    };
    let answer = preflight("/orders/7", "https://shop.example", "PUT").await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("access-control-allow-methods"),
        Some("GET, PUT")
    );
    let allowed = answer.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://shop.example"));
    let stranger = preflight("/orders/7", "https://evil.example", "PUT").await;
    assert_eq!(stranger.status, 204);
    assert_eq!(stranger.header("access-control-allow-origin"), None);
    // A method that no route has is no question about a route.
    let other = preflight("/orders/7", "https://shop.example", "DELETE").await;
    assert_eq!(other.header("access-control-allow-origin"), None);
    assert!(other.status >= 400, "{other:?}");
    assert_eq!(orders.connections(), 0);
    // Where it is switched off the service answers for itself.
    let own = preflight("/own/7", "https://shop.example", "PUT").await;
    assert_eq!((own.status, own.body.as_str()), (200, "service"));
}

#[tokio::test]
async fn a_browser_may_ask_about_a_route_that_headers_choose() {
    let orders = Raw::start().await;
    let routes = "      - { name: new, path: /orders/**, headers: { X-Version: 2 }, to: lb://orders, identity: relay, rule: authenticated }";
    let cors = CORS.replace("credentials: true", "headers: [X-Version]");
    let estate = Estate::start_with(&[orders.address], routes, &cors).await;
    for (asked, allowed) in [
        ("x-version", Some("https://shop.example")),
        ("x-other", None),
    ] {
        let asked = format!("Access-Control-Request-Headers: {asked}");
        let answer = estate
            .ask(&[
                "OPTIONS /orders/7 HTTP/1.1",
                "Host: api.example",
                "Origin: https://shop.example",
                "Access-Control-Request-Method: GET",
                &asked,
            ])
            .await;
        let read = answer.header("access-control-allow-origin");
        assert_eq!(read, allowed, "{asked} {answer:?}");
    }
    assert_eq!(orders.connections(), 0);
}

#[tokio::test]
async fn a_page_may_read_what_it_gets_refusals_among_it_and_no_service_says_otherwise() {
    let orders = Raw::answering(|_| {
        Says::text("HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let estate = Estate::start_with(&[orders.address], ROUTES, CORS).await;
    let bearer = bearer("alice");
    for (origin, token, status, allowed) in [
        (
            "Origin: https://shop.example",
            &*bearer,
            200,
            Some("https://shop.example"),
        ),
        (
            "Origin: https://shop.example",
            "X-No: token",
            401,
            Some("https://shop.example"),
        ),
        ("Origin: https://evil.example", &bearer, 200, None),
    ] {
        let line = "GET /orders/7 HTTP/1.1";
        let answer = estate
            .ask(&[line, "Host: api.example", origin, token])
            .await;
        assert_eq!(answer.status, status, "{origin}");
        let read = answer.header("access-control-allow-origin");
        assert_eq!(read, allowed, "{origin}");
        assert!(
            answer
                .header("vary")
                .is_some_and(|it| it.contains("Origin"))
        );
    }
}
