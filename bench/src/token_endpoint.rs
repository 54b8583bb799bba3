//! The token endpoint against a bare hyper server that does nothing but the same ES256 signature.
//!
//! Both run as child processes on one thread each, pinned to one core; the load comes from this process, pinned to
//! another, over keep-alive connections, the same request for both. Rounds alternate. Two ratios are printed:
//! requests per second, which needs a machine that is otherwise idle, and CPU time of the server per request,
//! which moves little when it is not.

mod load;
mod servers;

use crate::measure::{Failure, Outcome};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Connections that the load is spread over.
const CONNECTIONS: usize = 32;
/// Rounds per server, unless asked for others.
const ROUNDS: usize = 7;
/// Length of a round, unless asked for another.
const SECONDS: u64 = 2;
/// What goes first is warm-up and not counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// Clock ticks of /proc per second; fixed by the kernel's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// One round of one server.
#[derive(Clone, Copy, Debug)]
struct Round {
    per_second: f64,
    cpu_micros: f64,
}

/// `token-endpoint [ROUNDS] [SECONDS]`.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let rounds = arguments.first().map_or(Ok(ROUNDS), |text| text.parse())?;
    let seconds = arguments.get(1).map_or(Ok(SECONDS), |text| text.parse())?;
    measure(rounds, seconds)
}

/// `token-endpoint-server bare|issuer`: prints its address and serves until it is killed.
pub(crate) fn serve(arguments: &[String]) -> Outcome<()> {
    let kind = arguments.first().map_or("", String::as_str);
    servers::serve(kind)
}

#[expect(clippy::print_stdout, reason = "a measurement prints its table")]
fn measure(rounds: usize, seconds: u64) -> Result<(), Failure> {
    let bare = Server::start("bare")?;
    let issuer = Server::start("issuer")?;
    pin_this_process();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let request = servers::request();
    let mut table: Vec<(Round, Round)> = Vec::new();
    for server in [&bare, &issuer] {
        runtime.block_on(load::run(server.address, &request, CONNECTIONS, WARM_UP))?;
    }
    println!(
        "{CONNECTIONS} keep-alive connections, {rounds} rounds of {seconds} s each, alternating"
    );
    println!(
        "server on core 0, load on core 1: {}",
        if can_pin() {
            "yes"
        } else {
            "no, taskset is missing"
        }
    );
    println!("round |   bare req/s  CPU us/req | issuer req/s  CPU us/req | ratio req/s   CPU");
    for number in 1..=rounds {
        let length = Duration::from_secs(seconds);
        let one = |server: &Server| server.round(&runtime, &request, length);
        // Who goes first changes from round to round, so that a drift of the machine favours neither.
        let (bare, issuer) = if number % 2 == 0 {
            let issuer = one(&issuer)?;
            (one(&bare)?, issuer)
        } else {
            let bare = one(&bare)?;
            (bare, one(&issuer)?)
        };
        print_line(&number.to_string(), bare, issuer);
        table.push((bare, issuer));
    }
    print_line(
        "median",
        median(table.iter().map(|(bare, _)| *bare)),
        median(table.iter().map(|(_, issuer)| *issuer)),
    );
    let ratios = table
        .iter()
        .map(|(bare, issuer)| issuer.per_second / bare.per_second);
    println!(
        "median of the rounds' ratios: {:.3} (the budget is 0.80)",
        middle(ratios)
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a measurement prints its table")]
fn print_line(name: &str, bare: Round, issuer: Round) {
    println!(
        "{name:>6} | {:>12.0} {:>10.1} | {:>12.0} {:>10.1} | {:>10.3} {:>6.3}",
        bare.per_second,
        bare.cpu_micros,
        issuer.per_second,
        issuer.cpu_micros,
        issuer.per_second / bare.per_second,
        bare.cpu_micros / issuer.cpu_micros,
    );
}

fn median(rounds: impl Iterator<Item = Round> + Clone) -> Round {
    Round {
        per_second: middle(rounds.clone().map(|round| round.per_second)),
        cpu_micros: middle(rounds.map(|round| round.cpu_micros)),
    }
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A server as a child process; killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    _output: BufReader<ChildStdout>,
}

impl Server {
    fn start(kind: &str) -> Result<Self, Failure> {
        let program = std::env::current_exe()?;
        let mut command = if can_pin() {
            let mut command = Command::new("taskset");
            command.args(["-c", "0"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let mut child = command
            .args(["token-endpoint-server", kind])
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("the server has no output")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = line
            .trim()
            .parse()
            .map_err(|_| format!("the {kind} server did not start: {line}"))?;
        Ok(Self {
            child,
            address,
            _output: output,
        })
    }

    fn round(
        &self,
        runtime: &tokio::runtime::Runtime,
        request: &[u8],
        length: Duration,
    ) -> Result<Round, Failure> {
        let before = self.cpu_seconds()?;
        let (responses, took) =
            runtime.block_on(load::run(self.address, request, CONNECTIONS, length))?;
        let cpu = self.cpu_seconds()? - before;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of responses is far below 2^52"
        )]
        let responses = responses as f64;
        Ok(Round {
            per_second: responses / took.as_secs_f64(),
            cpu_micros: cpu * 1e6 / responses,
        })
    }

    /// User and system time of the server so far; the unit of /proc is 10 ms, so rounds take seconds.
    fn cpu_seconds(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat
            .rsplit_once(") ")
            .ok_or("/proc/PID/stat is unreadable")?;
        // utime and stime are fields 14 and 15 of the line, 12 and 13 after the name.
        let ticks: Result<Vec<u64>, _> =
            fields.split(' ').skip(11).take(2).map(str::parse).collect();
        let ticks: u32 = ticks?.iter().sum::<u64>().try_into()?;
        Ok(f64::from(ticks) / TICKS_PER_SECOND)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about either failure here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether processes can be tied to a core here.
fn can_pin() -> bool {
    Command::new("taskset").arg("--version").output().is_ok()
}

/// Puts the load on the second core; without taskset the kernel chooses the core.
fn pin_this_process() {
    let own = std::process::id().to_string();
    let _ = Command::new("taskset")
        .args(["-cp", "1", &own])
        .stdout(Stdio::null())
        .status();
}
