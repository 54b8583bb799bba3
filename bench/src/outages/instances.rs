//! What is done to instances of `service-system`.

use std::time::Duration;

use super::estate::Estate;
use super::proxy::Mode;
use super::service::Service;
use super::times::{LOOK, PATIENCE, Times};
use crate::children::sum;
use crate::measure::Failure;
use tokio::time::Instant;

/// How much later the answers of a slow instance come: some twenty times as late as those of the others.
const LATE: Duration = Duration::from_millis(20);

/// One of two goes, in an orderly way; at the end another one comes.
pub(super) async fn withdraw(estate: &mut Estate, times: Times) -> Result<Vec<String>, Failure> {
    let mut leaves = estate.systems.pop().ok_or("the row has no instance")?;
    let served = served(&leaves).await?;
    let took = leaves.stop().await?;
    times.end().await;
    let begun = Instant::now();
    let comes = estate.start_system()?;
    while self::served(&comes).await? == 0 {
        if begun.elapsed() > PATIENCE {
            return Err("nobody calls the new instance".into());
        }
        tokio::time::sleep(LOOK).await;
    }
    let first = begun.elapsed();
    estate.systems.push(comes);
    Ok(vec![format!(
        "the instance had served {served} calls and was gone after {:.1} s; a new one was called {:.1} s after its start",
        took.as_secs_f64(),
        first.as_secs_f64()
    )])
}

/// One of three is killed and started again; at the end of the fault it is stopped in an orderly way and started again.
pub(super) async fn restart(estate: &mut Estate, times: Times) -> Result<Vec<String>, Failure> {
    let instance = estate.systems.last_mut().ok_or("the row has no instance")?;
    instance.kill()?;
    times.percent(10).await;
    instance.start_again()?;
    let seen = called_again(instance, 0, times).await?;
    times.end().await;
    instance.stop().await?;
    instance.start_again()?;
    Ok(vec![format!("{seen} after it was back from a crash")])
}

/// One of three hangs.
pub(super) async fn hang(estate: &Estate, times: Times) -> Result<Vec<String>, Failure> {
    let instance = estate.systems.last().ok_or("the row has no instance")?;
    instance.hang()?;
    times.end().await;
    instance.go_on()?;
    let before = served(instance).await?;
    let seen = called_again(instance, before, times).await?;
    Ok(vec![format!("{seen} after it went on")])
}

/// The answers of the first one come late.
pub(super) async fn slow(estate: &Estate, times: Times) -> Result<Vec<String>, Failure> {
    let before = served_by_all(estate).await?;
    let proxy = estate.proxies.first().ok_or("the row has no proxy")?;
    proxy.set(Mode::Slow(LATE));
    times.end().await;
    let after = served_by_all(estate).await?;
    proxy.set(Mode::Pass);
    let during: Vec<u64> = before.iter().zip(&after).map(|(a, b)| b - a).collect();
    let all: u64 = during.iter().sum();
    let share = during.first().map_or(0, |slow| slow * 1_000 / all.max(1));
    Ok(vec![format!(
        "the slow one of three served {}.{} % of the calls then",
        share / 10,
        share % 10
    )])
}

/// The near ones fall silent.
pub(super) async fn lose_zone(estate: &Estate, times: Times) -> Result<Vec<String>, Failure> {
    let before = served_by_all(estate).await?;
    for proxy in &estate.proxies {
        proxy.set(Mode::Silent);
    }
    times.end().await;
    for proxy in &estate.proxies {
        proxy.set(Mode::Pass);
    }
    let near = estate.proxies.len();
    let sum = |served: &[u64], far: bool| -> u64 {
        let served = served.iter().enumerate();
        served
            .filter(|(number, _)| (*number >= near) == far)
            .map(|(_, served)| served)
            .sum()
    };
    let (near, far) = (sum(&before, false), sum(&before, true));
    Ok(vec![format!(
        "before it {near} calls stayed near and {far} went far"
    )])
}

/// How long it takes until it has served more calls than before, while there are any.
async fn called_again(instance: &Service, before: u64, times: Times) -> Result<String, Failure> {
    let begun = Instant::now();
    while times.go_on() {
        if served(instance).await? > before {
            return Ok(format!(
                "called again {:.1} s",
                begun.elapsed().as_secs_f64()
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
    let waited = begun.elapsed().as_secs_f64();
    Ok(format!("not called again in the {waited:.1} s"))
}

/// Calls that each instance let in, in their order.
async fn served_by_all(estate: &Estate) -> Result<Vec<u64>, Failure> {
    let mut all = Vec::new();
    for system in &estate.systems {
        all.push(served(system).await?);
    }
    Ok(all)
}

/// Calls that an instance let in.
async fn served(service: &Service) -> Result<u64, Failure> {
    let text = service.metrics().await?;
    Ok(sum(&text, "hallpass_verify_total", "/internal/stock"))
}
