//! Services here that accept tokens of Spring Authorization Server.

use std::net::TcpListener;

use axum::{Router, routing::get};
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::upstream::Body;
use hallpass_testkit::TestServer;
use http::{Request, StatusCode};
use serde_json::Value;

use crate::java::SpringBoot;
use crate::send;

/// The page whose blocks are tried.
const GUIDE: &str = include_str!("../../../../docs/migration-from-spring.md");

/// Spring Authorization Server with one client for `client_credentials`.
struct AuthorizationServer(SpringBoot);

impl AuthorizationServer {
    fn start() -> Option<Self> {
        // Its own name has the port in it, so that is chosen before.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let client = "spring.security.oauth2.authorizationserver.client.shop";
        let properties = [
            format!("spring.security.oauth2.authorizationserver.issuer=http://127.0.0.1:{port}"),
            format!("{client}.registration.client-id=order-service"),
            format!("{client}.registration.client-secret={{noop}}secret"),
            format!("{client}.registration.client-authentication-methods=client_secret_basic"),
            format!("{client}.registration.authorization-grant-types=client_credentials"),
            format!("{client}.registration.scopes=internal-service,orders:read"),
        ];
        SpringBoot::start("authorization-server", port, &properties).map(Self)
    }

    /// A token of the client, as any client gets one.
    async fn token(&self, scope: &str) -> String {
        let form = format!("grant_type=client_credentials&scope={scope}");
        let request = Request::post(self.0.url("/oauth2/token"))
            .header("authorization", "Basic b3JkZXItc2VydmljZTpzZWNyZXQ=")
            .header("content-type", "application/x-www-form-urlencoded");
        let seen = send(request.body(Body::from(form)).unwrap()).await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        body.get("access_token")
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned()
    }
}

/// The block of the guide below the heading that begins like this.
fn block(heading: &str) -> String {
    let (_, section) = GUIDE.split_once(heading).unwrap();
    let (_, block) = section.split_once("```yaml\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guides_configuration_takes_tokens_of_spring_authorization_server() {
    let Some(spring) = AuthorizationServer::start() else {
        return;
    };
    let yaml = block("## A service here that accepts tokens of Spring Authorization Server");
    assert!(yaml.contains("https://auth.example"), "{yaml}");
    let yaml = yaml.replace("https://auth.example", &spring.0.url(""));
    let settings = Loader::new("hallpass")
        .text("guide", yaml)
        .load::<Settings>()
        .unwrap();
    let hallpass = Hallpass::from_settings(settings.settings()).unwrap();
    let rule = Rule::InternalOnly("internal-service".parse().unwrap());
    let guard = hallpass
        .resource_server()
        .route_any("/orders", Rule::Authenticated)
        .route_any("/internal/report", rule)
        .build()
        .unwrap();
    let caller = get(async |caller: Caller| caller.subject().to_string());
    let router = Router::new()
        .route("/orders", caller.clone())
        .route("/internal/report", caller)
        .layer(guard.layer());
    let server = TestServer::start(router).await.unwrap();
    let token = spring.token("internal-service").await;
    for path in ["/orders", "/internal/report"] {
        let seen = crate::get(&server.url(path), Some(&token)).await;
        let expected = (StatusCode::OK, "order-service");
        assert_eq!((seen.status, seen.body.as_str()), expected, "{path}");
        let refused = crate::get(&server.url(path), None).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    // A service without the scope is a service, and lacks the scope.
    let other = spring.token("orders:read").await;
    let refused = crate::get(&server.url("/internal/report"), Some(&other)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.body.contains("insufficient_scope"),
        "{}",
        refused.body
    );
}
