//! A service here that takes tokens of a real Keycloak: by its keys and by asking it, with rules for roles of the realm and of the
//! service.
//!
//! Run by hand, as the tests of `keycloak.rs`: `cargo test -p hallpass-testkit --test spring keycloak -- --ignored`.

use std::time::Duration;

use axum::{Json, Router, routing::get};
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass_testkit::TestServer;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::foreign_issuer::{SECRET, post_any, text};
use crate::guide::yaml_below;
use crate::keycloak::Keycloak;

#[feign_client(name = "order-service")]
trait Orders {
    #[get("/internal")]
    async fn internal(&self) -> Result<String, FeignError>;
}

/// What each path demands.
const ROUTES: &str = "      routes:
        - { path: /any, rule: authenticated }
        - { path: /realm, rule: authenticated, roles: [admin] }
        - { path: /service, rule: authenticated, any-role: [audit, nobody] }
        - { path: /authority, rule: authenticated, authorities: [ROLE_admin, SCOPE_orders] }
        - { path: /other, rule: authenticated, roles: [of-another] }
        - { path: /internal, rule: internal-only, scope: orders }
";

/// The page with the block for Keycloak.
const PAGE: &str = include_str!("../../../../docs/introspection.md");

/// The service of the page, which finds out about tokens as there, or by the keys that `how` names.
async fn service(keycloak: &Keycloak, how: &str) -> TestServer {
    let page = yaml_below(PAGE, "## Keycloak");
    let (head, asked) = page.split_once("          introspection:\n").unwrap();
    let how = match how {
        "asked" => format!("          introspection:\n            cache-seconds: 1\n{asked}"),
        keys => keys.to_owned(),
    };
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let yaml = format!("{head}          internal: true\n{how}{ROUTES}")
        .replace("https://login.example/realms/shop", &keycloak.issuer())
        .replace("/run/secrets/introspection", secret.to_str().unwrap());
    let settings = Loader::new("hallpass").text("service", yaml);
    let settings = settings.load::<Settings>().unwrap().into_settings();
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let guard = hallpass.resource_server().build().unwrap();
    let whoami = get(|caller: Caller| async move { Json(caller.subject().to_string()) });
    let mut router = Router::new();
    for path in [
        "/any",
        "/realm",
        "/service",
        "/authority",
        "/other",
        "/internal",
    ] {
        router = router.route(path, whoami.clone());
    }
    TestServer::start(router.layer(guard.layer()))
        .await
        .unwrap()
}

/// `order-service` and `billing` as clients with roles, of which alice has some, and a role of the realm.
async fn give_roles(keycloak: &Keycloak) {
    let users = keycloak.found("/shop/users?username=alice").await;
    let alice = text(users.get(0).unwrap(), "id");
    keycloak
        .create("/shop/roles", json!({ "name": "admin" }))
        .await;
    let role = keycloak.found("/shop/roles/admin").await;
    let path = format!("/shop/users/{alice}/role-mappings/realm");
    keycloak
        .administer(Method::POST, &path, json!([role]))
        .await;
    for (client, role) in [("order-service", "audit"), ("billing", "of-another")] {
        let new = json!({
            "clientId": client,
            "secret": SECRET,
            "standardFlowEnabled": false,
            "serviceAccountsEnabled": true,
        });
        keycloak.create("/shop/clients", new).await;
        let id = text(&keycloak.client(client).await, "id");
        keycloak
            .create(
                &format!("/shop/clients/{id}/roles"),
                json!({ "name": role }),
            )
            .await;
        let role = keycloak
            .found(&format!("/shop/clients/{id}/roles/{role}"))
            .await;
        let path = format!("/shop/users/{alice}/role-mappings/clients/{id}");
        keycloak
            .administer(Method::POST, &path, json!([role]))
            .await;
    }
}

async fn statuses(server: &TestServer, token: &str) -> Vec<(&'static str, u16)> {
    let mut found = Vec::new();
    for path in [
        "/any",
        "/realm",
        "/service",
        "/authority",
        "/other",
        "/internal",
    ] {
        let seen = crate::get(&server.url(path), Some(token)).await;
        found.push((path, seen.status.as_u16()));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "downloads 176 MB and starts a server of 600 MB: run by hand, see above"]
async fn roles_of_keycloak_count_by_its_keys_and_by_its_word_until_it_takes_them_back() {
    let keycloak = Keycloak::start().await;
    give_roles(&keycloak).await;
    let keys = format!(
        "          jwks-url: '{}'\n          dangerous-accept-untyped: true\n",
        keycloak.endpoint("certs")
    );
    let tokens = keycloak.log_in().await;
    let access = text(&tokens, "access_token");
    let form = format!("grant_type=client_credentials&client_id=batch&client_secret={SECRET}");
    for how in [keys.as_str(), "asked"] {
        let server = service(&keycloak, how).await;
        let alice = [
            ("/any", 200),
            ("/realm", 200),
            ("/service", 200),
            ("/authority", 200),
            ("/other", 403),
            ("/internal", 403),
        ];
        assert_eq!(statuses(&server, &access).await, alice, "{how}");
        let machine = crate::foreign_issuer::post(&keycloak.endpoint("token"), &form).await;
        let machine = text(&machine, "access_token");
        let batch = [
            ("/any", 200),
            ("/realm", 403),
            ("/service", 403),
            ("/authority", 403),
            ("/other", 403),
            ("/internal", 200),
        ];
        assert_eq!(statuses(&server, &machine).await, batch, "{how}");
        for wrong in [
            text(&tokens, "id_token"),
            text(&tokens, "refresh_token"),
            format!("{access}A"),
        ] {
            let seen = crate::get(&server.url("/any"), Some(&wrong)).await;
            assert_eq!(seen.status, StatusCode::UNAUTHORIZED, "{how}: {wrong}");
        }
    }

    let server = service(&keycloak, "asked").await;
    let any = server.url("/any");
    assert_eq!(crate::get(&any, Some(&access)).await.status, StatusCode::OK);
    let refresh = text(&tokens, "refresh_token");
    let form = format!("client_id=web-shop&refresh_token={refresh}");
    let out = post_any(&keycloak.endpoint("logout"), &form).await;
    assert!(out.status.is_success(), "{}", out.body);
    let began = Instant::now();
    while crate::get(&any, Some(&access)).await.status != StatusCode::UNAUTHORIZED {
        assert!(began.elapsed() < Duration::from_secs(10), "never refused");
        sleep(Duration::from_millis(50)).await;
    }
}

/// The client `batch` here, whose calls carry tokens that are bound to a key of its own.
fn batch(keycloak: &Keycloak, orders: &TestServer) -> FeignOrders {
    let yaml = format!(
        "hallpass:
  service: {{ name: batch }}
  discovery: {{ static: {{ order-service: ['{}'] }} }}
  internal-token: {{ client-id: batch, client-secret: '{SECRET}', token-url: '{}', dpop: true }}
",
        orders.address(),
        keycloak.endpoint("token")
    );
    let settings = Loader::new("hallpass").text("batch", yaml);
    let settings = settings.load::<Settings>().unwrap().into_settings();
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    FeignOrders::new(hallpass.feign()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "downloads 176 MB and starts a server of 600 MB: run by hand, see above"]
async fn tokens_that_keycloak_has_bound_to_a_key_pass_with_its_proofs_alone() {
    let keycloak = Keycloak::start().await;
    give_roles(&keycloak).await;
    let mut client = keycloak.client("batch").await;
    client["attributes"]["dpop.bound.access.tokens"] = json!("true");
    let path = format!("/shop/clients/{}", text(&client, "id"));
    keycloak.administer(Method::PUT, &path, client).await;
    let keys = format!(
        "          jwks-url: '{}'\n          dangerous-accept-untyped: true\n",
        keycloak.endpoint("certs")
    );
    for how in [keys.as_str(), "asked"] {
        let server = service(&keycloak, how).await;
        let batch = batch(&keycloak, &server);
        for _ in 0..2 {
            let subject = batch.internal().await;
            assert!(subject.is_ok(), "{how}: {subject:?}");
        }
    }
    // Without a proof Keycloak gives this client nothing.
    let form = format!("grant_type=client_credentials&client_id=batch&client_secret={SECRET}");
    let refused = post_any(&keycloak.endpoint("token"), &form).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
}
