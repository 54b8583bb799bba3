//! All certificates of an issuer and two services, replaced again and again under load: whether a call fails, what it costs, and for how
//! long an old certificate is still used.
//!
//! A caller calls `service-order`, which calls `service-system` for each call. All connections are mutual TLS, tokens are bound to the
//! certificate of who asks for them, and the issuer knows its clients by their certificates alone. Nobody is told of a change: each
//! looks at its files by itself.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use hallpass::clock::SystemClock;
use hallpass::config::{Configuration, Loader};
use hallpass::listen::{RunningServer, raise_descriptor_limit};
use hallpass::prelude::*;
use hallpass::tls::PeerCertificates;
use hallpass::{Metrics, Settings};
use hallpass_issuer::{IssuerServer, IssuerSettings};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose as Usage, IsCa, Issuer, KeyPair,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::measure::{Failure, Outcome};

const SECONDS: u64 = 60;
const RATE: u32 = 300;
/// From one replacement to the next; files are looked at every 5 s.
const EVERY: Duration = Duration::from_secs(7);
/// No connection is used for longer: so a server's old certificate is used for no longer either.
const MAX_AGE_SECONDS: u64 = 10;
/// What a timer and a call may add to it.
const SLACK: Duration = Duration::from_secs(1);
/// How often a service looks at its files, and what a call that is under way may take.
const CALLERS_OVERLAP: Duration = Duration::from_secs(6);
/// Those with a certificate.
const NAMES: [&str; 4] = ["issuer", "front", "order", "system"];

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

/// `certificate-rotation [--seconds 60] [--rate 300]`.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let (mut seconds, mut rate) = (SECONDS, RATE);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = arguments
            .next()
            .ok_or(format!("{argument} needs a number"))?;
        match argument.as_str() {
            "--seconds" => seconds = value.parse()?,
            "--rate" => rate = value.parse()?,
            other => return Err(format!("{other} is no argument").into()),
        }
    }
    let _as_many_as_allowed = raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure(Duration::from_secs(seconds), rate.max(1)))
}

/// The authority, and the files that it writes.
struct Files {
    folder: tempfile::TempDir,
    authority: Issuer<'static, KeyPair>,
    /// Which of its certificates each digest is, and when it was replaced.
    of_order: Mutex<HashMap<[u8; 32], Option<Instant>>>,
}

impl Files {
    fn new() -> Outcome<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let folder = tempfile::tempdir()?;
        std::fs::write(
            folder.path().join("ca.crt"),
            params.self_signed(&key)?.pem(),
        )?;
        let files = Self {
            folder,
            authority: Issuer::new(params, key),
            of_order: Mutex::default(),
        };
        files.replace()?;
        Ok(files)
    }

    /// Another certificate and another key for everybody.
    fn replace(&self) -> Outcome<()> {
        for name in NAMES {
            let host = format!("{name}.example");
            let mut params = CertificateParams::new([host, "127.0.0.1".to_owned()])?;
            params.extended_key_usages = vec![Usage::ServerAuth, Usage::ClientAuth];
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &self.authority)?;
            // The key first: until both are there, what was there before stays in use.
            write(&self.path(name, "key"), &key.serialize_pem())?;
            write(&self.path(name, "crt"), &certificate.pem())?;
            if name == "order" {
                let digest = aws_lc_rs::digest::digest(
                    &aws_lc_rs::digest::SHA256,
                    certificate.der().as_ref(),
                );
                let now = Instant::now();
                let mut known = self.of_order.lock().unwrap_or_else(PoisonError::into_inner);
                known.values_mut().for_each(|end| {
                    end.get_or_insert(now);
                });
                known.insert(digest.as_ref().try_into()?, None);
            }
        }
        Ok(())
    }

    fn path(&self, name: &str, kind: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{kind}"))
    }

    /// For how long the certificate of this digest had been replaced.
    fn replaced_for(&self, digest: &[u8; 32]) -> Duration {
        let known = self.of_order.lock().unwrap_or_else(PoisonError::into_inner);
        let end = known.get(digest).copied().flatten();
        end.map_or(Duration::ZERO, |end| end.elapsed())
    }
}

/// As a whole: nobody sees half of it.
fn write(path: &Path, text: &str) -> Outcome<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, text)?;
    Ok(std::fs::rename(new, path)?)
}

/// Settings in a file beside the certificates.
fn load<T: Configuration>(files: &Files, yaml: &str) -> Outcome<T> {
    let file = files.folder.path().join("settings.yaml");
    std::fs::write(&file, yaml)?;
    Ok(Loader::new("hallpass").file(file).load()?.into_settings())
}

fn issuer_settings(files: &Files) -> Outcome<IssuerSettings> {
    let client = |name: &str, audience: &str| {
        format!(
            "      - {{ client-id: {name}, token-endpoint-auth-method: tls_client_auth, tls-client-auth-san-dns: {name}.example, \
             tls-client-certificate-bound-access-tokens: true, audiences: [{audience}] }}\n"
        )
    };
    let clients = [
        client("front", "service-order"),
        client("order", "service-system"),
    ];
    load(
        files,
        &format!(
            "hallpass:\n  issuer:\n    listen: 127.0.0.1:0\n    store: issuer.db\n    tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, \
             client-auth: want, client-ca-file: ca.crt }}\n    clients:\n{}",
            clients.concat()
        ),
    )
}

/// The settings of one that is called `name` in its tokens, calls `callee` and is called itself.
fn service_settings(
    files: &Files,
    (name, service): (&str, &str),
    callee: (&str, SocketAddr),
    issuer: SocketAddr,
) -> Outcome<Settings> {
    let (callee, address) = callee;
    load(
        files,
        &format!(
            "
hallpass:
  service:
    name: {service}
    tls: {{ certificate-file: {name}.crt, private-key-file: {name}.key, client-auth: want, client-ca-file: ca.crt }}
  tls: {{ ca-file: ca.crt, system-roots: false, certificate-file: {name}.crt, private-key-file: {name}.key }}
  transport: {{ connection-max-age-seconds: {MAX_AGE_SECONDS} }}
  discovery: {{ static: {{ {callee}: ['https://{address}'] }} }}
  internal-token: {{ client-id: {name}, client-authentication: tls_client_auth, token-url: 'https://{issuer}/oauth2/token' }}
  security: {{ internal-jwt: {{ issuer: internal, jwks-url: 'https://{issuer}/oauth2/jwks', bound: certificate }} }}
"
        ),
    )
}

/// What `service-system` has seen.
#[derive(Default)]
struct Seen {
    /// The longest that a certificate of its caller had been replaced when a call came over it.
    overlap_ms: AtomicU64,
    /// The oldest connection that a call came over.
    age_ms: AtomicU64,
    connections: AtomicU64,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

async fn serve(
    hallpass: &Hallpass,
    router: Router,
    seen: Arc<Seen>,
) -> Result<RunningServer, Failure> {
    let guard = hallpass.resource_server();
    let guard = guard.route_any("/{*all}", Rule::Authenticated).build()?;
    let router = router.layer(guard.layer());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let serving = hallpass.http_server(listener).serve(move |_peer| {
        seen.connections.fetch_add(1, Ordering::Relaxed);
        router.clone().layer(Extension(Instant::now()))
    })?;
    Ok(serving)
}

struct Estate {
    files: Arc<Files>,
    seen: Arc<Seen>,
    issuer: hallpass_issuer::RunningIssuer,
    front: Hallpass,
    services: [Metrics; 2],
    _serving: [RunningServer; 2],
}

impl Estate {
    async fn start() -> Result<Self, Failure> {
        let files = Arc::new(Files::new()?);
        let clock = Arc::new(SystemClock::new());
        let issuer = IssuerServer::start(&issuer_settings(&files)?, clock).await?;
        let at = issuer.local_addr();
        let seen = Arc::<Seen>::default();
        let system = ("system", "service-system");
        let system =
            Hallpass::from_settings(&service_settings(&files, system, ("nobody", at), at)?)?;
        let (noted, known) = (Arc::clone(&seen), Arc::clone(&files));
        let stock = move |began: Extension<Instant>, peer: Extension<PeerCertificates>| {
            let overlap = millis(known.replaced_for(&peer.sha256()));
            noted.overlap_ms.fetch_max(overlap, Ordering::Relaxed);
            let age = millis(began.elapsed());
            noted.age_ms.fetch_max(age, Ordering::Relaxed);
            async { axum::Json("7") }
        };
        let router = Router::new().route("/stock", get(stock));
        let serving_system = serve(&system, router, Arc::clone(&seen)).await?;
        let callee = ("service-system", serving_system.local_addr());
        let order = ("order", "service-order");
        let order = Hallpass::from_settings(&service_settings(&files, order, callee, at)?)?;
        let client = FeignSystem::new(order.feign())?;
        let orders = move || {
            let client = client.clone();
            async move {
                client
                    .stock()
                    .await
                    .map(axum::Json)
                    .map_err(|_| http::StatusCode::BAD_GATEWAY)
            }
        };
        let router = Router::new().route("/orders", get(orders));
        let serving_order = serve(&order, router, Arc::default()).await?;
        let callee = ("service-order", serving_order.local_addr());
        let front = service_settings(&files, ("front", "front"), callee, at)?;
        Ok(Self {
            files,
            seen,
            issuer,
            front: Hallpass::from_settings(&front)?,
            services: [order.metrics(), system.metrics()],
            _serving: [serving_order, serving_system],
        })
    }
}

async fn measure(time: Duration, rate: u32) -> Outcome<()> {
    let estate = Estate::start().await?;
    let client = FeignOrder::new(estate.front.feign())?;
    client.orders().await?;
    let (mut calls, mut replaced) = (JoinSet::new(), 0_u64);
    let began = Instant::now();
    let mut next_change = began + EVERY;
    let mut tick = tokio::time::interval(Duration::from_secs(1) / rate);
    while began.elapsed() < time {
        let planned = tick.tick().await;
        let client = client.clone();
        calls.spawn(async move {
            let outcome = client.orders().await;
            (planned.elapsed(), outcome.err().map(|it| it.to_string()))
        });
        if Instant::now() >= next_change {
            next_change += EVERY;
            let files = Arc::clone(&estate.files);
            tokio::task::spawn_blocking(move || files.replace()).await??;
            replaced += 1;
        }
    }
    let done = calls.join_all().await;
    report(&estate, done, replaced)
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn report(estate: &Estate, done: Vec<(Duration, Option<String>)>, replaced: u64) -> Outcome<()> {
    let (mut times, failed): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    let failed: Vec<_> = failed.into_iter().flatten().collect();
    times.sort();
    let at = |share: usize| {
        let index = (times.len() * share / 1_000).min(times.len().saturating_sub(1));
        let time = times.get(index).copied().unwrap_or_default();
        format!("{:.1}", time.as_secs_f64() * 1e3)
    };
    let overlap = Duration::from_millis(estate.seen.overlap_ms.load(Ordering::Relaxed));
    let age = Duration::from_millis(estate.seen.age_ms.load(Ordering::Relaxed));
    println!(
        "| calls / failed | replacements of 4 certificates | ms p50 / p99 / longest | token requests | connections to service-system | \
         caller's old certificate used for at most | oldest connection used |\n|---|---|---|---|---|---|---|"
    );
    println!(
        "| {} / {} | {replaced} | {} / {} / {} | {} | {} | {:.1} s | {:.1} s |",
        times.len(),
        failed.len(),
        at(500),
        at(990),
        at(1_000),
        estate.issuer.tokens_issued(),
        estate.seen.connections.load(Ordering::Relaxed),
        overlap.as_secs_f64(),
        age.as_secs_f64(),
    );
    let refused = estate.services.iter().map(refusals).sum::<usize>();
    if let Some(first) = failed.first() {
        return Err(format!("{} calls failed: {first}", failed.len()).into());
    }
    if refused > 0 {
        return Err(format!("{refused} kinds of calls were refused and repeated").into());
    }
    if overlap > CALLERS_OVERLAP || age > Duration::from_secs(MAX_AGE_SECONDS) + SLACK {
        return Err("something old was used for longer than it may be".into());
    }
    Ok(())
}

/// Kinds of refused calls: one that was repeated would not have failed.
fn refusals(metrics: &Metrics) -> usize {
    let text = metrics.text();
    let lines = text.lines();
    let of_calls = lines.filter(|line| line.starts_with("hallpass_verify_total{"));
    let refused = of_calls.filter(|line| !line.contains("\"allow\"") && !line.ends_with(" 0"));
    refused.count()
}
