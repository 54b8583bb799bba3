//! What is sent.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::row::Work;
use crate::measure::Failure;
use crate::proxy_tools::Mint;
use crate::wrk;

/// More than a cache of 16 MiB keeps, and than Envoy's keeps.
const TOKENS: usize = 60_000;
pub(super) const HOST: &str = "shop.example";

const UPLOAD_BY_LUA: &str = r#"
wrk.method = "POST"
wrk.body = string.rep("x", 1024 * 1024)
"#;

/// Tokens and scripts, as files.
pub(super) struct Loads {
    token: String,
    /// With that token alone, and with many.
    one_token: PathBuf,
    tokens: PathBuf,
    upload_by_lua: PathBuf,
}

/// What a run came to.
pub(super) struct Seen {
    pub(super) requests: f64,
    pub(super) per_second: f64,
}

impl Loads {
    pub(super) fn write(mint: &Mint, folder: &Path) -> Result<Self, Failure> {
        let mut tokens = String::new();
        for number in 0..TOKENS {
            tokens.push_str(&mint.token(&format!("user-{number}"))?);
            tokens.push('\n');
        }
        let loads = Self {
            token: mint.token("alice")?,
            one_token: folder.join("token"),
            tokens: folder.join("tokens"),
            upload_by_lua: folder.join("upload.lua"),
        };
        std::fs::write(&loads.tokens, tokens)?;
        std::fs::write(&loads.one_token, &loads.token)?;
        std::fs::write(&loads.upload_by_lua, UPLOAD_BY_LUA)?;
        Ok(loads)
    }

    /// The file of the tokens for that kind of load.
    pub(super) fn tokens_for(&self, work: Work) -> &Path {
        match work {
            Work::Uncached => &self.tokens,
            _ => &self.one_token,
        }
    }

    /// For loads that are not made in one process with the service.
    pub(super) fn run(
        &self,
        (work, port): (Work, u16),
        connections: usize,
        seconds: u64,
    ) -> Result<Seen, Failure> {
        if let Some(scheme) = work.http2_scheme() {
            return self.run_http2((scheme, port), seconds);
        }
        let path = match work {
            Work::Down => "/mb",
            Work::Up => "/upload",
            _ => "/orders/7",
        };
        let script = (work == Work::Up).then_some(&*self.upload_by_lua);
        let load = wrk::Load {
            host: HOST,
            url: &format!("http://127.0.0.1:{port}{path}"),
            token: Some(&self.token),
        };
        let seen = load.run_by(script, connections, seconds)?;
        Ok(Seen {
            requests: seen.requests,
            per_second: seen.per_second,
        })
    }

    /// By `h2load`: 8 connections with 32 requests under way on each, after a second of warm-up.
    fn run_http2(&self, (scheme, port): (&str, u16), seconds: u64) -> Result<Seen, Failure> {
        let run = Command::new("taskset")
            .args(["-c", "1", "h2load", "-t1", "-c8", "-m32"])
            .arg(format!("--duration={seconds}"))
            .arg("--header")
            .arg(format!("authorization: Bearer {}", self.token))
            .arg(format!("{scheme}://127.0.0.1:{port}/orders/7"))
            .output()?;
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        read_http2(&said).ok_or_else(|| {
            let more = String::from_utf8_lossy(&run.stderr);
            format!("h2load (package nghttp2-client) says: {said}{more}").into()
        })
    }
}

/// `None` when it says something else, or that a request failed.
fn read_http2(said: &str) -> Option<Seen> {
    let line = |begin: &str| said.lines().find_map(|line| line.strip_prefix(begin));
    let number = |text: &str, unit: &str| -> Option<f64> {
        let before = text.split(unit).next()?;
        before
            .rsplit([' ', ','])
            .find(|it| !it.is_empty())?
            .parse()
            .ok()
    };
    let requests = line("requests: ")?;
    let codes = line("status codes: ")?;
    let good = number(codes, " 2xx")?;
    let others = ["3xx", "4xx", "5xx"].map(|code| number(codes, &format!(" {code}")));
    let is_good = others == [Some(0.0); 3] && number(requests, " failed")? == 0.0;
    let per_second = number(line("finished in ")?, " req/s")?;
    is_good.then_some(Seen {
        requests: good,
        per_second,
    })
}
