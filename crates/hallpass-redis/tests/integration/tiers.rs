//! Tiers, keys and entries as tests need them.

use std::sync::Arc;
use std::time::Duration;

use hallpass_client::{EvictionNotice, InternalTokenCache, SealedToken, TokenKey};
use hallpass_clock::{Clock, SystemClock};
use hallpass_redis::{RedisForm, RedisSettings, RedisTokenCache};

/// Longer than anything that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may take on a machine that does much else.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

/// A tier that calls nobody yet.
pub(crate) fn lazy(settings: &RedisSettings) -> RedisTokenCache {
    RedisTokenCache::new(settings, Arc::new(SystemClock::new())).unwrap()
}

/// A tier with a connection.
pub(crate) async fn tier(settings: &RedisSettings) -> RedisTokenCache {
    let tier = lazy(settings);
    assert!(tier.connect(CONNECT).await, "no connection: {tier:?}");
    tier
}

/// One server on this machine. Calls have more time than in a service: what these tests look at is what they do, also on a
/// machine that does much else.
pub(crate) fn at(port: u16) -> RedisSettings {
    patient(in_time(port))
}

pub(crate) fn patient(mut settings: RedisSettings) -> RedisSettings {
    settings.timeout = Duration::from_secs(2);
    settings
}

/// One server on this machine, whose calls have the time that they have in a service.
pub(crate) fn in_time(port: u16) -> RedisSettings {
    RedisSettings::new(RedisForm::Standalone(
        format!("127.0.0.1:{port}").parse().unwrap(),
    ))
}

pub(crate) fn key(audience: &str) -> TokenKey {
    let (client, scope) = (
        "order-service".parse().unwrap(),
        "internal-service".parse().unwrap(),
    );
    TokenKey::new("issuer", client, audience.parse().unwrap(), scope)
}

/// Where the entry of a key is, by the documentation.
pub(crate) fn name_of(key: &TokenKey) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key.to_bytes());
    let hash: String = hash.as_ref()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!(
        "hallpass:internal-token:{}:{}:{hash}",
        key.client(),
        key.audience()
    )
}

pub(crate) fn sealed(text: &str) -> SealedToken {
    SealedToken::from(text.to_owned())
}

/// A notice that nobody has sealed: a tier only carries it.
pub(crate) fn notice(text: &str) -> EvictionNotice {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    let bytes = [&[1], &length[..], text.as_bytes(), b"seal"].concat();
    EvictionNotice::parse(&bytes).unwrap()
}

/// Whether an entry can be kept and found again now.
pub(crate) async fn works(tier: &RedisTokenCache, key: &TokenKey) -> bool {
    let token = sealed("entry");
    let kept = tier.put_token(key, &token, Duration::from_secs(60)).await;
    kept.is_ok() && tier.get_token(key).await == Ok(Some(token))
}

/// Tries until it is so, and says how long that took.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let clock = SystemClock::new();
    while !is_so().await {
        assert!(
            clock.monotonic() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    clock.monotonic()
}
