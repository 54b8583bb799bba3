//! What is not taken of an issuer that is trusted.

use std::time::Duration;

use hallpass_token::Confirmation;

use super::*;

#[tokio::test]
async fn what_is_no_access_token_is_not_exchanged() {
    let estate = Estate::start().await;
    let untyped = estate.login.sign(&estate.alice(), TokenType::Jwt);
    estate
        .refused("order", &untyped, "subject_not_access_token")
        .await;

    let estate = Estate::with(|settings| {
        settings.trusted_issuers[0].dangerous_accept_untyped = true;
        settings.clients[0].exchange[0].subject_audiences = vec!["web".parse().unwrap()];
    })
    .await;
    let untyped = |change: &dyn Fn(&mut TokenClaims)| {
        let mut claims = estate.alice();
        change(&mut claims);
        estate.login.sign(&claims, TokenType::Jwt)
    };
    estate
        .exchange("order", &untyped(&|_| {}), "")
        .await
        .token();
    let bearer = untyped(&|claims| drop(claims.extra.insert("typ".into(), "Bearer".into())));
    estate.exchange("order", &bearer, "").await.token();
    for (name, value) in [
        ("typ", json!("ID")),
        ("typ", json!("Refresh")),
        ("typ", json!(1)),
        ("at_hash", json!("x")),
        ("c_hash", json!("x")),
        ("nonce", json!("x")),
        ("events", json!({})),
    ] {
        let token = untyped(&|claims| drop(claims.extra.insert(name.into(), value.clone())));
        estate
            .refused("order", &token, "subject_not_access_token")
            .await;
    }
    // As Spring Authorization Server writes ID tokens: for the client that logs in, without a scope.
    let id_token = untyped(&|claims| {
        claims.audience = vec!["web".parse().unwrap()];
        claims.scope = hallpass_token::Scope::empty();
        claims.client_id = None;
        claims.extra.insert("azp".into(), "web".into());
    });
    estate
        .refused("order", &id_token, "subject_not_access_token")
        .await;
    let access_token = untyped(&|claims| claims.audience = vec!["web".parse().unwrap()]);
    estate.exchange("order", &access_token, "").await.token();
}

#[tokio::test]
async fn a_token_has_an_age_and_an_end() {
    let estate = Estate::with(|settings| {
        settings.trusted_issuers[0].max_age = Some(Duration::from_secs(60));
    })
    .await;
    let issued =
        |at: Option<u64>| estate.signed(|claims| claims.issued_at = at.map(UnixTime::from_secs));
    estate
        .exchange("order", &issued(Some(NOW - 60)), "")
        .await
        .token();
    for old in [Some(NOW - 70), Some(NOW - 3_600), None] {
        estate
            .refused("order", &issued(old), "subject_token_too_old")
            .await;
    }
    estate
        .refused("order", &issued(Some(NOW + 60)), "invalid_subject_token")
        .await;
    for ended in [NOW - 3_600, NOW] {
        let token = estate.signed(|claims| claims.expires_at = UnixTime::from_secs(ended));
        // Not within the leeway of clocks either: nothing is made to live on.
        estate
            .refused("order", &token, "expired_subject_token")
            .await;
    }
    let bound = estate.signed(|claims| claims.confirmation = Some(Confirmation::default()));
    estate.refused("order", &bound, "bound_subject_token").await;
}

#[tokio::test]
async fn a_foreign_token_without_a_client_is_refused_unless_opted_in() {
    let estate = Estate::start().await;
    let token = estate.signed(|claims| claims.client_id = None);
    estate
        .refused("order", &token, "subject_of_unknown_origin")
        .await;
    let mut settings = estate.harness.settings.clone();
    // A rule of another issuer opts nobody in.
    let mut own = rule(&[SubjectKind::User], "billing", "");
    own.dangerous_subjects_of_unknown_origin = true;
    settings.clients[0].exchange.push(own);
    estate.harness.issuer.apply(&settings).await.unwrap();
    estate
        .refused("order", &token, "subject_of_unknown_origin")
        .await;
    settings.clients[0].exchange[0].dangerous_subjects_of_unknown_origin = true;
    estate.harness.issuer.apply(&settings).await.unwrap();
    let response = estate.exchange("order", &token, "").await;
    assert_eq!(
        estate.claims(&response, "logistics").await["sub"],
        "login|alice"
    );
}

#[tokio::test]
async fn a_foreign_token_is_never_dropped_into_another_grant() {
    let estate = Estate::start().await;
    let token = estate.signed(|_| {});
    for query in [
        "&requested_subject=bob",
        "&scope=",
        "&actor_token=x",
        "&assertion=x",
    ] {
        let response = estate.exchange("order", &token, query).await;
        assert_eq!(
            response.refusal(),
            (400, "invalid_request".to_owned()),
            "{query}"
        );
    }
    let form = format!("grant_type=client_credentials&audience=logistics&subject_token={token}");
    let response = estate.harness.ask_as("order", SECRET, &form).await;
    assert_eq!(response.refusal(), (400, "invalid_request".to_owned()));
    assert_eq!(
        estate.login.asked(),
        0,
        "what is no request for an exchange costs no fetch"
    );
}
