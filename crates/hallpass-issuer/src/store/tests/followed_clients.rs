//! Clients as somebody knows them who follows.

use std::collections::BTreeMap;

use super::sealed_clients::{all, opened, register, remove, text, write};
use super::*;
use crate::store::known_clients::{ClientPage, FollowedClient, KnownClients};
use crate::store::sealed_clients::PAGE;

/// Brings `known` and what is known of each client up to date; gives whether all was read anew.
async fn follow(
    store: &Store,
    known: &mut KnownClients,
    clients: &mut BTreeMap<String, String>,
) -> Result<bool, Error> {
    let mut reading = known.reading(false);
    let mut is_last = false;
    while !is_last {
        let changes = match store.read_clients(&mut reading).await? {
            ClientPage::Anew { .. } => {
                clients.clear();
                continue;
            }
            ClientPage::Part(changes) => changes,
            ClientPage::Last(changes) => {
                is_last = true;
                changes
            }
        };
        for change in changes {
            match change {
                FollowedClient::Registered(id, stored) => {
                    clients.insert(id.to_string(), stored.settings);
                }
                FollowedClient::MadeHere(first) => {
                    clients.remove(first.client_id.as_str());
                }
                FollowedClient::Gone(id) => {
                    clients.remove(id.as_str());
                }
            }
        }
    }
    let is_anew = reading.is_anew();
    let read = reading.finish();
    known.take(read);
    Ok(is_anew)
}

#[tokio::test]
async fn who_follows_knows_what_a_fresh_reader_finds_after_whatever_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (opened(&folder).await, opened(&folder).await);
    let mut known = KnownClients::default();
    let (mut followed, mut meant) = (BTreeMap::new(), BTreeMap::new());
    let mut state = 7_u64;
    let mut draw = |below: u64| {
        // Numerical Recipes' generator: the same numbers at each run.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for round in 0..40 {
        for _ in 0..draw(6) {
            let store = if draw(2) == 0 { &one } else { &other };
            let id = format!("client-{}", draw(8));
            let removed = remove(store, &id).await;
            assert_eq!(removed, meant.remove(&id).is_some());
            if draw(3) > 0 {
                let settings = format!("text {round}");
                register(store, &id, &settings).await;
                meant.insert(id, settings);
            }
        }
        if round % 13 == 12 {
            // What is kept of removals decides nothing.
            write(&one, &["delete from removed_clients".to_owned()]).await;
        }
        let reader = if draw(2) == 0 { &one } else { &other };
        follow(reader, &mut known, &mut followed).await.unwrap();
        assert_eq!(followed, meant, "{round}");
        assert_eq!(all(&other).await.unwrap(), meant);
        assert_eq!(one.client_count().await.unwrap(), meant.len() as u64);
    }
}

#[tokio::test]
async fn only_what_has_changed_is_read_unless_something_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, writer) = (opened(&folder).await, opened(&folder).await);
    for n in 0..5 {
        register(&writer, &format!("client-{n}"), "text").await;
    }
    let (mut known, mut clients) = (KnownClients::default(), BTreeMap::new());
    assert!(!follow(&store, &mut known, &mut clients).await.unwrap());
    assert_eq!(clients.len(), 5);
    assert!(remove(&writer, "client-3").await);
    register(&writer, "client-5", "text").await;
    // What was not changed is not even looked at, so that who writes there is found by the next whole reading alone.
    let unread = "update client_registrations set settings = 'more' where client_id = 'client-0'";
    write(&writer, &[unread.to_owned()]).await;
    assert!(!follow(&store, &mut known, &mut clients).await.unwrap());
    assert_eq!(clients.len(), 5);
    assert_eq!(clients["client-0"], "text");
    write(&writer, &[unread.replace("more", "text")]).await;
    // Removals that nobody remembers any more.
    assert!(remove(&writer, "client-4").await);
    write(&writer, &["delete from removed_clients".to_owned()]).await;
    assert!(
        follow(&store, &mut known, &mut clients).await.unwrap(),
        "all anew"
    );
    assert_eq!(clients.len(), 4);
    // A made-up removal takes nobody away.
    let made_up = "insert into removed_clients values (1000, 'client-0')";
    register(&writer, "client-6", "text").await;
    write(&writer, &[made_up.to_owned()]).await;
    follow(&store, &mut known, &mut clients).await.unwrap();
    assert_eq!(clients.len(), 5);
    assert_eq!(clients, all(&writer).await.unwrap());
}

#[tokio::test]
async fn who_was_put_back_as_a_whole_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("issuer.db");
    let store = opened(&folder).await;
    register(&store, "a", "text").await;
    let before = std::fs::read(&path).unwrap();
    register(&store, "b", "text").await;
    let (mut known, mut clients) = (KnownClients::default(), BTreeMap::new());
    follow(&store, &mut known, &mut clients).await.unwrap();
    store.close().await;
    std::fs::write(&path, before).unwrap();
    let store = opened(&folder).await;
    let error = follow(&store, &mut known, &mut clients).await.unwrap_err();
    assert!(error.to_string().contains("put back"), "{error}");
}

#[tokio::test]
async fn many_clients_are_read_in_pages() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await;
    let mut transaction = store.begin_write().await.unwrap();
    let mut writing = client_writing::ClientWriting::begin(&store, &mut transaction)
        .await
        .unwrap();
    for n in 0..2 * PAGE {
        let id = format!("client-{n}").parse().unwrap();
        let row = client_rows::ClientRow::registered(&id, text("text"), 1);
        writing.put(&mut transaction, &row, None).await.unwrap();
    }
    writing.finish(&mut transaction).await.unwrap();
    transaction.commit().await.unwrap();
    let (mut known, mut clients) = (KnownClients::default(), BTreeMap::new());
    follow(&store, &mut known, &mut clients).await.unwrap();
    assert_eq!(clients.len(), 4_000);
    assert_eq!(all(&store).await.unwrap(), clients);
}
