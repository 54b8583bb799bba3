use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{alice, user, who};
use crate::context::{
    CallContext, carry, carry_async, carry_each, every, scope, scope_all, sync_scope,
    without_identity,
};

#[tokio::test]
async fn a_thread_finds_the_caller_by_carry_and_nobody_without() {
    let work = sync_scope(user("alice"), || carry(who));
    let each = sync_scope(user("alice"), || carry_each(|_number: u8| who()));
    let thread = move || (work(), each(1), each(2), who());
    let found = std::thread::spawn(thread).join().unwrap();
    assert_eq!(found, (alice(), alice(), alice(), None));
}

#[tokio::test]
async fn a_callback_and_its_future_run_for_who_has_made_it() {
    let callback = sync_scope(user("alice"), || {
        carry_async(|before: u8| {
            let called_by = who();
            async move {
                tokio::task::yield_now().await;
                (before, called_by, who())
            }
        })
    });
    let called = tokio::spawn(async { callback(7).await }).await.unwrap();
    assert_eq!(called, (7, alice(), alice()));
}

#[tokio::test]
async fn what_is_fetched_for_all_is_fetched_in_nobodys_name() {
    let context = CallContext::default()
        .with_identity(user("alice"))
        .with_header("x-tenant-id".parse().unwrap(), "north".parse().unwrap())
        .with_deadline(tokio::time::Instant::now());
    let work = async {
        let here = without_identity(async { CallContext::current() }).await;
        assert!(here.identity().is_none() && here.carried().is_empty());
        assert_eq!(here.deadline(), None, "others wait for it too");
        assert_eq!(who(), alice());
    };
    scope_all(context, work).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_every_period_in_nobodys_name_until_its_handle_goes() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (notes, runs) = (Arc::clone(&seen), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&runs);
    let begin = async move {
        every(Duration::from_secs(1), move || {
            let at_once = who();
            let (notes, number) = (Arc::clone(&notes), counted.fetch_add(1, Ordering::Relaxed));
            async move {
                notes.lock().unwrap().push((at_once, who()));
                assert!(number != 0, "as planned");
                if number == 1 {
                    return Err("as planned");
                }
                Ok(())
            }
        })
    };
    let job = scope(user("alice"), begin).await;
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    // One that panics and one that fails are not the last.
    assert_eq!(*seen.lock().unwrap(), vec![(None, None); 3]);
    drop(job);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(runs.load(Ordering::Relaxed), 3);
}
