//! What a refresh token never brings.

use super::*;

#[tokio::test]
async fn it_is_of_no_use_to_another_client_and_goes_on_for_its_own() {
    let harness = start().await;
    let token = begin(&harness).await;
    let response = refresh_as(&harness, "other", &token, "").await;
    refused(&harness, response, "foreign_refresh_token").await;
    assert_eq!(refresh(&harness, &token).await.status, 200);
    let mut wrong = token.clone();
    wrong.replace_range(0..1, if token.starts_with('A') { "B" } else { "A" });
    for unknown in [wrong.as_str(), "A", "a.b.c", &"%3D".repeat(64)] {
        let response = refresh(&harness, unknown).await;
        refused(&harness, response, "invalid_refresh_token").await;
    }
}

#[tokio::test]
async fn a_token_of_the_family_that_was_never_given_ends_it() {
    let harness = start().await;
    let token = begin(&harness).await;
    let last = if token.ends_with('A') { "B" } else { "A" };
    let forged = format!("{}{last}", &token[..63]);
    let response = refresh(&harness, &forged).await;
    refused(&harness, response, "reused_refresh_token").await;
    let response = refresh(&harness, &token).await;
    refused(&harness, response, "invalid_refresh_token").await;
}

#[tokio::test]
async fn it_refuses_a_target_that_the_client_may_not_call_any_more() {
    let mut harness = start().await;
    let token = begin(&harness).await;
    let all = harness.settings.clients[0].audiences.clone();
    harness.settings.clients[0].audiences = vec!["billing".parse().unwrap()];
    harness.issuer.apply(&harness.settings).await.unwrap();
    let response = refresh(&harness, &token).await;
    refused(&harness, response, "unregistered_target").await;
    harness.settings.clients[0].audiences = all;
    harness.issuer.apply(&harness.settings).await.unwrap();
    let again = refresh(&harness, &token).await;
    assert_eq!(again.status, 200, "nothing was used up: {again:?}");
}

#[tokio::test]
async fn it_ends_with_the_grant_that_began_it_and_with_the_wish_for_it() {
    for left in [GrantType::RefreshToken, GrantType::ClientCredentials] {
        let mut harness = start().await;
        let token = begin(&harness).await;
        harness.settings.clients[0].grant_types = [left].into_iter().collect();
        harness.issuer.apply(&harness.settings).await.unwrap();
        let response = refresh(&harness, &token).await;
        refused(&harness, response, "unregistered_grant").await;
    }
    let mut harness = start().await;
    let token = begin(&harness).await;
    harness.settings.clients.remove(0);
    harness.issuer.apply(&harness.settings).await.unwrap();
    let gone = refresh(&harness, &token).await;
    assert_eq!(gone.refusal(), (401, "invalid_client".into()));
}

#[tokio::test]
async fn it_may_bring_less_for_once_and_never_more() {
    let mut harness = start().await;
    let form = "grant_type=client_credentials&scope=read&audience=service-system";
    let token = refresh_token(&harness.ask(form).await);
    for (query, reason) in [
        ("&scope=write", "scope_not_granted"),
        ("&scope=read+write", "scope_not_granted"),
        ("&audience=billing", "other_target"),
        ("&resource=https%3A%2F%2Fbilling", "other_target"),
    ] {
        let response = refresh_as(&harness, "c", &token, query).await;
        refused(&harness, response, reason).await;
    }
    let form = format!("{CREDENTIALS}&audience=service-system");
    let both = refresh_token(&harness.ask(&form).await);
    let less = refresh_as(&harness, "c", &both, "&scope=read&audience=service-system").await;
    assert_eq!(less.json()["scope"], "read");
    let whole = refresh(&harness, &refresh_token(&less)).await;
    assert_eq!(whole.json()["scope"], "read write", "for that token alone");
    harness.settings.clients[0].scope = "read".parse().unwrap();
    harness.issuer.apply(&harness.settings).await.unwrap();
    let rest = refresh(&harness, &refresh_token(&whole)).await;
    assert_eq!(rest.json()["scope"], "read", "what the client still has");
    harness.settings.clients[0].scope = "other".parse().unwrap();
    harness.issuer.apply(&harness.settings).await.unwrap();
    let response = refresh(&harness, &refresh_token(&rest)).await;
    refused(&harness, response, "no_common_scope").await;
}

#[tokio::test]
async fn its_life_does_not_begin_anew_with_each_use() {
    let harness = Harness::with(|settings| {
        estate(settings);
        settings.clients[0].refresh_token_life = Some(Duration::from_secs(900));
    })
    .await;
    let mut token = begin(&harness).await;
    for _ in 0..8 {
        harness.clock.advance(Duration::from_secs(100));
        token = refresh_token(&refresh(&harness, &token).await);
    }
    harness.clock.advance(Duration::from_secs(99));
    let last = refresh(&harness, &token).await;
    harness.clock.advance(Duration::from_secs(1));
    let response = refresh(&harness, &refresh_token(&last)).await;
    refused(&harness, response, "invalid_refresh_token").await;
    let response = refresh(&harness, &token).await;
    refused(&harness, response, "invalid_refresh_token").await;
    assert!(
        is_active(&harness, &last.token()).await,
        "it has ended, and was not revoked"
    );
    let harness = harness.restart().await;
    let began = tokio::time::Instant::now();
    while harness.metric("hallpass_refresh_families") != 0 {
        // Nothing goes before the clock has gone evenly for a while.
        harness.clock.advance(Duration::from_secs(60));
        assert!(began.elapsed() < Duration::from_secs(60), "its row goes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_parameter_of_another_grant_never_turns_one_request_into_another() {
    let harness = start().await;
    let token = begin(&harness).await;
    for (form, reason) in [
        (
            format!("{CREDENTIALS}&audience=billing&refresh_token={token}"),
            "foreign_parameter",
        ),
        (
            format!("{CREDENTIALS}&audience=billing&refresh_token="),
            "foreign_parameter",
        ),
        (
            format!("grant_type=refresh_token&refresh_token={token}&subject_token=x"),
            "foreign_parameter",
        ),
        (
            format!("grant_type=refresh_token&refresh_token={token}&actor_token="),
            "foreign_parameter",
        ),
        (
            format!("grant_type=refresh_token&refresh_token={token}&scope="),
            "empty_parameter",
        ),
        (
            format!("grant_type=refresh_token&refresh_token={token}&x=y"),
            "unknown_parameter",
        ),
        (
            format!("grant_type=refresh_token&refresh_token={token}&refresh_token={token}"),
            "duplicate_parameter",
        ),
        (
            "grant_type=refresh_token".to_owned(),
            "missing_refresh_token",
        ),
        (
            "grant_type=refresh_token&refresh_token=".to_owned(),
            "empty_parameter",
        ),
    ] {
        let response = harness.ask(&form).await;
        refused(&harness, response, reason).await;
    }
    assert_eq!(refresh(&harness, &token).await.status, 200);
}

#[tokio::test]
async fn what_is_revoked_of_client_or_subject_ends_it() {
    for subject in [false, true] {
        let harness = start().await;
        let token = begin(&harness).await;
        let (name, only_issued) = ("c".to_owned(), true);
        let target = match subject {
            true => RevocationTarget::Subject { name, only_issued },
            false => RevocationTarget::Client {
                id: name,
                only_issued,
            },
        };
        operator(&harness, target).await.unwrap();
        wait_for_entries(&harness, 1).await;
        let response = refresh(&harness, &token).await;
        refused(&harness, response, "revoked_refresh_token").await;
        harness.clock.advance(Duration::from_secs(2));
        let new = begin(&harness).await;
        assert_eq!(refresh(&harness, &new).await.status, 200);
    }
    let harness = start().await;
    let token = begin(&harness).await;
    let target = RevocationTarget::Client {
        id: "c".into(),
        only_issued: false,
    };
    operator(&harness, target).await.unwrap();
    wait_for_entries(&harness, 1).await;
    let response = refresh(&harness, &token).await;
    refused(&harness, response, "revoked_client").await;
}

#[tokio::test]
async fn a_client_has_so_many_and_the_oldest_goes() {
    let harness = Harness::with(|settings| {
        estate(settings);
        settings.refresh_tokens_per_client = 2;
    })
    .await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(begin(&harness).await);
        harness.clock.advance(Duration::from_secs(1));
    }
    let form = format!("{CREDENTIALS}&audience=billing");
    let of_other = refresh_token(&harness.ask_as("other", SECRET, &form).await);
    let response = refresh(&harness, &tokens[0]).await;
    refused(&harness, response, "invalid_refresh_token").await;
    for token in &tokens[1..] {
        assert_eq!(refresh(&harness, token).await.status, 200);
    }
    let other = refresh_as(&harness, "other", &of_other, "").await;
    assert_eq!(other.status, 200, "each client has its own");
    assert_eq!(harness.metric("hallpass_refresh_families"), 3);
}

#[tokio::test]
async fn one_that_was_made_up_costs_the_store_nothing() {
    let harness = start().await;
    begin(&harness).await;
    let before = harness.issuer.store_queries();
    for made_up in ["A".repeat(64), "0123456789abcdef".repeat(4)] {
        let response = refresh(&harness, &made_up).await;
        refused(&harness, response, "invalid_refresh_token").await;
        let told = about(&harness, "/oauth2/introspect", "c", &made_up).await;
        assert_eq!(told.json(), json!({ "active": false }));
        let revoked = about(&harness, "/oauth2/revoke", "c", &made_up).await;
        assert_eq!(revoked.status, 200);
    }
    assert_eq!(harness.issuer.store_queries(), before);
}

#[tokio::test]
async fn nothing_is_told_of_one_that_would_bring_nothing_any_more() {
    let mut harness = start().await;
    let token = begin(&harness).await;
    let told = async |harness: &Harness| {
        let told = about(harness, "/oauth2/introspect", "c", &token).await;
        told.json()["active"].clone()
    };
    assert_eq!(told(&harness).await, true);
    let good = harness.settings.clients[0].clone();
    let changes: [fn(&mut ClientSettings); 4] = [
        |it| it.grant_types = [GrantType::ClientCredentials].into_iter().collect(),
        |it| it.grant_types = [GrantType::RefreshToken].into_iter().collect(),
        |it| it.audiences = vec!["billing".parse().unwrap()],
        |it| it.scope = "other".parse().unwrap(),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        change(&mut harness.settings.clients[0]);
        harness.issuer.apply(&harness.settings).await.unwrap();
        assert_eq!(told(&harness).await, false, "{index}");
        harness.settings.clients[0] = good.clone();
        harness.issuer.apply(&harness.settings).await.unwrap();
        assert_eq!(told(&harness).await, true, "{index}");
    }
    refresh(&harness, &token).await;
    assert_eq!(told(&harness).await, false, "it was replaced");
}

#[tokio::test]
async fn so_many_access_tokens_of_one_refresh_token_live_at_once() {
    let harness = start().await;
    let mut token = begin(&harness).await;
    for _ in 0..63 {
        token = refresh_token(&refresh(&harness, &token).await);
    }
    harness.clock.advance(Duration::from_secs(100));
    let response = refresh(&harness, &token).await;
    assert_eq!(response.refusal(), (429, "temporarily_unavailable".into()));
    assert_eq!(response.header("retry-after"), Some("500"));
    harness.clock.advance(Duration::from_secs(500));
    assert_eq!(refresh(&harness, &token).await.status, 200);
}
