//! The shop as a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};

use crate::children::{Said, listen, resident, wait};
use crate::measure::Failure;

/// How often the shop's background job reports with a token of the service.
const REPORT_EVERY: Duration = Duration::from_millis(5);
/// How long a customer's token is good for.
const CUSTOMER_TOKEN_LIFE: Duration = Duration::from_secs(6 * 3600);

/// The shop in a process of its own.
pub(super) struct Shop {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(super) orders: SocketAddr,
    pub(super) customer: String,
    log: JoinHandle<Said>,
}

impl Shop {
    pub(super) fn start(issuer: SocketAddr, login: SocketAddr) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["soak-shop", &issuer.to_string(), &login.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("the shop has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let (orders, customer) = line
            .trim()
            .split_once(' ')
            .ok_or("the shop did not start")?;
        let (orders, customer) = (orders.parse()?, customer.to_owned());
        let errors = child
            .stderr
            .take()
            .ok_or("the shop has no standard error")?;
        let log = std::thread::spawn(move || listen(errors));
        let stdin = child.stdin.take();
        Ok(Self {
            child,
            stdin,
            orders,
            customer,
            log,
        })
    }

    pub(super) fn resident(&self) -> Result<u64, Failure> {
        resident(&self.child)
    }

    pub(super) async fn stop(mut self) -> Result<Said, Failure> {
        drop(self.stdin.take());
        if !wait(&mut self.child).await? {
            return Err("the shop did not end".into());
        }
        self.log
            .join()
            .map_err(|_| "the reader of the log has failed".into())
    }
}

/// The shop's own process: prints where customers call and a customer's token, reports all the time, and ends with its standard
/// input.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the parent process reads them"
)]
pub(super) fn run_shop(issuer: SocketAddr, login: SocketAddr) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let ended = std::thread::spawn(|| std::io::stdin().read_to_end(&mut Vec::new()));
    runtime.block_on(async {
        let login = tokio::net::TcpListener::bind(login).await?;
        let sockets = shop::Sockets::free().await?.with_identity_provider(login);
        let shop = shop::Shop::start(sockets, issuer, |_call| {}).await?;
        let now = SystemClock::new().now().into();
        let token = shop
            .identity_provider
            .token("alice", now, CUSTOMER_TOKEN_LIFE)?;
        println!("{} {}", shop.order_service.address(), token.expose());
        std::io::stdout().flush()?;
        let mut ticks = tokio::time::interval(REPORT_EVERY);
        let mut failed = 0_u64;
        while !ended.is_finished() {
            ticks.tick().await;
            if let Err(error) = shop.orders.report_the_day().await {
                failed += 1;
                eprintln!("report failed ({failed}): {error}");
            }
        }
        Ok(())
    })
}
