//! A resource server that is configured by its environment: point any issuer at it.
//!
//! `GET /orders` gives a 200 with the caller's claims, or a refusal as RFC 6750 says. See `README.md`.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use axum::{Json, Router, routing::get};
use hallpass::config::Loader;
use hallpass::config::environment::Environment;
use hallpass::listen::StopSignals;
use hallpass::resource::{
    Caller, JwksLocation, KeyLimits, KeySource, ResourceServer, Rule, TrustedIssuer,
};
use hallpass::token::{Audience, Issuer, JwkSet, Scope, VerifiedClaims, VerifyPolicy};
use hallpass::upstream::{EndpointUrl, Network, RevocationSource};
use hallpass::{BoxError, Hallpass, LogWriter};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise: warnings, and one line a call with the decision and its reason.
const DEFAULT_LOG: &str = "warn,hallpass::audit=info";
/// How long requests in flight may take after SIGTERM or Ctrl-C.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// What the environment says; the names and defaults are in `README.md`.
struct Settings {
    issuer: Issuer,
    audience: Audience,
    jwks: JwksLocation,
    /// Where what its issuer has revoked is followed; an issuer that has no such list is asked in vain, and seldom.
    revocations: Option<EndpointUrl>,
    required_scope: Option<Scope>,
    leeway: Duration,
    jwks_cooldown: Duration,
    accepts_untyped: bool,
    listen: SocketAddr,
    log: EnvFilter,
    config: Option<PathBuf>,
}

impl Settings {
    fn read(environment: &Environment) -> Option<Self> {
        // All are read before any is missed, so that all problems are told at once.
        let issuer = environment.required("ISSUER", "the exact `iss` of the tokens");
        let audience = environment.required("AUDIENCE", "the name of this service in `aud`");
        let jwks = match environment.optional::<PathBuf>("JWKS_FILE", "a path") {
            Some(file) => Some(JwksLocation::File(file)),
            None => environment
                .required::<EndpointUrl>(
                    "JWKS_URL",
                    "an https URL, plain http on loopback (or set JWKS_FILE)",
                )
                .map(JwksLocation::Url),
        };
        let beside = match &jwks {
            Some(JwksLocation::Url(url)) => RevocationSource::beside(url, "jwks"),
            _ => None,
        };
        let revocations = environment
            .optional("REVOCATIONS_URL", "as JWKS_URL")
            .or(beside);
        let required_scope = environment.or("REQUIRED_SCOPE", Scope::empty(), "scopes");
        let leeway = environment.seconds_or("LEEWAY", Duration::from_secs(10));
        let jwks_cooldown = environment.seconds_or("JWKS_COOLDOWN", Duration::from_secs(10));
        let accepts_untyped = environment.or("ACCEPT_UNTYPED", false, "true or false");
        let log = DEFAULT_LOG.parse().unwrap_or_default();
        let log = environment.or("RUST_LOG", log, "a filter such as `warn,hallpass=debug`");
        let listen = SocketAddr::from(([127, 0, 0, 1], 9410));
        let listen = environment.or("LISTEN", listen, "an address and a port");
        let config = environment.optional("CONFIG", "a path");
        Some(Self {
            issuer: issuer?,
            audience: audience?,
            jwks: jwks?,
            revocations,
            required_scope: Some(required_scope?).filter(|scope| !scope.is_empty()),
            leeway: leeway?,
            jwks_cooldown: jwks_cooldown?,
            accepts_untyped: accepts_untyped?,
            listen: listen?,
            log: log?,
            config,
        })
    }

    /// TLS and addresses of services: the sections `tls`, `service.tls`, `transport` and `discovery` of the file, and
    /// variables such as `HALLPASS_TLS_CA_FILE`.
    fn hallpass(&self) -> Result<Hallpass, BoxError> {
        let loader = Loader::new("hallpass").process_environment();
        let loader = match &self.config {
            Some(file) => loader.file(file),
            None => loader,
        };
        let settings = loader.load::<hallpass::Settings>()?.into_settings();
        Ok(Hallpass::from_settings(&settings)?)
    }

    fn guard(self, network: &Network) -> Result<ResourceServer, BoxError> {
        let clock = Arc::clone(&network.clock);
        let limits = KeyLimits {
            cooldown: self.jwks_cooldown,
            ..KeyLimits::default()
        };
        let keys = match self.jwks {
            JwksLocation::File(path) => KeySource::file(path, Arc::clone(&clock), limits),
            JwksLocation::Url(url) => KeySource::http(url, network, limits),
            JwksLocation::Nowhere => KeySource::fixed(JwkSet::new([]), Arc::clone(&clock)),
        };
        // So an operator of our issuer sees who has a new key.
        keys.introduce_as(self.audience.as_str());
        let policy = VerifyPolicy::new(self.issuer, self.audience).with_leeway(self.leeway);
        let policy = if self.accepts_untyped {
            policy.dangerous_accept_untyped()
        } else {
            policy
        };
        let rule = self
            .required_scope
            .map_or(Rule::Authenticated, Rule::all_scopes);
        let issuer = TrustedIssuer::with_policy(policy, keys);
        let issuer = match self.revocations {
            Some(url) => issuer.with_revocations(RevocationSource::http(url, network)),
            None => issuer,
        };
        let guard = ResourceServer::builder("protected", clock)
            .issuer(issuer)
            .route(Method::GET, "/orders", rule)
            .route(Method::GET, "/health", Rule::Anonymous);
        Ok(guard.build()?)
    }
}

async fn orders(caller: Caller) -> Json<VerifiedClaims> {
    Json(caller.claims().clone())
}

async fn serve(settings: Settings, hallpass: &Hallpass) -> Result<(), BoxError> {
    // First, so that a signal during the start is not lost.
    let mut stop = StopSignals::install()?;
    let listener = TcpListener::bind(settings.listen).await?;
    let router = Router::new()
        .route("/orders", get(orders))
        .route("/health", get(async || "fine"))
        .layer(settings.guard(hallpass.network())?.layer());
    say(&format!("listening on {}", listener.local_addr()?));
    let server = hallpass.http_server(listener);
    let running = server.serve(move |_peer| router.clone())?;
    running.serve_until_stopped(&mut stop, DRAIN_LIMIT).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut settings = match Environment::process().read(Settings::read) {
        Ok(settings) => settings,
        Err(problems) => return fail(&problems, 64),
    };
    // Each caller is logged: nobody waits for whoever reads that, and the guard writes the last lines at the end.
    let (log, _guard) = match LogWriter::start(io::stderr()) {
        Ok(started) => started,
        Err(error) => return fail(&error, 1),
    };
    tracing_subscriber::fmt()
        .with_writer(move || log.clone())
        .with_ansi(io::stderr().is_terminal())
        .with_env_filter(std::mem::take(&mut settings.log))
        .init();
    let hallpass = match settings.hallpass() {
        Ok(hallpass) => hallpass,
        Err(problems) => return fail(&problems, 64),
    };
    match serve(settings, &hallpass).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the person who starts it reads the address"
)]
fn say(text: &str) {
    println!("{text}");
}

#[expect(
    clippy::print_stderr,
    reason = "the person who starts it reads what is wrong"
)]
fn fail(problem: &impl std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("{problem}");
    ExitCode::from(code)
}
