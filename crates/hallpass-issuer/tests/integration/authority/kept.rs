//! The authority is kept in the store: sealed, listed, and the same after a restart.

use std::time::Duration;

use hallpass_config::Secret;
use hallpass_issuer::{AuthorityState, Error, IssuerServer};
use hallpass_tls::{ClientAuth, ServerTlsSettings, TestAuthority};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::{bundle, clock, given, registered, start, text};
use crate::harness::Harness;

/// Starts an issuer, stops it, lets `sql` loose on its store, and says how the next start ends.
async fn start_after(sql: &'static str) -> Result<(), Error> {
    let Harness {
        issuer,
        clock,
        settings,
        folder: _folder,
    } = start().await;
    issuer.shutdown().await.unwrap();
    let options = SqliteConnectOptions::new().filename(&settings.store);
    let mut file = options.connect().await.unwrap();
    sqlx::raw_sql(sql).execute(&mut file).await.unwrap();
    sqlx::Connection::close(file).await.unwrap();
    let issuer = IssuerServer::start(&settings, clock).await?;
    issuer.shutdown().await
}

#[tokio::test]
async fn no_authority_is_believed_that_the_issuer_has_not_written() {
    start_after("update verifiers set seen_at = 1")
        .await
        .unwrap();
    for sql in [
        "update certificate_authorities set state = 'retired'",
        "update certificate_authorities set trust_domain = 'evil.example'",
        "update certificate_authorities set not_after = not_after + 1",
        "update certificate_authorities set since = 1",
        "update certificate_authorities set certificate = 'AAAA'",
        "delete from certificate_authorities",
        "insert into certificate_authorities select 'x', 'retired', trust_domain, certificate, null, 1, 4000000000, 1 from certificate_authorities",
        "delete from store_meta where name = 'rows_of_certificate_authorities'",
        "delete from store_meta where name = 'rows_of_certificate_authorities'; delete from certificate_authorities",
    ] {
        let error = start_after(sql).await.unwrap_err();
        assert!(
            matches!(error, Error::StoreDamaged { .. }),
            "{sql}: {error}"
        );
    }
}

#[tokio::test]
async fn no_private_key_of_an_authority_stands_in_the_store_in_clear() {
    let harness = start().await;
    let file = std::fs::read(&harness.settings.store).unwrap();
    // What every PKCS #8 of an elliptic curve begins with: version, then ecPublicKey and prime256v1.
    let pkcs8 = b"\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
    assert!(!file.windows(pkcs8.len()).any(|it| it == pkcs8));
    let text = String::from_utf8_lossy(&file);
    assert!(!text.contains("PRIVATE KEY"));
}

#[tokio::test]
async fn the_same_authority_signs_after_a_restart_and_with_another_sealing_key() {
    let harness = start().await;
    let before = bundle(&harness).await;
    let mut harness = harness.restart().await;
    assert_eq!(bundle(&harness).await, before);
    let previous = harness.settings.key_encryption_key.take();
    harness.settings.previous_key_encryption_key = previous;
    let other = Secret::new("another key-encryption key, 32 bytes!");
    harness.settings.key_encryption_key = Some(other);
    let mut harness = harness.restart().await;
    assert_eq!(bundle(&harness).await, before);
    assert_eq!(text(&given(&harness).await.1, "bundle"), before);
    harness.settings.previous_key_encryption_key = None;
    let harness = harness.restart().await;
    assert_eq!(bundle(&harness).await, before, "the new key alone");
}

#[tokio::test]
async fn a_store_of_before_gets_an_authority_when_one_is_wanted_and_keeps_it_when_not() {
    let mut harness = Harness::start().await;
    registered(&mut harness.settings);
    let mut harness = harness.restart().await;
    let made = bundle(&harness).await;
    assert!(made.starts_with("-----BEGIN CERTIFICATE-----\n"));
    let ca = harness.settings.ca.take();
    let order = harness.settings.clients.pop().unwrap();
    let mut harness = harness.restart().await;
    assert_eq!(harness.get("/ca/v1/bundle", &[]).await.status, 404);
    harness.settings.ca = ca;
    harness.settings.clients.push(order);
    let harness = harness.restart().await;
    assert_eq!(bundle(&harness).await, made);
}

#[tokio::test]
async fn authorities_follow_one_another_by_themselves_while_the_issuer_runs() {
    let harness = start().await;
    let first = bundle(&harness).await;
    let (days, second) = (Duration::from_secs(30 * 86_400), Duration::from_secs(1));
    harness
        .clock
        .advance(days - Duration::from_secs(600) - second);
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(bundle(&harness).await, first, "not before its time");
    harness.clock.advance(second);
    let states = async |count: usize| {
        let look = async {
            loop {
                let bundle = bundle(&harness).await;
                if bundle.matches("BEGIN").count() == count {
                    return bundle;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), look)
            .await
            .unwrap()
    };
    let both = states(2).await;
    assert!(both.starts_with(&first), "oldest first");
    let known = harness.get("/ca/v1/bundle", &[]).await;
    let etag = format!("If-None-Match: {}", known.header("etag").unwrap());
    let again = harness.get("/ca/v1/bundle", &[&etag]).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    harness.clock.advance(Duration::from_secs(600));
    let retired = "hallpass_ca_not_after_timestamp_seconds{state=\"retired\"}";
    while harness.metric(retired) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bundle(&harness).await, both, "both are trusted");
    harness.clock.advance(Duration::from_secs(86_400 + 300));
    let second = states(1).await;
    assert!(both.ends_with(&second));
    let report = hallpass_issuer::authority_report(&harness.settings, &clock(&harness)).await;
    let report = report.unwrap();
    assert_eq!(report.len(), 1);
    assert_eq!(report[0].state, AuthorityState::Signing);
    documented(&harness);
}

fn documented(harness: &Harness) {
    let documented = include_str!("../../../../../docs/metrics.md");
    let text = harness.issuer.metrics();
    let ours = text.lines().filter(|line| line.starts_with("hallpass_ca_"));
    for line in ours {
        let name = line.split(['{', ' ']).next().unwrap();
        assert!(documented.contains(name), "{name}");
    }
}

#[tokio::test]
async fn the_listener_trusts_the_authority_by_the_file_of_its_bundle_from_the_first_start_on() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), TestAuthority::new("Test CA"));
    let bundle_file = folder.path().join("bundle.pem");
    let tls = ServerTlsSettings {
        key_pair: authority
            .certificate(&["127.0.0.1"])
            .write(folder.path(), "issuer"),
        client_auth: ClientAuth::Want {
            ca_file: bundle_file.clone(),
        },
    };
    let harness = Harness::with(|settings| {
        registered(settings);
        settings.tls = Some(tls);
        settings.ca.as_mut().unwrap().bundle_file = Some(bundle_file.clone());
    })
    .await;
    let first = std::fs::read_to_string(&bundle_file).unwrap();
    assert_eq!(
        first,
        hallpass_issuer::authority_bundle(&harness.settings)
            .await
            .unwrap()
    );
    hallpass_issuer::rotate_authority(&harness.settings, &clock(&harness), false)
        .await
        .unwrap();
    let look = async {
        while std::fs::read_to_string(&bundle_file).unwrap() == first {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), look)
        .await
        .unwrap();
    let both = std::fs::read_to_string(&bundle_file).unwrap();
    assert_eq!(both.matches("BEGIN").count(), 2);
}

#[tokio::test]
async fn a_bundle_that_cannot_be_written_is_written_as_soon_as_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.pem");
    let harness = Harness::with(|settings| {
        registered(settings);
        settings.ca.as_mut().unwrap().bundle_file = Some(file.clone());
    })
    .await;
    let count = || {
        let bundle = std::fs::read_to_string(&file).unwrap();
        bundle.matches("BEGIN").count()
    };
    assert_eq!(count(), 1);
    // As a disk that is full: what is written beside it first cannot be made.
    let in_the_way = folder.path().join("bundle.pem.new");
    std::fs::create_dir(&in_the_way).unwrap();
    hallpass_issuer::rotate_authority(&harness.settings, &clock(&harness), false)
        .await
        .unwrap();
    let until = async |is_so: &dyn Fn(usize, usize) -> bool| {
        let look = async {
            loop {
                let served = bundle(&harness).await.matches("BEGIN").count();
                if is_so(served, count()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), look)
            .await
            .unwrap();
    };
    until(&|served, written| (served, written) == (2, 1)).await;
    std::fs::remove_dir(&in_the_way).unwrap();
    until(&|served, written| (served, written) == (2, 2)).await;
}
