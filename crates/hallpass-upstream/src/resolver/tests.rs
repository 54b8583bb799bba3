use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A resolver that answers as it was told, and counts how often it was asked.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    names: Arc<Mutex<HashMap<String, Reply>>>,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone)]
pub(crate) enum Reply {
    Addresses(&'static [&'static str]),
    Fails(&'static str),
    Hangs,
}

impl Scripted {
    pub(crate) fn set(&self, host: &str, reply: Reply) {
        self.names.lock().unwrap().insert(host.to_owned(), reply);
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn resolver(&self) -> Resolver {
        let it = self.clone();
        Resolver::new(move |host| {
            it.asked.fetch_add(1, Ordering::Relaxed);
            let reply = it.names.lock().unwrap().get(&host).cloned();
            Box::pin(async move {
                tokio::task::yield_now().await;
                match reply.unwrap_or(Reply::Hangs) {
                    Reply::Addresses(texts) => {
                        Ok(texts.iter().map(|text| text.parse().unwrap()).collect())
                    }
                    Reply::Fails(text) => Err(io::Error::other(text)),
                    Reply::Hangs => std::future::pending().await,
                }
            })
        })
    }
}

const LIMIT: Duration = Duration::from_secs(1);
const NO_SUCH_NAME: &str = "failed to lookup address information: Name or service not known";

#[tokio::test(start_paused = true)]
async fn many_who_ask_for_one_name_make_one_look_up() {
    let scripted = Scripted::default();
    scripted.set("orders", Reply::Addresses(&["10.0.0.1", "10.0.0.2"]));
    let resolver = scripted.resolver();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let resolver = resolver.clone();
        asking.spawn(async move { resolver.resolve("Orders", LIMIT).await });
    }
    for answer in asking.join_all().await {
        assert_eq!(answer.unwrap().len(), 2);
    }
    assert_eq!(scripted.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_does_not_exist_is_remembered_briefly() {
    let scripted = Scripted::default();
    scripted.set("orders", Reply::Fails(NO_SUCH_NAME));
    let resolver = scripted.resolver();
    for _ in 0..10 {
        let answer = resolver.resolve("orders", LIMIT).await;
        assert_eq!(answer, Err(LookUpError::Failed(NO_SUCH_NAME.into())));
    }
    assert_eq!(scripted.asked(), 1);
    scripted.set("orders", Reply::Addresses(&["10.0.0.1"]));
    tokio::time::advance(ANSWER_AGE).await;
    assert!(resolver.resolve("orders", LIMIT).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn only_a_clear_no_is_an_answer() {
    let scripted = Scripted::default();
    let failed = "failed to lookup address information: Temporary failure in name resolution";
    scripted.set("orders", Reply::Fails(failed));
    let answer = scripted.resolver().resolve("orders", LIMIT).await;
    assert_eq!(answer, Err(LookUpError::Failed(failed.into())));
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_hangs_holds_a_bounded_number_of_threads_and_nobody_for_long() {
    let scripted = Scripted::default();
    let resolver = scripted.resolver();
    let mut asking = tokio::task::JoinSet::new();
    let began = Instant::now();
    for number in 0..200 {
        let resolver = resolver.clone();
        asking.spawn(async move {
            resolver
                .resolve(&format!("host-{}", number % 100), LIMIT)
                .await
        });
    }
    for answer in asking.join_all().await {
        assert_eq!(answer, Err(LookUpError::TooLong));
    }
    assert_eq!(began.elapsed(), LIMIT);
    assert_eq!(scripted.asked(), MAX_LOOK_UPS);
    tokio::time::advance(LOOK_UP_TIMEOUT).await;
    let answer = resolver.resolve("another", 2 * LOOK_UP_TIMEOUT).await;
    assert_eq!(answer, Err(LookUpError::Busy));
    assert_eq!(scripted.asked(), MAX_LOOK_UPS);
}

const NO_ANSWER: &str =
    "failed to lookup address information: Temporary failure in name resolution";

#[tokio::test(start_paused = true)]
async fn while_no_name_server_answers_the_last_addresses_are_used_for_an_hour() {
    let scripted = Scripted::default();
    scripted.set("orders", Reply::Addresses(&["10.0.0.1"]));
    let resolver = scripted.resolver();
    let last = resolver.resolve("orders", LIMIT).await.unwrap();
    let began = Instant::now();
    scripted.set("orders", Reply::Fails(NO_ANSWER));
    for _ in 0..10 {
        tokio::time::advance(5 * 60 * LIMIT).await;
        assert_eq!(resolver.resolve("orders", LIMIT).await.unwrap(), last);
    }
    assert_eq!(scripted.asked(), 11, "each time anew");
    // One that hangs costs half a second.
    scripted.set("orders", Reply::Hangs);
    tokio::time::advance(ANSWER_AGE).await;
    let asked = Instant::now();
    assert_eq!(resolver.resolve("orders", LIMIT).await.unwrap(), last);
    assert_eq!(asked.elapsed(), LAST_AFTER);
    tokio::time::advance(LAST_AGE - began.elapsed()).await;
    let answer = resolver.resolve("orders", LIMIT).await;
    assert_eq!(answer, Err(LookUpError::TooLong), "after an hour");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_gone_has_no_address_whatever_it_had() {
    for gone in [Reply::Fails(NO_SUCH_NAME), Reply::Addresses(&[])] {
        let scripted = Scripted::default();
        scripted.set("orders", Reply::Addresses(&["10.0.0.1"]));
        let resolver = scripted.resolver();
        assert!(resolver.resolve("orders", LIMIT).await.is_ok());
        for reply in [gone, Reply::Fails(NO_ANSWER)] {
            scripted.set("orders", reply);
            tokio::time::advance(ANSWER_AGE).await;
            assert!(resolver.resolve("orders", LIMIT).await.is_err());
        }
    }
}
