//! Several issuers on one database: what one of them writes counts at the others.

use hallpass_clock::Clock;
use hallpass_issuer::{RevocationTarget, TakeOver, add_client, rotate_key, taint_key};
use hallpass_token::Algorithm;

use super::*;
use crate::keys::kids;
use crate::revocation::{operator, wait_for_entries};

/// Looks at the others every 200 ms: so soon it counts there, and on a busy machine some time later.
async fn both(server: &PostgresServer) -> (Harness, Harness) {
    let one = start(server).await;
    let other = beside(&one).await;
    (one, other)
}

fn clock(harness: &Harness) -> Arc<dyn Clock> {
    harness.clock.clone()
}

#[tokio::test]
async fn issuers_that_start_first_at_the_same_time_have_the_same_key() {
    let Some(server) = shared().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = crate::harness::settings(&folder);
    settings.database = Some(at(&server, server.database().await));
    settings.algorithm = Algorithm::Rs256;
    let starts = (0..4).map(|_| IssuerServer::start(&settings, Arc::new(test_clock())));
    let started = futures_util::future::join_all(starts).await;
    let mut key_sets: Vec<_> = started.into_iter().map(|it| it.unwrap().jwks()).collect();
    key_sets.dedup();
    assert_eq!(key_sets.len(), 1, "{key_sets:?}");
}

#[tokio::test]
async fn clients_revocations_and_keys_of_one_count_at_the_other() {
    let Some(server) = shared().await else {
        return;
    };
    let (one, other) = both(&server).await;
    let yaml = "hallpass: { issuer: { clients: [{ client-id: new, audiences: service-system }] } }";
    let added = add_client(&one.settings, &clock(&one), ("client.yaml", yaml), |_| {
        Ok(())
    })
    .await;
    let secret = added.unwrap().client_secret.unwrap();
    let form = "grant_type=client_credentials&audience=service-system";
    for harness in [&one, &other] {
        let ask = || harness.ask_as("new", secret.expose(), form);
        harness.until_told(|told| told == 200, ask).await;
    }

    // By a request to the one, and by the hand of an operator.
    let token = one.token().await;
    let lines = [
        "Content-Type: application/x-www-form-urlencoded".to_owned(),
        crate::harness::basic("c", SECRET),
    ];
    let body = format!("token={token}");
    let revoke = crate::harness::request("POST /oauth2/revoke", &lines, body.as_bytes());
    assert_eq!(one.send(&revoke).await.status, 200);
    wait_for_entries(&other, 1).await;
    let client = RevocationTarget::Client {
        id: "new".to_owned(),
        only_issued: false,
    };
    operator(&one, client).await.unwrap();
    wait_for_entries(&one, 2).await;
    wait_for_entries(&other, 2).await;
    let refused = other.ask_as("new", secret.expose(), form).await;
    assert_eq!(refused.refusal().1, "unauthorized_client");

    let next = rotate_key(&one.settings, &clock(&one), None, TakeOver::Now).await;
    let next = next.unwrap().key_id;
    for harness in [&one, &other] {
        until("the new key signs", async || {
            let token = harness.token().await;
            (crate::keys::header(&token)["kid"] == next.as_str()).then_some(())
        })
        .await;
    }
    taint_key(&one.settings, &clock(&one), &next).await.unwrap();
    until("the withdrawn key is not published", async || {
        (!kids(&other).await.contains(&next)).then_some(())
    })
    .await;
    crate::client_changes::remove(&one.settings, "new")
        .await
        .unwrap();
    let ask = || other.ask_as("new", secret.expose(), form);
    other.until_told(|told| told == 401, ask).await;
}

/// Each finds by itself that a key is due. The one that writes first decides, and the others take what it has written.
#[tokio::test]
async fn of_issuers_that_rotate_at_the_same_moment_one_makes_the_key() {
    let Some(server) = shared().await else {
        return;
    };
    let one = start(&server).await;
    let mut all = vec![one];
    for _ in 0..3 {
        let next = beside(&all[0]).await;
        all.push(next);
    }
    for round in 1..=2_usize {
        // They have one clock, and look at it each by itself.
        all[0].clock.advance(Duration::from_secs(90 * 24 * 3_600));
        let mut sets = Vec::new();
        for harness in &all {
            let set = until("a new key is announced", async || {
                let announced = kids(harness).await;
                (announced.len() > 1).then_some(announced)
            });
            sets.push(set.await);
        }
        let first = sets[0].clone();
        assert_eq!(first.len(), 2, "round {round}: one is made");
        sets.retain(|set| *set != first);
        assert_eq!(sets, Vec::<Vec<String>>::new(), "round {round}: {first:?}");
        all[0].clock.advance(Duration::from_secs(600));
        let mut signers = Vec::new();
        for harness in &all {
            let signer = until("the new one signs", async || {
                let token = harness.token().await;
                let kid = crate::keys::header(&token)["kid"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                (kid != first[0]).then_some(kid)
            });
            signers.push(signer.await);
        }
        signers.dedup();
        assert_eq!(signers.len(), 1, "round {round}: {signers:?}");
        // Its time begins when an issuer has written that it signs no more.
        let old = first.iter().find(|kid| **kid != signers[0]).unwrap();
        let retired = format!(
            "hallpass_signing_key_created_timestamp_seconds{{kid=\"{old}\",algorithm=\"ES256\",state=\"retired\"}}"
        );
        until("the old one has retired", async || {
            (all[0].metric(&retired) != 0).then_some(())
        })
        .await;
        all[0].clock.advance(Duration::from_secs(26 * 3_600));
        for harness in &all {
            until("the old one is gone", async || {
                (kids(harness).await == signers).then_some(())
            })
            .await;
        }
    }
}

/// Each knows whom it has seen itself, and asks the others by the database.
#[tokio::test]
async fn a_key_that_awaits_its_verifiers_signs_when_those_of_every_issuer_have_it() {
    let Some(server) = shared().await else {
        return;
    };
    let (one, other) = both(&server).await;
    let path = "/oauth2/jwks?verifier=order";
    one.get(path, &[]).await;
    let seen = async |harness: &Harness| {
        let report = key_report(&harness.settings, &clock(harness)).await;
        report.unwrap().verifiers
    };
    until("the verifier is written down", async || {
        (!seen(&one).await.is_empty()).then_some(())
    })
    .await;
    let next = rotate_key(&one.settings, &clock(&one), None, TakeOver::WhenAdopted).await;
    let next = next.unwrap().key_id;
    for harness in [&one, &other] {
        until("it is announced", async || {
            kids(harness).await.contains(&next).then_some(())
        })
        .await;
    }
    one.clock.advance(Duration::from_secs(600));
    tokio::time::sleep(Duration::from_millis(450)).await;
    for harness in [&one, &other] {
        let kid = crate::keys::header(&harness.token().await)["kid"].clone();
        assert_ne!(kid, next.as_str(), "its verifier does not have it");
    }
    // By the load balancer it comes to the other one this time.
    other.get(path, &[]).await;
    for harness in [&one, &other] {
        until("it signs", async || {
            let kid = crate::keys::header(&harness.token().await)["kid"].clone();
            (kid == next.as_str()).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_refresh_token_counts_once_wherever_it_is_used() {
    let Some(server) = shared().await else {
        return;
    };
    let (one, other) = both(&server).await;
    let first = begin(&one).await;
    let second = refresh_token(&refresh(&other, &first).await);
    // Within the grace it brings the same successor, wherever it is asked.
    assert_eq!(refresh_token(&refresh(&one, &first).await), second);
    let third = refresh_token(&refresh(&one, &second).await);
    one.clock.advance(Duration::from_secs(60));
    let reused = refresh(&other, &second).await;
    assert_eq!(reused.refusal(), (400, "invalid_grant".into()));
    assert_eq!(
        refresh(&one, &third).await.refusal().0,
        400,
        "its family is gone"
    );

    // At the same moment: both get the same.
    let token = begin(&one).await;
    let (left, right) = tokio::join!(refresh(&one, &token), refresh(&other, &token));
    assert_eq!(refresh_token(&left), refresh_token(&right));
}

#[tokio::test]
async fn an_issuer_that_stops_in_the_middle_of_a_change_keeps_nobody_from_writing() {
    let Some(server) = shared().await else {
        return;
    };
    let (one, other) = both(&server).await;
    let token = begin(&one).await;
    let name = one.settings.database.clone().unwrap().name;
    // As a process does that was stopped, or whose machine is gone: it has the lock, and says nothing.
    let silent = "begin; set local idle_in_transaction_session_timeout = '5s'; \
                  select 1 from store_meta where name = 'seal_salt' for update";
    let held = server.session(&name, silent);
    until("writing is refused", async || {
        (health(&other).await != "ready\n").then_some(())
    })
    .await;
    until("the server has thrown it out", async || {
        (refresh(&other, &token).await.status == 200).then_some(())
    })
    .await;
    drop(held);
}
