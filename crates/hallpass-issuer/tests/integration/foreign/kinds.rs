//! What an issuer signs that proves nothing here, or proves it for too long.

use std::time::Duration;

use hallpass_issuer::RevocationTarget;

use super::*;
use crate::foreign::assertions::Assertions;
use crate::foreign::clients::{Cluster, ORDERS, by};
use crate::revocation::{operator, wait_for_entries};

/// The token of a service account as Keycloak writes it.
fn of_service(claims: &mut TokenClaims, id: &str) {
    claims.subject = "6ba7b810-9dad-11d1-80b4-00c04fd430c8".parse().unwrap();
    claims.client_id = Some("orders".parse().unwrap());
    claims.token_id = Some(id.parse().unwrap());
    for (name, value) in [
        ("azp", "orders"),
        ("typ", "Bearer"),
        ("preferred_username", "service-account-orders"),
    ] {
        claims.extra.insert(name.to_owned(), value.into());
    }
}

#[tokio::test]
async fn what_a_person_got_from_a_login_at_the_client_is_not_the_client() {
    let cluster = Cluster::start("keycloak", "issuer: 'https://login.example'", |issuer| {
        vec![("orders", by(issuer, None, &[(&["azp"], "orders")]))]
    })
    .await;
    let token = |id: &str, more: &[(&str, Value)]| {
        cluster.token(|claims| {
            of_service(claims, id);
            for (name, value) in more {
                claims.extra.insert((*name).to_owned(), value.clone());
            }
        })
    };
    cluster.ask(&token("1", &[]), "").await.token();
    // Mallory has logged in at the client.
    let of_person = |id: &str, more: &[(&str, Value)]| {
        cluster.token(|claims| {
            of_service(claims, id);
            claims.client_id = None;
            let name = "preferred_username".to_owned();
            claims.extra.insert(name, "mallory".into());
            claims.extra.insert("sid".to_owned(), "s".into());
            for (name, value) in more {
                claims.extra.insert((*name).to_owned(), value.clone());
            }
        })
    };
    for person in [
        of_person("2", &[]),
        of_person("3", &[("typ", json!("ID")), ("nonce", json!("n"))]),
        of_person("4", &[("typ", json!("Refresh"))]),
        // Nothing tells whose it is.
        cluster.token(|claims| {
            of_service(claims, "5");
            claims.client_id = None;
            claims.extra.remove("preferred_username");
        }),
    ] {
        let response = cluster.refused(&person, "assertion_not_of_service").await;
        assert_eq!(response.refusal(), (401, "invalid_client".to_owned()));
    }
}

#[tokio::test]
async fn only_a_token_that_says_nothing_else_of_itself_proves_a_client_by_its_subject() {
    let cluster = Cluster::kubernetes().await;
    for (name, value) in [
        ("typ", json!("ID")),
        ("typ", json!("Refresh")),
        ("typ", json!("Offline")),
        ("typ", json!("Logout")),
        ("typ", json!(1)),
        ("events", json!({})),
        ("nonce", json!("n")),
        ("at_hash", json!("h")),
        ("c_hash", json!("h")),
    ] {
        let token = cluster.token(|claims| drop(claims.extra.insert(name.into(), value.clone())));
        cluster.refused(&token, "assertion_not_of_service").await;
    }
    cluster.ask(&cluster.token(|_| {}), "").await.token();
}

#[tokio::test]
async fn a_pipeline_is_a_service_whatever_form_its_organisation_gives_subjects() {
    let cluster = Cluster::start("github", "", |issuer| {
        vec![("deploy", by(issuer, None, &[(&["repository"], "shop")]))]
    })
    .await;
    for (id, subject) in [
        ("1", "repo:shop/orders:ref:refs/heads/main"),
        ("2", "repository_owner:shop:environment:prod"),
    ] {
        let token = cluster.token(|claims| {
            claims.subject = subject.parse().unwrap();
            claims.token_id = Some(id.parse().unwrap());
            claims.extra.insert("repository".into(), "shop".into());
        });
        cluster.ask(&token, "").await.token();
    }
}

#[tokio::test]
async fn what_is_a_token_or_of_a_login_is_no_assertion_of_a_subject() {
    let estate = Assertions::start().await;
    for (id, name, value) in [
        ("1", "typ", json!("Refresh")),
        ("2", "typ", json!("Bearer")),
        ("3", "typ", json!("Logout")),
        ("4", "events", json!({})),
        ("5", "nonce", json!("n")),
    ] {
        let made = estate.made(id, |claims| drop(claims.extra.insert(name.into(), value)));
        estate.refused(&made, "invalid_grant_assertion").await;
    }
    let token = estate
        .0
        .signed(|claims| claims.token_id = Some("6".parse().unwrap()));
    estate.refused(&token, "invalid_grant_assertion").await;
    estate.bring(&estate.made("7", |_| {}), "").await.token();
}

#[tokio::test]
async fn what_counts_once_lives_for_an_hour_and_longer_only_with_an_age() {
    let rules = |issuer: &hallpass_token::Issuer| {
        let subject = "repo:shop/orders:ref:refs/heads/main";
        vec![("deploy", by(issuer, Some(subject), &[]))]
    };
    let cluster = Cluster::start("github", "", rules).await;
    let run = |cluster: &Cluster, id: &str, issued: Option<u64>, end: u64| {
        cluster.token(|claims| {
            claims.subject = "repo:shop/orders:ref:refs/heads/main".parse().unwrap();
            claims.token_id = Some(id.parse().unwrap());
            claims.issued_at = issued.map(UnixTime::from_secs);
            claims.expires_at = UnixTime::from_secs(end);
        })
    };
    for (issued, end) in [
        (Some(NOW), NOW + 86_400),
        (Some(NOW - 86_400), NOW + 60),
        (Some(NOW - 1_800), NOW + 3_000),
        (None, NOW + 315_360_000),
    ] {
        let token = run(&cluster, "1", issued, end);
        let response = cluster.refused(&token, "long_assertion").await;
        assert_eq!(response.refusal(), (401, "invalid_client".to_owned()));
    }
    for (id, issued, end) in [
        ("2", Some(NOW), NOW + 3_600),
        ("3", Some(NOW - 60), NOW + 300),
        ("4", None, NOW + 300),
    ] {
        let token = run(&cluster, id, issued, end);
        cluster.ask(&token, "").await.token();
    }
    let of_a_day = Cluster::start("github", "max-age-seconds: 86400", rules).await;
    let token = run(&of_a_day, "1", Some(NOW), NOW + 86_400);
    of_a_day.ask(&token, "").await.token();

    let estate = Assertions::start().await;
    let long = |claims: &mut TokenClaims| claims.expires_at = UnixTime::from_secs(NOW + 86_400);
    let made = estate.made("1", long);
    let response = estate.refused(&made, "grant_assertion_too_long").await;
    assert_eq!(response.refusal(), (400, "invalid_grant".to_owned()));
    let estate = Assertions::with(|settings| {
        settings.trusted_issuers[0].max_age = Some(Duration::from_secs(86_400));
    })
    .await;
    estate.bring(&estate.made("1", long), "").await.token();
}

#[tokio::test]
async fn a_token_from_the_future_has_no_age_and_proves_nothing() {
    let cluster = Cluster::kubernetes().await;
    let issued = |at: u64| {
        cluster.token(|claims| {
            claims.issued_at = Some(UnixTime::from_secs(at));
            claims.expires_at = UnixTime::from_secs(at + 100_000);
        })
    };
    cluster.refused(&issued(NOW + 11), "early_assertion").await;
    cluster
        .refused(&issued(NOW + 100_000), "early_assertion")
        .await;
    // Its clock may be a little ahead.
    cluster.ask(&issued(NOW + 9), "").await.token();
}

#[tokio::test]
async fn a_workload_that_is_revoked_by_its_name_is_no_client_any_more() {
    let cluster = Cluster::kubernetes().await;
    let token = cluster.token(|_| {});
    cluster.ask(&token, "").await.token();
    let subject = RevocationTarget::Subject {
        name: format!("a|{ORDERS}"),
        only_issued: true,
    };
    cluster.harness.clock.advance(Duration::from_secs(1));
    operator(&cluster.harness, subject).await.unwrap();
    wait_for_entries(&cluster.harness, 1).await;
    let response = cluster.refused(&token, "revoked_client").await;
    assert_eq!(response.refusal(), (400, "unauthorized_client".to_owned()));
    // What its cluster gives it from now on counts: so the operator has asked.
    let later = cluster.token(|claims| claims.issued_at = Some(UnixTime::from_secs(NOW + 5)));
    cluster.ask(&later, "").await.token();
}
