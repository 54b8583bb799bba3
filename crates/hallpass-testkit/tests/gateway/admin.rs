//! What the gateway shows of itself, what it writes of requests, and what it does when a caller takes the token back.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::estate::{Answer, Estate, Setup, bearer, send, token, token_by};
use super::raw::{Raw, Says};

const ROUTES: &str = "      - { name: orders, path: /orders/**, to: lb://orders, identity: relay, rule: authenticated, rates: [callers] }";
const RATES: &str = "    rates: [{ name: callers, by: caller, count: 1000 }]\n";

pub(crate) async fn page(estate: &Estate, path: &str) -> serde_json::Value {
    let answer = management(estate, path, "localhost").await;
    assert_eq!(answer.status, 200, "{path} {answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

async fn management(estate: &Estate, path: &str, host: &str) -> Answer {
    let at = estate.gateway.management_addr();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    send(at, request.as_bytes()).await.unwrap()
}

#[tokio::test]
async fn a_page_whose_name_leads_to_the_admin_listener_reads_nothing_of_the_estate() {
    let orders = Raw::start().await;
    let estate = Estate::start_with(&[orders.address], ROUTES, RATES).await;
    let port = estate.gateway.management_addr().port();
    for path in ["/routes", "/upstreams", "/rates", "/metrics", "/"] {
        let answer = management(&estate, path, &format!("evil.example:{port}")).await;
        let told = (answer.status, answer.code());
        assert_eq!(told, (421, Some("wrong_host")), "{path}");
        assert!(!answer.body.contains("orders"), "{answer:?}");
        let answer = management(&estate, path, &format!("127.0.0.1:{port}")).await;
        let status = if path == "/" { 404 } else { 200 };
        assert_eq!(answer.status, status, "{path}");
    }
    // The platform asks by any name, and is told nothing of it.
    for path in ["/health/live", "/health/ready"] {
        let answer = management(&estate, path, "edge.shop.svc").await;
        assert_ne!(answer.status, 421, "{path}");
    }
}

#[tokio::test]
async fn the_admin_listener_shows_routes_instances_and_rates_and_no_secret() {
    let orders = Raw::start().await;
    let estate = Estate::start_with(&[orders.address], ROUTES, RATES).await;
    assert_eq!(estate.get("/orders/7?secret=query").await.status, 200);
    let routes = page(&estate, "/routes").await;
    assert_eq!(routes[0]["name"], "orders");
    assert_eq!(routes[0]["to"], "lb://orders/");
    assert_eq!(routes[0]["has_rule"], true);
    let upstreams = page(&estate, "/upstreams").await;
    let instance = &upstreams[0]["instances"][0];
    assert_eq!(instance["instance"], format!("http://{}", orders.address));
    assert_eq!(instance["state"], "fit");
    let rates = page(&estate, "/rates").await;
    assert_eq!(rates[0]["known"], 1);
    let all = format!("{routes} {upstreams} {rates} {}", estate.gateway.metrics());
    let token = bearer("alice");
    let token = token.rsplit(' ').next().unwrap();
    for secret in [token, "EdgeSecret123!", "secret=query", "alice"] {
        assert!(!all.contains(secret), "{secret}");
    }
    // Nothing of it where callers come in.
    let answer = estate.get("/routes").await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn an_instance_whose_breaker_is_open_is_shown_so() {
    let orders = Raw::answering(|_| Says::closes("")).await;
    let more = "    service-defaults: { breaker: { window: 2, minimum-calls: 2 } }\n    defaults: { retry: { max-attempts: 1 } }\n";
    let routes = ROUTES.replace(", rates: [callers]", "");
    let estate = Estate::start_with(&[orders.address], &routes, more).await;
    for _ in 0..3 {
        estate.get("/orders/7").await;
    }
    let upstreams = page(&estate, "/upstreams").await;
    let state = &upstreams[0]["instances"][0]["state"];
    assert_eq!(state, "breaker_open", "{upstreams}");
}

#[tokio::test]
async fn the_access_log_has_a_line_a_request_and_nothing_that_is_secret() {
    let orders = Raw::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let more = format!(
        "    access-log: {{ level: all, file: '{}', callers: true }}\n",
        file.display()
    );
    let routes = ROUTES.replace(", rates: [callers]", "");
    let estate = Estate::start_with(&[orders.address], &routes, &more).await;
    assert_eq!(estate.get("/orders/7?token=secret").await.status, 200);
    let refused = estate.ask(&["GET /orders/8 HTTP/1.1", "Host: a"]).await;
    assert_eq!(refused.status, 401);
    let upload = format!(
        "POST /orders/9 HTTP/1.1\r\nHost: a\r\n{}\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        bearer("alice")
    );
    let answer = send(estate.address(), upload.as_bytes()).await;
    assert_eq!(answer.unwrap().status, 200);
    let limit = Duration::from_secs(5);
    estate.gateway.shutdown_within(limit).await.unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0]["path"], "/orders/7");
    assert_eq!(lines[0]["status"], 200);
    assert_eq!(
        (&lines[0]["route"], &lines[0]["service"]),
        (&"orders".into(), &"orders".into())
    );
    let instance = format!("http://{}", orders.address);
    assert_eq!(
        (&lines[0]["instance"], &lines[0]["attempts"]),
        (&instance.into(), &1.into())
    );
    // It has gone nowhere.
    assert!(lines[1].get("instance").is_none() && lines[1].get("attempts").is_none());
    assert_eq!(lines[0]["subject"], "alice");
    assert_eq!(lines[0]["bytes"], 7);
    assert!(lines[0]["trace"].as_str().is_some_and(|it| it.len() == 32));
    assert!(lines[0].get("received").is_none());
    assert_eq!(lines[2]["received"], 3);
    assert_eq!(lines[1]["status"], 401);
    assert_eq!(lines[1]["refused_by"], "decision");
    assert!(lines[1].get("subject").is_none());
    assert!(!text.contains("secret") && !text.contains("eyJ"), "{text}");
}

#[tokio::test]
async fn the_access_log_says_how_often_a_request_went_out_and_where_to_last() {
    let fails = |body: &str| {
        Says::text(&format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\n{body}"
        ))
    };
    let orders = [
        Raw::answering(move |_| fails("one")).await,
        Raw::answering(move |_| fails("two")).await,
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let more = format!(
        "    access-log: {{ file: '{}' }}\n    defaults: {{ retry: {{ max-attempts: 2, budget-percent: 100 }} }}\n",
        file.display()
    );
    let routes = ROUTES.replace(", rates: [callers]", "");
    let addresses = orders.each_ref().map(|it| it.address);
    let estate = Estate::start_with(&addresses, &routes, &more).await;
    let answer = estate.get("/orders/7").await;
    assert_eq!(answer.status, 503);
    let seen = orders.each_ref().map(|it| it.seen().len());
    assert_eq!(seen, [1, 1]);
    let limit = Duration::from_secs(5);
    estate.gateway.shutdown_within(limit).await.unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["attempts"], 2, "{text}");
    let last = match answer.body.as_str() {
        "one" => addresses[0],
        _ => addresses[1],
    };
    assert_eq!(line["instance"], format!("http://{last}"), "{text}");
}

#[tokio::test]
async fn a_token_that_is_taken_back_is_let_in_no_more_whatever_becomes_of_the_issuer() {
    let orders = Raw::start().await;
    let revoked = Raw::answering(|_| Says::ok("")).await;
    let away = Raw::answering(|_| Says::text("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")).await;
    // Of a proxy before it: nobody has taken anything.
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nback";
    let page = Raw::answering(move |_| Says::text(page)).await;
    let routes = ROUTES.replace(", rates: [callers]", "");
    for (issuer, status) in [(&revoked, 204), (&away, 503), (&page, 503)] {
        let more = format!(
            "    logout: {{ path: /bye, revoke-url: 'http://{}/oauth2/revoke' }}\n",
            issuer.address
        );
        let estate = Estate::of(Setup {
            orders: &[orders.address],
            routes: &routes,
            more: &more,
            ..Setup::default()
        })
        .await;
        let shown = token("alice", Duration::from_secs(600));
        let alice = format!("Authorization: Bearer {shown}");
        let ask = async |line: &str| estate.ask(&[line, "Host: a", &alice]).await;
        assert_eq!(ask("GET /orders/7 HTTP/1.1").await.status, 200);
        assert_eq!(ask("GET /bye HTTP/1.1").await.status, 403, "POST alone");
        let answer = ask("POST /bye HTTP/1.1\r\nContent-Length: 0").await;
        assert_eq!(answer.status, status, "{answer:?}");
        let told = issuer.only();
        assert_eq!(told.line, "POST /oauth2/revoke");
        let form = String::from_utf8(told.body.clone()).unwrap();
        assert!(form.contains(&format!("token={shown}")), "{form}");
        let after = ask("GET /orders/7 HTTP/1.1").await;
        assert_eq!((after.status, after.code()), (401, Some("invalid_token")));
        let challenge = after.header("www-authenticate").unwrap_or_default();
        assert!(challenge.contains("invalid_token"), "{after:?}");
        let line = "GET /orders/7 HTTP/1.1";
        let other = estate.ask(&[line, "Host: a", &bearer("bob")]).await;
        assert_eq!(other.status, 200, "another token");
        // Who asks again is heard again: the issuer may be back.
        let again = ask("POST /bye HTTP/1.1\r\nContent-Length: 0").await;
        assert_eq!(again.status, status);
        // But who has heard it once need not hear it again.
        let times = if status == 204 { 1 } else { 2 };
        assert_eq!(issuer.seen().len(), times, "{status}");
        let stranger = estate
            .ask(&["POST /bye HTTP/1.1", "Host: a", "Content-Length: 0"])
            .await;
        assert_eq!(stranger.status, 401);
    }
}

/// A key for ECDSA (RFC 7515 appendix A.3.1).
const EC_KEY: &str = r#"{ "kty": "EC", "crv": "P-256", "kid": "ec", "alg": "ES256", "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }"#;
/// The order of P-256.
const ORDER: [u8; 32] = *b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";

/// The same token with `n - s` in the place of `s`, which is as good, and which everybody can write who has seen it.
fn with_another_signature(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut borrow = 0;
    for (at, of_order) in ORDER.iter().enumerate().rev() {
        let digit = i16::from(*of_order) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(digit < 0);
        signature[32 + at] = digit.rem_euclid(256).try_into().unwrap();
    }
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_token_that_was_taken_back_does_not_count_with_another_signature_either() {
    let orders = Raw::start().await;
    let issuer = Raw::answering(|_| Says::ok("")).await;
    let routes = ROUTES.replace(", rates: [callers]", "");
    let more = format!(
        "    logout: {{ path: /bye, revoke-url: 'http://{}/oauth2/revoke' }}\n",
        issuer.address
    );
    let estate = Estate::start_with(&[orders.address], &routes, &more).await;
    estate.issuer.import_key(EC_KEY).await.unwrap();
    let ask = async |line: &str, token: &str| {
        let alice = format!("Authorization: Bearer {token}");
        let answer = estate.ask(&[line, "Host: a", &alice]).await;
        answer.status
    };
    let get = "GET /orders/7 HTTP/1.1";
    let shown = token_by(EC_KEY, "alice", Duration::from_secs(600));
    let twin = with_another_signature(&shown);
    assert_ne!(shown, twin);
    assert_eq!(ask(get, &shown).await, 200);
    assert_eq!(ask(get, &twin).await, 200, "its signature is good");
    let bye = "POST /bye HTTP/1.1\r\nContent-Length: 0";
    assert_eq!(ask(bye, &shown).await, 204);
    assert_eq!(ask(get, &shown).await, 401);
    assert_eq!(ask(get, &twin).await, 401);
    let other = token_by(EC_KEY, "bob", Duration::from_secs(600));
    assert_eq!(ask(get, &other).await, 200, "another token");
}
