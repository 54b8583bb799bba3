//! What checking a client's token of a trusted issuer costs, and what is shown for the keys.

use std::time::Duration;

use super::*;
use crate::foreign::clients::{Cluster, ORDERS, by};

#[tokio::test]
async fn who_guesses_is_soon_refused_without_a_check() {
    let cluster = Cluster::kubernetes().await;
    let stranger = Authority::start().await.sign_anything(&cluster.alike());
    for _ in 0..40 {
        cluster.ask(&stranger, "").await;
    }
    let response = cluster.ask(&stranger, "").await;
    assert_eq!(
        (response.status, response.header("retry-after").is_some()),
        (429, true)
    );
}

#[tokio::test]
async fn keys_are_asked_for_with_the_bearer_token_that_its_file_has_now() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    let more = format!("jwks-bearer-file: '{}'", file.display());
    let cluster = Cluster::start("kubernetes", &more, |issuer| {
        vec![("orders", by(issuer, Some(ORDERS), &[]))]
    })
    .await;
    cluster.ask(&cluster.token(|_| {}), "").await.token();
    assert_eq!(
        cluster.authority.last_bearer().as_deref(),
        Some("Bearer first")
    );
    std::fs::write(&file, "second\n").unwrap();
    cluster.harness.clock.advance(Duration::from_secs(3_600));
    let later = cluster.token(|claims| {
        claims.issued_at = Some(UnixTime::from_secs(NOW + 3_600));
        claims.expires_at = UnixTime::from_secs(NOW + 7_200);
    });
    cluster.ask(&later, "").await.token();
    assert_eq!(
        cluster.authority.last_bearer().as_deref(),
        Some("Bearer second")
    );
}
