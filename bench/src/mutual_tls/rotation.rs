//! Certificates of two services, and the authority, replaced under load.
//!
//! A caller calls `service-order`, which calls `service-system` for each call. All connections are mutual TLS, and tokens are bound to the
//! certificate of who asks for them. The authority changes once, as it does every thirty days: the next one is announced, everybody fetches
//! the bundle by itself, and then it signs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use hallpass::listen::RunningServer;
use hallpass::prelude::*;
use hallpass::tls::PeerCertificates;
use hallpass_issuer::rotate_authority;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::children::sum;
use crate::measure::{Failure, Outcome};

use super::stand::{ANNOUNCED, Member, Stand};

/// How much, how often, and for how long.
pub(super) struct Plan {
    /// Calls a second.
    pub(super) rate: u32,
    /// Certificates, of both services together.
    pub(super) rotations: u32,
    /// From one to the next.
    pub(super) every: Duration,
}

#[feign_client(name = "service-order", identity = "service")]
trait Order {
    #[get("/orders")]
    async fn orders(&self) -> Result<String, FeignError>;
}

#[feign_client(name = "service-system", identity = "service")]
trait System {
    #[get("/stock")]
    async fn stock(&self) -> Result<String, FeignError>;
}

/// The certificates that callers have shown to `service-system`.
type Shown = Arc<Mutex<HashSet<[u8; 32]>>>;

struct Estate {
    front: Member,
    /// `service-order` and `service-system`.
    services: [Member; 2],
    shown: Shown,
    _serving: [RunningServer; 2],
}

impl Estate {
    async fn start(stand: &Stand) -> Result<Self, Failure> {
        let shown = Shown::default();
        let system = stand.member("service-system", None).await?;
        let seen = Arc::clone(&shown);
        let stock = move |peer: Extension<PeerCertificates>| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(peer.sha256());
            async { axum::Json("7") }
        };
        let router = Router::new().route("/stock", get(stock));
        let (serving_system, port) = serve(&system.hallpass, router).await?;
        let callee = Some(("service-system", port));
        let order = stand.member("service-order", callee).await?;
        let client = FeignSystem::new(order.hallpass.feign())?;
        let orders = move || {
            let client = client.clone();
            async move {
                let stock = client.stock().await;
                stock
                    .map(axum::Json)
                    .map_err(|_| http::StatusCode::BAD_GATEWAY)
            }
        };
        let router = Router::new().route("/orders", get(orders));
        let (serving_order, port) = serve(&order.hallpass, router).await?;
        let callee = Some(("service-order", port));
        Ok(Self {
            front: stand.member("front", callee).await?,
            services: [order, system],
            shown,
            _serving: [serving_order, serving_system],
        })
    }

    /// Those who have a certificate of the authority.
    fn members(&self) -> impl Iterator<Item = &Member> {
        self.services.iter().chain([&self.front])
    }
}

async fn serve(hallpass: &Hallpass, router: Router) -> Result<(RunningServer, u16), Failure> {
    let guard = hallpass.resource_server();
    let guard = guard.route_any("/{*all}", Rule::Authenticated).build()?;
    let router = router.layer(guard.layer());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let server = hallpass.http_server(listener);
    Ok((server.serve(move |_peer| router.clone())?, port))
}

/// The files are looked at now: else every five seconds.
fn look(member: &Member) -> Outcome<()> {
    Ok(member.hallpass.apply(&member.settings)?)
}

pub(super) async fn measure(stand: &Stand, plan: &Plan) -> Outcome<()> {
    let estate = Arc::new(Estate::start(stand).await?);
    let client = FeignOrder::new(estate.front.hallpass.feign())?;
    client.orders().await?;
    let tokens = stand.issuer.tokens_issued();
    let time = plan.every * plan.rotations.saturating_add(1);
    let mut rotating = JoinSet::new();
    let (members, rotations, every) = (Arc::clone(&estate), plan.rotations, plan.every);
    rotating.spawn(async move { rotate(&members, rotations, every).await });
    let (mut calls, began) = (JoinSet::new(), Instant::now());
    // In the middle, with room for what signs after it.
    let mut change = Some(began + time.saturating_sub(ANNOUNCED) / 2);
    let mut tick = tokio::time::interval(Duration::from_secs(1) / plan.rate);
    while began.elapsed() < time || !rotating.is_empty() {
        let planned = tick.tick().await;
        let client = client.clone();
        calls.spawn(async move {
            let outcome = client.orders().await;
            (planned.elapsed(), outcome.err().map(|it| it.to_string()))
        });
        if change.is_some_and(|at| at <= planned) {
            change = None;
            rotate_authority(&stand.settings, &stand.clock, false).await?;
        }
        while let Some(done) = rotating.try_join_next() {
            done??;
        }
    }
    let done = calls.join_all().await;
    let tokens = stand.issuer.tokens_issued() - tokens;
    report(stand, &estate, done, tokens)
}

/// Another certificate for the one and for the other, in turn; everybody looks at what was fetched meanwhile.
async fn rotate(estate: &Estate, rotations: u32, every: Duration) -> Result<(), Failure> {
    let mut tick = tokio::time::interval(every);
    for service in estate.services.iter().cycle().take(rotations as usize) {
        tick.tick().await;
        let agent = service.hallpass.certificates().ok_or("no agent")?;
        if !agent.renew().await {
            return Err("the issuer gave no certificate".into());
        }
        for member in estate.members() {
            look(member)?;
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn report(
    stand: &Stand,
    estate: &Estate,
    done: Vec<(Duration, Option<String>)>,
    tokens: u64,
) -> Outcome<()> {
    let (mut times, failed): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    let failed: Vec<_> = failed.into_iter().flatten().collect();
    times.sort();
    let at = |share: usize| {
        let index = (times.len() * share / 1_000).min(times.len().saturating_sub(1));
        let time = times.get(index).copied().unwrap_or_default();
        format!("{:.1}", time.as_secs_f64() * 1e3)
    };
    let metrics: Vec<_> = estate
        .members()
        .map(|member| member.hallpass.metrics().text())
        .collect();
    let renewed = |result: &str| -> u64 {
        let name = "hallpass_certificates_renewals_total";
        metrics.iter().map(|text| sum(text, name, result)).sum()
    };
    let shown = estate.shown.lock().unwrap_or_else(PoisonError::into_inner);
    println!(
        "| calls / failed | certificates, by the one before / by the secret | authorities in the bundle | certificates of the caller that service-system saw | \
         ms p50 / p99 / longest | token requests |\n|---|---|---|---|---|---|"
    );
    let authorities = stand.authorities("service-system")?;
    println!(
        "| {} / {} | {} / {} | {authorities} | {} | {} / {} / {} | {tokens} |",
        times.len(),
        failed.len(),
        renewed("by_certificate"),
        renewed("by_credential"),
        shown.len(),
        at(500),
        at(990),
        at(1_000),
    );
    let refused: usize = metrics.iter().map(|text| refusals(text)).sum();
    if let Some(first) = failed.first() {
        return Err(format!("{} calls failed: {first}", failed.len()).into());
    }
    if refused > 0 {
        return Err(format!("{refused} kinds of calls were refused and repeated").into());
    }
    match stand.issuer.metrics().contains("state=\"retired\"") && authorities == 2 {
        true => Ok(()),
        false => Err("the authority has not changed: more rotations, or more time between".into()),
    }
}

/// Kinds of refused calls: one that was repeated would not have failed.
fn refusals(metrics: &str) -> usize {
    let of_calls = metrics
        .lines()
        .filter(|line| line.starts_with("hallpass_verify_total{"));
    let refused = of_calls.filter(|line| !line.contains("\"allow\"") && !line.ends_with(" 0"));
    refused.count()
}
