//! Two issuers on one PostgreSQL behind a plain TCP balancer, of which one is killed every two seconds: what callers of the token service
//! notice of it.
//!
//! Tokens live as short as they may, so that some are renewed in every second. Issuers are real processes, killed as a crash does it.

mod balancer;
mod replica;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hallpass::client::{AuthTokenService, Credential};
use hallpass::clock::{Clock, SystemClock};
use hallpass::token::{Audience, Scope};
use hallpass::upstream::HttpTransport;
use tokio::runtime::Builder;
use tokio::time::{Instant, interval, sleep_until};

use crate::measure::Outcome;
use crate::postgres_server::PostgresServer;
use balancer::Balancer;
use replica::{CLIENT, Replica, SECRET};

const SECONDS: u64 = 60;
const KILL_EVERY: Duration = Duration::from_secs(2);
/// Services that tokens are for.
const SERVICES: usize = 200;
/// From one call to the next.
const CALL_EVERY: Duration = Duration::from_millis(1);

/// `replicas [--seconds 60] [--beside EXECUTABLE]`; with the second the other issuer is that executable, of another version, say.
///
/// # Errors
/// When a call fails, PostgreSQL is not installed, or an executable is not there.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let mut seconds = SECONDS;
    let ours = std::env::current_exe()?.with_file_name("hallpass");
    let mut beside = ours.clone();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = arguments.next();
        match (argument.as_str(), value) {
            ("--seconds", Some(value)) => seconds = value.parse()?,
            ("--beside", Some(value)) => beside = value.into(),
            _ => return Err("replicas [--seconds 60] [--beside EXECUTABLE]".into()),
        }
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure(Duration::from_secs(seconds), [beside, ours]))
}

/// The first of the `programs` makes the tables, which the second finds.
async fn measure(length: Duration, programs: [PathBuf; 2]) -> Outcome<()> {
    let server = PostgresServer::start().await?;
    let folder = tempfile::tempdir()?;
    let audiences: Vec<_> = (0..SERVICES).map(|it| format!("service-{it}")).collect();
    let mut replicas = Vec::new();
    for program in programs {
        let configuration = folder.path().join(format!("{}.yaml", replicas.len()));
        let of = (server.port, &*audiences);
        replicas.push(Replica::start((program, configuration), of).await?);
    }
    let balancer = Balancer::start(replicas.iter().map(Replica::address).collect()).await?;
    let endpoint = format!("http://{}/oauth2/token", balancer.address).parse()?;
    let credential = Credential::new(CLIENT.parse()?, SECRET.into(), endpoint);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let service = AuthTokenService::builder(credential, HttpTransport::new()?);
    let service = service.clock(clock).memory_cache(SERVICES).build();
    let audiences = audiences.iter().map(|it| it.parse());
    let audiences: Vec<Audience> = audiences.collect::<Result<_, _>>()?;
    let scope: Scope = "internal-service".parse()?;
    for audience in &audiences {
        service.service_token(audience, &scope).await?;
    }

    let end = Instant::now() + length;
    let calling = tokio::spawn(call(service.clone(), (audiences, scope), end));
    let mut kills = 0_u32;
    let mut slowest = Duration::ZERO;
    let mut next = Instant::now() + KILL_EVERY;
    while next < end {
        sleep_until(next).await;
        next += KILL_EVERY;
        let killed = usize::from(kills % 2 == 1);
        let replica = replicas.get_mut(killed).ok_or("there are two")?;
        slowest = slowest.max(replica.crash().await?);
        kills += 1;
    }
    let (calls, failed) = calling.await?;
    let issued = balancer.connections();
    report((kills, slowest), (calls, failed.len()), issued);
    match failed.first() {
        None => Ok(()),
        Some(first) => Err(format!("{} calls failed, the first: {first}", failed.len()).into()),
    }
}

/// How many calls there were, and why some failed.
async fn call(
    service: AuthTokenService,
    (audiences, scope): (Vec<Audience>, Scope),
    end: Instant,
) -> (u64, Vec<String>) {
    let (mut calls, mut failed) = (0, Vec::new());
    let mut ticks = interval(CALL_EVERY);
    for audience in audiences.iter().cycle() {
        if Instant::now() >= end {
            break;
        }
        ticks.tick().await;
        calls += 1;
        if let Err(error) = service.service_token(audience, &scope).await {
            failed.push(error.to_string());
        }
    }
    (calls, failed)
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn report((kills, slowest): (u32, Duration), (calls, failed): (u64, usize), connections: u64) {
    println!(
        "| replicas killed | back after, at most | connections through the balancer | calls | failed |"
    );
    println!("|---|---|---|---|---|");
    let slowest = slowest.as_millis();
    println!("| {kills} | {slowest} ms | {connections} | {calls} | {failed} |");
}
