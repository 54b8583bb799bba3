//! The processes: the service, `hallpass authz`, and one proxy after the other.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::row::{Proxy, Row};
use crate::children::free_address;
use crate::measure::Failure;
use crate::pinned::{Process, start};
use crate::proxy_tools::{Mint, envoy, hallpass, nginx};
use crate::wrk;

/// The ports in the files of `deploy/proxies`.
const PROXY: &str = "8000";
const SERVICE: &str = "8081";
const AUTHZ: &str = "9191";
const GRPC: &str = "9193";
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
        let mint = Mint::new("shop")?;
        let (jwks, token) = (mint.jwks(), mint.token("alice")?);
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
        let program = hallpass()?;
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
