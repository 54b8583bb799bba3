//! What a client is told of a token, signed; and how often one may have tokens revoked.

use std::time::Duration;

use hallpass_token::{Algorithms, JwkSet, verify_jws};
use serde_json::{Value, json};

use crate::harness::{Harness, NOW, Response, basic, client, request};
use crate::revocation::{OTHER_SECRET, entries, introspect_as, post, revoke_as, start};

/// What is said of `token` to the service, signed.
async fn signed_introspection(harness: &Harness, token: &str) -> Response {
    let lines = [
        "Content-Type: application/x-www-form-urlencoded".to_owned(),
        "Accept: application/token-introspection+jwt".to_owned(),
        basic("service-system", OTHER_SECRET),
    ];
    let form = format!("token={token}");
    let request = request("POST /oauth2/introspect", &lines, form.as_bytes());
    harness.send(&request).await
}

#[tokio::test]
async fn who_asks_for_a_signed_response_gets_what_is_said_for_itself_alone() {
    let harness = start().await;
    let token = harness.token().await;
    for (token, active) in [(token.as_str(), true), ("nonsense", false)] {
        let plain = introspect_as(&harness, "service-system", token).await;
        let signed = signed_introspection(&harness, token).await;
        let media = signed.header("content-type");
        assert_eq!(media, Some("application/token-introspection+jwt"));
        assert_eq!(signed.header("cache-control"), Some("no-store"));
        let keys = JwkSet::parse(&harness.issuer.jwks()).unwrap();
        let payload = verify_jws(&signed.body, &keys, Algorithms::ALL).unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        let expected = json!({
            "iss": "internal",
            "aud": "service-system",
            "iat": NOW,
            "token_introspection": plain,
        });
        assert_eq!(payload, expected);
        assert_eq!(payload["token_introspection"]["active"], active);
    }
    let lines = ["Accept: application/token-introspection+jwt".to_owned()];
    let refused = request("POST /oauth2/introspect", &lines, b"");
    let refused = harness.send(&refused).await;
    assert_eq!(refused.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_signed_response_is_a_token_nowhere() {
    let harness = start().await;
    let signed = signed_introspection(&harness, &harness.token().await)
        .await
        .body;
    let refused = harness.verify(&signed, "service-system").await;
    assert!(refused.is_err(), "{refused:?}");
    let told = introspect_as(&harness, "service-system", &signed).await;
    assert_eq!(told, json!({ "active": false }));
    assert_eq!(
        revoke_as(&harness, "service-system", &signed).await.status,
        200
    );
    assert_eq!(entries(&harness).await.len(), 0);
}

#[tokio::test]
async fn a_client_that_revokes_too_much_waits_and_no_other_does() {
    let harness = Harness::with(|settings| {
        settings.revocations_per_client_per_second = 1.try_into().unwrap();
        let other = client("other", OTHER_SECRET, &[], &["service-system"]);
        settings.clients.push(other);
    })
    .await;
    // The clock stands still: ten may come at once, whatever they are about.
    for _ in 0..10 {
        assert_eq!(revoke_as(&harness, "c", "nonsense").await.status, 200);
    }
    let token = harness.token().await;
    let refused = revoke_as(&harness, "c", &token).await;
    assert_eq!(
        refused.refusal(),
        (429, "temporarily_unavailable".to_owned())
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(entries(&harness).await.len(), 0, "nothing is revoked");
    assert_eq!(revoke_as(&harness, "other", "nonsense").await.status, 200);
    let unknown = post(&harness, "/oauth2/revoke", "nobody", "token=a").await;
    assert_eq!(unknown.status, 401);
    harness.clock.advance(Duration::from_secs(1));
    assert_eq!(revoke_as(&harness, "c", &token).await.status, 200);
    assert_eq!(entries(&harness).await.len(), 1);
    assert_eq!(revoke_as(&harness, "c", &token).await.status, 429);
}
