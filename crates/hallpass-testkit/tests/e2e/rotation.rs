//! A new signing key while calls go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hallpass::token::{Algorithm, SigningKey};
use hallpass_testkit::{ManualClock, TestIssuer};

use crate::service::{Services, System};

/// A private key as PEM, as a team has it that moves its issuer here.
fn pem() -> String {
    use std::fmt::Write;

    let key = SigningKey::generate(Algorithm::Es256)
        .unwrap()
        .to_pkcs8()
        .unwrap();
    let base64 = base64(&key);
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in base64.as_bytes().chunks(64) {
        writeln!(pem, "{}", std::str::from_utf8(line).unwrap()).unwrap();
    }
    pem + "-----END PRIVATE KEY-----\n"
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32| char::from(ALPHABET[(bits & 63) as usize]);
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(*chunk.get(at).unwrap_or(&0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        text.extend([digit(bits >> 18), digit(bits >> 12)]);
        text.push(if chunk.len() > 1 {
            digit(bits >> 6)
        } else {
            '='
        });
        text.push(if chunk.len() > 2 { digit(bits) } else { '=' });
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_imported_under_load_costs_no_call() {
    const WORKERS: usize = 8;
    let clock = Arc::new(ManualClock::new());
    let issuer = TestIssuer::builder()
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let services = Arc::new(Services::start(clock, issuer.address()).await);
    let (stop, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut workers = tokio::task::JoinSet::new();
    for _worker in 0..WORKERS {
        let services = Arc::clone(&services);
        let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
        workers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                services.system.report().await.expect("no call is lost");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut signing = Vec::new();
    for _rotation in 0..3 {
        after(&calls, 50).await;
        let imported = issuer.import_key(&pem()).await.unwrap();
        signing.push(imported.announced[0].key_id.clone());
        // Calls go on with the old token, and then with one that the new key has signed.
        after(&calls, 50).await;
        // The callee may ask for an unknown key again once its cool-down is over.
        services.clock.advance(std::time::Duration::from_secs(11));
        services.forget_token().await;
    }
    after(&calls, 50).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    signing.dedup();
    assert_eq!(signing.len(), 3);
    assert!(issuer.tokens_issued() >= 4, "{}", issuer.tokens_issued());
}

/// Waits until `more` calls have been made.
async fn after(calls: &AtomicU64, more: u64) {
    let goal = calls.load(Ordering::Relaxed) + more;
    while calls.load(Ordering::Relaxed) < goal {
        tokio::task::yield_now().await;
    }
}
