//! A stock Spring Boot resource server judges tokens of the issuer here.

use hallpass::token::Algorithm;
use hallpass_issuer::AudienceSettings;
use hallpass_testkit::TestIssuer;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::java::SpringBoot;
use crate::{get, send};

/// Resource servers and what they say of the issuer, below `spring.security.oauth2.resourceserver.jwt`.
const AUDIENCES: [&str; 3] = ["spring", "spring-es256", "usual"];

async fn issuer() -> TestIssuer {
    let mut es256 = AudienceSettings::spring("spring-es256");
    es256.algorithm = Some(Algorithm::Es256);
    let mut builder = TestIssuer::builder()
        .named_by_its_address()
        .audience(AudienceSettings::spring("spring"))
        .audience(es256);
    for audience in AUDIENCES {
        builder = builder.client(audience, "Secret123!", "internal-service", audience);
    }
    builder.start().await.unwrap()
}

/// A token for `audience`, of the client that has its name.
async fn token(issuer: &TestIssuer, audience: &str) -> String {
    let form = format!(
        "grant_type=client_credentials&client_id={audience}&client_secret=Secret123!&scope=internal-service"
    );
    let request = Request::post(issuer.token_url())
        .header("content-type", "application/x-www-form-urlencoded");
    let seen = send(request.body(form.into()).unwrap()).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    body.get("access_token")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_spring_resource_server_takes_the_tokens_of_its_profile_and_refuses_the_usual_ones()
{
    let issuer = issuer().await;
    let property = |text: String| format!("spring.security.oauth2.resourceserver.jwt.{text}");
    let by_name = property(format!("issuer-uri={}", issuer.url("")));
    let by_keys = property(format!("jwk-set-uri={}", issuer.jwks_url()));
    let es256 = property("jws-algorithms=ES256".to_owned());
    for (properties, taken) in [
        (vec![by_name], &["spring", "spring-es256"][..]),
        (vec![by_keys.clone()], &["spring"]),
        (vec![by_keys, es256], &["spring-es256"]),
    ] {
        let Some(server) = SpringBoot::start("resource-server", 0, &properties) else {
            return;
        };
        for audience in AUDIENCES {
            let token = token(&issuer, audience).await;
            let seen = get(&server.url("/whoami"), Some(&token)).await;
            if !taken.contains(&audience) {
                assert_eq!(
                    seen.status,
                    StatusCode::UNAUTHORIZED,
                    "{properties:?} {audience}"
                );
                continue;
            }
            assert_eq!(seen.status, StatusCode::OK, "{properties:?} {audience}");
            let body: Value = serde_json::from_str(&seen.body).unwrap();
            let whole = json!({"name": audience, "authorities": ["SCOPE_internal-service"]});
            assert_eq!(body, whole);
        }
    }
}
