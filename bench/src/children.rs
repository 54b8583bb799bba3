//! Processes that a measurement starts, and what it does to them; `hallpass issuer` among them.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass::token::SigningKey;
use hallpass::upstream::{Body, HttpTransport};
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::measure::Failure;

/// Longer than any start or stop may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What was said by a process in its log.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Lines that tell of a decision about a token request.
    pub(crate) decisions: u64,
    /// Decisions that the issuer counted, those whose event was dropped, both summed over its restarts.
    pub(crate) counted: u64,
    pub(crate) dropped: u64,
    pub(crate) panics: u64,
}

/// `hallpass issuer`, which is stopped and started again.
pub(crate) struct Issuer {
    program: PathBuf,
    configuration: PathBuf,
    address: SocketAddr,
    child: Child,
    log: Option<JoinHandle<Said>>,
    said: Said,
}

impl Issuer {
    /// With a configuration of these keys of `issuer`, each indented by four, and these other sections, indented by two.
    pub(crate) async fn start(folder: &Path, keys: &str, more: &str) -> Result<Self, Failure> {
        let own = std::env::current_exe()?;
        let program = own.with_file_name("hallpass");
        if !program.exists() {
            let program = program.display();
            return Err(format!(
                "{program} is missing: build it first (cargo build --release -p hallpass-cli)"
            )
            .into());
        }
        let address = free_address()?;
        let configuration = folder.join("service-auth.yaml");
        let yaml = format!(
            "scccy:\n  issuer:\n    listen: {address}\n    name: internal\n    store: service-auth.db\n{keys}{more}"
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

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kibibytes in memory.
    pub(crate) fn resident(&self) -> Result<u64, Failure> {
        resident(&self.child)
    }

    /// Brings a key into the store, as an operator does.
    pub(crate) fn import(&self, key: &SigningKey, folder: &Path) -> Result<(), Failure> {
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

    /// Announces another key, as an operator does.
    pub(crate) fn rotate_key(&self) -> Result<(), Failure> {
        self.key_command(&["rotate"]).map(drop)
    }

    /// Lets another key sign at once, as an operator does.
    pub(crate) fn rotate_key_now(&self) -> Result<(), Failure> {
        tokio::task::block_in_place(|| self.key_command(&["rotate", "--now"])).map(drop)
    }

    /// Withdraws the key that signs, as an operator does.
    pub(crate) fn taint_signing_key(&self) -> Result<(), Failure> {
        let key = self.signing_key()?;
        self.key_command(&["taint", &key]).map(drop)
    }

    /// The id of the key that signs now.
    pub(crate) fn signing_key(&self) -> Result<String, Failure> {
        let list = tokio::task::block_in_place(|| self.key_command(&["list"]))?;
        let line = list.lines().find(|line| line.starts_with("signing"));
        let id = line.and_then(|line| line.split_whitespace().nth(2));
        Ok(id.ok_or("no key signs")?.to_owned())
    }

    /// `hallpass key ...`; what it says.
    fn key_command(&self, arguments: &[&str]) -> Result<String, Failure> {
        let run = Command::new(&self.program)
            .arg("key")
            .args(arguments)
            .arg("--config")
            .arg(&self.configuration)
            .output()?;
        match run.status.success() {
            true => Ok(String::from_utf8_lossy(&run.stdout).into_owned()),
            false => Err(String::from_utf8_lossy(&run.stderr).into_owned().into()),
        }
    }

    pub(crate) fn hang_up(&self) -> Result<(), Failure> {
        signal(&self.child, "HUP")
    }

    pub(crate) async fn restart(&mut self) -> Result<(), Failure> {
        self.end().await?;
        self.start_again().await
    }

    /// Ends it as a crash does; what it has counted is lost.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// From now on it accepts connections and does nothing any more.
    pub(crate) fn hang(&self) -> Result<(), Failure> {
        signal(&self.child, "STOP")
    }

    pub(crate) fn go_on(&self) -> Result<(), Failure> {
        signal(&self.child, "CONT")
    }

    /// After it has ended.
    pub(crate) async fn start_again(&mut self) -> Result<(), Failure> {
        let (child, log) = spawn(&self.program, &self.configuration)?;
        (self.child, self.log) = (child, Some(log));
        self.ready().await
    }

    pub(crate) async fn stop(mut self) -> Result<Said, Failure> {
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

    /// So far, since it was started.
    pub(crate) async fn tokens_issued(&self) -> Result<u64, Failure> {
        Ok(sum(
            &self.metrics().await?,
            "hallpass_tokens_issued_total",
            "",
        ))
    }

    async fn metrics(&self) -> Result<String, Failure> {
        get(&format!("http://{}/metrics", self.address)).await
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ended_already = self.kill();
    }
}

/// Decisions about token requests, and events dropped.
fn counted(metrics: &str) -> (u64, u64) {
    let decided = sum(metrics, "hallpass_tokens_issued_total", "")
        + sum(metrics, "hallpass_token_requests_refused_total", "");
    (decided, sum(metrics, "hallpass_audit_dropped_total", ""))
}

/// The sum of a counter over those of its series whose labels contain `label`.
pub(crate) fn sum(metrics: &str, name: &str, label: &str) -> u64 {
    let is_it = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(label))
    };
    let values = metrics.lines().filter(is_it);
    let values = values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    values.sum()
}

/// An address that is free at this moment; nobody else here looks for one.
pub(crate) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
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
pub(crate) fn listen(log: impl std::io::Read) -> Said {
    let mut said = Said::default();
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        said.decisions +=
            u64::from(line.contains("token issued") || line.contains("token refused"));
        said.panics += u64::from(line.contains("panicked"));
    }
    said
}

pub(crate) async fn get(url: &str) -> Result<String, Failure> {
    get_by(&HttpTransport::new()?, url).await
}

/// For those who ask often: over connections that are kept.
pub(crate) async fn get_by(transport: &HttpTransport, url: &str) -> Result<String, Failure> {
    let request = http::Request::get(url).body(Body::empty())?;
    let response = transport.clone().oneshot(request);
    let response = tokio::time::timeout(PATIENCE, response).await??;
    if !response.status().is_success() {
        return Err(format!("{url}: {}", response.status()).into());
    }
    let body = response.into_body().collect_within(1024 * 1024).await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

pub(crate) fn resident(child: &Child) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .ok_or("no VmRSS")?;
    let number = line.split_whitespace().nth(1).ok_or("no VmRSS")?;
    Ok(number.parse()?)
}

pub(crate) fn signal(child: &Child, name: &str) -> Result<(), Failure> {
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
pub(crate) async fn wait(child: &mut Child) -> Result<bool, Failure> {
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
