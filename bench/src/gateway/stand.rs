//! The processes: the service, an issuer for the exchange, and one gateway after the other.

use std::cell::Cell;
use std::time::Duration;

use tempfile::TempDir;

use super::awake::{Asked, Awake};
use super::extent::Extent;
use super::load::{HOST, Loads, Seen};
use super::product::{Around, command, write};
use super::row::{Product, Row, Work};
use crate::children::{Issuer, free_address, get};
use crate::measure::Failure;
use crate::pinned::{Process, start};
use crate::proxy_tools::{Mint, nginx};

/// Connections for what is counted as CPU time: as many as keep a core busy.
const MANY: usize = 32;
/// Connections for times: few, so that they are not those of a queue.
const FEW: usize = 2;
/// Connections that are open, have been used once, and say nothing.
const IDLE: usize = 5_000;
const LOOKS: usize = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// One response of 1 MiB.
const LARGE: usize = 1024 * 1024;

/// What a turn came to; times are 0 where none were taken.
#[derive(Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) per_second: f64,
    pub(super) micros: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) mebibytes: f64,
    /// Half way, where that was looked at.
    pub(super) mebibytes_before: f64,
}

/// What stays from row to row.
pub(super) struct Stand {
    _service: Process,
    _issuer: Issuer,
    around: Around,
    loads: Loads,
    /// Requests so far with tokens that change.
    sent: Cell<usize>,
    folder: TempDir,
}

impl Stand {
    pub(super) async fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let mint = Mint::new("shop")?;
        let issuer = Issuer::start(folder.path(), ISSUER, "").await?;
        issuer.import(&mint.key, folder.path())?;
        issuer.hang_up()?;
        takes(&issuer, &mint).await?;
        let around = Around {
            service: free_address()?.port(),
            awake: free_address()?.port(),
            gateway: free_address()?.port(),
            issuer: issuer.address().port(),
            jwks: mint.jwks(),
        };
        std::fs::write(folder.path().join("jwks.json"), mint.jwks())?;
        std::fs::write(folder.path().join("mb"), vec![b'x'; LARGE])?;
        let certified = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
        std::fs::write(folder.path().join("certificate.pem"), certified.cert.pem())?;
        let key = certified.signing_key.serialize_pem();
        std::fs::write(folder.path().join("key.pem"), key)?;
        let file = SERVICE.replace("PORT", &around.service.to_string());
        std::fs::write(folder.path().join("service.conf"), file)?;
        let mut service = nginx("service.conf");
        let service = start("1", &mut service, folder.path(), around.service)?;
        Ok(Self {
            _service: service,
            _issuer: issuer,
            around,
            loads: Loads::write(&mint, folder.path())?,
            sent: Cell::new(0),
            folder,
        })
    }

    /// One row for once: many connections for CPU time, few for times.
    pub(super) fn turn(&self, row: &Row, extent: &Extent) -> Result<Cost, Failure> {
        write(row, &self.around, self.folder.path())?;
        let mut command = command(row, &self.around)?;
        let port = self.around.gateway;
        let gateway = start("0", &mut command, self.folder.path(), port)?;
        // What comes first is warm-up: connections, keys, caches, compiled code.
        let warm_up = match row.product {
            Product::Spring => extent.jvm_seconds,
            _ => 1,
        };
        if row.work.is_awake() {
            return self.awake(row.work, &gateway, (extent.seconds, warm_up));
        }
        self.load(row.work, MANY, warm_up)?;
        match row.work {
            Work::Memory => self.memory(&gateway, extent),
            work => self.cost(work, &gateway, extent),
        }
    }

    /// By the load that never sleeps.
    fn awake(
        &self,
        work: Work,
        gateway: &Process,
        (seconds, warm_up): (u64, u64),
    ) -> Result<Cost, Failure> {
        let many = self.ask(work, gateway, MANY, (seconds, warm_up))?;
        if many.requests == 0.0 {
            return Err("no request came to its end".into());
        }
        let mut cost = Cost {
            per_second: many.per_second,
            micros: many.cpu * 1e6 / many.requests,
            mebibytes: gateway.mebibytes()?,
            ..Cost::default()
        };
        drop(many);
        if work.has_times() {
            let few = self.ask(work, gateway, FEW, (seconds, 0))?;
            (cost.p50, cost.p99) = (few.p50, few.p99);
        }
        Ok(cost)
    }

    fn ask(
        &self,
        work: Work,
        gateway: &Process,
        connections: usize,
        (seconds, warm_up): (u64, u64),
    ) -> Result<Awake, Failure> {
        let asked = Asked {
            service: self.around.awake,
            gateway: self.around.gateway,
            process: gateway.id(),
            tokens: self.loads.tokens_for(work),
            from: self.sent.get(),
            host: HOST,
            connections,
            idle: if work == Work::Idle { IDLE } else { 0 },
            websocket: work == Work::WebSocket,
            seconds,
            warm_up,
        };
        let awake = asked.run()?;
        if work == Work::Uncached {
            self.sent.set(self.sent.get() + awake.all);
        }
        Ok(awake)
    }

    fn cost(&self, work: Work, gateway: &Process, extent: &Extent) -> Result<Cost, Failure> {
        let before = gateway.cpu_seconds()?;
        let many = self.load(work, MANY, extent.seconds)?;
        let after = gateway.cpu_seconds()?;
        if many.requests == 0.0 {
            return Err("no request came to its end".into());
        }
        Ok(Cost {
            per_second: many.per_second,
            micros: (after - before) * 1e6 / many.requests,
            mebibytes: gateway.mebibytes()?,
            ..Cost::default()
        })
    }

    /// Twice so many requests, and what is in memory after each time.
    fn memory(&self, gateway: &Process, extent: &Extent) -> Result<Cost, Failure> {
        let mut cost = Cost::default();
        for _ in 0..2 {
            let (mut requests, before) = (0.0, gateway.cpu_seconds()?);
            while requests < extent.requests {
                let many = self.load(Work::Cached, MANY, extent.seconds)?;
                requests += many.requests;
                cost.per_second = many.per_second;
            }
            cost.micros = (gateway.cpu_seconds()? - before) * 1e6 / requests;
            cost.mebibytes_before = cost.mebibytes;
            cost.mebibytes = gateway.mebibytes()?;
        }
        Ok(cost)
    }

    fn load(&self, work: Work, connections: usize, seconds: u64) -> Result<Seen, Failure> {
        let to = (work, self.around.gateway);
        self.loads.run(to, connections, seconds)
    }
}

/// Waits until the issuer knows the key of the tokens.
async fn takes(issuer: &Issuer, mint: &Mint) -> Result<(), Failure> {
    let url = format!("http://{}/oauth2/jwks", issuer.address());
    let key = mint.key.key_id().to_string();
    for _ in 0..LOOKS {
        if get(&url).await?.contains(&key) {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Err("the issuer does not take the key".into())
}

/// Who may exchange the tokens of users.
const ISSUER: &str = "    key-announce-seconds: 0
    clients:
      - client-id: shop
        client-secret: ShopSecret123!
        grant-types: [client_credentials, 'urn:ietf:params:oauth:grant-type:token-exchange']
        exchange: [{ subject-kinds: user, targets: order-service, scopes: orders.read }]
";

/// Responds by itself, so that it costs little.
const SERVICE: &str = r"
worker_processes 1;
pid service.pid;
error_log stderr warn;
events { worker_connections 16384; }
http {
    access_log off;
    sendfile on;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path service-body;
    proxy_temp_path service-proxy;
    fastcgi_temp_path service-fastcgi;
    uwsgi_temp_path service-uwsgi;
    scgi_temp_path service-scgi;
    server {
        listen 127.0.0.1:PORT backlog=4096;
        location / { return 200 service; }
        location = /jwks.json { root .; default_type application/json; }
        location = /mb { root .; }
        # It has read the whole body before it responds.
        location = /upload {
            client_body_buffer_size 2m;
            proxy_pass http://127.0.0.1:PORT/nothing;
            proxy_pass_request_body off;
            proxy_set_header Content-Length '';
        }
        location = /nothing { return 204; }
    }
}
";
