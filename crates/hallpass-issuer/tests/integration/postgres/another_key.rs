//! Several issuers on a database that is sealed with another key: one after the other is restarted.

use super::*;

const NEXT: &str = "the next key-encryption key, of 32 bytes and more";

/// As an operator restarts it: the new key, and the one of before beside it.
async fn with_next_key(harness: Harness) -> Harness {
    let mut settings = harness.settings.clone();
    settings.key_encryption_key = Some(Secret::new(NEXT));
    settings.previous_key_encryption_key = Some(Secret::new(KEY));
    harness.issuer.shutdown().await.unwrap();
    let issuer = IssuerServer::start(&settings, harness.clock.clone()).await;
    Harness {
        issuer: issuer.unwrap(),
        settings,
        ..harness
    }
}

#[tokio::test]
async fn issuers_with_the_old_key_issue_tokens_until_they_are_restarted_and_none_seals_it_back() {
    let Some(server) = shared().await else {
        return;
    };
    let one = start(&server).await;
    let other = beside(&one).await;
    let (refresh_token_of_before, keys) = (begin(&one).await, one.issuer.jwks());
    let one = with_next_key(one).await;
    assert_eq!(one.issuer.jwks(), keys, "nothing changes for verifiers");
    until(
        "the other one says that it has lost the store",
        async || {
            let said = health(&other).await;
            (said.starts_with("ready\ndegraded")).then_some(())
        },
    )
    .await;
    // Tokens go on there, and what needs the store has to come again.
    let token = other.token().await;
    one.verify(&token, "service-system").await.unwrap();
    let refused = refresh(&other, &refresh_token_of_before).await;
    assert_eq!(refused.refusal(), (503, "temporarily_unavailable".into()));
    let next = refresh_token(&refresh(&one, &refresh_token_of_before).await);
    // Whoever starts with the old key alone changes nothing.
    let stale = IssuerServer::start(&other.settings, other.clock.clone()).await;
    let error = stale.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::WrongSealingKey { .. }), "{error}");
    assert_eq!(health(&one).await, "ready\n");

    let other = with_next_key(other).await;
    assert_eq!(other.issuer.jwks(), keys);
    for harness in [&one, &other] {
        assert_eq!(health(harness).await, "ready\n");
    }
    let last = refresh(&other, &next).await;
    assert_eq!(last.status, 200, "{last:?}");
    let last = refresh(&one, &refresh_token(&last)).await;
    assert_eq!(last.status, 200, "{last:?}");
}
