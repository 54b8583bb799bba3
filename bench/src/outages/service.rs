//! The services of the estate: what runs in their processes, and the handles of those who start them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path as FilePath, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use axum::extract::Path;
use axum::http::{Method, StatusCode};
use axum::{Json, Router, routing::get};
use hallpass::config::Loader;
use hallpass::listen::raise_descriptor_limit;
use hallpass::nacos::Nacos;
use hallpass::prelude::*;
use tokio::time::Instant;

use crate::children::{get as fetch, signal, wait};
use crate::measure::Failure;

const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// `service-order`, as its callers see it.
#[feign_client(name = "service-order", path = "/internal", identity = "service")]
pub(super) trait Orders {
    /// One order.
    #[get("/orders/{number}")]
    async fn order(&self, number: u64) -> Result<String, FeignError>;
}

/// `service-system`, as `service-order` sees it.
#[feign_client(name = "service-system", path = "/internal", identity = "service")]
trait System {
    #[get("/stock/{item}")]
    async fn stock(&self, item: u64) -> Result<String, FeignError>;
}

/// The process of one service, whose name is `role`: prints where it listens, and ends in an orderly way with its standard input.
#[expect(clippy::print_stdout, reason = "the parent process reads it")]
pub(super) async fn serve(role: &str, file: &str) -> Result<(), Failure> {
    let _as_many_as_allowed = raise_descriptor_limit();
    let nacos = Nacos::start(Loader::new("hallpass").file(file)).await?;
    let mut reloader = nacos.reloader()?;
    let settings = reloader.load::<hallpass::Settings>()?.into_settings();
    let hallpass = Hallpass::builder(&settings).nacos(&nacos).build()?;
    tokio::spawn(hallpass.clone().follow(reloader));
    let listen = settings.service.listen.ok_or("service.listen is not set")?;
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let router = router(role, &hallpass)?;
    let running = hallpass
        .http_server(listener)
        .serve(move |_peer| router.clone())?;
    let registration = nacos.register(&settings, address.port()).await?;
    println!("{address}");
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    if let Some(registration) = registration {
        registration.withdraw().await;
    }
    running.shutdown_within(DRAIN_LIMIT).await;
    Ok(())
}

fn router(role: &str, hallpass: &Hallpass) -> Result<Router, Failure> {
    let internal = || Ok::<_, Failure>(Rule::InternalOnly("internal-service".parse()?));
    let guard = hallpass
        .resource_server()
        .route(Method::GET, "/internal/orders/{number}", internal()?)
        .route(Method::GET, "/internal/stock/{item}", internal()?)
        .route(Method::GET, "/metrics", Rule::Anonymous)
        .build()?;
    let metrics = hallpass.metrics();
    let router = Router::new().route("/metrics", get(async move || metrics.text()));
    let router = match role {
        "service-order" => {
            let system = std::sync::Arc::new(FeignSystem::new(hallpass.feign())?);
            let order = async move |Path(number): Path<u64>| match system.stock(number).await {
                Ok(stock) => Ok(Json(format!("order {number}: {stock}"))),
                Err(error) => Err((StatusCode::BAD_GATEWAY, error.code())),
            };
            router.route("/internal/orders/{number}", get(order))
        }
        _ => {
            let stock = async |Path(item): Path<u64>, caller: Caller| {
                Json(format!("3 x {item}, for {}", caller.subject()))
            };
            router.route("/internal/stock/{item}", get(stock))
        }
    };
    Ok(router.layer(guard.layer()))
}

/// A service that was started.
pub(super) struct Service {
    role: String,
    file: PathBuf,
    child: Child,
    stdin: Option<ChildStdin>,
    pub(super) address: SocketAddr,
}

impl Service {
    /// The service `role` with this configuration, once it listens.
    pub(super) fn start(folder: &FilePath, role: &str, yaml: &str) -> Result<Self, Failure> {
        let number = hallpass::upstream::random_below(u64::MAX);
        let file = folder.join(format!("{role}-{number}.yaml"));
        std::fs::write(&file, yaml)?;
        let (child, stdin, address) = spawn(role, &file)?;
        Ok(Self {
            role: role.to_owned(),
            file,
            child,
            stdin,
            address,
        })
    }

    /// After it has ended, at the address that it has been given.
    pub(super) fn start_again(&mut self) -> Result<(), Failure> {
        (self.child, self.stdin, self.address) = spawn(&self.role, &self.file)?;
        Ok(())
    }

    /// What a crash is like.
    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// From now on it accepts connections and does nothing any more.
    pub(super) fn hang(&self) -> Result<(), Failure> {
        signal(&self.child, "STOP")
    }

    pub(super) fn go_on(&self) -> Result<(), Failure> {
        signal(&self.child, "CONT")
    }

    pub(super) async fn metrics(&self) -> Result<String, Failure> {
        fetch(&format!("http://{}/metrics", self.address)).await
    }

    /// Lets it end in an orderly way; how long that took.
    pub(super) async fn stop(&mut self) -> Result<Duration, Failure> {
        let begun = Instant::now();
        drop(self.stdin.take());
        match wait(&mut self.child).await? {
            true => Ok(begun.elapsed()),
            false => Err("a service did not end".into()),
        }
    }
}

fn spawn(role: &str, file: &FilePath) -> Result<(Child, Option<ChildStdin>, SocketAddr), Failure> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["outages-service", role])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().ok_or("a service has no output")?;
    let stdin = child.stdin.take();
    let mut line = String::new();
    // The proxy that it may connect through goes on meanwhile.
    tokio::task::block_in_place(|| BufReader::new(output).read_line(&mut line))?;
    let address = line.trim().parse();
    let address = address.map_err(|_| format!("{role} did not start"))?;
    Ok((child, stdin, address))
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
