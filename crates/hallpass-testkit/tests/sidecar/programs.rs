//! Programs without a word of authentication.

use serde_json::json;

use crate::estate::{Estate, ask, example};

#[test]
fn no_program_has_a_word_of_authentication() {
    for file in [
        "python/app.py",
        "node/app.mjs",
        "spring/src/main/java/hallpass/Warehouse.java",
        "spring/pom.xml",
    ] {
        let source = std::fs::read_to_string(example().join(file)).unwrap();
        let source = source.to_ascii_lowercase();
        for word in [
            "authorization",
            "bearer",
            "token",
            "jwt",
            "oauth",
            "secret",
            "security",
        ] {
            assert!(!source.contains(word), "{file}: {word}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outgoing_call_bears_the_user_and_the_actor() {
    let Some(estate) = Estate::start().await else {
        return;
    };
    let alice = format!("Bearer {}", Estate::token("alice"));
    let headers = [
        ("authorization", &*alice),
        ("x-user-id", "admin"),
        ("x_user_id", "admin"),
        ("x-hallpass-context", "00000000000000000000000000000000"),
    ];
    let (status, document) = ask(estate.orders, "/orders/7", &headers).await;
    let stock = json!({
        "goods": "7",
        "customer": "alice",
        "warehouse": { "caller": "stock-service" },
    });
    let expected = json!({ "order": "7", "customer": "alice", "stock": stock });
    assert_eq!((status, document), (200, expected));
    assert_eq!(*estate.called_by.lock().unwrap(), ["stock-service"]);

    // Another user is another one, over the same sidecars.
    let bob = format!("Bearer {}", Estate::token("bob"));
    let (_, document) = ask(estate.orders, "/orders/8", &[("authorization", &bob)]).await;
    assert_eq!(document["stock"]["customer"], "bob");

    // Nobody gets in without a token, and what is open has no user to pass on.
    assert_eq!(ask(estate.orders, "/orders/7", &[]).await.0, 401);
    assert_eq!(ask(estate.orders, "/health", &[]).await.0, 200);

    // The tokens were there before the first call, and one serves them all.
    let issued = estate.tokens_issued();
    let (status, _) = ask(estate.orders, "/orders/9", &[("authorization", &bob)]).await;
    assert_eq!((status, estate.tokens_issued()), (200, issued));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_of_spring_learns_who_calls_and_calls_others_as_itself() {
    let Some(estate) = Estate::start_with_java().await else {
        return;
    };
    // In Java it goes by `http.proxyHost`; the token is the one that the README has fetched by hand.
    let alice = format!("Bearer {}", estate.token_by_hand().await);
    let headers = [("authorization", &*alice), ("x-username", "admin")];
    let (status, document) = ask(estate.orders, "/orders/7", &headers).await;
    let reserved = json!({
        "goods": "7",
        "caller": "stock-service",
        "name": null,
        "authorities": ["SCOPE_internal-service"],
        "ledger": "{\"caller\":\"warehouse\"}",
    });
    let stock = json!({ "goods": "7", "customer": "alice", "warehouse": reserved });
    let expected = json!({ "order": "7", "customer": "alice", "stock": stock });
    assert_eq!((status, document), (200, expected));
    assert_eq!(*estate.called_by.lock().unwrap(), ["warehouse"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_web_page_and_nobody_without_a_user_speaks_by_the_outbound_side() {
    let Some(estate) = Estate::start().await else {
        return;
    };
    let warehouse = estate.port_of_warehouse;
    let (status, _) = ask(warehouse, "/reserve/1", &[]).await;
    assert_eq!(status, 200);
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("sec-fetch-site", "cross-site")],
        &[("host", "evil.example")],
    ] {
        let (status, problem) = ask(warehouse, "/reserve/1", headers).await;
        assert_eq!(status, 403, "{headers:?} {problem}");
        assert_eq!(problem["code"], "web_page");
    }
    let (status, problem) = ask(estate.outbound, "/reserve/1", &[]).await;
    assert_eq!((status, &problem["code"]), (403, &json!("unknown_service")));
    let stock = [("host", "stock-service")];
    assert_eq!(ask(estate.outbound, "/stock/1", &stock).await.0, 401);
    // A handle that was made up stands for nobody, nor does a token that nobody has signed.
    for (name, value) in [
        ("x-hallpass-context", "0123456789abcdef0123456789abcdef"),
        ("authorization", "Bearer made.up.token"),
    ] {
        let headers = [stock[0], (name, value)];
        assert_eq!(ask(estate.outbound, "/stock/1", &headers).await.0, 401);
    }
    assert_eq!(estate.called_by.lock().unwrap().len(), 1);
    let health = ask(estate.orders_health, "/health/ready", &[]).await;
    assert_eq!(health.0, 200);
}
