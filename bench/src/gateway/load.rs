//! What is sent.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::row::Work;
use crate::measure::Failure;
use crate::proxy_tools::Mint;
use crate::wrk;

/// More than a cache of 16 MiB keeps, and than Envoy's keeps.
const TOKENS: usize = 60_000;
const HOST: &str = "shop.example";

/// One token after the other; the first argument is their file, the second where in it to begin.
const TOKENS_BY_LUA: &str = r#"
local tokens, at = {}, 0
function init(arguments)
  for line in io.lines(arguments[1]) do tokens[#tokens + 1] = line end
  at = tonumber(arguments[2])
end
function request()
  at = at % #tokens + 1
  return wrk.format("GET", nil, { ["Authorization"] = "Bearer " .. tokens[at] })
end
"#;
const UPLOAD_BY_LUA: &str = r#"
wrk.method = "POST"
wrk.body = string.rep("x", 1024 * 1024)
"#;

/// Tokens and scripts, as files.
pub(super) struct Loads {
    token: String,
    tokens: PathBuf,
    tokens_by_lua: PathBuf,
    upload_by_lua: PathBuf,
}

/// What a run came to.
pub(super) struct Seen {
    pub(super) requests: f64,
    pub(super) per_second: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
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
            tokens: folder.join("tokens"),
            tokens_by_lua: folder.join("tokens.lua"),
            upload_by_lua: folder.join("upload.lua"),
        };
        std::fs::write(&loads.tokens, tokens)?;
        std::fs::write(&loads.tokens_by_lua, TOKENS_BY_LUA)?;
        std::fs::write(&loads.upload_by_lua, UPLOAD_BY_LUA)?;
        Ok(loads)
    }

    /// One good request.
    pub(super) fn request(&self) -> String {
        let token = &self.token;
        format!("GET /orders/7 HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token}\r\n\r\n")
    }

    /// `from`: how many requests were made before, so that no token comes again soon.
    pub(super) fn run(
        &self,
        (work, port): (Work, u16),
        connections: usize,
        seconds: u64,
        from: f64,
    ) -> Result<Seen, Failure> {
        if work == Work::Http2 {
            return self.run_http2(port, seconds);
        }
        let path = match work {
            Work::Down => "/mb",
            Work::Up => "/upload",
            _ => "/orders/7",
        };
        let arguments = match work {
            Work::Uncached => vec![self.tokens.display().to_string(), format!("{from:.0}")],
            _ => Vec::new(),
        };
        let file = match work {
            Work::Uncached => Some(&self.tokens_by_lua),
            Work::Up => Some(&self.upload_by_lua),
            _ => None,
        };
        let script = file.map(|file| wrk::Script {
            file,
            arguments: &arguments,
        });
        let load = wrk::Load {
            host: HOST,
            url: &format!("http://127.0.0.1:{port}{path}"),
            token: (work != Work::Uncached).then_some(&self.token),
        };
        let seen = load.run_by(script.as_ref(), connections, seconds)?;
        Ok(Seen {
            requests: seen.requests,
            per_second: seen.per_second,
            p50: seen.p50,
            p99: seen.p99,
        })
    }

    /// By `h2load`: 8 connections with 32 requests under way on each, after a second of warm-up.
    fn run_http2(&self, port: u16, seconds: u64) -> Result<Seen, Failure> {
        let run = Command::new("taskset")
            .args(["-c", "1", "h2load", "-t1", "-c8", "-m32"])
            .arg(format!("--duration={seconds}"))
            .arg("--header")
            .arg(format!("authorization: Bearer {}", self.token))
            .arg(format!("http://127.0.0.1:{port}/orders/7"))
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
        p50: 0.0,
        p99: 0.0,
    })
}
