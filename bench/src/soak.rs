//! The demonstration's estate for a long time: customers and services call, keys rotate, the issuer restarts, and a hostile
//! client is beside it. What it shows: memory that stays flat, calls that do not fail, audit events that are all there or counted
//! as lost, and no panic.
//!
//! Three processes, so that each one's memory is its own: `hallpass issuer` (the executable), the shop, and this one with the load.

mod hostile;
mod load;
mod shop;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hallpass::token::{Algorithm, SigningKey};
use tokio::time::Instant;

use crate::children::{Issuer, Said, free_address};
use crate::measure::{Failure, Outcome};
use load::Counts;
use shop::Shop;

/// How long, unless asked for another time.
const MINUTES: u64 = 30;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(15);
/// How often another key signs.
const ROTATE: Duration = Duration::from_secs(45);
/// How often the issuer is stopped and started again.
const RESTART: Duration = Duration::from_secs(150);
/// The clients of the shop at the issuer, with secrets that a person chose, as the estate's files have them, and the customers' login.
fn keys(login: SocketAddr) -> String {
    format!(
        "    key-announce-seconds: 10\n    trusted-issuers: [{{ name: login, issuer: 'https://id.shop.example', jwks-url: 'http://{login}/jwks' }}]\n    \
         clients:\n      - {{ client-id: internal-service-client, client-secret: InternalSecret123!, scopes: internal-service, audiences: service-system, \
         token-life-seconds: 60 }}\n      - {{ client-id: order-service, client-secret: OrderSecret123!, token-life-seconds: 60, \
         grant-types: 'urn:ietf:params:oauth:grant-type:token-exchange', exchange: [{{ subject-issuer: 'https://id.shop.example', \
         subject-audiences: shop, subject-kinds: user, targets: logistics-service, scopes: 'orders:read' }}] }}\n"
    )
}

/// `soak [MINUTES]`.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let minutes = arguments.first().map_or(Ok(MINUTES), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(soak(Duration::from_secs(minutes * 60)))
}

/// `soak-shop ISSUER LOGIN`: the shop as a process of its own, until its standard input ends.
pub(crate) fn shop(arguments: &[String]) -> Outcome<()> {
    let [issuer, login] = arguments else {
        return Err("soak-shop needs the issuer's address and that of the login".into());
    };
    shop::run_shop(issuer.parse()?, login.parse()?)
}

async fn soak(length: Duration) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let login = free_address()?;
    let mut issuer = Issuer::start(folder.path(), &keys(login), "").await?;
    let shop = Shop::start(issuer.address(), login)?;
    let counts = Arc::new(Counts::default());
    let mut work = load::start(&shop, &counts)?;
    hostile::start(&mut work, issuer.address(), shop.orders, &counts);

    let begun = Instant::now();
    let (mut rotated, mut restarted) = (begun, begun);
    let mut looks = Vec::new();
    let mut ticks = tokio::time::interval(LOOK);
    while begun.elapsed() < length {
        ticks.tick().await;
        looks.push((issuer.resident()?, shop.resident()?));
        show(begun.elapsed(), looks.last().copied(), &counts);
        if restarted.elapsed() >= RESTART {
            restarted = Instant::now();
            issuer.restart().await?;
            counts.restarts.fetch_add(1, Ordering::Relaxed);
        } else if rotated.elapsed() >= ROTATE {
            rotated = Instant::now();
            rotate(&issuer, folder.path())?;
            counts.rotations.fetch_add(1, Ordering::Relaxed);
        }
    }
    work.abort_all();
    while work.join_next().await.is_some() {}
    let shop_said = shop.stop().await?;
    let issuer_said = issuer.stop().await?;
    judge(&looks, &counts, &issuer_said, &shop_said)
}

/// Another key signs from now on; what it replaces stays published.
fn rotate(issuer: &Issuer, folder: &Path) -> Result<(), Failure> {
    let key = SigningKey::generate(Algorithm::Es256)?;
    issuer.import(&key, folder)?;
    issuer.hang_up()
}

#[expect(clippy::print_stdout, reason = "a measurement prints its table")]
fn show(elapsed: Duration, resident: Option<(u64, u64)>, counts: &Counts) {
    let (issuer, shop) = resident.unwrap_or_default();
    println!(
        "{:>5} s | issuer {issuer:>7} KiB | shop {shop:>7} KiB | {counts}",
        elapsed.as_secs()
    );
}

#[expect(clippy::print_stdout, reason = "a measurement prints its table")]
fn judge(looks: &[(u64, u64)], counts: &Counts, issuer: &Said, shop: &Said) -> Result<(), Failure> {
    let shop_growth = growth(looks.iter().map(|look| look.1));
    let issuer_growth = growth(looks.iter().map(|look| look.0));
    println!("\n{counts}");
    println!(
        "resident, second quarter against last: issuer {issuer_growth:+.1} %, shop {shop_growth:+.1} %"
    );
    println!(
        "decisions counted {}, in the log {}, dropped and counted {}; panics {}",
        issuer.counted,
        issuer.decisions,
        issuer.dropped,
        issuer.panics + shop.panics
    );
    let mut faults = Vec::new();
    if issuer.panics + shop.panics > 0 {
        faults.push("a panic");
    }
    if issuer.decisions + issuer.dropped != issuer.counted {
        faults.push("audit events that nobody counted were lost");
    }
    if counts.failed.load(Ordering::Relaxed) > 0 {
        faults.push("calls of good customers or services failed");
    }
    if counts.let_in.load(Ordering::Relaxed) > 0 {
        faults.push("the hostile client was let in");
    }
    match faults[..] {
        [] => Ok(()),
        _ => Err(faults.join("; ").into()),
    }
}

/// How much more is resident in the last quarter than in the second, in percent of the medians.
fn growth(looks: impl Iterator<Item = u64>) -> f64 {
    let looks: Vec<u64> = looks.collect();
    let quarter = looks.len() / 4;
    let median = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part.get(part.len() / 2).copied().unwrap_or_default()
    };
    #[expect(clippy::cast_precision_loss, reason = "kibibytes are far below 2^52")]
    let (second, last) = (
        median(looks.get(quarter..quarter * 2).unwrap_or_default()) as f64,
        median(looks.get(quarter * 3..).unwrap_or_default()) as f64,
    );
    (last - second) / second * 100.0
}
