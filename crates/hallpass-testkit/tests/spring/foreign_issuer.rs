//! A user logs in at a real Spring Authorization Server; services here act for her with tokens that the issuer here exchanges.

use std::collections::BTreeMap;
use std::net::TcpListener;

use axum::{Json, Router, routing::get};
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::upstream::{Body, HttpTransport};
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{TestIssuer, TestServer};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::guide::yaml_below;
use crate::java::SpringBoot;
use crate::{Seen, send};

/// The page with the whole way.
pub(crate) const PAGE: &str = include_str!("../../../../docs/exchange.md");
pub(crate) const SECRET: &str = "OrderSecret123!";
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A service here.
#[feign_client(
    name = "logistics-service",
    identity = "exchange",
    scope = "orders:read"
)]
pub(crate) trait Logistics {
    #[get("/shipments")]
    async fn shipments(&self) -> Result<Value, FeignError>;
}

/// A stock Spring resource server.
#[feign_client(name = "service-billing", identity = "exchange", scope = "orders:read")]
trait Billing {
    #[get("/whoami")]
    async fn whoami(&self) -> Result<Value, FeignError>;
}

/// Where users log in.
pub(crate) struct Login {
    pub(crate) spring: SpringBoot,
    port: u16,
}

/// What a user gets there.
pub(crate) struct Tokens {
    pub(crate) access: String,
    id: String,
}

impl Login {
    fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// With further properties of clients, each without what all of them begin with.
    pub(crate) fn start_with(further: &[String]) -> Option<Self> {
        // Its own name has the port in it, so that is chosen before.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let server = "spring.security.oauth2.authorizationserver";
        let web = format!("{server}.client.web-shop");
        let of = format!("{web}.registration");
        let mut properties = vec![
            format!("{server}.issuer=http://127.0.0.1:{port}"),
            "spring.security.user.name=alice".to_owned(),
            "spring.security.user.password=Wonderland".to_owned(),
            format!("{of}.client-id=web-shop"),
            format!("{of}.client-secret={{noop}}web-secret"),
            format!("{of}.client-authentication-methods=client_secret_post"),
            format!("{of}.authorization-grant-types=authorization_code,client_credentials"),
            format!("{of}.redirect-uris=http://127.0.0.1:1/done"),
            format!("{of}.scopes=openid,orders:read,orders:write"),
            format!("{web}.require-authorization-consent=false"),
            format!("{web}.require-proof-key=false"),
        ];
        properties.extend(further.iter().map(|it| format!("{server}.client.{it}")));
        let spring = SpringBoot::start("authorization-server", port, &properties)?;
        Some(Self { spring, port })
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// As her browser does it: the form, then the code, then the tokens.
    pub(crate) async fn log_in(&self) -> Tokens {
        let mut browser = Browser::default();
        let wanted = "/oauth2/authorize?response_type=code&client_id=web-shop&scope=openid%20orders:read%20orders:write&state=s\
                      &redirect_uri=http://127.0.0.1:1/done";
        browser
            .visit(Request::get(self.spring.url(wanted)), "")
            .await;
        let page = browser
            .visit(Request::get(self.spring.url("/login")), "")
            .await;
        let csrf = between(&page.body, "name=\"_csrf\" type=\"hidden\" value=\"", "\"");
        let form = format!("username=alice&password=Wonderland&_csrf={csrf}");
        browser
            .visit(Request::post(self.spring.url("/login")), &form)
            .await;
        let seen = browser
            .visit(Request::get(self.spring.url(wanted)), "")
            .await;
        let done = browser.location.unwrap_or_else(|| panic!("{}", seen.body));
        let code = between(&done, "code=", "&");
        let form = format!(
            "grant_type=authorization_code&code={code}&redirect_uri=http://127.0.0.1:1/done&client_id=web-shop&client_secret=web-secret"
        );
        let tokens = post(&self.spring.url("/oauth2/token"), &form).await;
        Tokens {
            access: text(&tokens, "access_token"),
            id: text(&tokens, "id_token"),
        }
    }
}

/// Keeps its cookies, and follows nothing by itself.
#[derive(Default)]
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
    pub(crate) location: Option<String>,
}

impl Browser {
    pub(crate) async fn visit(&mut self, request: http::request::Builder, form: &str) -> Seen {
        let mut request = request
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if !self.cookies.is_empty() {
            let pairs = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            request = request.header(header::COOKIE, pairs.collect::<Vec<_>>().join("; "));
        }
        let request = request.body(Body::from(form.to_owned())).unwrap();
        let transport = HttpTransport::new().unwrap();
        let response = transport.oneshot(request).await.unwrap();
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let pair = cookie
                .to_str()
                .unwrap()
                .split(';')
                .next()
                .unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = response.headers().get(header::LOCATION);
        self.location = location.map(|it| it.to_str().unwrap().to_owned());
        let status = response.status();
        let body = response.into_body().collect_within(1 << 20).await.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        Seen { status, body }
    }
}

pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{text}"));
    rest.split_once(after).unwrap().0
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    let text = value.get(name).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("{value}")).to_owned()
}

pub(crate) async fn post_any(url: &str, form: &str) -> Seen {
    let request = Request::post(url).header("content-type", "application/x-www-form-urlencoded");
    send(request.body(Body::from(form.to_owned())).unwrap()).await
}

pub(crate) async fn post(url: &str, form: &str) -> Value {
    let seen = post_any(url, form).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    serde_json::from_str(&seen.body).unwrap()
}

/// The issuer of the page, which trusts this login.
async fn issuer(login: &Login) -> TestIssuer {
    let yaml = yaml_below(PAGE, "### The issuer for Spring");
    let yaml = yaml.replace("https://login.example", &login.issuer());
    let loader = Loader::new("hallpass").text("page", yaml);
    let loader = loader.environment([("ORDER_SERVICE_SECRET", SECRET)]);
    let settings = loader.load::<IssuerSettings>().unwrap().into_settings();
    TestIssuer::of(settings).start().await.unwrap()
}

/// `order-service` of the page, which calls both others for whoever calls it.
async fn order_service(
    login: &Login,
    issuer: &TestIssuer,
    logistics: &TestServer,
    billing: &SpringBoot,
) -> TestServer {
    let yaml = yaml_below(PAGE, "### order-service behind Spring");
    let yaml = yaml
        .replace("https://login.example", &login.issuer())
        .replace("https://auth.example/oauth2/token", &issuer.token_url());
    let billing = billing.url("");
    let billing = billing.trim_start_matches("http://");
    let places = format!(
        "hallpass: {{ discovery: {{ static: {{ logistics-service: ['{}'], service-billing: ['{billing}'] }} }} }}",
        logistics.address()
    );
    let loader = Loader::new("hallpass")
        .text("page", yaml)
        .text("places", places);
    let loader = loader.environment([("ORDER_SERVICE_SECRET", SECRET)]);
    let settings = loader.load::<Settings>().unwrap().into_settings();
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let logistics = BoxLogistics::new(FeignLogistics::new(hallpass.feign()).unwrap());
    let billing = BoxBilling::new(FeignBilling::new(hallpass.feign()).unwrap());
    let orders = get(move |user: CurrentUser| {
        let (logistics, billing) = (logistics.clone(), billing.clone());
        async move {
            let failed = |error: FeignError| json!({ "failed": error.code() });
            Json(json!({
                "user": user.subject().to_string(),
                "logistics": logistics.shipments().await.unwrap_or_else(failed),
                "billing": billing.whoami().await.unwrap_or_else(failed),
            }))
        }
    });
    let rule = Rule::all_scopes("orders:read".parse().unwrap());
    let guard = hallpass.resource_server().route_any("/orders", rule);
    let router = Router::new().route("/orders", orders);
    TestServer::start(router.layer(guard.build().unwrap().layer()))
        .await
        .unwrap()
}

/// The called service of the page: knows the issuer alone, and says whom it sees.
pub(crate) async fn logistics_service(issuer: &TestIssuer) -> TestServer {
    let yaml = yaml_below(PAGE, "The called services know the issuer alone");
    let yaml = yaml.replace("https://auth.example/oauth2/jwks", &issuer.jwks_url());
    let loader = Loader::new("hallpass").text("page", yaml);
    let settings = loader.load::<Settings>().unwrap().into_settings();
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let server = hallpass.resource_server();
    let guard = server
        .route_any("/shipments", Rule::Authenticated)
        .build()
        .unwrap();
    let shipments = get(async |caller: Caller| {
        let claims = serde_json::to_value(caller.claims()).unwrap_or_default();
        Json(json!({ "user": caller.is_user(), "claims": claims }))
    });
    let router = Router::new().route("/shipments", shipments);
    TestServer::start(router.layer(guard.layer()))
        .await
        .unwrap()
}

fn billing_service(issuer: &TestIssuer) -> Option<SpringBoot> {
    let below = "spring.security.oauth2.resourceserver.jwt";
    let keys = format!("{below}.jwk-set-uri={}", issuer.jwks_url());
    let audiences = format!("{below}.audiences=service-billing");
    SpringBoot::start("resource-server", 0, &[keys, audiences])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_act_for_a_user_of_spring_authorization_server_and_each_sees_who_and_for_whom() {
    let Some(login) = Login::start() else {
        return;
    };
    let issuer = issuer(&login).await;
    let Some(billing) = billing_service(&issuer) else {
        return;
    };
    let logistics = logistics_service(&issuer).await;
    let order = order_service(&login, &issuer, &logistics, &billing).await;
    let alice = login.log_in().await;
    for _ in 0..2 {
        let seen = crate::get(&order.url("/orders"), Some(&alice.access)).await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
        let seen: Value = serde_json::from_str(&seen.body).unwrap();
        let claims = seen
            .pointer("/logistics/claims")
            .unwrap_or_else(|| panic!("{seen}"));
        assert_eq!(seen.pointer("/logistics/user"), Some(&json!(true)));
        for (pointer, expected) in [
            ("/sub", json!("login|alice")),
            ("/sub_id/iss", json!(login.issuer())),
            ("/sub_id/sub", json!("alice")),
            ("/act/sub", json!("order-service")),
            ("/client_id", json!("order-service")),
            ("/aud", json!("logistics-service")),
            // She may write as well; that was not passed on.
            ("/scope", json!("orders:read")),
        ] {
            assert_eq!(
                claims.pointer(pointer),
                Some(&expected),
                "{pointer}: {claims}"
            );
        }
        let spring = seen.pointer("/billing").unwrap();
        assert_eq!(
            spring.pointer("/name"),
            Some(&json!("login|alice")),
            "{spring}"
        );
        let authorities = spring.pointer("/authorities").and_then(Value::as_array);
        assert!(
            authorities.unwrap().contains(&json!("SCOPE_orders:read")),
            "{spring}"
        );
        assert!(
            !authorities.unwrap().contains(&json!("SCOPE_orders:write")),
            "{spring}"
        );
    }
    assert_eq!(issuer.tokens_issued(), 2, "one for each callee");

    // Her own token was made for the shop, and for none of the called services.
    let direct = crate::get(&logistics.url("/shipments"), Some(&alice.access)).await;
    assert_eq!(direct.status, StatusCode::UNAUTHORIZED);
    let direct = crate::get(&billing.url("/whoami"), Some(&alice.access)).await;
    assert_eq!(direct.status, StatusCode::UNAUTHORIZED);

    refuses_all_else(&login, &issuer, &alice).await;
    assert_eq!(issuer.tokens_issued(), 2);
}

/// What else that server signs is nothing that order-service may act by.
async fn refuses_all_else(login: &Login, issuer: &TestIssuer, alice: &Tokens) {
    let by_itself = "grant_type=client_credentials&client_id=web-shop&client_secret=web-secret&scope=orders:read";
    let machine = post(&login.spring.url("/oauth2/token"), by_itself).await;
    for (token, target) in [
        (&alice.id, "logistics-service"),
        (&text(&machine, "access_token"), "logistics-service"),
        (&alice.access, "service-system"),
        (&format!("{}A", alice.access), "logistics-service"),
    ] {
        let form = format!(
            "grant_type={EXCHANGE}&subject_token={token}&subject_token_type={ACCESS_TOKEN}&audience={target}\
             &client_id=order-service&client_secret={SECRET}"
        );
        let refused = post_any(&issuer.token_url(), &form).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
    }
}

#[test]
fn the_pages_configuration_for_keycloak_loads() {
    let login = "https://login.example/realms/shop";
    let secret = [("ORDER_SERVICE_SECRET", SECRET)];
    let yaml = yaml_below(PAGE, "### The issuer for Keycloak");
    let loader = Loader::new("hallpass")
        .text("page", yaml)
        .environment(secret);
    let issuer = loader.load::<IssuerSettings>().unwrap().into_settings();
    assert_eq!(issuer.trusted_issuers[0].issuer, login);
    let rule = &issuer.clients[0].exchange[0];
    assert_eq!(rule.subject_issuer.as_ref().unwrap(), login);
    let yaml = yaml_below(PAGE, "### order-service behind Keycloak");
    let loader = Loader::new("hallpass")
        .text("page", yaml)
        .environment(secret);
    let service = loader.load::<Settings>().unwrap().into_settings();
    assert!(Hallpass::from_settings(&service).is_ok());
}
