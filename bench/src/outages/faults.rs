//! What is done to an estate while it is called.

use std::time::Duration;

use hallpass::upstream::random_below;
use tokio::time::Instant;

use super::estate::{Estate, KEY_ANNOUNCE_SECONDS, ORDER_SECRET, issuer_document, order_document};
use super::instances;
use super::nacos::Nacos;
use super::proxy::{Mode, Proxy};
use super::row::Fault;
use super::service::Service;
use super::times::{LOOK, PATIENCE, Times};
use crate::children::{Issuer, sum};
use crate::measure::Failure;

/// How much later each piece of an answer of a slow Nacos comes.
const SLOW: Duration = Duration::from_millis(1_500);
/// How much later each piece of an answer of a slow issuer comes.
const SLOW_ISSUER: Duration = Duration::from_secs(2);
/// Between two keys that sign at once: longer than verifiers leave a key set alone that has just not had a key.
const BETWEEN_KEYS: Duration = Duration::from_secs(12);

/// Makes the fault and ends it; what was seen besides.
pub(super) async fn make(
    fault: Fault,
    estate: &mut Estate,
    nacos: Option<&mut Nacos>,
    times: Times,
) -> Result<Vec<String>, Failure> {
    times.fault().await;
    let seen = match fault {
        Fault::Calm => Vec::new(),
        Fault::RedisKilled | Fault::RedisEmpty | Fault::RedisHangs => {
            to_redis(fault, estate, times).await?
        }
        Fault::RedisSilent => through(proxy(estate)?, Mode::Silent, times).await,
        Fault::NacosKilled => {
            let nacos = nacos.ok_or("the row has no Nacos")?;
            kill_nacos(estate, nacos, times).await?
        }
        Fault::NacosHalfAnswers => {
            half_answers(proxy(estate)?, times).await;
            let back = connected(&estate.order, "naming").await?;
            vec![format!(
                "connected within {:.1} s after it",
                back.as_secs_f64()
            )]
        }
        Fault::IssuerDown => {
            estate.issuer.kill()?;
            times.end().await;
            estate.issuer.start_again().await?;
            let down = times.begun.elapsed() - times.fault;
            vec![format!("down for {:.1} s", down.as_secs_f64())]
        }
        Fault::IssuerHangs => {
            estate.issuer.hang()?;
            times.end().await;
            estate.issuer.go_on()?;
            Vec::new()
        }
        Fault::SecretRotated => {
            let nacos = nacos.ok_or("the row has no Nacos")?;
            rotate(estate, nacos, times).await?
        }
        Fault::InstanceWithdrawn => instances::withdraw(estate, times).await?,
        Fault::InstanceRestarts => instances::restart(estate, times).await?,
        Fault::InstanceHangs => instances::hang(estate, times).await?,
        Fault::InstanceSlow => instances::slow(estate, times).await?,
        Fault::ZoneGone => instances::lose_zone(estate, times).await?,
        Fault::IssuerSlow => through(proxy(estate)?, Mode::Slow(SLOW_ISSUER), times).await,
        Fault::IssuerAnswers(text) => through(proxy(estate)?, Mode::Answer(text), times).await,
        Fault::ClockJumps(seconds) => {
            estate.clock.set(seconds);
            times.end().await;
            estate.clock.set(0);
            Vec::new()
        }
        Fault::KeysRotated => rotate_keys(&estate.issuer, times).await?,
        Fault::KeysRotatedNow => rotate_keys_now(&estate.issuer, times).await?,
    };
    Ok(seen)
}

fn proxy(estate: &Estate) -> Result<&Proxy, Failure> {
    Ok(estate.proxy.as_ref().ok_or("the row has no proxy")?)
}

/// The proxy does this until the end.
async fn through(proxy: &Proxy, mode: Mode, times: Times) -> Vec<String> {
    proxy.set(mode);
    times.end().await;
    proxy.set(Mode::Pass);
    Vec::new()
}

async fn to_redis(fault: Fault, estate: &mut Estate, times: Times) -> Result<Vec<String>, Failure> {
    let redis = estate.redis.as_mut().ok_or("the row has no Redis")?;
    let is_alone = redis.servers.len() == 1;
    let primary = redis.primary_of("service-system")?;
    match fault {
        Fault::RedisHangs => {
            primary.hang()?;
            times.end().await;
            primary.go_on()?;
        }
        Fault::RedisEmpty => primary.start_again().await?,
        _ => {
            primary.kill();
            if is_alone {
                times.end().await;
                primary.start_again().await?;
            }
        }
    }
    Ok(Vec::new())
}

/// Killed, and started again soon after, which takes a while.
async fn kill_nacos(
    estate: &Estate,
    nacos: &mut Nacos,
    times: Times,
) -> Result<Vec<String>, Failure> {
    nacos.kill();
    times.percent(20).await;
    nacos.start_again().await?;
    let down = times.begun.elapsed() - times.fault;
    let back = connected(&estate.order, "naming").await?;
    let found = again_found(estate).await?;
    Ok(vec![format!(
        "down for {:.1} s; then connected within {:.1} s, and newcomers find the services {:.1} s later",
        down.as_secs_f64(),
        back.as_secs_f64(),
        found.as_secs_f64()
    )])
}

/// How long it takes until the services stand in Nacos again: somebody who has never asked finds them.
async fn again_found(estate: &Estate) -> Result<Duration, Failure> {
    let begun = Instant::now();
    loop {
        let found = estate.ask_anew("service-system").await?;
        if found > 0 {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > PATIENCE {
            return Err("the services do not register again".into());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn half_answers(proxy: &Proxy, times: Times) {
    for (mode, until) in [
        (Mode::Slow(SLOW), 35),
        (Mode::Half, 70),
        (Mode::Silent, 100),
    ] {
        proxy.set(mode);
        times.percent(until).await;
    }
    proxy.set(Mode::Pass);
}

/// How long it takes until the service has a connection to Nacos.
async fn connected(service: &Service, module: &str) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let label = format!("module=\"{module}\"");
    while begun.elapsed() < PATIENCE {
        if sum(
            &service.metrics().await?,
            "hallpass_nacos_connected",
            &label,
        ) > 0
        {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err("the service does not connect to Nacos again".into())
}

/// First the issuer learns the new secret, then the service, then the old one ends.
async fn rotate(estate: &Estate, nacos: &Nacos, times: Times) -> Result<Vec<String>, Failure> {
    let secret = format!("NewOrderSecret{}!", 1_000 + random_below(9_000));
    let previous = format!(
        ", previous-client-secret: {ORDER_SECRET}, previous-client-secret-until: 2099-01-01T00:00:00Z"
    );
    let group = &estate.group;
    let both = issuer_document(&secret, &previous);
    nacos.publish(group, "clients.yaml", &both).await?;
    times.percent(50).await;
    nacos
        .publish(group, "order.yaml", &order_document(&secret))
        .await?;
    times.end().await;
    let one = issuer_document(&secret, "");
    nacos.publish(group, "clients.yaml", &one).await?;
    let taken = sum(
        &estate.order.metrics().await?,
        "hallpass_config_reloads_total",
        "result=\"ok\"",
    );
    match taken {
        0 => Err("the service has not taken its new secret".into()),
        _ => Ok(vec![format!("documents taken by the service: {taken}")]),
    }
}

/// One rotation after the other, each as an operator asks for it, until the fault ends.
async fn rotate_keys(issuer: &Issuer, times: Times) -> Result<Vec<String>, Failure> {
    let announced = Duration::from_secs(KEY_ANNOUNCE_SECONDS);
    let (mut rotated, mut signing) = (0_u32, issuer.signing_key()?);
    while times.begun.elapsed() + announced < times.end {
        issuer.rotate_key()?;
        tokio::time::sleep(announced).await;
        let begun = Instant::now();
        let mut next = issuer.signing_key()?;
        while next == signing && begun.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
            next = issuer.signing_key()?;
        }
        if next == signing {
            return Err("an announced key does not sign".into());
        }
        (rotated, signing) = (rotated + 1, next);
    }
    Ok(vec![format!("{rotated} keys have taken over")])
}

/// One key after the other signs without having been announced, until the fault ends.
async fn rotate_keys_now(issuer: &Issuer, times: Times) -> Result<Vec<String>, Failure> {
    let mut rotated = 0_u32;
    while times.begun.elapsed() < times.end {
        issuer.rotate_key_now()?;
        rotated += 1;
        tokio::time::sleep(BETWEEN_KEYS).await;
    }
    Ok(vec![format!("{rotated} keys have taken over")])
}
