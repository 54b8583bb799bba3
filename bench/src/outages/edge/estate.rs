//! The processes of a row.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use super::load::Place;
use super::service;
use crate::children::{PATIENCE, free_address, get, signal, wait};
use crate::measure::Failure;
use crate::proxy_tools::{Mint, hallpass};

const LOOK: Duration = Duration::from_millis(5);

/// Gateways, the service behind them, and who may come in.
pub(super) struct Estate {
    pub(super) gateways: Vec<Gateway>,
    pub(super) instances: Vec<Instance>,
    pub(super) places: Arc<[Place]>,
    pub(super) token: String,
    folder: TempDir,
}

impl Estate {
    pub(super) async fn start(gateways: usize, instances: usize) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let mint = Mint::new("shop")?;
        std::fs::write(folder.path().join("jwks.json"), mint.jwks())?;
        let mut started = Vec::new();
        for _ in 0..instances {
            started.push(Instance::start(free_address()?).await?);
        }
        let services = started.iter().map(|it| it.address).collect::<Vec<_>>();
        let mut all = Vec::new();
        for number in 0..gateways {
            all.push(Gateway::start(folder.path(), number, &services).await?);
        }
        let places = all.iter().map(|gateway| Place {
            address: gateway.address,
            is_ready: AtomicBool::new(true),
        });
        Ok(Self {
            places: places.collect(),
            gateways: all,
            instances: started,
            token: mint.token("alice")?,
            folder,
        })
    }

    /// What the first gateway has said so far.
    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("gateway-0.log")).unwrap_or_default()
    }
}

/// `hallpass gateway`, which is told other things, stopped and started again.
pub(super) struct Gateway {
    child: Child,
    file: PathBuf,
    before: String,
    pub(super) address: SocketAddr,
    management: SocketAddr,
}

impl Gateway {
    async fn start(folder: &Path, number: usize, services: &[SocketAddr]) -> Result<Self, Failure> {
        let (address, management) = (free_address()?, free_address()?);
        let services: Vec<_> = services.iter().map(|it| format!("'{it}'")).collect();
        let jwks = folder.join("jwks.json");
        let before = format!(
            "hallpass:
  service: {{ name: shop }}
  discovery: {{ static: {{ orders: [{}] }} }}
  security: {{ internal-jwt: {{ issuer: internal, jwks-file: '{}', audit: denials }} }}
  gateway:
    listen: '{address}'
    management: {{ listen: '{management}' }}
    access-log: {{ level: 'off' }}
    drain-delay-seconds: 1
    drain-limit-seconds: 10
    routes:
",
            services.join(", "),
            jwks.display()
        );
        let file = folder.join(format!("gateway-{number}.yaml"));
        std::fs::write(&file, with_routes(&before, 0))?;
        let gateway = Self {
            child: spawn(&file)?,
            file,
            before,
            address,
            management,
        };
        gateway.ready().await?;
        Ok(gateway)
    }

    /// Has it read another file; ready when it goes by that.
    pub(super) async fn reload(&self, number: u32) -> Result<(), Failure> {
        let before = self.reloads().await?;
        let next = self.file.with_extension("next");
        std::fs::write(&next, with_routes(&self.before, number))?;
        std::fs::rename(next, &self.file)?;
        signal(&self.child, "HUP")?;
        let begun = Instant::now();
        while self.reloads().await? == before {
            if begun.elapsed() > PATIENCE {
                return Err("the gateway does not take its file".into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn reloads(&self) -> Result<u64, Failure> {
        self.count("hallpass_config_reloads_total", "result=\"ok\"")
            .await
    }

    /// A counter of its metrics.
    pub(super) async fn count(&self, name: &str, label: &str) -> Result<u64, Failure> {
        let text = get(&format!("http://{}/metrics", self.management)).await?;
        Ok(crate::children::sum(&text, name, label))
    }

    pub(super) async fn is_ready(&self) -> bool {
        let url = format!("http://{}/health/ready", self.management);
        get(&url).await.is_ok()
    }

    async fn ready(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        while !self.is_ready().await {
            if begun.elapsed() > PATIENCE {
                return Err("a gateway is not ready".into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Tells it to end, in an orderly way.
    pub(super) fn terminate(&self) -> Result<(), Failure> {
        signal(&self.child, "TERM")
    }

    /// Waits until it has ended.
    pub(super) async fn ended(&mut self) -> Result<(), Failure> {
        match wait(&mut self.child).await? {
            true => Ok(()),
            false => Err("a gateway does not end".into()),
        }
    }

    pub(super) async fn start_again(&mut self) -> Result<(), Failure> {
        self.child = spawn(&self.file)?;
        self.ready().await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// One route more or less, and another header: nothing that a request here would feel.
fn with_routes(before: &str, number: u32) -> String {
    let more = match number % 2 {
        0 => "",
        _ => {
            "      - { name: other, path: '/other/**', to: 'lb://orders', identity: none, rule: authenticated }\n"
        }
    };
    format!(
        "{before}{more}      - {{ name: orders, path: '/orders/**', to: 'lb://orders', identity: relay, rule: authenticated, \
         set-headers: {{ x-number: '{number}' }} }}\n"
    )
}

fn spawn(file: &Path) -> Result<Child, Failure> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file.with_extension("log"))?;
    Ok(Command::new(hallpass()?)
        .args(["gateway", "--config"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?)
}

/// One instance of the service behind.
pub(super) struct Instance {
    child: Child,
    address: SocketAddr,
}

impl Instance {
    async fn start(address: SocketAddr) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["outages-service", service::ROLE])
            .arg(address.to_string())
            .stdin(Stdio::null())
            .spawn()?;
        let begun = Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if begun.elapsed() > PATIENCE || child.try_wait()?.is_some() {
                end(&mut child);
                return Err("an instance does not listen".into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(Self { child, address })
    }

    /// As a crash does it, and started again at the same address; ready when it listens.
    pub(super) async fn restart(&mut self) -> Result<(), Failure> {
        end(&mut self.child);
        *self = Self::start(self.address).await?;
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let _ended_already = child.kill();
    let _reaped = child.wait();
}
