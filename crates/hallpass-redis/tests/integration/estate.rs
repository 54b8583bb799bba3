//! Many processes with one Redis: token services with a real issuer's protocol before them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use hallpass_client::{AuthTokenService, AuthTokenServiceBuilder, Credential};
use hallpass_config::Secret;
use hallpass_redis::RedisTokenCache;
use hallpass_upstream::HttpTransport;
use tokio::sync::Semaphore;

use crate::servers::{RedisServer, alone};
use crate::tiers::{at, tier, until};

const PROCESSES: usize = 50;
/// What every token of the tests begins with: it must not be found in Redis.
pub(crate) const TOKEN: &str = "eyJhbGciOiJFUzI1NiJ9.the-token";

/// A token endpoint that counts.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    seen: Arc<AtomicUsize>,
    /// A response takes one.
    permits: Arc<Semaphore>,
}

impl Endpoint {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Self {
            url: format!("http://{}/oauth2/token", listener.local_addr().unwrap()),
            seen: Arc::default(),
            permits: Arc::new(Semaphore::new(0)),
        };
        let router = Router::new()
            .route("/oauth2/token", post(token))
            .with_state(endpoint.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        endpoint
    }

    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    pub(crate) fn respond(&self) {
        self.permits.add_permits(1_000_000);
    }
}

async fn token(State(endpoint): State<Endpoint>) -> impl IntoResponse {
    let number = endpoint.seen.fetch_add(1, Ordering::SeqCst) + 1;
    endpoint.permits.acquire().await.unwrap().forget();
    let body =
        format!(r#"{{"access_token":"{TOKEN}-{number}","token_type":"Bearer","expires_in":600}}"#);
    ([(CONTENT_TYPE, "application/json")], body)
}

/// A token service as a process of its own has it.
pub(crate) async fn service(redis: u16, url: &str) -> AuthTokenService {
    builder(tier(&at(redis)).await, url).build()
}

pub(crate) fn builder(tier: RedisTokenCache, url: &str) -> AuthTokenServiceBuilder {
    let credential = Credential::new(
        "order-service".parse().unwrap(),
        Secret::from("InternalSecret123!"),
        url.parse().unwrap(),
    );
    AuthTokenService::builder(credential, HttpTransport::new().unwrap())
        .shared_cache(Arc::new(tier))
}

pub(crate) async fn token_of(service: &AuthTokenService) -> String {
    let (audience, scope) = (
        "service-system".parse().unwrap(),
        "internal-service".parse().unwrap(),
    );
    let token = service.service_token(&audience, &scope).await;
    token.map_or_else(|error| error.to_string(), |token| token.expose().to_owned())
}

/// A process of the estate: this very executable, as the test below.
pub(crate) struct Process {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Process {
    fn start(redis: u16, url: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([
            "estate::one_process_of_many",
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads",
            "1",
        ]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{redis} {url}").unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits for the line that begins so, and returns the rest of it.
    fn line(&mut self, start: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.lines.read_line(&mut line).unwrap(),
                0,
                "no line {start}"
            );
            if let Some(at) = line.find(start) {
                return line[at + start.len()..].trim().to_owned();
            }
        }
    }

    fn go(&mut self) {
        writeln!(self.child.stdin.as_mut().unwrap(), "go").unwrap();
    }

    /// The token that it has now, and how many calls to the tier have failed.
    pub(crate) fn token(&mut self) -> (String, usize) {
        self.go();
        let line = self.line("token:");
        let (token, errors) = line.split_once(' ').unwrap();
        (token.to_owned(), errors.parse().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "not a test of its own: those below start it as a process"]
async fn one_process_of_many() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let (redis, url) = line.trim().split_once(' ').unwrap();
    let service = service(redis.parse().unwrap(), url).await;
    println!("ready:");
    // Each further line asks for the token, until there is no more.
    while std::io::stdin().read_line(&mut String::new()).unwrap() > 0 {
        let token = token_of(&service).await;
        println!("token:{token} {}", errors_of(&service));
    }
}

/// Calls to the tier that failed or took more than their 30 ms.
pub(crate) fn errors_of(service: &AuthTokenService) -> usize {
    let mut registry = prometheus_client::registry::Registry::default();
    service.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let name = "hallpass_token_cache_errors_total{tier=\"redis\"} ";
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.map_or(0, |value| value.parse().unwrap())
}

/// What came of many processes that need the same token at once.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) requests: usize,
    /// Of all processes together. On a machine that is very busy a process does not run for 30 ms, and asks for itself then.
    pub(crate) errors: usize,
}

impl Round {
    /// Runs rounds until the machine has left a whole one alone; every other must be explained by what went wrong in it.
    pub(crate) async fn undisturbed(expected: usize, round: impl AsyncFn() -> Self) {
        for _ in 0..5 {
            let came = round().await;
            println!("{came:?}");
            assert!(
                (expected..=expected + came.errors).contains(&came.requests),
                "{came:?}"
            );
            if came.errors == 0 {
                return;
            }
        }
        let line = b"\n!! the machine is too busy: each of 5 rounds had calls to Redis of more than 30 ms\n";
        let _unheard = std::io::stderr().write_all(line);
    }

    /// Lets the processes go and `during` happen, and collects their tokens.
    async fn of(
        mut processes: Vec<Process>,
        endpoint: &Endpoint,
        during: impl AsyncFnOnce(),
    ) -> Self {
        processes.iter_mut().for_each(Process::go);
        during().await;
        endpoint.respond();
        let mut errors = 0;
        for process in &mut processes {
            let line = process.line("token:");
            let (token, of_this) = line.split_once(' ').unwrap();
            assert!(token.starts_with(TOKEN), "{line}");
            errors += of_this.parse::<usize>().unwrap();
        }
        Self {
            requests: endpoint.seen(),
            errors,
        }
    }
}

/// Processes that are ready to ask.
pub(crate) fn processes(number: usize, server: &RedisServer, endpoint: &Endpoint) -> Vec<Process> {
    let start = |_| Process::start(server.port, &endpoint.url);
    let mut processes: Vec<_> = (0..number).map(start).collect();
    for process in &mut processes {
        process.line("ready:");
    }
    processes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_processes_with_empty_caches_make_one_token_request() {
    let Some(_turn) = alone().await else {
        return;
    };
    Round::undisturbed(1, async || {
        let server = RedisServer::start(&[]).await;
        let endpoint = Endpoint::start().await;
        let all = processes(PROCESSES, &server, &endpoint);
        Round::of(all, &endpoint, async || {
            until("somebody asks", async || endpoint.seen() > 0).await;
            // The others have looked for a token by now, and wait.
            tokio::time::sleep(Duration::from_millis(200)).await;
        })
        .await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_process_that_asks_dies_one_other_asks() {
    let Some(_turn) = alone().await else {
        return;
    };
    Round::undisturbed(2, async || {
        let server = RedisServer::start(&[]).await;
        let endpoint = Endpoint::start().await;
        let others = processes(PROCESSES - 1, &server, &endpoint);
        let mut holder = processes(1, &server, &endpoint);
        holder[0].go();
        until("it asks", async || endpoint.seen() == 1).await;
        Round::of(others, &endpoint, async || {
            tokio::time::sleep(Duration::from_millis(200)).await;
            drop(holder);
            let took = until("another one asks", async || endpoint.seen() > 1).await;
            println!("another process asks {took:?} after the holder died");
        })
        .await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_dump_holds_no_token_and_a_moved_entry_is_refused() {
    let Some(_turn) = alone().await else {
        return;
    };
    let server = RedisServer::start(&[]).await;
    let endpoint = Endpoint::start().await;
    endpoint.respond();
    let token = token_of(&service(server.port, &endpoint.url).await).await;
    assert_eq!(token, format!("{TOKEN}-1"));
    // The dump, and what everybody sees who may read.
    assert!(server.cli(&["SAVE"]).contains("OK"));
    let dump = std::fs::read(server.folder().join("dump.rdb")).unwrap();
    let holds = |bytes: &[u8], text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    let names = server.cli(&["--scan"]);
    let [name] = &names.lines().collect::<Vec<_>>()[..] else {
        panic!("one entry: {names}");
    };
    assert!(
        holds(&dump, "order-service:service-system"),
        "the dump has the entry"
    );
    let entry = server.cli(&["GET", name]);
    for stolen in [&dump[..], entry.as_bytes(), names.as_bytes()] {
        assert!(!holds(stolen, TOKEN) && !holds(stolen, "InternalSecret123!"));
        assert!(!holds(stolen, "eyJhbGci"));
    }
    // Another process takes it.
    assert_eq!(
        token_of(&service(server.port, &endpoint.url).await).await,
        format!("{TOKEN}-1")
    );
    assert_eq!(endpoint.seen(), 1);

    // Under another key it is nothing, to the same client.
    let other = (
        "service-logistics".parse().unwrap(),
        "internal-service".parse().unwrap(),
    );
    let service = service(server.port, &endpoint.url).await;
    let _own = service.service_token(&other.0, &other.1).await.unwrap();
    assert_eq!(endpoint.seen(), 2);
    let names = server.cli(&["--scan"]);
    let theirs = names
        .lines()
        .find(|it| it.contains("service-logistics"))
        .unwrap();
    assert!(server.cli(&["COPY", name, theirs, "REPLACE"]).contains('1'));
    let fresh = self::service(server.port, &endpoint.url).await;
    let token = fresh.service_token(&other.0, &other.1).await.unwrap();
    assert_eq!(
        token.expose(),
        format!("{TOKEN}-3"),
        "a new one, and not that of another audience"
    );
}
