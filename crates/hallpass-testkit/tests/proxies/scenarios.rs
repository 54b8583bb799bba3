//! What each proxy must do; the tests of each product call these.

use std::time::Duration;

use hallpass::token::UnverifiedToken;
use serde_json::Value;

use crate::client::{Ask, HOST, read_until};
use crate::front::{Front, Product};
use crate::paths::{TRICKS, loosest};
use crate::recorder::{STREAM, Seen, WEBSOCKET_KEY};

/// Who the caller is, as services behind proxies are told.
const IDENTITY: [&str; 4] = ["X-User-Id", "X-Username", "X-Authorities", "X-Client-Id"];
/// Other spellings of the first of them, which some servers take for it.
const SPELLINGS: [&str; 9] = [
    "X-User-Id",
    "x_user_id",
    "X-User_Id",
    "X_USER-ID",
    "X.User.Id",
    "X-User.Id",
    "X~User~Id",
    "X!User+Id",
    "X`User'Id",
];

/// Longer than each proxy waits for a decision, but for one.
const LONG_ENOUGH: Duration = Duration::from_secs(8);

/// A good call reaches the service once, with who called, whatever the client says about itself.
pub(crate) async fn identity(front: &Front) {
    let token = front.estate.user("orders.read");
    let good = Ask::get("/orders/7?page=2").token(&token);
    let mut forging = good.clone();
    for name in IDENTITY {
        forging = forging.header(name, "root");
    }
    let mut spelled = good.clone();
    for name in SPELLINGS {
        spelled = spelled.header(name, "root");
    }
    let hop = forging
        .clone()
        .header("Connection", "close, X-User-Id, X-Authorities");
    let twice = good.clone().token("a.b.c");
    let response = twice.send(front.port).await;
    let seen = front.estate.service.take();
    assert!(seen.is_empty(), "{response:?}: {seen:?}");
    for ask in [good, forging, spelled, hop] {
        let response = ask.send(front.port).await;
        assert_eq!(response.status, 200, "{ask:?}: {}", response.text);
        let seen = front.estate.service.take();
        assert_eq!(seen.len(), 1, "{ask:?}: {seen:?}");
        let seen = &seen[0];
        assert_eq!(seen.target, "/orders/7?page=2");
        assert_eq!(seen.values("X-User-Id"), ["alice"], "{ask:?}: {seen:?}");
        assert_eq!(
            seen.values("X-Authorities"),
            ["SCOPE_orders.read"],
            "{ask:?}: {seen:?}"
        );
        assert!(!format!("{seen:?}").contains("root"), "{ask:?}: {seen:?}");
    }
}

/// The service gets the token that is meant for it, and never the caller's own.
pub(crate) async fn tokens(front: &Front) {
    let (user, service) = (
        front.estate.user("orders.read refunds.write"),
        front.estate.service_token(),
    );
    let cases = [
        (
            "/orders/7",
            &user,
            Some(("alice", "order-service", Some("shop"))),
        ),
        (
            "/admin/users",
            &service,
            Some(("shop", "admin-service", None)),
        ),
        ("/refunds/7", &user, None),
        ("/health", &user, None),
    ];
    for (path, token, expected) in cases {
        let response = Ask::get(path).token(token).send(front.port).await;
        assert_eq!(response.status, 200, "{path}: {}", response.text);
        let seen = front.estate.service.take();
        let got = seen[0].values("Authorization");
        assert!(
            !format!("{seen:?}").contains(token.as_str()),
            "{path}: {got:?}"
        );
        let claims = got
            .first()
            .map(|value| claims(value.strip_prefix("Bearer ").unwrap()));
        let said = claims.as_ref().map(|claims| {
            let text = |claim: &Value| claim.as_str().unwrap().to_owned();
            (
                text(&claims["sub"]),
                text(&claims["aud"]),
                claims.pointer("/act/sub").map(text),
            )
        });
        let expected = expected.map(|(subject, audience, actor)| {
            (
                subject.to_owned(),
                audience.to_owned(),
                actor.map(str::to_owned),
            )
        });
        assert_eq!(said, expected, "{path}: {got:?}");
    }
}

fn claims(token: &str) -> Value {
    let token = UnverifiedToken::parse(token, 8_192).unwrap();
    serde_json::from_slice(token.unverified_payload()).unwrap()
}

/// Nothing that the client claims about its request is believed: neither opens it a closed path, nor does the service see it.
pub(crate) async fn claims_about_the_request(front: &Front) {
    for open in ["/health", "/authz/forward"] {
        let mut ask = Ask::get("/orders/7");
        for (name, value) in [
            ("X-Forwarded-Uri", open),
            ("X-Original-URI", open),
            ("X-Original-URL", open),
            ("X-Rewrite-URL", open),
            ("X-Forwarded-Path", open),
            ("X-Envoy-Original-Path", open),
            ("X-Forwarded-Method", "OPTIONS"),
            ("X-Original-Method", "OPTIONS"),
            ("X-Forwarded-Host", HOST),
            ("X-Original-Host", HOST),
            ("Forwarded", "for=127.0.0.1;host=shop.example"),
            ("X_Forwarded_Uri", open),
            ("X.Original.URI", open),
            ("X-HTTP-Method-Override", "OPTIONS"),
        ] {
            ask = ask.header(name, value);
        }
        let response = ask.send(front.port).await;
        assert_eq!(response.status, 401, "{}", response.text);
        assert!(front.estate.service.take().is_empty());
        let token = front.estate.user("orders.read");
        let response = ask.token(&token).send(front.port).await;
        assert_eq!(response.status, 200, "{}", response.text);
        let seen = front.estate.service.take();
        if front.product == Product::Apisix {
            // The plain nginx around the plugin is not APISIX.
            continue;
        }
        for name in [
            "X-Forwarded-Uri",
            "X-Original-URI",
            "X-Forwarded-Method",
            "X-Original-Method",
        ] {
            let values = seen[0].values(name);
            assert!(
                !values.contains(&open) && !values.contains(&"OPTIONS"),
                "{name}: {values:?}"
            );
        }
    }
}

/// Clients learn why they are denied, and the service does not hear of them.
pub(crate) async fn denials(front: &Front) {
    let (user, service) = (
        front.estate.user("orders.read"),
        front.estate.service_token(),
    );
    let orders = || Ask::get("/orders/7");
    let cases = [
        (orders(), 401, "Bearer"),
        (orders().token("a.b.c"), 401, "invalid_token"),
        (orders().token(&format!("{user}x")), 401, "invalid_token"),
        (
            Ask::get("/refunds/7").token(&user),
            403,
            "insufficient_scope",
        ),
        (Ask::get("/admin/users").token(&user), 403, ""),
        (Ask::get("/nowhere").token(&user), 403, ""),
        (orders().token(&user).host("other.example"), 403, ""),
        (Ask::post("/orders/7", b"x=1".to_vec()), 401, "Bearer"),
    ];
    for (ask, status, challenge) in cases {
        let response = ask.send(front.port).await;
        assert_eq!(response.status, status, "{ask:?}: {}", response.text);
        let challenges = response.headers("WWW-Authenticate");
        // nginx's Lua sets one challenge of several: the last, which is that for proofs.
        let challenge = match front.product {
            Product::Apisix if status == 401 => "DPoP",
            _ => challenge,
        };
        assert!(
            challenges.concat().contains(challenge),
            "{ask:?}: {}",
            response.text
        );
        let seen = front.estate.service.take();
        assert!(seen.is_empty(), "{ask:?}: {seen:?}");
    }
    for (ask, status) in [
        (Ask::get("/admin/users").token(&service), 200),
        (Ask::get("/health"), 200),
        (orders().token(&user).host("SHOP.Example"), 200),
        (orders().token(&user).host("shop.example:80"), 200),
    ] {
        let response = ask.send(front.port).await;
        assert_eq!(response.status, status, "{ask:?}: {}", response.text);
        assert_eq!(front.estate.service.take().len(), 1);
    }
}

/// Whatever the service gets to see, the policy allows; and no other reading of it leads elsewhere.
pub(crate) async fn paths(front: &Front) {
    let token = front.estate.user("orders.read");
    let mut through = 0;
    for (trick, with_token) in TRICKS
        .iter()
        .flat_map(|trick| [(trick, true), (trick, false)])
    {
        for host in [HOST, "Shop.EXAMPLE", "other.example"] {
            let mut ask = Ask::get(trick).host(host);
            if with_token {
                ask = ask.token(&token);
            }
            let response = ask.send(front.port).await;
            let seen = front.estate.service.take();
            assert_eq!(
                response.status == 200,
                !seen.is_empty(),
                "{ask:?}: {} {seen:?}",
                response.text
            );
            for seen in seen {
                through += 1;
                is_allowed(front, &seen, with_token.then_some(&token)).await;
                let read = loosest(&seen.target);
                let inside: &[&str] = if with_token {
                    &["orders", "health"]
                } else {
                    &["health"]
                };
                assert!(
                    read.split('/')
                        .nth(1)
                        .is_some_and(|first| inside.contains(&first)),
                    "{ask:?}: {seen:?} may be read as {read}"
                );
            }
        }
    }
    assert!(through > 0, "plain paths get through");
}

/// Demands that `hallpass authz`, asked about exactly what the service has seen, allows it.
async fn is_allowed(front: &Front, seen: &Seen, token: Option<&String>) {
    let host = seen.values("Host");
    let mut ask = Ask::get("/authz/forward")
        .header("X-Forwarded-Method", "GET")
        .header("X-Forwarded-Proto", "http")
        .header("X-Forwarded-Host", host[0])
        .header("X-Forwarded-Uri", &seen.target);
    if let Some(token) = token {
        ask = ask.token(token);
    }
    let judged = ask.send(front.estate.authz_port).await;
    assert_eq!(judged.status, 200, "{seen:?}: {}", judged.text);
}

/// Without `hallpass authz` nothing gets through, and with it again everything does.
pub(crate) async fn outage(front: &mut Front) {
    let ask = Ask::get("/orders/7").token(&front.estate.user("orders.read"));
    let open = Ask::get("/health");
    assert_eq!(ask.send(front.port).await.status, 200);
    front.estate.service.take();

    front.estate.authz().stand_still();
    let waiting = tokio::time::timeout(LONG_ENOUGH, ask.send(front.port));
    match waiting.await {
        Ok(response) => assert!(response.status >= 500, "{}", response.text),
        Err(_elapsed) => assert_eq!(
            front.product,
            Product::Traefik,
            "has a limit that nothing can set: 30 s"
        ),
    }
    assert!(front.estate.service.take().is_empty());
    front.estate.authz().go_on();
    // What has waited may be decided about now, and handed on though nobody waits for it any more: before it is decided about what came later.
    asks_again(front, &ask).await;
    front.estate.service.take();

    front.estate.stop_authz();
    for ask in [&ask, &open] {
        let response = ask.send(front.port).await;
        assert!(response.status >= 500, "{}", response.text);
        let seen = front.estate.service.take();
        assert!(seen.is_empty(), "{seen:?}");
    }
    front.estate.start_authz().await;
    asks_again(front, &ask).await;
}

/// Waits until what may pass does.
async fn asks_again(front: &Front, ask: &Ask) {
    let again = async {
        let mut again = tokio::time::interval(Duration::from_millis(50));
        while ask.send(front.port).await.status != 200 {
            again.tick().await;
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(60), again).await;
    assert!(again.is_ok(), "it is not asked again");
}

/// Bodies come whole, responses bit by bit.
pub(crate) async fn bodies(front: &Front) {
    const LENGTH: usize = 900_000;
    let token = front.estate.user("orders.read");
    let ask = Ask::post("/orders/7", vec![b'x'; LENGTH]).token(&token);
    let response = ask.send(front.port).await;
    assert_eq!(response.status, 200, "{}", response.text);
    assert!(response.text.ends_with("service"), "{}", response.text);
    assert_eq!(front.estate.service.take()[0].body, LENGTH);

    let ask = Ask::get(STREAM).token(&token);
    let mut stream = ask.open(front.port, "close").await;
    read_until(&mut stream, "first").await;
    front.estate.service.go_on();
    read_until(&mut stream, "second").await;
    front.estate.service.take();
}

/// What ShenYu reads of a client about where its request goes changes nothing.
pub(crate) async fn chosen_by_the_client(front: &Front) {
    let token = front.estate.user("orders.read");
    for (name, value) in [
        ("rpc_type", "websocket"),
        ("rpc_type", "nobody"),
        ("specifyDomain", "127.0.0.1:1"),
    ] {
        let ask = Ask::get("/orders/7").header(name, value);
        assert_eq!(ask.send(front.port).await.status, 401);
        let allowed = ask.token(&token).send(front.port).await;
        assert_eq!(allowed.status, 200, "{name}: {}", allowed.text);
        let seen = front.estate.service.take();
        assert_eq!(seen.len(), 1);
        assert!(seen[0].values(name).is_empty(), "{seen:?}");
    }
}

/// A WebSocket opens with a good token, and with none does not.
pub(crate) async fn websocket(front: &Front) {
    use tokio::io::AsyncWriteExt as _;
    let ask = Ask::get("/orders/live")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", WEBSOCKET_KEY);
    let mut refused = ask.open(front.port, "Upgrade").await;
    let said = read_until(&mut refused, "\r\n\r\n").await;
    assert!(said.contains(" 401 "), "{said}");
    assert!(front.estate.service.take().is_empty());

    let ask = ask.token(&front.estate.user("orders.read"));
    let mut stream = ask.open(front.port, "Upgrade").await;
    let said = read_until(&mut stream, "\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 101"), "{said}");
    let (mut reading, mut writing) = stream.split();
    let send = async {
        let mut again = tokio::time::interval(Duration::from_millis(200));
        loop {
            again.tick().await;
            writing.write_all(b"\x81\x84\0\0\0\0ping").await.unwrap();
            if front.product != Product::SpringCloudGateway {
                std::future::pending::<()>().await;
            }
            // Spring Cloud Gateway loses what comes before its own WebSocket to the service is open.
        }
    };
    tokio::select! {
        _said = read_until(&mut reading, "ping") => {}
        () = send => {}
    }
    assert_eq!(
        front.estate.service.take()[0].values("X-User-Id"),
        ["alice"]
    );
}
