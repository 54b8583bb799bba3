//! Revocations as two processes write and read them.

use std::collections::HashMap;

use hallpass_token::{Revocation, RevocationDigest, RevocationKind};

use super::*;
use crate::store::known_revocations::StoredRevocations;

fn entry(name: u64, issued_before: Option<u64>, ends_at: u64) -> Revocation {
    Revocation {
        kind: RevocationKind::Client,
        digest: RevocationDigest::new(RevocationKind::Client, &name.to_string()),
        issued_before: issued_before.map(UnixTime::from_secs),
        ends_at: UnixTime::from_secs(ends_at),
    }
}

/// The numbers of a fixed sequence that looks random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

#[tokio::test]
async fn whoever_writes_each_reader_knows_what_a_plain_map_knows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let stores = [
        Store::open(&path, Some(KEY)).await.unwrap(),
        Store::open(&path, Some(KEY)).await.unwrap(),
    ];
    let mut readers = [StoredRevocations::default(), StoredRevocations::default()];
    let mut published = [HashMap::new(), HashMap::new()];
    let mut model: HashMap<RevocationDigest, Revocation> = HashMap::new();
    let (mut numbers, mut now) = (Numbers(7), 1_000);
    for _ in 0..150 {
        let writer = &stores[usize::from(numbers.below(2) == 0)];
        if numbers.below(6) == 0 {
            now += numbers.below(30);
            let moment = UnixTime::from_secs(now);
            writer.forget_ended_revocations(moment).await.unwrap();
            model.retain(|_, entry| moment < entry.ends_at);
        } else {
            let mut batch = Vec::new();
            for _ in 0..=numbers.below(3) {
                let before = Some(numbers.below(100)).filter(|number| *number > 20);
                let ends_at = now + 1 + numbers.below(60);
                let new = entry(numbers.below(25), before, ends_at);
                batch.push(new);
                let known = model.entry(new.digest).or_insert(new);
                known.issued_before = known
                    .issued_before
                    .zip(before.map(UnixTime::from_secs))
                    .map(|(a, b)| a.max(b));
                known.ends_at = known.ends_at.max(new.ends_at);
            }
            writer.revoke(&batch, 1_000).await.unwrap();
        }
        for (number, store) in stores.iter().enumerate() {
            // One reads seldom.
            if number == 1 && numbers.below(4) > 0 {
                continue;
            }
            let moment = UnixTime::from_secs(now);
            store
                .read_revocations(&mut readers[number], moment)
                .await
                .unwrap();
            let new = readers[number].take_new();
            published[number].extend(new.into_iter().map(|entry| (entry.digest, entry)));
            published[number].retain(|_, entry| moment < entry.ends_at);
            assert_eq!(published[number], model, "reader {number}");
        }
    }
}

/// The list may be longer than it may be now: its limit is smaller while a refresh token is used again.
#[tokio::test]
async fn in_a_full_list_what_is_there_stays_and_may_be_made_longer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    let entries = [entry(1, None, 100), entry(2, None, 100)];
    assert!(store.revoke(&entries, 2).await.unwrap());
    let longer = entry(1, None, 200);
    assert!(store.revoke(&[longer], 1).await.unwrap());
    let error = store.revoke(&[entry(3, None, 100)], 2).await.unwrap_err();
    assert!(
        matches!(error, Error::TooManyRevocations { most: 2 }),
        "{error}"
    );
    let mut known = StoredRevocations::default();
    let now = UnixTime::from_secs(10);
    store.read_revocations(&mut known, now).await.unwrap();
    let mut all = known.take_new();
    all.sort_by_key(|entry| entry.ends_at);
    assert_eq!(all, [entries[1], longer]);
}

#[tokio::test]
async fn only_what_is_new_is_read_also_after_others_have_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, Some(KEY)).await.unwrap();
    let other = Store::open(&path, Some(KEY)).await.unwrap();
    let mut known = StoredRevocations::default();
    let entries: Vec<_> = (0..50).map(|name| entry(name, None, 100 + name)).collect();
    store.revoke(&entries, 1_000).await.unwrap();
    let now = UnixTime::from_secs(120);
    store.read_revocations(&mut known, now).await.unwrap();
    assert_eq!(known.take_new().len(), 50);
    other.forget_ended_revocations(now).await.unwrap();
    assert!(other.revoke(&[entry(70, None, 200)], 1_000).await.unwrap());
    assert!(!store.revoke(&[entry(70, None, 150)], 1_000).await.unwrap());
    store.read_revocations(&mut known, now).await.unwrap();
    assert_eq!(known.take_new(), [entry(70, None, 200)]);
    assert!(!known.has_ended(now));
    let too_many = store
        .revoke(&[entry(71, None, 200), entry(72, None, 200)], 31)
        .await;
    assert!(matches!(
        too_many,
        Err(Error::TooManyRevocations { most: 31 })
    ));
    store.read_revocations(&mut known, now).await.unwrap();
    assert_eq!(known.take_new(), [], "none of both was written");
}
