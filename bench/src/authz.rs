//! External authorization by itself: what one decision costs `hallpass authz`, without a proxy.
//!
//! The server is a process on one core, with its audit log in a file; `wrk` asks from another core, over kept connections, as nginx asks. The rival
//! is a bare hyper server on the same core that reads the same questions and says 200 to each.

mod bare;
mod process;

use std::path::Path;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::token::{Algorithm, JwkSet, SigningKey, UnixTime, sign};

use self::process::{Round, Server};
use crate::measure::Outcome;
use crate::verify;

/// Rounds per case, unless asked for others.
const ROUNDS: usize = 5;
/// Length of a round, unless asked for another.
const SECONDS: u64 = 4;

/// What is asked about, and whether it is refused.
const CASES: [(&str, &str, bool, bool); 3] = [
    ("an open route, no token", "/health", false, false),
    ("a token that was verified before", "/orders/7", true, false),
    ("a request that is refused", "/orders/7", false, true),
];

/// `authz [--rounds 5] [--seconds 4]`.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let (mut rounds, mut seconds) = (ROUNDS, SECONDS);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or("a number is missing")?;
        match argument.as_str() {
            "--rounds" => rounds = value.parse()?,
            "--seconds" => seconds = value.parse()?,
            other => return Err(format!("{other} is not known").into()),
        }
    }
    let folder = tempfile::tempdir()?;
    let token = prepare(folder.path())?;
    let (bare, ours) = (Server::bare()?, Server::authz(folder.path())?);
    head(rounds, seconds);
    for (name, path, has_token, is_refused) in CASES {
        let mut lines = vec![
            "X-Original-Method: GET".to_owned(),
            format!("X-Original-URI: {path}"),
            "X-Original-Host: shop.example".to_owned(),
        ];
        if has_token {
            lines.push(format!("Authorization: Bearer {token}"));
        }
        let round = |server: &Server, refuses: bool| {
            server.round(&lines, Duration::from_secs(seconds), refuses)
        };
        let mut table = Vec::new();
        for _ in 0..rounds {
            table.push((round(&bare, false)?, round(&ours, is_refused)?));
        }
        line(name, &table);
    }
    Ok(())
}

/// `authz-bare`: the comparison; prints its address and serves until it is killed.
pub(crate) fn serve(_: &[String]) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(bare::serve())
}

/// Writes key set and configuration, and gives a token.
fn prepare(folder: &Path) -> Outcome<String> {
    let key = SigningKey::generate(Algorithm::Es256)?;
    let keys = JwkSet::new([key.public_jwk()]).to_json().to_string();
    std::fs::write(folder.join("keys.json"), keys)?;
    let yaml = "
hallpass:
  service: { name: service-system }
  security:
    internal-jwt:
      jwks-file: keys.json
      routes:
        - { path: /health, rule: anonymous }
        - { path: '/orders/{id}', rule: authenticated }
";
    std::fs::write(folder.join("authz.yaml"), yaml)?;
    let now = UnixTime::from(SystemClock::new().now());
    Ok(sign(&verify::claims_from(now)?, &key, now)?
        .expose()
        .to_owned())
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn head(rounds: usize, seconds: u64) {
    println!("{rounds} rounds of {seconds} s for each, alternating; medians\n");
    println!(
        "| asked about | decisions/s | CPU us a decision, bare / ours | decisions per CPU-second | ms p50 / p99 |"
    );
    println!("|---|---|---|---|---|");
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn line(name: &str, table: &[(Round, Round)]) {
    let bare = middle(table.iter().map(|(bare, _)| bare.cpu_micros));
    let ours = |of: fn(&Round) -> f64| middle(table.iter().map(|(_, ours)| of(ours)));
    let cpu = ours(|round| round.cpu_micros);
    println!(
        "| {name} | {:.0} | {bare:.1} / {cpu:.1} | {:.0} | {:.2} / {:.2} |",
        ours(|round| round.per_second),
        1e6 / cpu,
        ours(|round| round.p50),
        ours(|round| round.p99),
    );
}

fn middle(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
