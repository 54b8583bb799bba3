//! Proxies and tokens for the measurements in front of a service.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::token::{Algorithm, JwkSet, SigningKey, TokenClaims, UnixTime, sign};

use crate::measure::Failure;

/// Longer than a measurement.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// In the foreground, as one process.
pub(crate) fn nginx(file: &str) -> Command {
    let mut command = Command::new("nginx");
    command.args(["-p", ".", "-c", file]);
    command.args(["-g", "daemon off; master_process off;"]);
    command
}

/// The one that the tests have fetched.
pub(crate) fn envoy(file: &str) -> Result<Command, Failure> {
    let libraries = target()?.join("tmp/proxies/environment/lib");
    let binary = |library: &Path| library.join("site-packages/envoy/_bin/envoy");
    let found = std::fs::read_dir(&libraries).ok().and_then(|libraries| {
        let binaries = libraries.flatten().map(|library| binary(&library.path()));
        binaries
            .into_iter()
            .find(|binary: &PathBuf| binary.exists())
    });
    let found = found
        .ok_or("Envoy is missing: cargo test -p hallpass-testkit --test proxies fetches it")?;
    let mut command = Command::new(found);
    command.args(["-c", file, "--concurrency", "1"]);
    command.args(["-l", "error", "--disable-hot-restart"]);
    Ok(command)
}

/// The executable of this build.
pub(crate) fn hallpass() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?.with_file_name("hallpass");
    match program.exists() {
        true => Ok(program),
        false => Err(format!(
            "{} is missing: build it first (cargo build --release -p hallpass-cli)",
            program.display()
        )
        .into()),
    }
}

/// The folder of this build.
pub(crate) fn target() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    // target/release/hallpass-bench -> target
    Ok(own.ancestors().nth(2).ok_or("no target folder")?.to_owned())
}

/// Makes good tokens of the issuer `internal`, by the client `web`.
pub(crate) struct Mint {
    pub(crate) key: SigningKey,
    audience: &'static str,
}

impl Mint {
    pub(crate) fn new(audience: &'static str) -> Result<Self, Failure> {
        let key = SigningKey::generate(Algorithm::Es256)?;
        Ok(Self { key, audience })
    }

    /// The key set that verifies them.
    pub(crate) fn jwks(&self) -> String {
        JwkSet::new([self.key.public_jwk()]).to_json().to_string()
    }

    pub(crate) fn token(&self, subject: &str) -> Result<String, Failure> {
        let now = UnixTime::from(SystemClock::new().now());
        let mut claims = TokenClaims::new(
            "internal".parse()?,
            subject.parse()?,
            self.audience.parse()?,
            now.saturating_add(TOKEN_LIFE),
        );
        claims.client_id = Some("web".parse()?);
        claims.scope = "orders.read".parse()?;
        claims.issued_at = Some(now);
        Ok(sign(&claims, &self.key, now)?.expose().to_owned())
    }
}

/// The median.
pub(crate) fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
