//! Commands on a store whose file is not the one that the running issuer has open: nothing that they write would reach it.
#![cfg(unix)]

use std::path::Path;
use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_issuer::{
    ClientChangeRequest, Error, IssuerServer, RevocationEnd, RevocationTarget, TakeOver,
    add_client, change_client, import_keys, key_report, revoke, rotate_key, taint_key,
};

use crate::harness::{Harness, test_clock};

const CLIENT: &str = "hallpass: { issuer: { clients: [{ client-id: added, audiences: [a] }] } }";

/// What each command that writes says.
async fn write(harness: &Harness) -> Vec<Result<(), Error>> {
    let settings = &harness.settings;
    let clock: Arc<dyn Clock> = harness.clock.clone();
    let target = RevocationTarget::Token("jti".to_owned());
    let pem = include_str!("data/ec-p256.pem");
    let kid = key_report(settings, &clock).await;
    let kid = kid.map_or_else(|_| "any".to_owned(), |it| it.keys[0].key_id.clone());
    let added = add_client(settings, &clock, ("a.yaml", CLIENT), |_| Ok(()));
    let delete = ClientChangeRequest::Delete {
        client_id: "added",
        keeps_tokens: false,
    };
    vec![
        added.await.map(|_| ()),
        change_client(settings, &clock, delete, None, |_| Ok(()))
            .await
            .map(|_| ()),
        revoke(settings, &clock, &target, RevocationEnd::default())
            .await
            .map(|_| ()),
        rotate_key(settings, &clock, None, TakeOver::Announced)
            .await
            .map(|_| ()),
        taint_key(settings, &clock, &kid).await.map(|_| ()),
        import_keys(settings, &clock, pem).await.map(|_| ()),
    ]
}

async fn each_is_refused(harness: &Harness) {
    for (number, result) in write(harness).await.into_iter().enumerate() {
        let error = result.unwrap_err();
        let is_it = matches!(error, Error::IssuerOnOtherFile { .. });
        assert!(is_it, "{number}: {error}");
        assert!(error.to_string().contains("restart it"), "{error}");
    }
}

async fn each_is_done(harness: &Harness) {
    for (number, result) in write(harness).await.into_iter().enumerate() {
        assert!(result.is_ok(), "{number}: {result:?}");
    }
}

fn move_away(store: &Path) -> std::path::PathBuf {
    let aside = store.with_extension("aside");
    std::fs::rename(store, &aside).unwrap();
    aside
}

#[tokio::test]
async fn no_command_claims_to_have_written_what_no_issuer_will_see() {
    let harness = Harness::start().await;
    let store = harness.settings.store.clone();
    let aside = move_away(&store);
    each_is_refused(&harness).await;
    assert!(!store.exists(), "and none makes a new store");
    std::fs::copy(&aside, &store).unwrap();
    let before = std::fs::read(&store).unwrap();
    each_is_refused(&harness).await;
    assert_eq!(std::fs::read(&store).unwrap(), before);
    // Who only looks may.
    let clock: Arc<dyn Clock> = harness.clock.clone();
    assert!(key_report(&harness.settings, &clock).await.is_ok());

    let harness = harness.restart().await;
    each_is_done(&harness).await;
}

#[tokio::test]
async fn commands_write_where_no_issuer_runs_whatever_was_there_before() {
    let harness = Harness::start().await;
    each_is_done(&harness).await;
    let Harness {
        issuer,
        clock,
        settings,
        folder,
    } = harness;
    issuer.shutdown().await.unwrap();
    let aside = move_away(&settings.store);
    std::fs::copy(aside, &settings.store).unwrap();
    let again = IssuerServer::start(&settings, Arc::new(test_clock()));
    let issuer = again.await.unwrap();
    let ended = Harness {
        issuer,
        clock,
        settings,
        folder,
    };
    each_is_known(&ended).await;
}

/// The client is there already, and everything else can be done again.
async fn each_is_known(harness: &Harness) {
    let refused = write(harness).await.into_iter().filter_map(Result::err);
    for error in refused {
        assert!(!matches!(error, Error::IssuerOnOtherFile { .. }), "{error}");
    }
}

/// A start on the new file is how an operator mends it: the one that ran before does not stand in its way, and then not in that of commands.
#[tokio::test]
async fn an_issuer_that_starts_on_the_new_file_is_the_one_that_commands_reach() {
    let old = Harness::start().await;
    let aside = move_away(&old.settings.store);
    std::fs::copy(aside, &old.settings.store).unwrap();
    each_is_refused(&old).await;
    let new = IssuerServer::start(&old.settings, Arc::new(test_clock()));
    let new = new.await.unwrap();
    each_is_done(&old).await;
    new.shutdown().await.unwrap();
}
