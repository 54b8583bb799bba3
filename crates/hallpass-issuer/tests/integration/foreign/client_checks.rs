//! What checking a client's token of a trusted issuer costs, and what is shown for the keys.

use std::time::Duration;

use hallpass_issuer::ClientAuthentication;

use super::*;
use crate::foreign::clients::{Cluster, ORDERS, by};

#[tokio::test]
async fn who_guesses_is_soon_refused_without_a_check() {
    let cluster = Cluster::kubernetes().await;
    let stranger = Authority::start().await.sign_anything(&cluster.alike());
    for _ in 0..60 {
        cluster.ask(&stranger, "").await;
    }
    let response = cluster.ask(&stranger, "").await;
    assert_eq!(
        (response.status, response.header("retry-after").is_some()),
        (429, true)
    );
}

#[tokio::test]
async fn who_forges_another_token_each_time_is_refused_without_a_check_too() {
    let cluster = Cluster::kubernetes().await;
    let stranger = Authority::start().await;
    // All in one name, and each in another one: what one address may fail at has an end.
    let forged = |number: u64| {
        let mut claims = cluster.alike();
        claims["jti"] = number.to_string().into();
        if number.is_multiple_of(2) {
            claims["sub"] = format!("system:serviceaccount:shop:{number}").into();
        }
        stranger.sign_anything(&claims)
    };
    let mut checked = 0;
    for number in 0..300 {
        let response = cluster.ask(&forged(number), "").await;
        checked += usize::from(response.status == 401);
    }
    // A hundred of the address, and twenty that it may try first.
    assert!(checked <= 130, "{checked}");
    assert_eq!(cluster.ask(&forged(300), "").await.status, 429);
}

#[tokio::test]
async fn forged_tokens_and_a_broken_pod_keep_no_right_workload_at_their_address_waiting() {
    let billing = "system:serviceaccount:shop:billing";
    let cluster = Cluster::start("kubernetes", "", |issuer| {
        let of = |subject| by(issuer, Some(subject), &[]);
        vec![("orders", of(ORDERS)), ("billing", of(billing))]
    })
    .await;
    let orders = cluster.token(|_| {});
    cluster.ask(&orders, "").await.token();
    let stranger = Authority::start().await.sign_anything(&cluster.alike());
    for query in ["", "&client_id=orders"] {
        for _ in 0..45 {
            cluster.ask(&stranger, query).await;
        }
        let response = cluster.ask(&stranger, query).await;
        assert_eq!(response.status, 429, "{query}");
        // Forged in its name, and yet it was right before.
        cluster.ask(&orders, query).await.token();
    }
    let token = cluster.token(|claims| claims.subject = billing.parse().unwrap());
    cluster.ask(&token, "").await.token();

    // It shows what its node failed to renew, again and again.
    let cluster = Cluster::kubernetes().await;
    let ended = cluster.token(|claims| claims.expires_at = UnixTime::from_secs(NOW));
    for _ in 0..150 {
        cluster.refused(&ended, "expired_assertion").await;
    }
    cluster.ask(&cluster.token(|_| {}), "").await.token();
}

#[tokio::test]
async fn the_bearer_token_is_shown_to_nobody_but_the_issuer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first").unwrap();
    for is_elsewhere in [true, false] {
        let (login, bucket) = (Authority::start().await, Authority::start().await);
        bucket.put_keys(&[login.key.public_jwk().to_json()]);
        let keys_of = if is_elsewhere { &bucket } else { &login };
        let address = format!("{}{}", keys_of.issuer(), authority::KEYS);
        let document = json!({ "issuer": login.issuer(), "jwks_uri": address });
        login.put(authority::OPENID, &document);
        let harness = Harness::with(|settings| {
            let mut trusted = TrustedIssuerSettings::new("login", login.issuer());
            trusted.jwks_bearer_file = Some(file.clone());
            settings.trusted_issuers = vec![trusted];
            let mut orders = client("orders", SECRET, &["read"], &["logistics"]);
            let rule = by(&login.issuer(), Some(ORDERS), &[]);
            orders.authentication = ClientAuthentication::FederatedJwt(vec![rule]);
            settings.clients.push(orders);
        })
        .await;
        let cluster = Cluster {
            authority: login,
            harness,
        };
        let token = cluster.token(|claims| claims.token_id = Some("1".parse().unwrap()));
        cluster.ask(&token, "").await.token();
        let of_bearer = Some("Bearer first".to_owned());
        assert_eq!(cluster.authority.last_bearer(), of_bearer);
        assert_eq!(
            (cluster.authority.asked(), bucket.asked()),
            if is_elsewhere { (1, 1) } else { (2, 0) }
        );
        assert_eq!(bucket.last_bearer(), None);
    }
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
