//! A service of the shop goes from `off` to `enforce` and back under load, by its file alone, and `hallpass policy readiness` is asked at
//! each step. What it shows: no call that is allowed fails, and who would be denied is named before he is.
//!
//! The issuer is the executable, the service is `service-system` of the shop, which takes its file while it runs.

mod load;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hallpass::Hallpass;
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::reload::Reloader;
use shop::{Running, service_system};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::children::{Issuer, PATIENCE, get};
use crate::measure::{Failure, Outcome};
use load::{Kind, Load, Tally};

/// How long each step lasts, unless asked for another time.
const SECONDS: u64 = 5;
/// Clients that have what the rule asks for, and such that lack it.
const GOOD: usize = 5;
const POOR: usize = 40;

/// How long the calls have to end that began before a step was taken.
const SETTLE: Duration = Duration::from_millis(200);

/// What is written into the file, in this order, and how much of the callers is enforced then.
const STEPS: [(&str, f64); 9] = [
    ("mode: off", 0.0),
    ("mode: report", 0.0),
    ("mode: enforce, enforce-percent: 1", 0.01),
    ("mode: enforce, enforce-percent: 10", 0.1),
    ("mode: enforce, enforce-percent: 50", 0.5),
    ("mode: enforce, enforce-percent: 100", 1.0),
    ("mode: report, enforce-percent: 100", 0.0),
    ("mode: enforce", 1.0),
    ("mode: off", 0.0),
];

/// `roll-out [SECONDS]`.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let seconds = arguments.first().map_or(Ok(SECONDS), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(roll_out(Duration::from_secs(seconds)))
}

/// The clients at the issuer.
fn clients() -> String {
    let client = |name: String, scope: &str| {
        format!(
            "      - {{ client-id: {name}, client-secret: RollOutSecret123!, audiences: service-system, scopes: {scope} }}\n"
        )
    };
    let good = (0..GOOD).map(|number| client(format!("good-{number}"), "internal-service"));
    let poor = (0..POOR).map(|number| client(format!("poor-{number}"), "other"));
    let clients: String = good.chain(poor).collect();
    format!("    clients:\n{clients}")
}

/// The file of the service.
struct File {
    path: PathBuf,
    jwks: String,
}

impl File {
    fn write(&self, mode: &str) -> Result<(), Failure> {
        let text = format!(
            "scccy:\n  service: {{ name: {} }}\n  security:\n    internal-jwt:\n      {}\n      \
             issuers: [{{ name: service-auth, issuer: internal, jwks-url: '{}', internal: true }}]\n      \
             internal-only: {{ paths: [/internal/**], scope: internal-service }}\n",
            service_system::NAME,
            mode.replace(", ", "\n      "),
            self.jwks
        );
        let next = self.path.with_extension("next");
        std::fs::write(&next, text)?;
        Ok(std::fs::rename(next, &self.path)?)
    }
}

#[expect(clippy::print_stdout, reason = "a measurement prints its table")]
async fn roll_out(length: Duration) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let issuer = Issuer::start(folder.path(), &clients(), "").await?;
    let file = File {
        path: folder.path().join("service-system.yaml"),
        jwks: format!("http://{}/oauth2/jwks", issuer.address()),
    };
    file.write("mode: off")?;
    let loader = Loader::new("scccy").file(&file.path);
    let mut reloader = Reloader::new(loader)?.every(Duration::from_millis(100));
    let settings = reloader.load::<Settings>()?.into_settings();
    let hallpass = Hallpass::from_settings(&settings)?;
    let router = service_system::router(&hallpass)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let service = Running::start(hallpass.http_server(listener), router)?;
    let following = tokio::spawn(hallpass.clone().follow(reloader));
    let load = Load::start(issuer.address(), service.address(), (GOOD, POOR)).await?;

    let metrics = format!("http://{}/metrics", service.address());
    println!(
        "| step | taken after | good: 200, other | without scope: 200, 403, other | without token: 200, 401, other | calls/s | readiness |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut faults = Vec::new();
    for (mode, ratio) in STEPS {
        let taken = step(&file, mode, ratio, &metrics).await?;
        tokio::time::sleep(SETTLE).await;
        let before = load.tally();
        let begun = Instant::now();
        tokio::time::sleep(length).await;
        let tally = load.tally().since(&before);
        let seconds = begun.elapsed().as_secs_f64();
        let ready = Readiness::ask(&metrics)?;
        println!(
            "| `{mode}` | {} ms | {} | {:.0} | {} |",
            taken.as_millis(),
            tally,
            tally.rate(seconds),
            ready.text()
        );
        faults.extend(faults_of(mode, ratio, &tally, &ready));
    }
    let failed = load.stop().await.failed(Kind::Good);
    following.abort();
    service.stop().await;
    issuer.stop().await?;
    println!("\ncalls of good callers that failed, the changes of the file included: {failed}");
    if failed > 0 {
        faults.push(format!("{failed} calls that are allowed failed"));
    }
    match faults[..] {
        [] => Ok(()),
        _ => Err(faults.join("; ").into()),
    }
}

/// Writes the step into the file and waits until the metrics say that it is taken.
async fn step(file: &File, mode: &str, ratio: f64, metrics: &str) -> Result<Duration, Failure> {
    file.write(mode)?;
    let name = mode.split([' ', ',']).nth(1).unwrap_or_default();
    let wanted =
        format!("hallpass_rollout_ratio{{route=\"/internal/**\",mode=\"{name}\"}} {ratio:?}");
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if get(metrics).await?.lines().any(|line| line == wanted) {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(format!("{mode} was not taken").into())
}

/// What is not as it should be at a step.
fn faults_of(mode: &str, ratio: f64, tally: &Tally, ready: &Readiness) -> Vec<String> {
    let mut faults = Vec::new();
    let mut hold = |holds: bool, what: &str| {
        if !holds {
            faults.push(format!("{mode}: {what}"));
        }
    };
    hold(tally.passed(Kind::Good) > 0, "no good caller got through");
    hold(tally.failed(Kind::Good) == 0, "a good caller was refused");
    let is_all = ratio >= 1.0;
    for kind in [Kind::Poor, Kind::Nobody] {
        let is_open = ratio > 0.0 || tally.refused(kind) == 0;
        hold(is_open, "somebody was refused although nothing is enforced");
        hold(!is_all || tally.passed(kind) == 0, "somebody got through");
        hold(tally.other(kind) == 0, "a call failed otherwise");
    }
    if mode.starts_with("mode: report") {
        hold(
            ready.named.len() == POOR + 1,
            "not all who would be denied are named",
        );
        hold(!ready.safe, "it is said to be safe");
    }
    let names_good = ready.named.iter().any(|name| name.starts_with("good-"));
    hold(!names_good, "a good caller is said to be denied");
    faults
}

/// What `hallpass policy readiness` says.
struct Readiness {
    safe: bool,
    named: BTreeSet<String>,
}

impl Readiness {
    fn ask(metrics: &str) -> Result<Self, Failure> {
        let program = std::env::current_exe()?.with_file_name("hallpass");
        let said = tokio::task::block_in_place(|| asked(&program, metrics))?;
        let said: serde_json::Value = serde_json::from_slice(&said)?;
        let routes = said
            .pointer("/services/0/routes")
            .and_then(serde_json::Value::as_array);
        let route = routes
            .into_iter()
            .flatten()
            .find(|it| it["route"] == "/internal/**")
            .ok_or("readiness does not know the route")?;
        let callers = route["would_deny"].as_array().into_iter().flatten();
        let named = callers.filter_map(|it| it["caller"].as_str());
        Ok(Self {
            safe: route["safe"] == true,
            named: named.map(str::to_owned).collect(),
        })
    }

    fn text(&self) -> String {
        let safe = if self.safe { "safe" } else { "not safe" };
        format!("{safe}, {} named", self.named.len())
    }
}

fn asked(program: &Path, metrics: &str) -> Result<Vec<u8>, Failure> {
    let asked = Command::new(program)
        .args(["policy", "readiness", metrics, "--hours", "0", "--json"])
        .output()?;
    Ok(asked.stdout)
}
