//! The memory tier and tiers behind it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hallpass_client::{
    CacheError, CacheLife, InternalTokenCache, MemoryTokenCache, SealedToken, TokenKey, TokenSource,
};
use hallpass_config::Secret;
use tokio::time::{Instant, sleep};

use crate::scripted_issuer::{Mode, ScriptedIssuer, credential, handle, sealed};

const LIFE: Duration = Duration::from_secs(600);

/// Where the wall clock of the tests begins.
const EPOCH: u64 = 1_767_225_600;

/// A tier that is shared by what stand for two processes.
fn shared() -> Arc<MemoryTokenCache> {
    Arc::new(MemoryTokenCache::new(100))
}

pub(crate) fn key() -> TokenKey {
    TokenKey::new(
        "https://service-auth.example/oauth2/token",
        "internal-service-client".parse().unwrap(),
        "service-system".parse().unwrap(),
        "internal-service".parse().unwrap(),
    )
}

#[tokio::test(start_paused = true)]
async fn a_second_process_takes_the_token_from_the_shared_tier() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = shared();
    let process = || handle(&issuer.client().shared_cache(tier.clone()).build());
    let first = process().token().await.unwrap();
    sleep(Duration::from_secs(300)).await;
    let second = process().token().await.unwrap();
    assert_eq!(first, second);
    assert_eq!(
        (second.source(), issuer.requests()),
        (TokenSource::Cache, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_from_a_shared_tier_is_renewed_and_ends_by_its_own_age() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = shared();
    let process = || handle(&issuer.client().shared_cache(tier.clone()).build());
    let old = process().token().await.unwrap();
    sleep(Duration::from_secs(500)).await;
    let second = process();
    assert_eq!(second.token().await.unwrap(), old, "due, but good for now");
    second.token().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_ne!(
        second.token().await.unwrap(),
        old,
        "renewed by the second process"
    );
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_memory_every_call_asks_the_shared_tier_and_the_issuer_only_once() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tokens = handle(
        &issuer
            .client()
            .without_memory_cache()
            .shared_cache(shared())
            .build(),
    );
    for _ in 0..50 {
        assert!(tokens.try_current().is_none());
        tokens.token().await.unwrap();
    }
    assert_eq!(issuer.requests(), 1);
    sleep(Duration::from_secs(500)).await;
    tokens.token().await.unwrap();
    assert_eq!(
        issuer.requests(),
        2,
        "a token that is due is renewed by the call that finds it"
    );
}

#[tokio::test(start_paused = true)]
async fn without_memory_and_without_issuer_the_shared_token_serves_until_the_tier_may_keep_it_no_longer()
 {
    let issuer = ScriptedIssuer::new(LIFE);
    let kept = Duration::from_secs(580);
    let life = CacheLife::new(kept, Duration::from_secs(60)).unwrap();
    let tokens = handle(
        &issuer
            .client_with(credential().with_cache_life(life))
            .without_memory_cache()
            .shared_cache(shared())
            .build(),
    );
    tokens.token().await.unwrap();
    issuer.set(Mode::Down);
    let start = Instant::now();
    while let Ok(token) = tokens.token().await {
        assert!(!issuer.has_ended(token.access_token().expose()));
        sleep(Duration::from_millis(500)).await;
    }
    assert!(
        (kept - Duration::from_secs(3)..=kept + Duration::from_secs(1)).contains(&start.elapsed()),
        "{:?}",
        start.elapsed()
    );
    assert!(
        issuer.requests() < 100,
        "{} requests to an issuer that is down",
        issuer.requests()
    );
}

#[tokio::test(start_paused = true)]
async fn without_memory_a_token_that_is_due_serves_at_once_while_the_issuer_hangs() {
    let issuer = ScriptedIssuer::new(LIFE);
    let client = issuer.client().without_memory_cache();
    let tokens = handle(&client.shared_cache(shared()).build());
    let old = tokens.token().await.unwrap();
    sleep(Duration::from_secs(490)).await;
    issuer.set(Mode::Hang);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(40) {
        let before = Instant::now();
        assert_eq!(tokens.token().await.unwrap(), old);
        assert!(before.elapsed() < Duration::from_millis(5));
        sleep(Duration::from_millis(500)).await;
    }
    assert!(issuer.requests() > 1, "the issuer is asked meanwhile");
    issuer.set(Mode::Issue);
    sleep(Duration::from_secs(18)).await;
    tokens.token().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_ne!(tokens.token().await.unwrap(), old);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_serves_while_the_issuer_hangs_serves_no_longer_when_it_is_evicted() {
    let issuer = ScriptedIssuer::new(LIFE);
    let client = issuer.client().without_memory_cache();
    let service = client.shared_cache(shared()).build();
    let tokens = handle(&service);
    let old = tokens.token().await.unwrap();
    sleep(Duration::from_secs(490)).await;
    issuer.set(Mode::Hang);
    assert_eq!(tokens.token().await.unwrap(), old);
    tokens.evict().await;
    let next = tokens.token().await.unwrap_err();
    assert!(next.is_timeout(), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn a_worse_token_in_a_tier_does_not_replace_the_one_in_memory_when_renewal_fails() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = shared();
    let tokens = handle(&issuer.client().shared_cache(tier.clone()).build());
    let good = tokens.token().await.unwrap();
    let worse = sealed(&key(), "worse", EPOCH - 30, EPOCH + 570);
    tier.put_token(&key(), &worse, LIFE).await.unwrap();
    issuer.set(Mode::Down);
    for _ in 0..4 {
        sleep(Duration::from_secs(140)).await;
        tokens.refresh_if_needed().await.ok();
        assert_eq!(tokens.token().await.unwrap(), good);
    }
}

#[tokio::test(start_paused = true)]
async fn an_overdue_token_in_a_shared_tier_is_taken_only_while_the_issuer_fails() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = shared();
    let life = CacheLife::new(LIFE, Duration::from_secs(60)).unwrap();
    let client = || issuer.client_with(credential().with_cache_life(life));
    let process = || handle(&client().shared_cache(tier.clone()).build());
    let old = process().token().await.unwrap();
    sleep(Duration::from_secs(575)).await;
    issuer.set(Mode::Down);
    assert_eq!(process().token().await.unwrap(), old);
    issuer.set(Mode::Issue);
    assert_ne!(process().token().await.unwrap(), old);
}

#[tokio::test(start_paused = true)]
async fn without_any_tier_each_wave_of_callers_makes_one_request() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tokens = handle(&issuer.client().without_memory_cache().build());
    for _ in 0..3 {
        let (a, b, c) = tokio::join!(tokens.token(), tokens.token(), tokens.token());
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
    }
    assert_eq!((issuer.requests(), issuer.most_at_once()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_not_taken_from_a_tier_again() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tokens = handle(&issuer.client().shared_cache(shared()).build());
    let old = tokens.token().await.unwrap();
    assert_ne!(tokens.renew_rejected(old.generation()).await.unwrap(), old);
}

/// What a tier was given, and for how long it was to keep it.
#[derive(Debug, Default)]
struct Records(std::sync::Mutex<Vec<(SealedToken, Duration)>>);

impl InternalTokenCache for Records {
    fn name(&self) -> &'static str {
        "records"
    }

    fn get_token<'a>(
        &'a self,
        _: &'a TokenKey,
    ) -> BoxFuture<'a, Result<Option<SealedToken>, CacheError>> {
        let last = self
            .0
            .lock()
            .unwrap()
            .last()
            .map(|(token, _)| token.clone());
        Box::pin(std::future::ready(Ok(last)))
    }

    fn put_token<'a>(
        &'a self,
        _: &'a TokenKey,
        token: &'a SealedToken,
        keep_for: Duration,
    ) -> BoxFuture<'a, Result<(), CacheError>> {
        self.0.lock().unwrap().push((token.clone(), keep_for));
        Box::pin(std::future::ready(Ok(())))
    }

    fn evict<'a>(&'a self, _: &'a TokenKey) -> BoxFuture<'a, Result<(), CacheError>> {
        self.0.lock().unwrap().clear();
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test(start_paused = true)]
async fn a_tier_never_sees_a_token_and_keeps_it_neither_past_its_end_nor_for_longer_than_it_is_used()
 {
    for (life, expire) in [(600, 540), (600, 7_200), (60, 540)] {
        let issuer = ScriptedIssuer::new(Duration::from_secs(life));
        let tier = Arc::new(Records::default());
        let cache_life =
            CacheLife::new(Duration::from_secs(expire), Duration::from_secs(10)).unwrap();
        let client = issuer.client_with(credential().with_cache_life(cache_life));
        let tokens = handle(&client.shared_cache(tier.clone()).build());
        let token = tokens.token().await.unwrap();
        let (sealed, keep_for) = tier.0.lock().unwrap().pop().unwrap();
        assert!(!sealed.as_str().contains(token.access_token().expose()));
        let most = Duration::from_secs(life.min(expire));
        assert!(
            keep_for <= most && keep_for > most - Duration::from_secs(2),
            "{keep_for:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_another_client_secret_gets_nothing_out_of_a_tier() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = shared();
    let process = |secret| {
        let endpoint = "https://service-auth.example/oauth2/token".parse().unwrap();
        let client = "internal-service-client".parse().unwrap();
        let credential = hallpass_client::Credential::new(client, Secret::from(secret), endpoint);
        let credential = credential.with_scope("internal-service".parse().unwrap());
        handle(
            &issuer
                .client_with(credential)
                .shared_cache(tier.clone())
                .build(),
        )
    };
    let first = process("one").token().await.unwrap();
    assert_eq!(process("one").token().await.unwrap(), first);
    let other = process("two").token().await.unwrap();
    assert_eq!(
        (other.source(), issuer.requests()),
        (TokenSource::Issuer, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_replaced_by_the_one_that_another_process_has_got_since() {
    let issuer = ScriptedIssuer::new(LIFE);
    let tier = shared();
    let process = || handle(&issuer.client().shared_cache(tier.clone()).build());
    let (one, other) = (process(), process());
    let old = one.token().await.unwrap();
    let same = other.token().await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let new = one.renew_rejected(old.generation()).await.unwrap();
    assert_eq!(other.renew_rejected(same.generation()).await.unwrap(), new);
    assert_eq!(issuer.requests(), 2);
    let adopted = other.try_current().unwrap();
    let forced = other.renew_rejected(adopted.generation()).await.unwrap();
    assert_ne!(
        forced, new,
        "rejected too: nobody has a newer one, and it is asked for at once"
    );
    assert_eq!(issuer.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_audiences_keeps_memory_within_its_limit() {
    let issuer = ScriptedIssuer::new(LIFE);
    let service = issuer.client().memory_cache(10).build();
    let scope = "s".parse().unwrap();
    for number in 0..100 {
        service
            .service_token(&format!("audience-{number}").parse().unwrap(), &scope)
            .await
            .unwrap();
    }
    service
        .service_token(&"audience-99".parse().unwrap(), &scope)
        .await
        .unwrap();
    assert_eq!(issuer.requests(), 100, "the newest is kept");
    service
        .service_token(&"audience-0".parse().unwrap(), &scope)
        .await
        .unwrap();
    assert_eq!(issuer.requests(), 101, "the oldest is not");
}
