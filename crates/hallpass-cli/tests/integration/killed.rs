//! An issuer that is killed at any moment has lost nothing that it has said to be done.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hallpass::upstream::{Body, HttpTransport};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::issuer::Running;
use crate::postgres_server::{PASSWORD, USER, shared};
use crate::process::{command, run};

/// The last byte of the next [`own_host`].
static NEXT_HOST: AtomicU8 = AtomicU8::new(1);
const KILLS: usize = 20;
/// Of one refresh token after the other.
const ROTATIONS: usize = 6;
/// Of the generated shape, so that nobody waits for argon2.
const SECRET: &str = "hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const AGAIN: Duration = Duration::from_millis(10);
/// For as long as a busy machine may need.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the issuer is now, and what it has said to be done.
struct Estate {
    folder: tempfile::TempDir,
    at: Mutex<String>,
    transport: HttpTransport,
    is_over: AtomicBool,
    refreshed: AtomicUsize,
    /// The last one of each family.
    refresh_tokens: Mutex<Vec<String>>,
    revoked: Mutex<Vec<String>>,
    clients: Mutex<Vec<String>>,
}

impl Estate {
    fn new(store: &str) -> Self {
        let host = own_host();
        let estate = Self {
            folder: tempfile::tempdir().unwrap(),
            at: Mutex::default(),
            transport: HttpTransport::new().unwrap(),
            is_over: AtomicBool::new(false),
            refreshed: AtomicUsize::new(0),
            refresh_tokens: Mutex::default(),
            revoked: Mutex::default(),
            clients: Mutex::default(),
        };
        let yaml = format!(
            "hallpass:\n  issuer:\n    listen: '{host}:0'\n    {store}\n    \
             key-encryption-key: 0123456789abcdef0123456789abcdef\n    refresh-token-grace-seconds: 60\n    \
             revocations-per-client-per-second: 10000\n    clients:\n      \
             - {{ client-id: c, client-secret: {SECRET}, audiences: [service-system], refresh-token-life-seconds: 1h, \
             grant-types: [client_credentials, refresh_token] }}\n      \
             - {{ client-id: service-system, client-secret: {SECRET}, audiences: [service-system] }}\n"
        );
        std::fs::write(estate.config(), yaml).unwrap();
        estate
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("issuer.yaml")
    }

    async fn start(self: &Arc<Self>) -> Running {
        let estate = Arc::clone(self);
        let started = tokio::task::spawn_blocking(move || {
            let config = estate.config();
            let arguments = ["issuer", "--config", config.to_str().unwrap()];
            let mut command = command(&arguments);
            let issuer = Running::start_by(command.current_dir(estate.folder.path()));
            *estate.at.lock().unwrap() = issuer.url("");
            issuer
        });
        started.await.unwrap()
    }

    /// `None` while it is away, or cannot write.
    async fn post(&self, path: &str, id: &str, form: String) -> Option<(u16, Value)> {
        let url = format!("{}{path}", self.at.lock().unwrap());
        let credentials = BASE64.encode(format!("{id}:{SECRET}"));
        let request = http::Request::post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", format!("Basic {credentials}"))
            .body(Body::from(form))
            .unwrap();
        let response = self.transport.clone().oneshot(request).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect_within(100_000).await.ok()?;
        (status != 503).then(|| {
            let body = serde_json::from_slice(&body).unwrap_or_default();
            (status, body)
        })
    }

    /// What it says in the end, however often it is asked.
    async fn said(&self, path: &str, id: &str, form: &str) -> (u16, Value) {
        let asked = async {
            loop {
                if let Some(said) = self.post(path, id, form.to_owned()).await {
                    return said;
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.unwrap()
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    /// Uses one refresh token after the other, and begins anew before too many access tokens live. Whoever got no answer asks again with the
    /// one that he has.
    async fn refresh(self: Arc<Self>) {
        while self.goes_on() {
            let form = "grant_type=client_credentials&audience=service-system";
            let (status, body) = self.said("/oauth2/token", "c", form).await;
            assert_eq!(status, 200, "{body}");
            // A store that is locked for moments brings none.
            let Some(token) = body["refresh_token"].as_str() else {
                continue;
            };
            let mut token = token.to_owned();
            for _ in 0..ROTATIONS {
                let form = format!("grant_type=refresh_token&refresh_token={token}");
                let (status, body) = self.said("/oauth2/token", "c", &form).await;
                assert_eq!(status, 200, "it was said to count: {body}");
                let next = body["refresh_token"].as_str().unwrap();
                next.clone_into(&mut token);
                self.refreshed.fetch_add(1, Ordering::Relaxed);
            }
            self.refresh_tokens.lock().unwrap().push(token);
        }
    }

    async fn revoke(self: Arc<Self>) {
        let form = "grant_type=client_credentials&audience=service-system";
        while self.goes_on() {
            let (status, body) = self.said("/oauth2/token", "service-system", form).await;
            assert_eq!(status, 200, "{body}");
            let token = body["access_token"].as_str().unwrap().to_owned();
            let form = format!("token={token}");
            let (status, body) = self.said("/oauth2/revoke", "service-system", &form).await;
            assert_eq!(status, 200, "{body}");
            self.revoked.lock().unwrap().push(token);
        }
    }

    /// Beside the issuer, as an operator does.
    async fn add_clients(self: Arc<Self>) {
        for number in 0.. {
            if !self.goes_on() {
                return;
            }
            let (estate, name) = (Arc::clone(&self), format!("client-{number}"));
            let file = self.folder.path().join("client.yaml");
            let yaml = format!(
                "hallpass: {{ issuer: {{ clients: [{{ client-id: {name}, audiences: service-system }}] }} }}"
            );
            std::fs::write(&file, yaml).unwrap();
            let add = move || {
                let config = estate.config();
                let file = file.to_str().unwrap();
                let config = config.to_str().unwrap();
                run(&["client", "add", "--config", config, "--from-file", file]).code
            };
            // Who has waited for the store in vain has added nothing.
            if tokio::task::spawn_blocking(add).await.unwrap() == 0 {
                self.clients.lock().unwrap().push(name);
            }
        }
    }

    fn done(&self) -> (usize, usize) {
        let revoked = self.revoked.lock().unwrap().len();
        (self.refreshed.load(Ordering::Relaxed), revoked)
    }

    /// Waits until it has done some more, and how much more says how far into its work it is killed.
    async fn until_more(&self, more: usize) {
        let (refreshed, revoked) = self.done();
        let waited = async {
            loop {
                let now = self.done();
                if now.0 > refreshed + more % 4 && now.1 > revoked + more % 3 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waited).await.unwrap();
    }

    async fn holds_what_was_said(&self) {
        let revoked = self.revoked.lock().unwrap().clone();
        for token in revoked {
            let form = format!("token={token}");
            let (_, told) = self
                .said("/oauth2/introspect", "service-system", &form)
                .await;
            assert_eq!(told["active"], false, "it was said to be revoked");
        }
        let refresh_tokens = self.refresh_tokens.lock().unwrap().clone();
        for token in refresh_tokens {
            let form = format!("grant_type=refresh_token&refresh_token={token}");
            let (status, body) = self.said("/oauth2/token", "c", &form).await;
            assert_eq!(status, 200, "{body}");
        }
        let config = self.config();
        let config = config.to_str().unwrap();
        let list = run(&["client", "list", "--config", config]);
        let names: Vec<_> = list.stdout.split_whitespace().collect();
        for client in &*self.clients.lock().unwrap() {
            assert!(names.contains(&client.as_str()), "{client}: {list:?}");
        }
        let check = run(&["store", "check", "--config", config]);
        assert_eq!(check.code, 0, "{check:?}");
        assert!(
            check.stdout.contains("all of it is as an issuer wrote it"),
            "{check:?}"
        );
    }
}

/// A loopback address that no other test uses. At a shared one the port of an issuer that was just killed may be given to that of the
/// other test, which knows the same client and none of its tokens.
fn own_host() -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(
        127,
        high.max(1),
        low,
        NEXT_HOST.fetch_add(1, Ordering::Relaxed),
    )
}

async fn is_killed_again_and_again(store: &str) {
    let estate = Arc::new(Estate::new(store));
    let mut issuer = estate.start().await;
    let work = [
        tokio::spawn(Arc::clone(&estate).refresh()),
        tokio::spawn(Arc::clone(&estate).revoke()),
        tokio::spawn(Arc::clone(&estate).add_clients()),
    ];
    for kill in 0..KILLS {
        estate.until_more(kill).await;
        issuer.child.kill().unwrap();
        issuer.child.wait().unwrap();
        issuer = estate.start().await;
    }
    estate.until_more(0).await;
    estate.is_over.store(true, Ordering::Relaxed);
    for task in work {
        task.await.unwrap();
    }
    let (refreshed, revoked) = estate.done();
    assert!(
        refreshed > KILLS && revoked > KILLS,
        "{refreshed} {revoked}"
    );
    assert!(!estate.clients.lock().unwrap().is_empty());
    estate.holds_what_was_said().await;
    drop(issuer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_is_killed_at_any_moment_loses_nothing_of_its_file() {
    is_killed_again_and_again("store: hallpass.db").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_is_killed_at_any_moment_loses_nothing_of_its_database() {
    let Some(server) = shared().await else {
        return;
    };
    let (port, name) = (server.port, server.database().await);
    let store = format!(
        "database: {{ url: 'postgres://127.0.0.1:{port}/{name}', username: {USER}, password: '{PASSWORD}' }}"
    );
    is_killed_again_and_again(&store).await;
}
