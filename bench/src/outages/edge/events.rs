//! What happens in a row: as often as there is time for, and a hundred times where that is enough.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::estate::{Estate, Gateway};
use super::load::Place;
use crate::measure::Failure;
use crate::outages::times::Times;

const TIMES: u32 = 100;
/// How often a load balancer asks whether a gateway is ready.
const LOOK: Duration = Duration::from_millis(100);

/// When event `number` is due, of [`TIMES`] that are spread over the time.
fn due(times: &Times, number: u32) -> Instant {
    times.begun + times.fault + (times.end - times.fault) * number / TIMES
}

pub(super) async fn reload(estate: &Estate, times: Times) -> Result<String, Failure> {
    let gateway = estate.gateways.first().ok_or("the row has no gateway")?;
    let mut reloads = 0;
    for number in 0..TIMES {
        sleep_until(due(&times, number)).await;
        if times.begun.elapsed() > times.end {
            break;
        }
        gateway.reload(number + 1).await?;
        reloads += 1;
    }
    Ok(format!("{reloads} reloads"))
}

pub(super) async fn drain(estate: &mut Estate, times: Times) -> Result<String, Failure> {
    times.fault().await;
    let places = Arc::clone(&estate.places);
    let mut drains = 0_u32;
    let mut longest = Duration::ZERO;
    while times.begun.elapsed() < times.end {
        for (gateway, place) in estate.gateways.iter_mut().zip(&*places) {
            let begun = Instant::now();
            gateway.terminate()?;
            until(gateway, place, false).await;
            gateway.ended().await?;
            longest = longest.max(begun.elapsed());
            gateway.start_again().await?;
            until(gateway, place, true).await;
            drains += 1;
        }
    }
    Ok(format!(
        "{drains} restarts of a gateway, each gone within {:.1} s",
        longest.as_secs_f64()
    ))
}

/// Until a load balancer sees whether the gateway is ready.
async fn until(gateway: &Gateway, place: &Place, is_ready: bool) {
    loop {
        sleep(LOOK).await;
        if gateway.is_ready().await == is_ready {
            place.is_ready.store(is_ready, Ordering::SeqCst);
            return;
        }
    }
}

pub(super) async fn restart(estate: &mut Estate, times: Times) -> Result<String, Failure> {
    let mut restarts = 0;
    let mut longest = Duration::ZERO;
    let number_of_instances = u32::try_from(estate.instances.len())?;
    for number in 0..TIMES {
        sleep_until(due(&times, number)).await;
        if times.begun.elapsed() > times.end {
            break;
        }
        let which = usize::try_from(number % number_of_instances.max(1))?;
        let instance = estate.instances.get_mut(which);
        let begun = Instant::now();
        instance.ok_or("the row has no instance")?.restart().await?;
        longest = longest.max(begun.elapsed());
        restarts += 1;
    }
    let gateway = estate.gateways.first().ok_or("the row has no gateway")?;
    let retries = gateway.count("hallpass_gateway_retries_total", "").await?;
    Ok(format!(
        "{restarts} restarts, each back within {:.0} ms; {retries} retries",
        longest.as_secs_f64() * 1e3
    ))
}
