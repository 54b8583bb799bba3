//! A stock Spring Boot resource server judges tokens of the issuer here.

use hallpass::config::Loader;
use hallpass::token::{Algorithm, TokenType};
use hallpass_issuer::{AudienceSettings, IssuerSettings};
use hallpass_testkit::TestIssuer;
use http::StatusCode;
use serde_json::{Value, json};

use crate::java::SpringBoot;
use crate::{get, guide_block, service_token};

pub(crate) const SECRET: &str = "Secret123!";
/// Services of the guide: one takes RS256, the other ES256.
const SYSTEM: &str = "service-system";
const BILLING: &str = "service-billing";
/// Services whose tokens a stock resource server cannot take: as usual, and with the algorithm that it does not know.
const USUAL: &str = "usual";
const EDDSA: &str = "eddsa";

/// An issuer with the configuration of the guide, and the services that are not in it.
pub(crate) async fn issuer() -> TestIssuer {
    let yaml = guide_block("## A Spring resource server that accepts tokens of `hallpass issuer`");
    let settings = Loader::new("hallpass")
        .text("guide", yaml)
        .environment([("ORDER_SERVICE_SECRET", SECRET)])
        .load::<IssuerSettings>()
        .unwrap()
        .into_settings();
    let mut eddsa = AudienceSettings::new(EDDSA);
    eddsa.algorithm = Some(Algorithm::EdDsa);
    eddsa.token_type = TokenType::Jwt;
    TestIssuer::of(settings)
        .named_by_its_address()
        .audience(eddsa)
        .client(USUAL, SECRET, "internal-service", USUAL)
        .client(EDDSA, SECRET, "internal-service", EDDSA)
        .start()
        .await
        .unwrap()
}

/// A token for `audience`: of the guide's client, which is registered for several, or of the client of that name.
async fn token(issuer: &TestIssuer, audience: &str) -> String {
    let client = match audience {
        SYSTEM | BILLING => "order-service",
        other => other,
    };
    let asked = format!("scope=internal-service&audience={audience}");
    service_token(&issuer.token_url(), client, SECRET, &asked).await
}

/// Properties below those of a resource server that takes JWTs.
fn properties(texts: &[&str]) -> Vec<String> {
    let below = |text: &&str| format!("spring.security.oauth2.resourceserver.jwt.{text}");
    texts.iter().map(below).collect()
}

/// What the program at `server` makes of a call with this token, or without one.
async fn judged(server: &SpringBoot, token: Option<&str>) -> StatusCode {
    get(&server.url("/whoami"), token).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_spring_resource_server_takes_the_tokens_of_its_profile_and_refuses_the_usual_ones()
{
    let issuer = issuer().await;
    let by_name = format!("issuer-uri={}", issuer.url(""));
    let by_keys = format!("jwk-set-uri={}", issuer.jwks_url());
    for (texts, taken) in [
        (vec![by_name.as_str()], &[SYSTEM, BILLING][..]),
        (vec![by_keys.as_str()], &[SYSTEM]),
        (vec![by_keys.as_str(), "jws-algorithms=ES256"], &[BILLING]),
    ] {
        let Some(server) = SpringBoot::start("resource-server", 0, &properties(&texts)) else {
            return;
        };
        assert_eq!(judged(&server, None).await, StatusCode::UNAUTHORIZED);
        for audience in [SYSTEM, BILLING, USUAL, EDDSA] {
            let token = token(&issuer, audience).await;
            let seen = get(&server.url("/whoami"), Some(&token)).await;
            if !taken.contains(&audience) {
                let refused = StatusCode::UNAUTHORIZED;
                assert_eq!(seen.status, refused, "{texts:?} {audience}");
                continue;
            }
            assert_eq!(seen.status, StatusCode::OK, "{texts:?} {audience}");
            let body: Value = serde_json::from_str(&seen.body).unwrap();
            assert_eq!(body.get("name"), Some(&json!("order-service")));
            // Spring Security 7 adds one of its own, `FACTOR_BEARER`.
            let authorities = body.get("authorities").and_then(Value::as_array);
            let scope = json!("SCOPE_internal-service");
            assert!(authorities.unwrap().contains(&scope), "{body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spring_resource_server_with_audiences_refuses_tokens_for_other_services() {
    let issuer = TestIssuer::builder()
        .audience(AudienceSettings::spring(TestIssuer::AUDIENCE))
        .audience(AudienceSettings::spring("other"))
        .client("other", SECRET, "internal-service", "other")
        .start()
        .await
        .unwrap();
    let ours = service_token(
        &issuer.token_url(),
        TestIssuer::CLIENT_ID,
        TestIssuer::CLIENT_SECRET,
        "",
    )
    .await;
    let others = service_token(&issuer.token_url(), "other", SECRET, "").await;
    let by_keys = format!("jwk-set-uri={}", issuer.jwks_url());
    let audiences = format!("audiences={}", TestIssuer::AUDIENCE);
    // The name that Spring compares with `iss`, and whether it takes the token then: with the address of the keys beside
    // it, it asks nothing at that name.
    for (name, taken) in [
        (None, true),
        (Some("issuer-uri=internal"), true),
        (Some("issuer-uri=https://auth.example"), false),
    ] {
        let texts: Vec<_> = [by_keys.as_str(), audiences.as_str()]
            .into_iter()
            .chain(name)
            .collect();
        let Some(server) = SpringBoot::start("resource-server", 0, &properties(&texts)) else {
            return;
        };
        let expected = if taken {
            StatusCode::OK
        } else {
            StatusCode::UNAUTHORIZED
        };
        assert_eq!(judged(&server, Some(&ours)).await, expected, "{texts:?}");
        let refused = StatusCode::UNAUTHORIZED;
        assert_eq!(judged(&server, Some(&others)).await, refused, "{texts:?}");
        assert_eq!(judged(&server, None).await, refused, "{texts:?}");
    }
    // Without `audiences` the key alone decides: whoever has a token for another service gets in.
    let Some(server) = SpringBoot::start("resource-server", 0, &properties(&[&by_keys])) else {
        return;
    };
    assert_eq!(judged(&server, Some(&others)).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spring_resource_server_with_the_guides_decoder_takes_the_usual_tokens_and_no_others() {
    let issuer = issuer().await;
    let mut arguments = properties(&[
        &format!("jwk-set-uri={}", issuer.jwks_url()),
        &format!("issuer-uri={}", issuer.url("")),
        "audiences=usual",
    ]);
    arguments.push("spring.profiles.active=at-jwt".to_owned());
    let Some(server) = SpringBoot::start("resource-server", 0, &arguments) else {
        return;
    };
    let usual = token(&issuer, USUAL).await;
    assert_eq!(judged(&server, Some(&usual)).await, StatusCode::OK);
    let refused = StatusCode::UNAUTHORIZED;
    for audience in [SYSTEM, BILLING, EDDSA] {
        let token = token(&issuer, audience).await;
        assert_eq!(judged(&server, Some(&token)).await, refused, "{audience}");
    }
    assert_eq!(judged(&server, None).await, refused);
    // The usual form, for another service, and by another name.
    for (name, audience) in [(issuer.url(""), "other"), ("internal".to_owned(), USUAL)] {
        let other = TestIssuer::builder()
            .name(&name)
            .client("other", SECRET, "internal-service", audience)
            .start()
            .await
            .unwrap();
        let mut arguments = properties(&[
            &format!("jwk-set-uri={}", other.jwks_url()),
            &format!("issuer-uri={}", issuer.url("")),
            "audiences=usual",
        ]);
        arguments.push("spring.profiles.active=at-jwt".to_owned());
        let Some(server) = SpringBoot::start("resource-server", 0, &arguments) else {
            return;
        };
        let token = service_token(&other.token_url(), "other", SECRET, "").await;
        assert_eq!(judged(&server, Some(&token)).await, refused, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_spring_service_that_asks_about_tokens_is_told_of_its_own_until_they_are_revoked() {
    const ASKER: &str = "service-billing";
    let issuer = TestIssuer::builder()
        .client("order-service", SECRET, "internal-service", ASKER)
        .client("other", SECRET, "internal-service", "service-system")
        .client(ASKER, SECRET, "internal-service", "service-system")
        .start()
        .await
        .unwrap();
    let properties = [
        format!("introspection-uri={}", issuer.url("/oauth2/introspect")),
        format!("client-id={ASKER}"),
        format!("client-secret={SECRET}"),
    ];
    let below = |text| format!("spring.security.oauth2.resourceserver.opaquetoken.{text}");
    let Some(server) = SpringBoot::start("resource-server", 0, &properties.map(below)) else {
        return;
    };
    let (url, scope) = (issuer.token_url(), "scope=internal-service");
    let token = service_token(&url, "order-service", SECRET, scope).await;
    let seen = get(&server.url("/whoami"), Some(&token)).await;
    assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body.get("name"), Some(&json!("order-service")));
    assert!(seen.body.contains("SCOPE_internal-service"), "{body}");

    let refused = StatusCode::UNAUTHORIZED;
    let others = service_token(&url, "other", SECRET, scope).await;
    assert_eq!(judged(&server, Some(&others)).await, refused);
    let form = format!("client_id=order-service&client_secret={SECRET}&token={token}");
    let request = http::Request::post(issuer.url("/oauth2/revoke"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(hallpass::upstream::Body::from(form));
    assert_eq!(crate::send(request.unwrap()).await.status, StatusCode::OK);
    assert_eq!(judged(&server, Some(&token)).await, refused);
}
