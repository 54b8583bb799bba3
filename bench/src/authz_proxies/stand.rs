//! The processes: the service, `hallpass authz`, and one proxy after the other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::token::{Algorithm, JwkSet, SigningKey, TokenClaims, UnixTime, sign};
use tempfile::TempDir;

use super::row::{Proxy, Row};
use crate::children::free_address;
use crate::measure::Failure;
use crate::pinned::{Process, start};
use crate::wrk;

/// The ports in the files of `deploy/proxies`.
const PROXY: &str = "8000";
const SERVICE: &str = "8081";
const AUTHZ: &str = "9191";
const GRPC: &str = "9193";
/// Longer than a measurement.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Connections for what is counted as CPU time: as many as keep a core busy.
const MANY: usize = 32;
/// Connections for times: few, so that they are not those of a queue.
const FEW: usize = 2;

/// What a turn came to.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub(super) per_second: f64,
    pub(super) proxy_micros: f64,
    pub(super) authz_micros: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// What stays from row to row.
pub(super) struct Stand {
    _service: Process,
    authz: Process,
    token: String,
    jwks: String,
    ports: [(&'static str, u16); 4],
    folder: TempDir,
}

impl Stand {
    pub(super) fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let (jwks, token) = token()?;
        std::fs::write(folder.path().join("jwks.json"), &jwks)?;
        let mut ports = [PROXY, SERVICE, AUTHZ, GRPC].map(|shipped| (shipped, 0));
        for (_, port) in &mut ports {
            *port = free_address()?.port();
        }
        let written = Written {
            folder: folder.path(),
            ports: &ports,
        };
        written.write("service.conf", SERVICE_FILE)?;
        written.write("hallpass.yaml", AUTHZ_FILE)?;
        let service = start(
            "1",
            &mut nginx("service.conf"),
            folder.path(),
            written.port(SERVICE),
        )?;
        let program = std::env::current_exe()?.with_file_name("hallpass");
        if !program.exists() {
            let program = program.display();
            return Err(format!(
                "{program} is missing: build it first (cargo build --release -p hallpass-cli)"
            )
            .into());
        }
        let mut authz = Command::new(program);
        authz.args(["authz", "--config", "hallpass.yaml"]);
        let authz = start("0", &mut authz, folder.path(), written.port(AUTHZ))?;
        Ok(Self {
            _service: service,
            authz,
            token,
            jwks,
            ports,
            folder,
        })
    }

    /// One row for once: many connections for CPU time, few for times.
    pub(super) fn turn(&self, row: &Row, seconds: u64) -> Result<Cost, Failure> {
        let written = Written {
            folder: self.folder.path(),
            ports: &self.ports,
        };
        // Envoy goes by the ending of the name, and nginx does not mind.
        written.write("proxy.yaml", &row.file(&self.jwks)?)?;
        let port = written.port(PROXY);
        let mut command = match row.proxy {
            Proxy::Envoy => envoy("proxy.yaml")?,
            Proxy::Nginx => nginx("proxy.yaml"),
        };
        let proxy = start("0", &mut command, self.folder.path(), port)?;
        // What comes first is warm-up: connections, keys, caches.
        let load = wrk::Load {
            host: "shop.example",
            url: &format!("http://127.0.0.1:{port}/orders/7"),
            token: Some(&self.token),
        };
        load.run(MANY, 1)?;
        let before = (proxy.cpu_seconds()?, self.authz.cpu_seconds()?);
        let many = load.run(MANY, seconds)?;
        let after = (proxy.cpu_seconds()?, self.authz.cpu_seconds()?);
        let few = load.run(FEW, seconds)?;
        let micros = |before: f64, after: f64| (after - before) * 1e6 / many.requests;
        Ok(Cost {
            per_second: many.per_second,
            proxy_micros: micros(before.0, after.0),
            authz_micros: micros(before.1, after.1),
            p50: few.p50,
            p99: few.p99,
        })
    }
}

/// Where files go, with the ports of this run in place of those that are shipped.
struct Written<'a> {
    folder: &'a Path,
    ports: &'a [(&'static str, u16)],
}

impl Written<'_> {
    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let mut text = text.to_owned();
        for (shipped, port) in self.ports {
            text = text.replace(shipped, &port.to_string());
        }
        Ok(std::fs::write(self.folder.join(name), text)?)
    }

    fn port(&self, shipped: &str) -> u16 {
        let found = self.ports.iter().find(|(port, _)| *port == shipped);
        found.map_or(0, |(_, port)| *port)
    }
}

/// Responds by itself, so that it costs little.
const SERVICE_FILE: &str = r"
worker_processes 1;
pid service.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path service-body;
    proxy_temp_path service-proxy;
    fastcgi_temp_path service-fastcgi;
    uwsgi_temp_path service-uwsgi;
    scgi_temp_path service-scgi;
    server { listen 127.0.0.1:8081; location / { return 200 service; } }
}
";

/// The rules of docs/proxies.md; the caller's token goes on, so that nothing but the decision is measured.
const AUTHZ_FILE: &str = "
hallpass:
  service: { name: shop }
  authz: { listen: '127.0.0.1:9191', grpc-listen: '127.0.0.1:9193', management: { listen: '127.0.0.1:0' } }
  security:
    internal-jwt:
      issuer: internal
      jwks-file: jwks.json
      routes:
        - { path: /health, rule: anonymous }
        - { path: '/orders/**', rule: scopes, all: orders.read }
        - { path: '/refunds/**', rule: scopes, all: refunds.write }
        - { path: '/admin/**', rule: internal-only, scope: internal-service }
";

fn nginx(file: &str) -> Command {
    let mut command = Command::new("nginx");
    command.args(["-p", ".", "-c", file]);
    command.args(["-g", "daemon off; master_process off;"]);
    command
}

/// The one that the tests have fetched.
fn envoy(file: &str) -> Result<Command, Failure> {
    let own = std::env::current_exe()?;
    // target/release/hallpass-bench -> target
    let target = own.ancestors().nth(2).ok_or("no target folder")?;
    let libraries = target.join("tmp/proxies/environment/lib");
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

/// A key set, and a good token by one of its keys.
fn token() -> Result<(String, String), Failure> {
    let key = SigningKey::generate(Algorithm::Es256)?;
    let now = UnixTime::from(SystemClock::new().now());
    let mut claims = TokenClaims::new(
        "internal".parse()?,
        "alice".parse()?,
        "shop".parse()?,
        now.saturating_add(TOKEN_LIFE),
    );
    claims.client_id = Some("web".parse()?);
    claims.scope = "orders.read".parse()?;
    claims.issued_at = Some(now);
    let token = sign(&claims, &key, now)?.expose().to_owned();
    let keys = JwkSet::new([key.public_jwk()]);
    Ok((keys.to_json().to_string(), token))
}
