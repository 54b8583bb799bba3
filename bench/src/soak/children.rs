//! The processes of the estate.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::token::SigningKey;
use hallpass::upstream::{Body, HttpTransport};
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::measure::Failure;

/// Longer than any start or stop may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the shop's background job reports with a token of the service.
const REPORT_EVERY: Duration = Duration::from_millis(5);
/// How long a customer's token is good for.
const CUSTOMER_TOKEN_LIFE: Duration = Duration::from_secs(6 * 3600);
/// The identity of the shop at the issuer, with a secret that a person chose, as the estate's file has it.
const CLIENTS: &str = "      - client-id: internal-service-client\n        client-secret: InternalSecret123!\n        \
                       scopes: [internal-service]\n        audiences: [service-system]\n        token-life-seconds: 60\n";

/// What was said by a process in its log.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Lines that tell of a decision about a token request.
    pub(super) decisions: u64,
    /// Decisions that the issuer counted, those whose event was dropped, both summed over its restarts.
    pub(super) counted: u64,
    pub(super) dropped: u64,
    pub(super) panics: u64,
}

/// `hallpass issuer`, which is stopped and started again.
pub(super) struct Issuer {
    program: PathBuf,
    configuration: PathBuf,
    address: SocketAddr,
    child: Child,
    log: Option<JoinHandle<Said>>,
    said: Said,
}

impl Issuer {
    pub(super) async fn start(folder: &Path) -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let program = own.with_file_name("hallpass");
        if !program.exists() {
            let program = program.display();
            return Err(format!(
                "{program} is missing: build it first (cargo build --release -p hallpass-cli)"
            )
            .into());
        }
        // Free at this moment; nobody else here looks for one.
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let configuration = folder.join("service-auth.yaml");
        let yaml = format!(
            "scccy:\n  issuer:\n    listen: {address}\n    name: internal\n    store: service-auth.db\n    key-announce-seconds: 10\n    clients:\n{CLIENTS}"
        );
        std::fs::write(&configuration, yaml)?;
        let (child, log) = spawn(&program, &configuration)?;
        let issuer = Self {
            program,
            configuration,
            address,
            child,
            log: Some(log),
            said: Said::default(),
        };
        issuer.ready().await?;
        Ok(issuer)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kibibytes in memory.
    pub(super) fn resident(&self) -> Result<u64, Failure> {
        resident(&self.child)
    }

    /// Brings a key into the store, as an operator does.
    pub(super) fn import(&self, key: &SigningKey, folder: &Path) -> Result<(), Failure> {
        let file = folder.join("next.pem");
        let body = STANDARD.encode(&*key.to_pkcs8()?);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        std::fs::write(&file, pem)?;
        let imported = Command::new(&self.program)
            .args(["key", "import"])
            .arg(&file)
            .arg("--config")
            .arg(&self.configuration)
            .output()?;
        match imported.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&imported.stderr)
                .into_owned()
                .into()),
        }
    }

    pub(super) fn hang_up(&self) -> Result<(), Failure> {
        signal(&self.child, "HUP")
    }

    pub(super) async fn restart(&mut self) -> Result<(), Failure> {
        self.end().await?;
        let (child, log) = spawn(&self.program, &self.configuration)?;
        (self.child, self.log) = (child, Some(log));
        self.ready().await
    }

    pub(super) async fn stop(mut self) -> Result<Said, Failure> {
        self.end().await?;
        Ok(std::mem::take(&mut self.said))
    }

    /// Ends the process and adds up what it said.
    async fn end(&mut self) -> Result<(), Failure> {
        let metrics = self.metrics().await?;
        // Requests that are under way now are decided and logged, and not in these counts: the log is compared with what the
        // process itself says of each event, so the counts are read once more when nobody asks any longer.
        let before = counted(&metrics);
        signal(&self.child, "TERM")?;
        let status = wait(&mut self.child).await?;
        if !status {
            return Err("the issuer did not end by SIGTERM".into());
        }
        let said = self.log.take().map(JoinHandle::join).transpose();
        let said = said
            .map_err(|_| "the reader of the log has failed")?
            .unwrap_or_default();
        self.said.decisions += said.decisions;
        self.said.panics += said.panics;
        self.said.dropped += before.1 + said.dropped;
        self.said.counted += before.0.max(said.decisions + before.1 + said.dropped);
        Ok(())
    }

    async fn ready(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if get(&format!("http://{}/health/ready", self.address))
                .await
                .is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("the issuer is not ready".into())
    }

    async fn metrics(&self) -> Result<String, Failure> {
        get(&format!("http://{}/metrics", self.address)).await
    }
}

/// Decisions about token requests, and events dropped.
fn counted(metrics: &str) -> (u64, u64) {
    let sum = |name: &str| {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        values.sum::<u64>()
    };
    let decided =
        sum("hallpass_tokens_issued_total") + sum("hallpass_token_requests_refused_total");
    (decided, sum("hallpass_audit_dropped_total"))
}

/// The shop in a process of its own.
pub(super) struct Shop {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(super) orders: SocketAddr,
    pub(super) customer: String,
    log: JoinHandle<Said>,
}

impl Shop {
    pub(super) fn start(issuer: SocketAddr) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["soak-shop", &issuer.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("the shop has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let (orders, customer) = line
            .trim()
            .split_once(' ')
            .ok_or("the shop did not start")?;
        let (orders, customer) = (orders.parse()?, customer.to_owned());
        let errors = child
            .stderr
            .take()
            .ok_or("the shop has no standard error")?;
        let log = std::thread::spawn(move || listen(errors));
        let stdin = child.stdin.take();
        Ok(Self {
            child,
            stdin,
            orders,
            customer,
            log,
        })
    }

    pub(super) fn resident(&self) -> Result<u64, Failure> {
        resident(&self.child)
    }

    pub(super) async fn stop(mut self) -> Result<Said, Failure> {
        drop(self.stdin.take());
        if !wait(&mut self.child).await? {
            return Err("the shop did not end".into());
        }
        self.log
            .join()
            .map_err(|_| "the reader of the log has failed".into())
    }
}

/// The shop's own process: prints where customers call and a customer's token, reports all the time, and ends with its standard
/// input.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the parent process reads them"
)]
pub(super) fn run_shop(issuer: SocketAddr) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let ended = std::thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
    runtime.block_on(async {
        let shop = shop::Shop::start(shop::Sockets::free().await?, issuer, |_call| {}).await?;
        let now = SystemClock::new().now().into();
        let token = shop
            .identity_provider
            .token("alice", now, CUSTOMER_TOKEN_LIFE)?;
        println!("{} {}", shop.order_service.address(), token.expose());
        std::io::stdout().flush()?;
        let mut ticks = tokio::time::interval(REPORT_EVERY);
        let mut failed = 0_u64;
        while !ended.is_finished() {
            ticks.tick().await;
            if let Err(error) = shop.orders.report_the_day().await {
                failed += 1;
                eprintln!("report failed ({failed}): {error}");
            }
        }
        Ok(())
    })
}

fn spawn(program: &Path, configuration: &Path) -> Result<(Child, JoinHandle<Said>), Failure> {
    let mut child = Command::new(program)
        .args(["issuer", "--config"])
        .arg(configuration)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let errors = child
        .stderr
        .take()
        .ok_or("the issuer has no standard error")?;
    Ok((child, std::thread::spawn(move || listen(errors))))
}

/// Reads a log to its end.
fn listen(log: impl std::io::Read) -> Said {
    let mut said = Said::default();
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        said.decisions +=
            u64::from(line.contains("token issued") || line.contains("token refused"));
        said.panics += u64::from(line.contains("panicked"));
    }
    said
}

async fn get(url: &str) -> Result<String, Failure> {
    let request = http::Request::get(url).body(Body::empty())?;
    let response = HttpTransport::new()?.oneshot(request);
    let response = tokio::time::timeout(PATIENCE, response).await??;
    if !response.status().is_success() {
        return Err(format!("{url}: {}", response.status()).into());
    }
    let body = response.into_body().collect_within(1024 * 1024).await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn resident(child: &Child) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .ok_or("no VmRSS")?;
    let number = line.split_whitespace().nth(1).ok_or("no VmRSS")?;
    Ok(number.parse()?)
}

fn signal(child: &Child, name: &str) -> Result<(), Failure> {
    let sent = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(child.id().to_string())
        .status()?;
    match sent.success() {
        true => Ok(()),
        false => Err(format!("SIG{name} could not be sent").into()),
    }
}

/// Whether it ended in time.
async fn wait(child: &mut Child) -> Result<bool, Failure> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    child.kill()?;
    Ok(false)
}
