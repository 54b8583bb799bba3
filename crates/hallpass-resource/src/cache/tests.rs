use std::fs;
use std::io::{Write as _, stderr};

use hallpass_clock::{Clock as _, SystemClock};
use hallpass_token::{
    Audience, Issuer, JwkSet, Subject, TokenClaims, UnixTime, VerifiedClaims, VerifyPolicy,
};

use super::*;
use crate::key_source::KeySource;
use crate::trusted_issuer::TrustedIssuer;

fn trust() -> Arc<Trust> {
    let (issuer, audience): (Issuer, Audience) =
        ("internal".parse().unwrap(), "shop".parse().unwrap());
    let keys = KeySource::fixed(JwkSet::new([]), Arc::new(SystemClock::new()));
    let policy = VerifyPolicy::new(issuer, audience);
    Arc::new(Trust::new(TrustedIssuer::with_policy(policy, keys)))
}

/// An entry with a token of 500 bytes, which ends unlike any other.
fn entry(number: u64, trust: &Arc<Trust>) -> Arc<CacheEntry> {
    let subject: Subject = format!("user-{number}").parse().unwrap();
    let (issuer, audience) = ("internal".parse().unwrap(), "shop".parse().unwrap());
    let claims = TokenClaims::new(issuer, subject, audience, UnixTime::from_secs(u64::MAX));
    let marks = RevocationMarks::of(&claims, None);
    let claims = VerifiedClaims::dangerous_unverified(claims);
    let token = AccessToken::new(token(number));
    Arc::new(CacheEntry {
        context: SecurityContext::new(claims, token),
        trust: Arc::clone(trust),
        ground: Ground::Signature {
            epoch: number % 2,
            algorithm: Algorithm::Es256,
        },
        marks,
        asked: None,
        remembered: Remembered::default(),
        withdrawn: Default::default(),
    })
}

fn token(number: u64) -> String {
    // As a signature is: all of the end depends on the token.
    let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("{}{scattered:016x}{number:070}", "h".repeat(414))
}

#[test]
fn a_token_is_found_by_all_of_its_bytes_and_by_no_fewer() {
    let (trust, cache) = (
        trust(),
        VerifiedTokenCache::new(1 << 20, CacheMetrics::default()),
    );
    cache.insert(entry(1, &trust));
    let good = token(1);
    assert!(cache.get(SoughtToken::new(&good)).is_some());
    // Whatever has the same end, and so the same hash.
    for at in [0, 1, 200, 413] {
        let mut other = good.clone().into_bytes();
        other[at] = b'x';
        let other = String::from_utf8(other).unwrap();
        assert!(cache.get(SoughtToken::new(&other)).is_none(), "{at}");
    }
    let (shorter, longer) = (&good[1..], format!("h{good}"));
    assert!(cache.get(SoughtToken::new(shorter)).is_none());
    assert!(cache.get(SoughtToken::new(&longer)).is_none());
    cache.remove(SoughtToken::new(&good));
    assert!(cache.get(SoughtToken::new(&good)).is_none());
    // One that is shorter than what is hashed.
    assert!(cache.get(SoughtToken::new("a")).is_none());
}

fn say(line: &str) {
    let _unheard = writeln!(stderr(), "{line}");
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// `cargo test --release -p hallpass-resource --lib figures_of -- --ignored --nocapture`
#[test]
#[ignore = "figures: ten million tokens, in a release build"]
fn figures_of_the_cache_of_verified_tokens() {
    let (trust, metrics) = (trust(), CacheMetrics::default());
    let cache = VerifiedTokenCache::new(DEFAULT_CACHE_BYTES, metrics.clone());
    let before = resident_kib();
    let mut most = before;
    for number in 0..10_000_000 {
        cache.insert(entry(number, &trust));
        if number % 100_000 == 0 {
            most = most.max(resident_kib());
        }
    }
    let most = (most.max(resident_kib()) - before) / 1024;
    let (entries, counted) = (cache.entries.len(), cache.entries.weight() / (1 << 20));
    say(&format!(
        "10,000,000 tokens of 500 bytes: {entries} entries, {counted} MiB counted, {most} MiB more resident at most"
    ));
    assert!(cache.entries.weight() <= DEFAULT_CACHE_BYTES);
    assert!(most <= 2 * DEFAULT_CACHE_BYTES / (1 << 20), "{most} MiB");

    let clock = SystemClock::new();
    let began = clock.monotonic();
    cache.retain(|entry| matches!(entry.ground, Ground::Signature { epoch: 0, .. }));
    let took = clock.monotonic() - began;
    say(&format!(
        "purge of {} entries after a taint: {took:?}",
        entries - cache.entries.len()
    ));
    assert!(took.as_millis() < 1_000);

    let known = token(9_999_998);
    cache.insert(entry(9_999_998, &trust));
    let mut rounds: Vec<_> = (0..200)
        .map(|_| {
            let began = clock.monotonic();
            for _ in 0..10_000 {
                std::hint::black_box(cache.get(SoughtToken::new(std::hint::black_box(&known))));
            }
            (clock.monotonic() - began).as_secs_f64() / 10_000.0 * 1e6
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    say(&format!(
        "look-up of a token of 500 bytes: median {:.3} us, p99 {:.3} us",
        rounds[100], rounds[197]
    ));
}
