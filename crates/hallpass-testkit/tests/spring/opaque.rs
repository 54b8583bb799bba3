//! A service here that takes opaque tokens of Spring Authorization Server (`OAuth2TokenFormat.REFERENCE`): it asks about each.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, sleep};

use crate::authorization_server::{AuthorizationServer, secret_of};
use crate::foreign_issuer::post_any;
use crate::get;
use crate::guide::yaml_below;

/// The page with the block for such an issuer.
const PAGE: &str = include_str!("../../../../docs/introspection.md");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_takes_opaque_tokens_of_spring_until_spring_takes_them_back() {
    let opaque = ["order-service.token.access-token-format=reference".to_owned()];
    let Some(spring) = AuthorizationServer::start_with(&opaque) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, secret_of("order-service")).unwrap();
    let yaml = yaml_below(PAGE, "# Opaque tokens");
    let yaml = yaml.replace("/run/secrets/introspection", secret.to_str().unwrap());
    let yaml = yaml.replace(
        "introspection:\n",
        "introspection:\n            cache-seconds: 1\n",
    );
    let server = spring.service(&yaml).await;

    let token = spring.token("order-service", "internal-service").await;
    assert!(!token.contains('.'), "it is opaque");
    let orders = server.url("/orders");
    for _ in 0..3 {
        let seen = get(&orders, Some(&token)).await;
        assert_eq!(
            (seen.status, seen.body.as_str()),
            (StatusCode::OK, "order-service")
        );
    }
    let internal = get(&server.url("/internal/report"), Some(&token)).await;
    assert_eq!(
        internal.status,
        StatusCode::FORBIDDEN,
        "its issuer is not internal"
    );
    // A JWT of the same server, and what nobody gave out.
    let jwt = spring.token("billing", "internal-service").await;
    assert_eq!(jwt.split('.').count(), 3);
    for other in [jwt.as_str(), "made-up"] {
        assert_eq!(
            get(&orders, Some(other)).await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    let secret = secret_of("order-service");
    let form = format!("token={token}&client_id=order-service&client_secret={secret}");
    let revoked = post_any(&spring.0.url("/oauth2/revoke"), &form).await;
    assert_eq!(revoked.status, StatusCode::OK, "{}", revoked.body);
    let began = Instant::now();
    while get(&orders, Some(&token)).await.status != StatusCode::UNAUTHORIZED {
        assert!(began.elapsed() < Duration::from_secs(10), "never refused");
        sleep(Duration::from_millis(20)).await;
    }
}
