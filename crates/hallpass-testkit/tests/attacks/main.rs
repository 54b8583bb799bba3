//! Hostile requests and tokens against a real service with a real issuer. Each case says what it must get in return; none
//! reaches the handler, and so nothing is forwarded to the upstream that the handler would call. The same through `hallpass gateway`.
//!
//! `cargo test -p hallpass-testkit --test attacks -- --nocapture` prints the totals.

#[cfg(test)]
mod advisories;
#[cfg(test)]
#[path = "../e2e/built.rs"]
mod built;
#[cfg(test)]
mod case;
#[cfg(test)]
mod choice;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod forwarded;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod hostile_upstream;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod large_tokens;
#[cfg(test)]
mod methods;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod raw_upstream;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod smuggling;
#[cfg(test)]
mod structure;
#[cfg(test)]
mod upgrades;

use case::Case;
use rig::Rig;

/// Fewer than this is not the suite.
#[cfg(test)]
const AT_LEAST: usize = 300;

/// Every kind, with its cases.
#[cfg(test)]
fn all(rig: &Rig) -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("keys and algorithms", keys::cases(rig)),
        ("claims", claims::cases(rig)),
        ("structure of tokens", structure::cases(rig)),
        ("headers", headers::cases(rig)),
        ("paths", paths::cases(rig)),
        ("methods and hosts", methods::cases(rig)),
        ("framing", framing::cases(rig)),
        ("HTTP/2", http2::cases(rig)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hostile_request_is_accepted_or_forwarded_and_none_ends_the_service() {
    assert_all_refused(Rig::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hostile_request_gets_through_the_gateway_and_none_ends_it() {
    assert_all_refused(Rig::start_behind_gateway().await).await;
}

#[cfg(test)]
async fn assert_all_refused(rig: Rig) {
    rig.assert_serves().await;
    let (mut total, mut wrong) = (0, Vec::new());
    for (kind, cases) in all(&rig) {
        println!("{:>4} {kind}", cases.len());
        total += cases.len();
        for case in &cases {
            if let Err(fault) = rig.try_case(case).await {
                wrong.push(format!("{kind}: {}: {fault}", case.name));
            }
        }
        rig.assert_serves().await;
    }
    let [accepted, forwarded, panics] = rig.counts();
    println!("{total} in all: {accepted} accepted, {forwarded} forwarded, {panics} panics");
    assert!(
        wrong.is_empty(),
        "{} of {total}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!([accepted, forwarded, panics], [0, 0, 0]);
    assert!(total >= AT_LEAST, "{total}");
}
