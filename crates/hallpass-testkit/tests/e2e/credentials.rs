//! Several credentials in one process, each with a secret of its own that changes while calls go on.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::{Router, routing::get};
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::reload::Reloader;
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{TestIssuer, TestServer};
use tokio::task::JoinSet;

/// Uses the credential that is called like it.
#[feign_client(name = "billing")]
trait Billing {
    #[get("/who")]
    async fn who(&self) -> Result<String, FeignError>;
}

/// Uses the credential for its audience.
#[feign_client(name = "service-reports")]
trait Reports {
    #[get("/who")]
    async fn who(&self) -> Result<String, FeignError>;
}

/// Uses the one that the configuration names.
#[feign_client(name = "archive")]
trait Archive {
    #[get("/who")]
    async fn who(&self) -> Result<String, FeignError>;
}

/// Uses that of the section.
#[feign_client(name = "service-system")]
trait Other {
    #[get("/who")]
    async fn who(&self) -> Result<String, FeignError>;
}

/// Takes two secrets of each client. The second one is that of a service that has changed it.
fn issuer_settings() -> IssuerSettings {
    let client = |id: &str, audiences: &str| {
        format!(
            "{{ client-id: {id}, client-secret: {id}-second, previous-client-secret: {id}-first, \
             previous-client-secret-until: 2099-01-01T00:00:00Z, audiences: [{audiences}] }}"
        )
    };
    let clients = [
        client("default-caller", "service-system"),
        client("billing-caller", "service-billing"),
        client("reports-caller", "service-reports"),
    ];
    let text = format!(
        "hallpass: {{ issuer: {{ clients: [{}] }} }}",
        clients.join(", ")
    );
    let loader = Loader::new("hallpass").text("issuer", text);
    loader.load().unwrap().into_settings()
}

fn caller_yaml(issuer: &TestIssuer, callee: &TestServer, archive: &str) -> String {
    let address = callee.address();
    format!(
        "hallpass:
  discovery.static: {{ billing: ['{address}'], service-reports: ['{address}'], archive: ['{address}'], service-system: ['{address}'] }}
  internal-token:
    client-id: default-caller
    client-secret-file: default.secret
    token-url: '{}'
    audience: service-system
    clients:
      - {{ name: billing, client-id: billing-caller, client-secret-file: billing.secret, audience: service-billing }}
      - {{ name: reporting, client-id: reports-caller, client-secret-file: reports.secret, audience: service-reports }}
  feign.clients.archive.credential: {archive}
",
        issuer.token_url()
    )
}

fn write(folder: &Path, name: &str, content: &str) {
    fs::write(folder.join("new"), content).unwrap();
    fs::rename(folder.join("new"), folder.join(name)).unwrap();
}

/// Says whose token came, without knowing the issuer's name for the callee.
async fn callee(issuer: &TestIssuer) -> TestServer {
    let yaml = format!(
        "hallpass:\n  security.internal-jwt:\n    issuers:\n      - {{ name: internal, issuer: internal, internal: true, \
         jwks-url: '{}', audience: [service-system, service-billing, service-reports] }}\n    routes: [{{ path: /who, rule: authenticated }}]\n",
        issuer.jwks_url()
    );
    let loader = Loader::new("hallpass").text("callee", yaml);
    let settings = loader.load::<Settings>().unwrap().into_settings();
    let guard = Hallpass::from_settings(&settings).unwrap();
    let guard = guard.resource_server().build().unwrap();
    let who = get(async |caller: Caller| {
        let audience = caller.claims().audience[0].to_string();
        axum::Json(format!("{} for {audience}", caller.subject()))
    });
    let router = Router::new().route("/who", who).layer(guard.layer());
    TestServer::start(router).await.unwrap()
}

/// Waits until it is so.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    waited.unwrap_or_else(|_| panic!("{what}"));
}

/// A service that follows its files.
fn following(file: &Path) -> (Hallpass, tokio::task::JoinHandle<()>) {
    let reloader = Reloader::new(Loader::new("hallpass").file(file)).unwrap();
    let mut reloader = reloader.every(Duration::from_millis(20));
    let settings = reloader.load::<Settings>().unwrap().into_settings();
    let caller = Hallpass::from_settings(&settings).unwrap();
    let following = tokio::spawn(caller.clone().follow(reloader));
    (caller, following)
}

/// Calls without a pause until it is told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    workers: JoinSet<()>,
}

impl Load {
    fn start(feign: &Feign) -> Self {
        let billing = Arc::new(FeignBilling::new(feign).unwrap());
        let reports = Arc::new(FeignReports::new(feign).unwrap());
        let other = Arc::new(FeignOther::new(feign).unwrap());
        let (stop, calls) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let mut workers = JoinSet::new();
        for _worker in 0..4 {
            let (billing, reports) = (Arc::clone(&billing), Arc::clone(&reports));
            let (other, stop, calls) = (Arc::clone(&other), Arc::clone(&stop), Arc::clone(&calls));
            workers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    billing.who().await.expect("no call is lost");
                    reports.who().await.expect("no call is lost");
                    other.who().await.expect("no call is lost");
                    calls.fetch_add(3, Ordering::Relaxed);
                }
            });
        }
        Self {
            stop,
            calls,
            workers,
        }
    }

    async fn end(mut self) {
        let before = self.calls.load(Ordering::Relaxed);
        until("calls go on", || {
            self.calls.load(Ordering::Relaxed) > before + 60
        })
        .await;
        self.stop.store(true, Ordering::Relaxed);
        while let Some(worker) = self.workers.join_next().await {
            worker.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_chosen_by_name_and_audience_and_one_is_rotated_without_touching_the_others()
 {
    let issuer = TestIssuer::of(issuer_settings()).start().await.unwrap();
    let server = callee(&issuer).await;
    let folder = tempfile::tempdir().unwrap();
    for name in ["default", "billing", "reports"] {
        let secret = format!("{name}-caller-first\n");
        write(folder.path(), &format!("{name}.secret"), &secret);
    }
    let file = folder.path().join("hallpass.yaml");
    fs::write(&file, caller_yaml(&issuer, &server, "reporting")).unwrap();
    let (caller, following) = following(&file);
    let feign = caller.feign();
    let billing = Arc::new(FeignBilling::new(feign).unwrap());
    let reports = Arc::new(FeignReports::new(feign).unwrap());
    let archive = FeignArchive::new(feign).unwrap();
    let other = Arc::new(FeignOther::new(feign).unwrap());
    let seen = async || {
        let all = [
            billing.who().await,
            reports.who().await,
            archive.who().await,
            other.who().await,
        ];
        all.map(Result::unwrap)
    };
    let expected = [
        "billing-caller for service-billing",
        "reports-caller for service-reports",
        "reports-caller for service-reports",
        "default-caller for service-system",
    ];
    assert_eq!(seen().await, expected);
    assert_eq!(issuer.tokens_issued(), 3);

    let load = Load::start(feign);
    let counted = |line: &str| caller.metrics().text().lines().any(|it| it == line);
    // An empty file, and a broken document, leave all as it is.
    write(folder.path(), "billing.secret", "");
    until("an empty file is refused", || {
        counted(r#"hallpass_config_reloads_total{result="refused"} 1"#)
    })
    .await;
    write(
        folder.path(),
        "hallpass.yaml",
        "hallpass: { internal-token: ",
    );
    until("a broken document is refused", || {
        counted(r#"hallpass_config_reloads_total{result="refused"} 2"#)
    })
    .await;
    write(
        folder.path(),
        "hallpass.yaml",
        &caller_yaml(&issuer, &server, "reporting"),
    );
    write(folder.path(), "billing.secret", "billing-caller-second");
    until("the new secret is in use", || issuer.tokens_issued() == 4).await;
    load.end().await;
    assert_eq!(seen().await, expected);
    assert_eq!(
        issuer.tokens_issued(),
        4,
        "of the others none was asked for anew"
    );
    following.abort();
}

#[tokio::test]
async fn a_client_that_names_a_credential_which_is_not_there_is_a_problem_with_its_place() {
    let issuer = TestIssuer::start().await.unwrap();
    let server = TestServer::start(Router::new()).await.unwrap();
    let yaml =
        caller_yaml(&issuer, &server, "nobody").replace("client-secret-file", "client-secret");
    let loader = Loader::new("hallpass").text("hallpass.yaml", &yaml);
    let problems = loader.load::<Settings>().unwrap_err().to_string();
    assert_eq!(
        problems,
        "hallpass.yaml:11:37: hallpass.feign.clients.archive.credential: is the name of no entry of internal-token.clients"
    );
    // Switched off, as on a developer's machine, nothing is asked for by any name.
    let off = yaml.replace("internal-token:", "internal-token:\n    enabled: false");
    let off = Loader::new("hallpass").text("a", off).load::<Settings>();
    let off = Hallpass::from_settings(off.unwrap().settings()).unwrap();
    assert!(FeignArchive::new(off.feign()).is_ok());
    let known = Loader::new("hallpass").text("a", yaml.replace("nobody", "billing"));
    let settings = known.load::<Settings>().unwrap().into_settings();
    let caller = Hallpass::from_settings(&settings).unwrap();
    let unknown = FeignBilling::builder(caller.feign())
        .credential("nobody")
        .build();
    assert!(
        unknown
            .unwrap_err()
            .to_string()
            .contains("no entry of `internal-token.clients`")
    );
}
