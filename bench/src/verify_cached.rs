//! The resource server's verifier, with and without its cache of verified tokens, against the bare signature check.
//!
//! This is the verifier that the layer uses, with its metrics and the clock of the operating system: look-up by the
//! token, freshness of the keys, claims against the clock. The budget for a cached check is 1 µs.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};
use hallpass::resource::{KeySource, ResourceServer, TrustedIssuer};
use hallpass::token::{Algorithm, JwkSet, SigningKey, UnixTime, sign};

use crate::measure::{Outcome, Pair, Row, print_table};
use crate::verify::{claims_from, public_key, split};

/// What a round takes on each side, roughly.
const ROUND: Duration = Duration::from_millis(2);
const ROUNDS: usize = 200;

/// Measures and prints a Markdown table.
///
/// # Errors
/// When a key cannot be made or a token does not verify: then there is nothing to measure.
pub(crate) fn run() -> Outcome<()> {
    let mut rows = Vec::new();
    for algorithm in Algorithm::EVERY {
        let key = SigningKey::generate(algorithm)?;
        rows.push(measure(&key, "cached", true)?);
        rows.push(measure(&key, "not cached", false)?);
    }
    print_table(&rows);
    Ok(())
}

fn measure(key: &SigningKey, what: &str, cached: bool) -> Outcome<Row> {
    let clock = Arc::new(SystemClock::new());
    let now = UnixTime::from(clock.now());
    let token = sign(&claims_from(now)?, key, now)?;
    let token = token.expose();
    let keys = KeySource::fixed(JwkSet::new([key.public_jwk()]), clock.clone());
    let trusted = TrustedIssuer::new("internal".parse()?, "service-system".parse()?, keys);
    let builder = ResourceServer::builder("service-system", clock).issuer(trusted);
    let server = if cached {
        builder
    } else {
        builder.cache_bytes(0)
    }
    .build()?;
    at_once(server.verify(token)).ok_or("the verification waits for something")??;

    let (message, signature) = split(token)?;
    let bare = public_key(&key.public_jwk().to_json())?;
    bare.verify_sig(message, &signature)?;
    let times = Pair::measure(
        (ROUNDS, ROUND),
        || bare.verify_sig(black_box(message), black_box(&signature)),
        || at_once(server.verify(black_box(token))),
    );
    let name = format!("{} {what} ({} bytes)", key.algorithm(), token.len());
    Ok(Row::new(name, times))
}

/// The result of a future that waits for nothing: the keys are there.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
