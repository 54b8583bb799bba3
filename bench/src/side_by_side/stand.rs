//! The processes: issuer, callee, and one caller after the other.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::children::{Issuer, free_address};
use crate::measure::Failure;
use crate::pinned::{Process, start};
use crate::wrk::Load;

pub(super) const CLIENT: &str = "caller";
pub(super) const SECRET: &str = "CallerSecret123!";
pub(super) const SCOPE: &str = "internal-service";
/// The shortest that an issuer gives.
pub(super) const TOKEN_LIFE_SECONDS: u64 = 30;

/// Callers at once.
pub(super) const CALLERS: usize = 200;
/// Before a turn: connections, a token, compiled code.
const WARM_UP: Duration = Duration::from_secs(8);

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Hallpass,
    ByHand,
    OpenFeign,
}

/// What a turn came to.
pub(super) struct Cost {
    pub(super) per_second: f64,
    pub(super) micros: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// When nobody has a token yet.
    pub(super) first_token_requests: f64,
    pub(super) token_requests: f64,
}

/// What stays from turn to turn.
pub(super) struct Stand {
    issuer: Issuer,
    callee: SocketAddr,
    _callee: Process,
    folder: TempDir,
}

impl Stand {
    pub(super) async fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let keys = format!(
            "    token-life-seconds: {TOKEN_LIFE_SECONDS}\n    clients:\n      \
             - {{ client-id: {CLIENT}, client-secret: {SECRET}, scopes: [{SCOPE}], audiences: [service-system] }}\n"
        );
        let issuer = Issuer::start(folder.path(), &keys, "").await?;
        let callee = free_address()?;
        let mut command = role(&["callee", &callee.to_string()])?;
        let process = start("1", &mut command, folder.path(), callee.port())?;
        Ok(Self {
            issuer,
            callee,
            _callee: process,
            folder,
        })
    }

    /// A new caller, called by all at once until its token has been replaced.
    pub(super) async fn turn(&self, caller: Caller, seconds: u64) -> Result<Cost, Failure> {
        let address = free_address()?;
        let mut command = self.command(caller, address)?;
        let process = start("0", &mut command, self.folder.path(), address.port())?;
        let load = Load {
            host: "caller",
            url: &format!("http://{address}/orders/7"),
            token: None,
        };
        let before = self.issuer.tokens_issued().await?;
        load.run(CALLERS, WARM_UP.as_secs())?;
        let warm = (self.issuer.tokens_issued().await?, process.cpu_seconds()?);
        let seen = load.run(CALLERS, seconds)?;
        let after = (self.issuer.tokens_issued().await?, process.cpu_seconds()?);
        Ok(Cost {
            per_second: seen.per_second,
            micros: (after.1 - warm.1) * 1e6 / seen.requests,
            p50: seen.p50,
            p99: seen.p99,
            first_token_requests: number(warm.0 - before)?,
            token_requests: number(after.0 - warm.0)?,
        })
    }

    fn command(&self, caller: Caller, address: SocketAddr) -> Result<Command, Failure> {
        let (callee, issuer) = (self.callee.to_string(), self.issuer.address().to_string());
        let listen = address.to_string();
        match caller {
            Caller::Hallpass => role(&["hallpass", &listen, &callee, &issuer]),
            Caller::ByHand => role(&["by-hand", &listen, &callee, &issuer]),
            Caller::OpenFeign => {
                let own = std::env::current_exe()?;
                // target/release/hallpass-bench -> target
                let target = own.ancestors().nth(2).ok_or("no target folder")?;
                let folder = target.join("tmp/openfeign");
                let program = folder.join("openfeign.jar");
                if !program.exists() {
                    return Err(format!(
                        "{} is missing: mvn -q -f bench/openfeign/pom.xml -Dhallpass.target={} package",
                        program.display(),
                        folder.display()
                    )
                    .into());
                }
                let mut command = Command::new("java");
                command
                    .arg("-jar")
                    .arg(program)
                    .arg(format!("--server.port={}", address.port()))
                    .arg(format!("--stock.url=http://{callee}"))
                    .arg(format!("--token.url=http://{issuer}/oauth2/token"));
                Ok(command)
            }
        }
    }
}

/// This program in one of the roles.
fn role(arguments: &[&str]) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("side-by-side-service").args(arguments);
    Ok(command)
}

fn number(count: u64) -> Result<f64, Failure> {
    Ok(f64::from(u32::try_from(count)?))
}
