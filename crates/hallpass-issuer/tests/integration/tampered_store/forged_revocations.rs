//! Rows that say that something is revoked already, so that nobody revokes it.

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_issuer::{Error, RevocationEnd, RevocationTarget, revoke};
use hallpass_token::{RevocationDigest, RevocationKind};
use serde_json::json;

use super::intruder;
use crate::admin::Rig;
use crate::harness::{Harness, SECRET};

/// The row that says that a client is revoked, as whoever can write into the store would forge it.
fn forged(client: &str, seq: u64) -> String {
    let digest = RevocationDigest::new(RevocationKind::Client, client);
    format!("insert into revocations values ({seq}, '{digest}', 'client', null, 4000000000)")
}

/// Says whether `client` gets tokens, and whether whoever follows the deny-list refuses those that it has.
async fn is_revoked(harness: &Harness, client: &str) -> bool {
    let digest = RevocationDigest::new(RevocationKind::Client, client).to_string();
    let list = harness.get("/oauth2/revocations", &[]).await.body;
    let refused = harness.ask("grant_type=client_credentials").await.status == 400;
    assert_eq!(list.contains(&digest), refused, "{list}");
    refused
}

/// With the sum in mind: neither may it count what the intruder wrote, nor miss what an issuer did.
#[tokio::test]
async fn a_forged_row_keeps_no_revocation_from_being_written_whoever_writes_it() {
    let admin = "grant_type=client_credentials&audience=hallpass-admin&scope=hallpass.admin.write";
    for by_issuer in [false, true] {
        for forged_first in [true, false] {
            let rig = Rig::start().await;
            let token = rig.harness.ask_as("ops", SECRET, admin).await;
            let (token, harness) = (token.token(), &rig.harness);
            let mut file = intruder(&harness.settings).await;
            let clock: Arc<dyn Clock> = harness.clock.clone();
            let by_operator = async |id: &str| {
                let (id, only_issued) = (id.to_owned(), false);
                let target = RevocationTarget::Client { id, only_issued };
                let end = RevocationEnd::At(3_999_999_999);
                revoke(&harness.settings, &clock, &target, end).await
            };
            if !forged_first {
                by_operator("another").await.unwrap();
                harness.issuer.apply(&harness.settings).await.unwrap();
            }
            let sql = sqlx::AssertSqlSafe(forged("c", 77));
            sqlx::query(sql).execute(&mut file).await.unwrap();
            sqlx::Connection::close(file).await.unwrap();
            assert!(!is_revoked(harness, "c").await, "it is not believed");
            if by_issuer {
                let entry = json!({ "kind": "client", "name": "c" });
                let made = rig.post("/admin/v1/revocations", &token, &entry).await;
                assert_eq!(made.status, 201, "{made:?}");
            } else {
                by_operator("c").await.unwrap();
                harness.issuer.apply(&harness.settings).await.unwrap();
            }
            assert!(is_revoked(harness, "c").await, "{by_issuer} {forged_first}");
            let harness = rig.harness.restart().await;
            assert!(is_revoked(&harness, "c").await, "and is proven");
        }
    }
}

/// The row that was there before it cannot be told any more by a command; an issuer that follows the list knows it.
#[tokio::test]
async fn a_row_that_was_made_to_say_more_is_written_over_by_who_knows_it_and_refused_by_who_does_not()
 {
    let rig = Rig::start().await;
    let (token, harness) = (rig.ops().await, &rig.harness);
    let clock: Arc<dyn Clock> = harness.clock.clone();
    let target = || RevocationTarget::Client {
        id: "c".to_owned(),
        only_issued: true,
    };
    let day = RevocationEnd::After(Duration::from_secs(86_400));
    revoke(&harness.settings, &clock, &target(), day)
        .await
        .unwrap();
    harness.issuer.apply(&harness.settings).await.unwrap();
    let mut file = intruder(&harness.settings).await;
    let more = "update revocations set issued_before = null, ends_at = 4000000000";
    sqlx::query(more).execute(&mut file).await.unwrap();
    sqlx::Connection::close(file).await.unwrap();
    let refused = revoke(&harness.settings, &clock, &target(), day).await;
    let error = refused.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::StoreDamaged { .. }), "{error}");
    let entry = json!({ "kind": "client", "name": "c" });
    let made = rig.post("/admin/v1/revocations", &token, &entry).await;
    assert_eq!(made.status, 201, "{made:?}");
    let ends_at = made.json()["ends_at"].as_u64().unwrap();
    assert!(ends_at < 4_000_000_000, "{made:?}");
    assert!(is_revoked(harness, "c").await);
    let harness = rig.harness.restart().await;
    assert!(is_revoked(&harness, "c").await);
}
