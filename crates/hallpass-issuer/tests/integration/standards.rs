//! Sentences of the standards that no attack and no feature is about. All of them stand in `docs/rfc.md`.

use hallpass_issuer::GrantType;

use crate::harness::{Harness, SECRET, basic, client, request};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const GRANT: &str = "grant_type=client_credentials";

/// RFC 6749 section 2.3.1: what stands there is kept in logs, in histories, and by proxies.
#[tokio::test]
async fn what_stands_in_the_address_counts_for_nothing() {
    let harness = Harness::start().await;
    let basic = basic("c", SECRET);
    for (query, headers, form, expected) in [
        (
            format!("client_id=c&client_secret={SECRET}"),
            vec![FORM],
            GRANT,
            (401, "invalid_client"),
        ),
        (
            GRANT.to_owned(),
            vec![FORM, &basic],
            "scope=read",
            (400, "invalid_request"),
        ),
        (
            "audience=elsewhere&scope=root".to_owned(),
            vec![FORM, &basic],
            GRANT,
            (200, ""),
        ),
    ] {
        let lines: Vec<String> = headers.iter().map(|line| (*line).to_owned()).collect();
        let line = format!("POST /oauth2/token?{query}");
        let response = harness.send(&request(&line, &lines, form.as_bytes())).await;
        let (status, error) = response.refusal();
        assert_eq!((status, error.as_str()), expected, "{query}");
    }
}

/// RFC 6749 section 3.2.
#[tokio::test]
async fn what_a_grant_does_not_know_or_has_no_value_changes_nothing() {
    let harness = Harness::start().await;
    let plain = harness.ask(&format!("{GRANT}&scope=read")).await.json();
    for further in ["nonce=1&state=2&redirect_uri=3", "audience=&resource=&x="] {
        let form = format!("{GRANT}&scope=read&{further}");
        let mut response = harness.ask(&form).await.json();
        response["access_token"] = plain["access_token"].clone();
        assert_eq!(response, plain, "{further}");
    }
    let empty = harness.ask(&format!("{GRANT}&scope=")).await.json();
    assert_eq!(empty.get("scope"), None, "as if there were none");
}

/// RFC 7009 section 2.1 and RFC 7662 section 2.1: then the search goes on among all kinds.
#[tokio::test]
async fn a_wrong_hint_hides_no_token_from_who_revokes_or_introspects_it() {
    let harness = Harness::with(|settings| {
        settings.introspection_clients = vec!["c".parse().unwrap()];
        let mut refreshing = client("c", SECRET, &["read"], &["service-system"]);
        refreshing.grant_types = [GrantType::ClientCredentials, GrantType::RefreshToken]
            .into_iter()
            .collect();
        settings.clients = vec![refreshing];
    })
    .await;
    let about = async |path: &str, token: &str, hint: &str| {
        let lines = [FORM.to_owned(), basic("c", SECRET)];
        let form = format!("token={token}&token_type_hint={hint}");
        let request = request(&format!("POST {path}"), &lines, form.as_bytes());
        let response = harness.send(&request).await;
        assert_eq!(response.status, 200, "{response:?}");
        response
    };
    for (kind, wrong) in [
        ("access_token", "refresh_token"),
        ("refresh_token", "access_token"),
        ("access_token", "nobody-knows-this"),
    ] {
        let granted = harness.ask(GRANT).await.json();
        let token = granted[kind].as_str().unwrap();
        let is_active =
            async || about("/oauth2/introspect", token, wrong).await.json()["active"].clone();
        assert_eq!(is_active().await, true, "{kind}, {wrong}");
        about("/oauth2/revoke", token, wrong).await;
        assert_eq!(is_active().await, false, "{kind}, {wrong}");
    }
}
