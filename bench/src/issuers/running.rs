//! An issuer as a process, and what it costs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};

use super::product::Product;
use crate::children::free_address;
use crate::measure::Failure;
use crate::pinned::{Process, start};
use crate::wrk::Load;

const CONNECTIONS: usize = 16;
/// Longer than an issuer takes that listens before it is ready.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(10);

/// What a round came to.
pub(super) struct Cost {
    pub(super) per_second: f64,
    pub(super) micros: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Killed when dropped.
pub(super) struct Running {
    name: &'static str,
    process: Process,
    url: String,
    script: PathBuf,
    start_seconds: f64,
    mebibytes_before: f64,
}

impl Running {
    /// Starts it, waits for its first token, and warms it.
    pub(super) fn start(
        product: &Product,
        folder: &Path,
        warm_up_seconds: u64,
    ) -> Result<Self, Failure> {
        let port = free_address()?.port();
        let folder = folder.join(port.to_string());
        std::fs::create_dir(&folder)?;
        let script = folder.join("load.lua");
        let (url, form) = (product.url(port), product.form());
        std::fs::write(
            &script,
            format!(
                "wrk.method = 'POST'\nwrk.body = '{form}'\nwrk.headers['Content-Type'] = 'application/x-www-form-urlencoded'\n"
            ),
        )?;
        let clock = SystemClock::new();
        let begun = clock.monotonic();
        let mut command = product.command(port, &folder)?;
        let process = start("0", &mut command, &folder, port)?;
        while !gives_token(&url, &form)? {
            if clock.monotonic().saturating_sub(begun) > PATIENCE {
                let said = std::fs::read_to_string(folder.join("log"))?;
                return Err(format!("it gives no token: {said}").into());
            }
            std::thread::park_timeout(LOOK);
        }
        let start_seconds = clock.monotonic().saturating_sub(begun).as_secs_f64();
        let mut running = Self {
            name: product.name,
            mebibytes_before: process.mebibytes()?,
            process,
            url,
            script,
            start_seconds,
        };
        running.round(warm_up_seconds)?;
        Ok(running)
    }

    pub(super) fn round(&mut self, seconds: u64) -> Result<Cost, Failure> {
        let load = Load {
            host: "127.0.0.1",
            url: &self.url,
            token: None,
        };
        let before = self.process.cpu_seconds()?;
        let seen = load.run_by(Some(&self.script), CONNECTIONS, seconds)?;
        Ok(Cost {
            per_second: seen.per_second,
            micros: (self.process.cpu_seconds()? - before) * 1e6 / seen.requests,
            p50: seen.p50,
            p99: seen.p99,
        })
    }

    pub(super) const fn name(&self) -> &'static str {
        self.name
    }

    /// From the beginning of the process to its first token.
    pub(super) const fn start_seconds(&self) -> f64 {
        self.start_seconds
    }

    /// In memory after the first token.
    pub(super) const fn mebibytes_before(&self) -> f64 {
        self.mebibytes_before
    }

    /// In memory now.
    pub(super) fn mebibytes(&self) -> Result<f64, Failure> {
        self.process.mebibytes()
    }
}

/// Whether the issuer gives a token that is a JWT.
fn gives_token(url: &str, form: &str) -> Result<bool, Failure> {
    let asked = Command::new("curl")
        .args(["-s", "-m", "10", "-d", form, url])
        .output()?;
    let said = String::from_utf8_lossy(&asked.stdout);
    Ok(said.contains("\"access_token\":\"ey"))
}
