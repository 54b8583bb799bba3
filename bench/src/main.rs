//! What is measured, how, and compared with what: see `bench/README.md`.
//!
//! `cargo run --release -p hallpass-bench -- NAME` runs one measurement and prints a Markdown table; `all` runs each.

mod authz;
mod authz_proxies;
mod bearer;
mod certificate_rotation;
mod children;
mod feign_call;
mod feign_throughput;
mod gateway;
mod issuers;
mod many_clients;
mod measure;
mod mutual_tls;
mod outages;
mod pinned;
mod postgres_server;
mod proxy_tools;
mod redis_server;
mod replicas;
mod revocation;
mod roles;
mod roll_out;
mod side_by_side;
mod soak;
mod token_cache;
mod token_endpoint;
mod verify;
mod verify_cached;
mod wrk;

use std::process::ExitCode;

use crate::measure::Outcome;

/// A measurement takes the arguments behind its name.
type Measurement = fn(&[String]) -> Outcome<()>;

/// Every measurement by its name.
const MEASUREMENTS: [(&str, Measurement); 30] = [
    ("all", all),
    // Not among `all`: it wants `wrk`.
    ("authz", authz::run),
    // Not among `all`: it wants proxies.
    ("authz-proxies", authz_proxies::run),
    // Not for people: the server that authz compares with.
    ("authz-bare", authz::serve),
    ("bearer", |_| bearer::run()),
    // Not among `all`: it takes a minute.
    ("certificate-rotation", certificate_rotation::run),
    ("feign-call", |_| feign_call::run()),
    // Not among `all`: it takes a minute and a half.
    ("feign-throughput", feign_throughput::run),
    // Not for people: the server that feign-throughput starts.
    ("feign-throughput-server", feign_throughput::serve),
    // Not among `all`: it wants other gateways, `wrk` and the executable beside it.
    ("gateway", gateway::run),
    // Not for people: the load that gateway starts.
    ("gateway-load", gateway::awake::serve),
    // Not for people: a proxy that gateway compares with.
    ("gateway-part", gateway::parts::serve),
    // Not among `all`: it wants other issuers, `wrk` and the executable beside it.
    ("issuers", issuers::run),
    // Not among `all`: it takes minutes, and wants the executable beside it.
    ("many-clients", many_clients::run),
    // Not among `all`: it takes three minutes.
    ("mutual-tls", mutual_tls::run),
    // Not among `all`: it takes a quarter of an hour, and wants programs beside it.
    ("outages", outages::run),
    // Not for people: a service that outages starts.
    ("outages-service", outages::serve),
    // Not among `all`: it takes a minute, and wants PostgreSQL and the executable beside it.
    ("replicas", replicas::run),
    ("revocation", revocation::run),
    // Not among `all`: it takes a minute, and wants the executable beside it.
    ("roles", roles::run),
    // Not among `all`: it wants the executable beside it.
    ("roll-out", roll_out::run),
    // Not among `all`: it wants the executable, `wrk` and a JVM.
    ("side-by-side", side_by_side::run),
    // Not for people: what side-by-side starts.
    ("side-by-side-service", side_by_side::serve),
    // Not among `all`: it takes half an hour.
    ("soak", soak::run),
    // Not for people: a process that soak starts.
    ("soak-shop", soak::shop),
    ("token-cache", |_| token_cache::run()),
    ("token-endpoint", token_endpoint::run),
    // Not for people: the two servers that token-endpoint starts.
    ("token-endpoint-server", token_endpoint::serve),
    ("verify", |_| verify::run()),
    ("verify-cached", |_| verify_cached::run()),
];

/// Everything that `bench/README.md` reports, with each measurement's own defaults.
fn all(_: &[String]) -> Outcome<()> {
    verify::run()?;
    verify_cached::run()?;
    bearer::run()?;
    feign_call::run()?;
    token_cache::run()?;
    revocation::run(&[])?;
    token_endpoint::run(&[])
}

#[expect(clippy::print_stderr, reason = "this program writes to its user")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some((_, run)) = MEASUREMENTS.iter().find(|(own, _)| *own == name) else {
        let names: Vec<&str> = MEASUREMENTS.iter().map(|(name, _)| *name).collect();
        eprintln!("usage: hallpass-bench {}", names.join(" | "));
        return ExitCode::from(64);
    };
    match run(&arguments.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
