//! Services here that accept tokens of Spring Authorization Server.

use std::net::TcpListener;

use axum::{Router, routing::get};
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::token::{Algorithm, AssertionSigner, JwkSet};
use hallpass_testkit::TestServer;
use http::StatusCode;

use crate::guide::{block, yaml_below};
use crate::java::SpringBoot;
use crate::service_token;

/// The page with a block for each product.
const INTEROP: &str = include_str!("../../../../docs/interop.md");

/// Clients of the estate: one that the guide's block lists, one that the block of the other page lists, and one that no
/// block lists.
const CLIENTS: [&str; 3] = ["order-service", "billing", "stranger"];

/// Spring Authorization Server with some clients for `client_credentials`.
pub(crate) struct AuthorizationServer(pub(crate) SpringBoot);

impl AuthorizationServer {
    fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// With further properties of clients, each without what all of them begin with.
    pub(crate) fn start_with(further: &[String]) -> Option<Self> {
        // Its own name has the port in it, so that is chosen before.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let below = "spring.security.oauth2.authorizationserver";
        let mut properties = vec![format!("{below}.issuer=http://127.0.0.1:{port}")];
        for client in CLIENTS {
            let of = format!("{below}.client.{client}.registration");
            properties.extend([
                format!("{of}.client-id={client}"),
                format!("{of}.client-secret={{noop}}{}", secret_of(client)),
                format!("{of}.client-authentication-methods=client_secret_post"),
                format!("{of}.authorization-grant-types=client_credentials"),
                format!("{of}.scopes=internal-service,orders:read"),
            ]);
        }
        properties.extend(further.iter().map(|it| format!("{below}.client.{it}")));
        SpringBoot::start("authorization-server", port, &properties).map(Self)
    }

    /// A token of a client, as any client gets one.
    pub(crate) async fn token(&self, client: &str, scope: &str) -> String {
        let scope = format!("scope={scope}");
        service_token(
            &self.0.url("/oauth2/token"),
            client,
            &secret_of(client),
            &scope,
        )
        .await
    }

    /// A service with the configuration of a page, whose issuer is this one.
    pub(crate) async fn service(&self, yaml: &str) -> TestServer {
        assert!(yaml.contains("https://auth.example"), "{yaml}");
        let yaml = yaml.replace("https://auth.example", &self.0.url(""));
        let settings = Loader::new("hallpass")
            .text("page", yaml)
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
        TestServer::start(router).await.unwrap()
    }
}

/// Two clients with the same secret stop the start of Spring Authorization Server.
pub(crate) fn secret_of(client: &str) -> String {
    format!("secret-of-{client}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guides_configuration_takes_tokens_of_spring_authorization_server() {
    let Some(spring) = AuthorizationServer::start() else {
        return;
    };
    let guide = block("## A service here that accepts tokens of Spring Authorization Server");
    let interop = yaml_below(INTEROP, "## Spring Authorization Server");
    for (yaml, client) in [(guide, "order-service"), (interop, "billing")] {
        let server = spring.service(&yaml).await;
        let token = spring.token(client, "internal-service").await;
        for path in ["/orders", "/internal/report"] {
            let seen = crate::get(&server.url(path), Some(&token)).await;
            let expected = (StatusCode::OK, client);
            assert_eq!((seen.status, seen.body.as_str()), expected, "{path}");
            let refused = crate::get(&server.url(path), None).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}");
        }
        // A service without the scope is a service, and lacks the scope.
        let other = spring.token(client, "orders:read").await;
        let refused = crate::get(&server.url("/internal/report"), Some(&other)).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(
            refused.body.contains("insufficient_scope"),
            "{}",
            refused.body
        );
        // A client that the page does not list gets nowhere, although the server gives it the scope.
        let stranger = spring.token("stranger", "internal-service").await;
        for path in ["/orders", "/internal/report"] {
            let refused = crate::get(&server.url(path), Some(&stranger)).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}");
            assert!(refused.body.contains("invalid_token"), "{}", refused.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_here_gets_its_tokens_of_spring_authorization_server_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = AssertionSigner::generate(Algorithm::Es256).unwrap();
    let file = folder.path().join("order.pem");
    std::fs::write(&file, key.to_pem().unwrap().as_str()).unwrap();
    let keys = JwkSet::new([key.public_jwk()]).to_json().to_string();
    let keys = Router::new().route("/jwks", get(async move || keys));
    let keys = TestServer::start(keys).await.unwrap();
    let signer = [
        "signer.registration.client-id=signer".to_owned(),
        "signer.registration.client-authentication-methods=private_key_jwt".to_owned(),
        "signer.registration.authorization-grant-types=client_credentials".to_owned(),
        "signer.registration.scopes=internal-service".to_owned(),
        "signer.token-endpoint-authentication-signing-algorithm=ES256".to_owned(),
        format!("signer.jwk-set-uri={}", keys.url("/jwks")),
    ];
    let Some(spring) = AuthorizationServer::start_with(&signer) else {
        return;
    };
    let yaml = block("### A service here that gets its tokens from Spring Authorization Server");
    let yaml = yaml
        .replace("https://auth.example", &spring.0.url(""))
        .replace("/run/secrets/order-service.pem", file.to_str().unwrap())
        .replace("client-id: order-service", "client-id: signer");
    for (what, yaml, taken) in [
        ("as the guide says", yaml.clone(), true),
        (
            "with the explicit type",
            yaml.replace("assertion-typ: JWT", ""),
            false,
        ),
    ] {
        let settings = Loader::new("hallpass").text("guide", yaml);
        let settings = settings.load::<Settings>().unwrap();
        let hallpass = Hallpass::from_settings(settings.settings()).unwrap();
        let wanted = ("logistics-service".parse().unwrap(), "".parse().unwrap());
        // A server that has just started may be slower than a token request waits.
        let got = async {
            loop {
                match hallpass.tokens().service_token(&wanted.0, &wanted.1).await {
                    Err(error) if error.code() == "timeout" || error.code() == "backing_off" => {
                        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    }
                    done => break done,
                }
            }
        };
        let limit = std::time::Duration::from_secs(120);
        let got = tokio::time::timeout(limit, got).await.unwrap();
        assert_eq!(got.is_ok(), taken, "{what}: {:?}", got.err());
    }
}
