//! `hallpass doctor`: what is wrong with a service's surroundings, from its own configuration.

mod causes;
mod certificates;
mod check;
mod clock;
mod endpoint;
mod finding;
mod judgement;
mod key_sets;
mod limits;
mod listening;
#[cfg(feature = "nacos")]
mod nacos;
mod places;
mod probe;
mod redis;
mod report;
mod sources;
mod store;
mod targets;
mod tokens;
mod trusted;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hallpass::token::{Audience, UnixTime};
use hallpass::upstream::Network;
use hallpass::{Hallpass, Settings};

use self::check::Check;
use self::finding::Finding;
use self::limits::Limits;
use self::report::Report;
use self::sources::Sources;
use self::targets::Targets;
use crate::issuer_store::clock;
use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::settings::{Everything, PrefixArgument};

/// What needs a way to others.
const ON_THE_WAY: [Check; 4] = [
    Check::TokenEndpoint,
    Check::Credential,
    Check::Entitlement,
    Check::TokenLife,
];
const NO_CLIENT: &str = "there is no `internal-token` in use";

/// Look at everything that a service needs, and say what is wrong and what to do
///
/// Reads a service's own configuration as the service would (files, environment, documents of Nacos; that of an issuer, gateway, sidecar or
/// authz too), and looks at what it names: Nacos, certificates, the token endpoint, the clock there, the credential, the key sets, the tokens,
/// Redis. Each check says ok, warning, failure or skipped. docs/doctor.md lists them.
///
/// It changes nothing: it asks the issuer for one token by each client that is configured, shows none and keeps none; it writes neither into
/// Nacos nor a file, and into Redis one key for a moment to see that it may (`<key-prefix>probe`). It ends within `--timeout`, also when nobody responds. Run it as the user, on the machine and with the
/// environment of the service.
///
/// Exit codes: 0 no check failed (there may be warnings), 64 the configuration itself cannot be used, 65 a check failed.
#[derive(Args, Clone, Debug)]
pub(crate) struct Doctor {
    /// A YAML file with the configuration; may be given several times, later ones win. Without one, the environment.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    #[command(flatten)]
    prefix: PrefixArgument,
    /// For whom a token is asked for where `internal-token` names no audience; default: the first service of `feign.clients`, of
    /// `sidecar.outbound.services` or of the routes of a gateway.
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<Audience>,
    /// Longest time that all checks take together.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(2..=300))]
    timeout: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let report = Report::default();
        let limits = Limits::new(Duration::from_secs(self.timeout));
        let why = runtime::block_on(async {
            let (doctor, findings) = (self.clone(), report.clone());
            // A task of its own: whatever holds its thread up holds up no clock.
            let examined = tokio::spawn(async move { doctor.examine(&limits, &findings).await });
            match tokio::time::timeout(limits.total, examined).await {
                Ok(_) => Finding::skipped(
                    Check::Configuration,
                    "what it looks at is not to be had, as another check says",
                ),
                Err(_) => Finding::untried(
                    Check::Configuration,
                    "was not looked at in time",
                    "give more time with --timeout",
                ),
            }
        })?;
        let shown = report.show(&why);
        match self.json {
            true => output::print_json(&shown)?,
            false => output::print_line(&shown.text())?,
        }
        Ok(match (shown.is_unusable(), shown.is_sound()) {
            (true, _) => Exit::Usage,
            (false, true) => Exit::Ok,
            (false, false) => Exit::NotValid,
        })
    }

    async fn examine(&self, limits: &Limits, report: &Report) {
        let (prefix, files) = (self.prefix.clone(), self.config.clone());
        let held = move || prefix.loader_of(&files).hold_pipes();
        let Some(loader) = limits.blocking(held).await else {
            report.add([sources::slow()]);
            return;
        };
        let files: &[PathBuf] = match self.prefix.is_given() {
            true => &[],
            false => &self.config,
        };
        let Some(sources) = sources::load(&loader, files, limits, report).await else {
            return;
        };
        let everything = &sources.everything;
        let service = &everything.service;
        report.add([permit_all(service)]);
        let keeps = redis::Keeps {
            blacklist: service.security.internal_jwt.blacklist.as_ref(),
            writes: writes_into_redis(everything),
        };
        // Each says what it has found as soon as it has: what takes too long takes nothing from the others.
        tokio::join!(
            async { report.add(certificates::examine(everything, limits).await) },
            self.issuers(&sources, limits, report),
            async { report.add(listening::examine(everything).await) },
            async { report.add(redis::examine(service.redis.redis.as_ref(), keeps, limits).await) },
            async { report.add([registration(&sources, limits).await]) },
            async { report.add([store::examine(everything.issuer.as_ref(), limits).await]) },
        );
        if report.has_looked_at_nothing() {
            report.add([Finding::untried(
                Check::Configuration,
                "it names nothing to look at: no issuer, client, listener, certificate, Redis or store",
                "name all files that the service reads (--config), and run it with the environment of the service",
            )]);
        }
    }

    /// Token endpoints, tokens and keys.
    async fn issuers(&self, sources: &Sources, limits: &Limits, report: &Report) {
        let service = &sources.everything.service;
        let network = match limits.blocking(network(sources)).await {
            Some(Ok(network)) => Some(network),
            Some(Err(error)) => {
                let why = format!("nobody can be asked: {error}");
                report.add(Finding::skipped_all(&ON_THE_WAY, &why));
                None
            }
            None => {
                let why = "nobody can be asked: the files of `tls` are not read in time";
                let untried = |it| Finding::untried(it, why, finding::SLOW_FILE);
                report.add(ON_THE_WAY.map(untried));
                None
            }
        };
        let issuers = &service.security.internal_jwt.issuers;
        let issuer = sources.everything.issuer.as_ref();
        let (keys, trusted, (tokens, mut offsets)) = tokio::join!(
            key_sets::examine(issuers, network.as_ref(), limits),
            trusted::examine(issuer, limits),
            self.tokens(&sources.everything, network.as_ref(), (limits, report)),
        );
        offsets.extend(keys.offsets);
        let leeway = service.security.internal_jwt.leeway;
        report.add([clock::judge(&offsets, leeway)]);
        report.add(keys.findings);
        if issuers.is_empty() {
            let why = "`security` names no issuer";
            if trusted.is_empty() {
                report.add([Finding::skipped(Check::KeySet, why)]);
            }
            report.add([Finding::skipped(Check::KeySetAge, why)]);
        }
        report.add(trusted);
        let now = UnixTime::from(clock().now());
        report.add(judgement::examine(
            &tokens,
            &service.security,
            &keys.sets,
            now,
        ));
        let own = judgement::own_audience(service.service.name.as_deref(), &service.security);
        report.add(own);
    }

    async fn tokens(
        &self,
        everything: &Everything,
        network: Option<&Network>,
        (limits, report): (&Limits, &Report),
    ) -> (Vec<tokens::Had>, clock::Offsets) {
        let settings = &everything.service.internal_token;
        let Some(network) = network else {
            return (Vec::new(), Vec::new());
        };
        let Some(token_service) = &settings.token_service else {
            report.add(Finding::skipped_all(&ON_THE_WAY, NO_CLIENT));
            return (Vec::new(), Vec::new());
        };
        let ways = endpoint::examine(token_service, network, limits).await;
        report.add(ways.findings);
        let targets = Targets::of(everything, self.audience.as_ref());
        let asked = tokens::examine(settings, &targets, network, (limits, &ways.dead)).await;
        report.add(asked.0);
        (asked.1, ways.offsets)
    }
}

/// The way to others as the service has it, without what it brings for itself: no Redis, no certificate of its own. What it gives reads files,
/// and so blocks the thread.
fn network(sources: &Sources) -> impl FnOnce() -> Result<Network, hallpass::Error> + Send + use<> {
    let mut settings = sources.everything.service.clone().beside_the_service();
    settings.redis.redis = None;
    settings.service.tls = None;
    #[cfg(feature = "otlp")]
    {
        settings.telemetry.otlp = None;
    }
    #[cfg(feature = "nacos")]
    let nacos = sources.nacos.clone();
    move || {
        let builder = Hallpass::builder(&settings);
        #[cfg(feature = "nacos")]
        let builder = match &nacos {
            Some(nacos) => builder.nacos(nacos),
            None => builder,
        };
        Ok(builder.build()?.network().clone())
    }
}

/// Whether tokens, what was shown once, or quotas are kept there.
fn writes_into_redis(everything: &Everything) -> bool {
    let has_quotas = everything
        .gateway
        .as_ref()
        .is_some_and(|it| !it.rates.is_empty());
    let has_tokens = everything.service.internal_token.token_service.is_some();
    has_tokens || has_quotas || everything.issuer.is_some()
}

fn permit_all(service: &Settings) -> Finding {
    let security = &service.security;
    if security.permit_all {
        return Finding::failure(
            Check::PermitAll,
            "`security.permit-all` is on: every request passes, and nobody is verified",
            "leave it out; to begin without denials use `security.internal-jwt.mode: report`",
        );
    }
    let mode = security.internal_jwt.mode.name();
    Finding::ok(
        Check::PermitAll,
        format!("it is off; the mode of rules is `{mode}`"),
    )
}

#[cfg(feature = "nacos")]
async fn registration(sources: &Sources, limits: &Limits) -> Finding {
    nacos::registration(sources.nacos.as_ref(), &sources.everything, limits).await
}

#[cfg(not(feature = "nacos"))]
async fn registration(_sources: &Sources, _limits: &Limits) -> Finding {
    Finding::skipped(Check::Registration, "this program was built without Nacos")
}
