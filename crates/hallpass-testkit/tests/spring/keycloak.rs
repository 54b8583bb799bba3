//! A user logs in at a real Keycloak; services here act for her with tokens that the issuer here exchanges.
//!
//! Run by hand, since Keycloak is a download of 176 MB and takes half a minute to start:
//! `cargo test -p hallpass-testkit --test spring keycloak -- --ignored`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use axum::{Json, Router, routing::get};
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::upstream::Body;
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{TestIssuer, TestServer};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::foreign_issuer::{
    ACCESS_TOKEN, BoxLogistics, Browser, EXCHANGE, FeignLogistics, Logistics as _, PAGE, SECRET,
    between, logistics_service, post, post_any, text,
};
use crate::guide::yaml_below;
use crate::send;

const VERSION: &str = "26.7.3";
/// Longer than a first start on a busy machine, which builds a part of itself.
const START: Duration = Duration::from_secs(300);
const REDIRECT: &str = "http://127.0.0.1:1/done";
/// Whether the header of a client's access tokens says what they are (RFC 9068 section 2.1).
const AT_JWT: &str = "access.token.header.type.rfc9068";
const PASSWORD: &str = "Wonderland";

/// A Keycloak with the realm of the page; killed when dropped.
pub(crate) struct Keycloak {
    child: Child,
    base: String,
}

impl Keycloak {
    pub(crate) async fn start() -> Self {
        let home = fetch();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut child = Command::new(home.join("bin/kc.sh"))
            .args(["start-dev", "--db=dev-mem", "--http-host=127.0.0.1"])
            .arg(format!("--http-port={port}"))
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", "admin")
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", "admin")
            .env("JAVA_OPTS_KC_HEAP", "-Xms64m -Xmx512m")
            .stdout(Stdio::piped())
            // The script starts Java as a process of its own.
            .process_group(0)
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, started) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if line.contains("Listening on: ") {
                    let _nobody_waits_any_more = sender.send(());
                }
            }
        });
        let keycloak = Self {
            child,
            base: format!("http://127.0.0.1:{port}"),
        };
        let waiting = tokio::task::spawn_blocking(move || started.recv_timeout(START));
        waiting.await.unwrap().unwrap();
        keycloak.make_realm().await;
        keycloak
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(crate) fn issuer(&self) -> String {
        self.url("/realms/shop")
    }

    pub(crate) fn endpoint(&self, name: &str) -> String {
        self.url(&format!("/realms/shop/protocol/openid-connect/{name}"))
    }

    pub(crate) async fn found(&self, path: &str) -> Value {
        let found = self.administer(Method::GET, path, Value::Null).await;
        serde_json::from_str(&found).unwrap()
    }

    pub(crate) async fn client(&self, id: &str) -> Value {
        let path = format!("/shop/clients?clientId={id}");
        self.found(&path).await.get(0).unwrap().clone()
    }

    /// Creates what an administrator would in the console.
    pub(crate) async fn create(&self, path: &str, what: Value) {
        self.administer(Method::POST, path, what).await;
    }

    /// Its token lives for a minute, so each request has one of its own.
    pub(crate) async fn administer(&self, method: Method, path: &str, what: Value) -> String {
        let form = "grant_type=password&client_id=admin-cli&username=admin&password=admin";
        let url = self.url("/realms/master/protocol/openid-connect/token");
        let token = text(&post(&url, form).await, "access_token");
        let request = Request::builder()
            .method(method)
            .uri(self.url(&format!("/admin/realms{path}")))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let seen = send(request.body(Body::from(what.to_string())).unwrap()).await;
        assert!(
            seen.status.is_success(),
            "{path}: {} {}",
            seen.status,
            seen.body
        );
        seen.body
    }

    /// The realm of the page: a client of the web shop whose tokens are for order-service too, a scope, and a user.
    async fn make_realm(&self) {
        self.create("", json!({ "realm": "shop", "enabled": true }))
            .await;
        let orders = json!({
            "name": "orders",
            "protocol": "openid-connect",
            "attributes": { "include.in.token.scope": "true" },
        });
        self.create("/shop/client-scopes", orders).await;
        let audience = json!([{
            "name": "order-service",
            "protocol": "openid-connect",
            "protocolMapper": "oidc-audience-mapper",
            "config": { "included.custom.audience": "order-service", "access.token.claim": "true" },
        }]);
        let web = json!({
            "clientId": "web-shop",
            "publicClient": true,
            "redirectUris": [REDIRECT],
            "attributes": { AT_JWT: "true" },
            "protocolMappers": audience,
        });
        self.create("/shop/clients", web).await;
        let batch = json!({
            "clientId": "batch",
            "secret": SECRET,
            "standardFlowEnabled": false,
            "serviceAccountsEnabled": true,
            "protocolMappers": audience,
        });
        self.create("/shop/clients", batch).await;
        let scopes = self.found("/shop/client-scopes").await;
        let mut scopes = scopes.as_array().unwrap().iter();
        let orders = scopes.find(|it| text(it, "name") == "orders").unwrap();
        for client in ["web-shop", "batch"] {
            let client = self.client(client).await;
            let path = format!(
                "/shop/clients/{}/default-client-scopes/{}",
                text(&client, "id"),
                text(orders, "id")
            );
            self.administer(Method::PUT, &path, json!({})).await;
        }
        let alice = json!({
            "username": "alice",
            "enabled": true,
            "email": "alice@shop.example",
            "emailVerified": true,
            "firstName": "Alice",
            "lastName": "Liddell",
            "credentials": [{ "type": "password", "value": PASSWORD, "temporary": false }],
        });
        self.create("/shop/users", alice).await;
    }

    /// Access tokens of the web shop say in their header what they are no more.
    async fn untype_access_tokens(&self) {
        let mut web = self.client("web-shop").await;
        let attribute = web.pointer_mut(&format!("/attributes/{AT_JWT}"));
        *attribute.unwrap() = json!("false");
        let path = format!("/shop/clients/{}", text(&web, "id"));
        self.administer(Method::PUT, &path, web).await;
    }

    /// As her browser does it: the form, then the code, then the tokens.
    pub(crate) async fn log_in(&self) -> Value {
        let mut browser = Browser::default();
        let wanted = format!(
            "{}?response_type=code&client_id=web-shop&scope=openid&state=s&redirect_uri={REDIRECT}",
            self.endpoint("auth")
        );
        let page = browser.visit(Request::get(wanted), "").await;
        let action = between(&page.body, "action=\"", "\"").replace("&amp;", "&");
        let form = format!("username=alice&password={PASSWORD}");
        browser.visit(Request::post(action), &form).await;
        let done = browser.location.unwrap();
        let code = between(&format!("{done}&"), "code=", "&").to_owned();
        let form = format!(
            "grant_type=authorization_code&code={code}&redirect_uri={REDIRECT}&client_id=web-shop"
        );
        post(&self.endpoint("token"), &form).await
    }
}

impl Drop for Keycloak {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _killed = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ended = self.child.wait();
    }
}

/// Where Keycloak is unpacked, below the build's own folder.
fn fetch() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keycloak");
    let home = folder.join(format!("keycloak-{VERSION}"));
    if home.join("bin/kc.sh").is_file() {
        return home;
    }
    fs::create_dir_all(&folder).unwrap();
    let archive = format!("keycloak-quarkus-dist-{VERSION}.tar.gz");
    let mut fetching = Command::new("mvn");
    fetching
        .args(["-q", "-B", "dependency:copy"])
        .arg(format!(
            "-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"
        ))
        .arg(format!("-DoutputDirectory={}", folder.display()));
    let mut unpacking = Command::new("tar");
    unpacking
        .arg("-xzf")
        .arg(folder.join(&archive))
        .arg("-C")
        .arg(&folder);
    for mut step in [fetching, unpacking] {
        assert!(step.status().unwrap().success(), "{step:?}");
    }
    fs::remove_file(folder.join(archive)).unwrap();
    home
}

/// A block of the page, with the address of this Keycloak.
fn page(heading: &str, keycloak: &Keycloak) -> String {
    yaml_below(PAGE, heading).replace("https://login.example/realms/shop", &keycloak.issuer())
}

fn loader(yaml: &str) -> Loader {
    let loader = Loader::new("hallpass").text("page", yaml);
    loader.environment([("ORDER_SERVICE_SECRET", SECRET)])
}

/// `order-service` of the page, which calls logistics-service for whoever calls it.
async fn order_service(yaml: &str, logistics: &TestServer) -> TestServer {
    let places = format!(
        "hallpass: {{ discovery: {{ static: {{ logistics-service: ['{}'] }} }} }}",
        logistics.address()
    );
    let loader = loader(yaml).text("places", places);
    let settings = loader.load::<Settings>().unwrap().into_settings();
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let logistics = BoxLogistics::new(FeignLogistics::new(hallpass.feign()).unwrap());
    let orders = get(move |user: CurrentUser| {
        let logistics = logistics.clone();
        async move {
            let failed = |error: FeignError| json!({ "failed": error.code() });
            Json(json!({
                "user": user.subject().to_string(),
                "logistics": logistics.shipments().await.unwrap_or_else(failed),
            }))
        }
    });
    let server = hallpass.resource_server();
    let guard = server.route_any("/orders", Rule::Authenticated).build();
    let router = Router::new().route("/orders", orders);
    TestServer::start(router.layer(guard.unwrap().layer()))
        .await
        .unwrap()
}

/// What the page promises of a user's call, with these blocks of it.
async fn serves_alice(keycloak: &Keycloak, issuer: &str, order: &str) {
    let settings = loader(issuer).load::<IssuerSettings>().unwrap();
    let issuer = TestIssuer::of(settings.into_settings())
        .start()
        .await
        .unwrap();
    let order = order.replace("https://auth.example/oauth2/token", &issuer.token_url());
    let logistics = logistics_service(&issuer).await;
    let order = order_service(&order, &logistics).await;
    let tokens = keycloak.log_in().await;
    let (access, id) = (text(&tokens, "access_token"), text(&tokens, "id_token"));
    let seen = crate::get(&order.url("/orders"), Some(&access)).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    let seen: Value = serde_json::from_str(&seen.body).unwrap();
    let user = text(&seen, "user");
    let claims = seen
        .pointer("/logistics/claims")
        .unwrap_or_else(|| panic!("{seen}"));
    for (pointer, expected) in [
        ("/sub", json!(format!("login|{user}"))),
        ("/sub_id/iss", json!(keycloak.issuer())),
        ("/sub_id/sub", json!(user)),
        ("/act/sub", json!("order-service")),
        ("/client_id", json!("order-service")),
        ("/aud", json!("logistics-service")),
        ("/scope", json!("orders:read")),
    ] {
        assert_eq!(
            claims.pointer(pointer),
            Some(&expected),
            "{pointer}: {claims}"
        );
    }
    let direct = crate::get(&logistics.url("/shipments"), Some(&access)).await;
    assert_eq!(direct.status, StatusCode::UNAUTHORIZED, "her own token");

    let form = format!("grant_type=client_credentials&client_id=batch&client_secret={SECRET}");
    let machine = text(
        &post(&keycloak.endpoint("token"), &form).await,
        "access_token",
    );
    for (what, token) in [
        ("an ID token", id),
        ("a refresh token", text(&tokens, "refresh_token")),
        ("the token of a service account", machine),
        ("a forged token", format!("{access}A")),
    ] {
        let refused = post_any(&issuer.token_url(), &exchange(&token)).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{what}: {}",
            refused.body
        );
    }
    assert_eq!(issuer.tokens_issued(), 1);
}

/// What order-service asks to act by this token.
fn exchange(token: &str) -> String {
    format!(
        "grant_type={EXCHANGE}&subject_token={token}&subject_token_type={ACCESS_TOKEN}&audience=logistics-service\
         &client_id=order-service&client_secret={SECRET}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "downloads 176 MB and starts a server of 600 MB: run by hand, see above"]
async fn services_act_for_a_user_of_keycloak_as_the_page_says() {
    let keycloak = Keycloak::start().await;
    let issuer = page("### The issuer for Keycloak", &keycloak);
    let order = page("### order-service behind Keycloak", &keycloak);
    serves_alice(&keycloak, &issuer, &order).await;

    // Without `at+jwt` in their header both sides must be told to take them.
    keycloak.untype_access_tokens().await;
    let access = text(&keycloak.log_in().await, "access_token");
    let settings = loader(&issuer).load::<IssuerSettings>().unwrap();
    let strict = TestIssuer::of(settings.into_settings())
        .start()
        .await
        .unwrap();
    let refused = post_any(&strict.token_url(), &exchange(&access)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
    let taking = |yaml: &str, indent: usize| {
        let key = format!(
            "dangerous-accept-untyped: true\n{}preset: keycloak",
            " ".repeat(indent)
        );
        yaml.replace("preset: keycloak", &key)
    };
    serves_alice(&keycloak, &taking(&issuer, 8), &taking(&order, 10)).await;
}
