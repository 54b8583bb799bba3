//! Refresh tokens in a store that is full, older, or sealed anew.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use hallpass_clock::{Clock as _, ManualClock};
use hallpass_token::{Revocation, RevocationDigest, RevocationKind};

use super::*;
use crate::refresh::family::{Granted, Holder};
use crate::refresh::token::RefreshToken;
use crate::refresh_families::{Failed, Most, Presented, RefreshFamilies, Use};
use crate::store::known_revocations::StoredRevocations;
use crate::store::place::SealingKeys;

static CLOCK: LazyLock<ManualClock> =
    LazyLock::new(|| ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
const END: UnixTime = UnixTime::from_secs(1_700_003_600);

fn client() -> hallpass_token::ClientId {
    "c".parse().unwrap()
}

fn granted(scope: &str) -> Granted {
    Granted {
        client_id: "c".parse().unwrap(),
        grant: GrantType::ClientCredentials,
        audience: "billing".parse().unwrap(),
        scope: scope.parse().unwrap(),
        bound_to: Holder::default(),
        exchanged: None,
        live: Vec::new(),
    }
}

const MOST: Most = Most {
    of_client: 100,
    of_subject: 100,
};

async fn begin(families: &RefreshFamilies, store: &Store, scope: &str) -> RefreshToken {
    let begun = families
        .of(store, &*CLOCK)
        .begin(granted(scope), END, MOST)
        .await;
    begun.unwrap().unwrap()
}

/// The successor and what the family was granted, or the error.
async fn present(
    families: &RefreshFamilies,
    store: &Store,
    token: &RefreshToken,
) -> Result<(RefreshToken, String), Error> {
    let client = "c".parse().unwrap();
    let how = Use {
        client: &client,
        grace: Duration::from_secs(10),
        rotates: true,
        proven: Holder::default(),
    };
    let presented = families.of(store, &*CLOCK);
    let presented = presented.present(token, how, |family| {
        let live = ("jti".parse().unwrap(), END);
        Ok((family.granted.scope.as_str().to_owned(), live))
    });
    match presented.await {
        Ok(Presented::Taken(scope, successor)) => Ok((successor, scope)),
        Ok(Presented::Reused(_)) => panic!("reused"),
        Err(Failed::Refused(refusal)) => panic!("{refusal:?}"),
        Err(Failed::Store(error)) => Err(error),
    }
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_is_over_when_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("issuer.db"), Some(KEY))
        .await
        .unwrap();
    let families = RefreshFamilies::open(&store).await.unwrap();
    let words: Vec<_> = (0..300).map(|number| format!("scope-{number}")).collect();
    let scope = words.join(" ");
    let first = begin(&families, &store, &scope).await;
    let pages = |most: u32| sqlx::AssertSqlSafe(format!("pragma max_page_count = {most}"));
    sqlx::query(pages(1)).execute(store.pool()).await.unwrap();
    let mut begun = Ok(None);
    for _ in 0..50 {
        begun = families
            .of(&store, &*CLOCK)
            .begin(granted(&scope), END, MOST)
            .await;
        if begun.is_err() {
            break;
        }
    }
    let error = begun.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    let before = families
        .of(&store, &*CLOCK)
        .find(&first, &client())
        .await
        .unwrap()
        .unwrap();
    assert!(before.used_at.is_none());
    sqlx::query(pages(10_000))
        .execute(store.pool())
        .await
        .unwrap();
    let (second, _) = present(&families, &store, &first).await.unwrap();
    let (again, _) = present(&families, &store, &first).await.unwrap();
    assert_eq!(second.digest(), again.digest());
}

#[tokio::test]
async fn a_store_of_the_version_before_gets_its_table_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    add(&store, &[key("a", KeyState::Signing)]).await.unwrap();
    let entry = Revocation {
        kind: RevocationKind::Token,
        digest: RevocationDigest::new(RevocationKind::Token, "jti"),
        issued_before: None,
        ends_at: END,
    };
    store.revoke(&[entry], 10).await.unwrap();
    let check = b"hallpass issuer store, rows listed, revocations sealed";
    let check = store.sealer.seal(check, b"store check").unwrap();
    sqlx::query("update store_meta set value = $1 where name = 'seal_check'")
        .bind(check)
        .execute(store.pool())
        .await
        .unwrap();
    for sql in [
        "drop table refresh_families",
        "delete from store_meta where name = 'refresh_families'",
        "delete from _sqlx_migrations where version = 4",
    ] {
        let done = sqlx::query(sql).execute(store.pool()).await.unwrap();
        assert!(sql.starts_with("drop") || done.rows_affected() == 1);
    }
    let later: i64 = sqlx::query_scalar("select max(version) from _sqlx_migrations")
        .fetch_one(store.pool())
        .await
        .unwrap();
    assert!(later > 4, "one that came after it is there already");
    store.close().await;

    for _ in 0..2 {
        let store = Store::open(&path, Some(KEY)).await.unwrap();
        let families = RefreshFamilies::open(&store).await.unwrap();
        let token = begin(&families, &store, "read").await;
        present(&families, &store, &token).await.unwrap();
        let mut revocations = StoredRevocations::default();
        let now = UnixTime::from(CLOCK.now());
        let read = store.read_revocations(&mut revocations, now).await;
        read.unwrap();
        assert_eq!(revocations.take_new(), [entry]);
        assert_eq!(states(&store).await, [("a".into(), "signing")]);
        store.close().await;
    }
}

#[tokio::test]
async fn a_store_whose_parts_were_sealed_apart_is_held_together_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    add(&store, &[key("a", KeyState::Signing)]).await.unwrap();
    let families = RefreshFamilies::open(&store).await.unwrap();
    let token = begin(&families, &store, "read").await;
    let check = b"hallpass issuer store, rows listed, revocations and refresh tokens sealed";
    let check = store.sealer.seal(check, b"store check").unwrap();
    let as_it_was = [
        format!("update store_meta set value = '{check}' where name = 'seal_check'"),
        "delete from store_meta where name = 'whole'".to_owned(),
        "create table kept as select * from store_meta".to_owned(),
    ];
    for sql in as_it_was {
        let sql = sqlx::AssertSqlSafe(sql);
        sqlx::query(sql).execute(store.pool()).await.unwrap();
    }
    store.close().await;

    for _ in 0..2 {
        let store = Store::open(&path, Some(KEY)).await.unwrap();
        let families = RefreshFamilies::open(&store).await.unwrap();
        let client = client();
        let found = families.of(&store, &*CLOCK).find(&token, &client).await;
        assert!(found.unwrap().is_some());
        assert_eq!(states(&store).await, [("a".into(), "signing")]);
        store.close().await;
    }
    // Nothing that was sealed before is good any more, the check value that says so included.
    for name in ["seal_check", "refresh_families", "rows_of_signing_keys"] {
        let store = Store::open(&path, Some(KEY)).await.unwrap();
        let swap = format!(
            "create table now as select * from store_meta; \
             update store_meta set value = (select value from kept where name = '{name}') where name = '{name}'"
        );
        let swap = sqlx::AssertSqlSafe(swap);
        sqlx::raw_sql(swap).execute(store.pool()).await.unwrap();
        let pool = store.pool().clone();
        let error = match name {
            "seal_check" => Store::open(&path, Some(KEY)).await.map(|_| ()),
            _ => RefreshFamilies::open(&store).await.map(|_| ()),
        };
        error.unwrap_err();
        let back =
            "delete from store_meta; insert into store_meta select * from now; drop table now";
        sqlx::raw_sql(back).execute(&pool).await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn refresh_tokens_count_on_when_the_store_is_sealed_with_another_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    let families = RefreshFamilies::open(&store).await.unwrap();
    let first = begin(&families, &store, "read").await;
    let (second, _) = present(&families, &store, &first).await.unwrap();
    store.close().await;
    let keys = SealingKeys {
        current: Some(OTHER_KEY),
        previous: Some(KEY),
    };
    let store = Store::open(&path, keys).await.unwrap();
    let families = RefreshFamilies::open(&store).await.unwrap();
    let (again, scope) = present(&families, &store, &first).await.unwrap();
    assert_eq!(again.digest(), second.digest(), "the same successor");
    assert_eq!(scope, "read");
    present(&families, &store, &second).await.unwrap();
}

#[tokio::test]
async fn a_process_finds_what_another_one_has_changed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    let other_store = Store::open(&path, Some(KEY)).await.unwrap();
    let families = RefreshFamilies::open(&store).await.unwrap();
    let others = RefreshFamilies::open(&other_store).await.unwrap();
    let mut token = begin(&families, &store, "read").await;
    for _ in 0..3 {
        token = present(&others, &other_store, &token).await.unwrap().0;
        token = present(&families, &store, &token).await.unwrap().0;
    }
    let ended = ManualClock::at(SystemTime::from(END));
    others
        .of(&other_store, &ended)
        .forget_ended()
        .await
        .unwrap();
    assert!(
        families
            .of(&store, &*CLOCK)
            .find(&token, &client())
            .await
            .unwrap()
            .is_none()
    );
    let begun = begin(&families, &store, "read").await;
    assert!(
        others
            .of(&other_store, &*CLOCK)
            .find(&begun, &client())
            .await
            .unwrap()
            .is_some()
    );
}
