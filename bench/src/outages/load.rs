//! Calls at a fixed rate, whatever becomes of those before.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallpass::feign::FeignError;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::service::{FeignOrders, Orders as _};
use crate::measure::Failure;

/// Calls at once; one more is a failed call.
const MOST_OPEN: u32 = 4_000;
/// Longer than the deadline of a call.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is said of a call whose caller did not wait for its end.
pub(super) const GAVE_UP: &str = "gave up";

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// When it was to be sent, from the beginning on.
    pub(super) planned: Duration,
    /// From that moment to its end.
    pub(super) took: Duration,
    /// Why it failed.
    pub(super) failure: Option<String>,
}

/// Makes `rate` calls per second for `length`, each of which is dropped when it takes longer than `hurry`, and waits for the last of them. A machine that is too busy to send one in time makes that call slow, not absent.
pub(super) async fn run(
    orders: &Arc<FeignOrders>,
    begun: Instant,
    rate: u32,
    length: Duration,
    hurry: Option<Duration>,
) -> Result<Vec<Call>, Failure> {
    let number = u64::from(rate) * length.as_secs();
    let calls = Vec::with_capacity(usize::try_from(number)?);
    let calls = Arc::new(Mutex::new(calls));
    let places = Arc::new(Semaphore::new(usize::try_from(MOST_OPEN)?));
    for number in 0..number {
        let planned = Duration::from_micros(number * 1_000_000 / u64::from(rate));
        let moment = begun + planned;
        if moment > Instant::now() {
            tokio::time::sleep_until(moment).await;
        }
        let (orders, calls) = (Arc::clone(orders), Arc::clone(&calls));
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            note(&calls, planned, Duration::ZERO, Some("not sent".to_owned()));
            continue;
        };
        tokio::spawn(async move {
            let calling = orders.order(number);
            let failure = match tokio::time::timeout(hurry.unwrap_or(PATIENCE), calling).await {
                Ok(called) => called.err().map(|error| why(&error)),
                Err(_) => Some(GAVE_UP.to_owned()),
            };
            note(&calls, planned, moment.elapsed(), failure);
            drop(place);
        });
    }
    let all = tokio::time::timeout(PATIENCE, places.acquire_many(MOST_OPEN)).await;
    let _all_ended = all.map_err(|_| "calls do not end")??;
    let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut *calls))
}

fn note(calls: &Mutex<Vec<Call>>, planned: Duration, took: Duration, failure: Option<String>) {
    let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
    calls.push(Call {
        planned,
        took,
        failure,
    });
}

/// The code of the failure, and what the service said of its own call.
fn why(error: &FeignError) -> String {
    match error {
        FeignError::Status { status, body, .. } => {
            format!(
                "{} {}",
                status.as_u16(),
                String::from_utf8_lossy(body.as_bytes())
            )
        }
        other => other.code().to_owned(),
    }
}
