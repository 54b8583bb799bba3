//! Load and service in one process that never sleeps, on the core that the gateway does not have.
//!
//! A gateway pays for each process that it wakes with what it sends, 2 to 3 us a time in a virtual machine, and wakes it the more often the slower it
//! is itself. That says nothing of the gateway, so nobody here is ever asleep.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use hallpass::listen::raise_descriptor_limit;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local, yield_now};
use tokio::time::Instant;

use crate::measure::{Failure, Outcome};
use crate::pinned::cpu_seconds_of;

/// Room for one message.
const BUFFER_BYTES: usize = 16 * 1024;
/// As nginx says it.
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Fri, 27 Nov 2026 12:00:00 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 7\r\nConnection: keep-alive\r\n\r\nservice";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// The end of HTTP on a connection; the key is the one of RFC 6455 section 1.3.
const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// A message of 122 bytes, as a client sends it. No gateway here looks into it.
const FRAME: [u8; 128] = {
    let mut frame = [b'x'; 128];
    (frame[0], frame[1]) = (0x82, 0x80 | 122);
    frame
};

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// Where the service is to listen.
    pub(super) service: u16,
    pub(super) gateway: u16,
    /// The gateway's process.
    pub(super) process: u32,
    /// One token a line, taken in turn.
    pub(super) tokens: &'a Path,
    /// Where in the file to begin.
    pub(super) from: usize,
    pub(super) host: &'a str,
    pub(super) connections: usize,
    /// Connections beside those, which say nothing after their first request.
    pub(super) idle: usize,
    /// Whether messages go over WebSockets, and come back.
    pub(super) websocket: bool,
    pub(super) seconds: u64,
    pub(super) warm_up: u64,
}

/// What came of it; the process is there until this is dropped.
#[derive(Debug)]
pub(super) struct Awake {
    child: Child,
    pub(super) requests: f64,
    pub(super) per_second: f64,
    /// CPU time of the gateway, in seconds.
    pub(super) cpu: f64,
    /// In milliseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Requests with those of the warm-up.
    pub(super) all: usize,
}

impl Asked<'_> {
    pub(super) fn run(&self) -> Result<Awake, Failure> {
        let numbers = [
            u64::from(self.service),
            u64::from(self.gateway),
            u64::from(self.process),
            u64::try_from(self.from)?,
            u64::try_from(self.connections)?,
            u64::try_from(self.idle)?,
            u64::from(self.websocket),
            self.seconds,
            self.warm_up,
        ];
        let mut child = Command::new("taskset")
            .args(["-c", "1"])
            .arg(std::env::current_exe()?)
            .args(["gateway-load", self.host])
            .arg(self.tokens)
            .args(numbers.map(|number| number.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("the load has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let numbers = line.split_whitespace().map(str::parse);
        let numbers: Vec<f64> = numbers.collect::<Result<_, _>>()?;
        let [requests, per_second, cpu, p50, p99, _all] = numbers[..] else {
            let mut said = String::new();
            if let Some(mut errors) = child.stderr.take() {
                errors.read_to_string(&mut said)?;
            }
            return Err(format!("the load says: {line}{said}").into());
        };
        let all = line.split_whitespace().last().unwrap_or_default();
        let all = all.parse()?;
        Ok(Awake {
            child,
            requests,
            per_second,
            cpu,
            p50,
            p99,
            all,
        })
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// `gateway-load HOST TOKENS NUMBER...`: prints one line, and ends with its standard input.
pub(crate) fn serve(arguments: &[String]) -> Outcome<()> {
    let [host, tokens, numbers @ ..] = arguments else {
        return Err("gateway-load needs a host, a file and numbers".into());
    };
    let numbers = numbers.iter().map(|number| number.parse());
    let numbers = numbers.collect::<Result<Vec<u32>, _>>()?;
    let [
        service,
        gateway,
        process,
        from,
        connections,
        idle,
        websocket,
        seconds,
        warm_up,
    ] = numbers[..]
    else {
        return Err("gateway-load needs nine numbers".into());
    };
    let upgrade = if websocket == 1 { UPGRADE } else { "" };
    let _as_many_as_allowed = raise_descriptor_limit();
    let tokens = std::fs::read_to_string(tokens)?;
    let requests = tokens.lines().map(|token| {
        let request = format!(
            "GET /orders/7 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{upgrade}\r\n"
        );
        request.into_bytes()
    });
    let load = Load {
        gateway: u16::try_from(gateway)?,
        requests: requests.collect(),
        next: Cell::new(usize::try_from(from)?),
        connections,
        websocket: websocket == 1,
    };
    let times = [warm_up, seconds].map(|it| Duration::from_secs(it.into()));
    let service = u16::try_from(service)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, load.measure((service, process), idle, times))
}

/// The service: the same response to each request.
async fn listen(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        spawn_local(async move {
            let _without_it_slower = stream.set_nodelay(true);
            let mut buffer = vec![0; BUFFER_BYTES];
            let mut received = 0;
            while let Some(free) = buffer.get_mut(received..) {
                match stream.read(free).await {
                    Ok(more) if more > 0 => received += more,
                    // A gateway that ends its connection is no event.
                    _ => return,
                }
                let so_far = buffer.get(..received).unwrap_or_default();
                if so_far.ends_with(END_OF_HEAD) {
                    if so_far
                        .windows(9)
                        .any(|it| it.eq_ignore_ascii_case(b"websocket"))
                    {
                        let _ended_by_the_gateway = echo(&mut stream, &mut buffer).await;
                        return;
                    }
                    received = 0;
                    if stream.write_all(RESPONSE).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}

async fn echo(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<()> {
    stream.write_all(SWITCHED).await?;
    loop {
        let read = stream.read(buffer).await?;
        if read == 0 {
            return Ok(());
        }
        stream
            .write_all(buffer.get(..read).unwrap_or_default())
            .await?;
    }
}

/// The requests, and where they go.
struct Load {
    gateway: u16,
    requests: Vec<Vec<u8>>,
    /// Which request is the next one.
    next: Cell<usize>,
    connections: u32,
    websocket: bool,
}

impl Load {
    /// Prints what came of it.
    #[expect(clippy::print_stdout, reason = "the parent process reads it")]
    async fn measure(
        self,
        (service, gateway): (u16, u32),
        idle: u32,
        [warm_up, length]: [Duration; 2],
    ) -> Result<(), Failure> {
        let _awake = spawn_local(async {
            loop {
                yield_now().await;
            }
        });
        let listener = TcpListener::bind(("127.0.0.1", service)).await?;
        let _service = spawn_local(listen(listener));
        let load = Rc::new(self);
        let mut kept = Vec::new();
        for _ in 0..idle {
            kept.push(load.connect().await?);
        }
        let warm = Rc::clone(&load).run(warm_up).await?;
        let before = cpu_seconds_of(&gateway.to_string())?;
        let begun = Instant::now();
        let mut micros = load.run(length).await?;
        let took = begun.elapsed().as_secs_f64();
        let cpu = cpu_seconds_of(&gateway.to_string())? - before;
        micros.sort_unstable();
        let at = |percent: usize| {
            let micros = micros.get(micros.len() * percent / 100);
            f64::from(micros.copied().unwrap_or_default()) / 1e3
        };
        let requests = u32::try_from(micros.len())?;
        let rate = f64::from(requests) / took;
        let all = warm.len() + micros.len();
        println!("{requests} {rate} {cpu} {} {} {all}", at(50), at(99));
        std::io::stdout().flush()?;
        // The idle connections stay until then.
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        drop(kept);
        Ok(())
    }

    /// How long each request took, in microseconds.
    async fn run(self: Rc<Self>, length: Duration) -> Result<Vec<u32>, Failure> {
        let end = Instant::now() + length;
        let senders: Vec<_> = (0..self.connections)
            .map(|_| spawn_local(Rc::clone(&self).send(end)))
            .collect();
        let mut micros = Vec::new();
        for sender in senders {
            micros.extend(sender.await??);
        }
        Ok(micros)
    }

    async fn send(self: Rc<Self>, end: Instant) -> Result<Vec<u32>, Failure> {
        let mut stream = self.connect().await?;
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut micros = Vec::new();
        let mut begun = Instant::now();
        while begun < end {
            self.ask(&mut stream, &mut buffer).await?;
            let now = Instant::now();
            micros.push(u32::try_from((now - begun).as_micros())?);
            begun = now;
        }
        Ok(micros)
    }

    /// With one good request over it.
    async fn connect(&self) -> Result<TcpStream, Failure> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.gateway)).await?;
        stream.set_nodelay(true)?;
        self.request(&mut stream, &mut vec![0; BUFFER_BYTES])
            .await?;
        Ok(stream)
    }

    /// A request and its response, or a message there and back.
    async fn ask(&self, stream: &mut TcpStream, buffer: &mut [u8]) -> Result<(), Failure> {
        if !self.websocket {
            return self.request(stream, buffer).await;
        }
        stream.write_all(&FRAME).await?;
        let back = buffer
            .get_mut(..FRAME.len())
            .ok_or("the buffer is too small")?;
        stream.read_exact(back).await?;
        match *back == FRAME {
            true => Ok(()),
            false => Err("a message does not come back as it went".into()),
        }
    }

    async fn request(&self, stream: &mut TcpStream, buffer: &mut [u8]) -> Result<(), Failure> {
        let next = self.next.get();
        self.next.set(next + 1);
        let request = self.requests.get(next % self.requests.len().max(1));
        stream
            .write_all(request.ok_or("there is no token")?)
            .await?;
        let mut received = 0;
        loop {
            let free = buffer.get_mut(received..).ok_or("a response is too long")?;
            let more = stream.read(free).await?;
            received += more;
            let so_far = buffer.get(..received).unwrap_or_default();
            if so_far.ends_with(END_OF_HEAD) && so_far.starts_with(b"HTTP/1.1 101 ") {
                return Ok(());
            }
            // Each has a body of these words, and there is nothing behind it.
            if so_far.ends_with(b"service") && so_far.starts_with(b"HTTP/1.1 200 ") {
                return Ok(());
            }
            // Spring Cloud Gateway ends one of unknown length so.
            if so_far.ends_with(b"service\r\n0\r\n\r\n") && so_far.starts_with(b"HTTP/1.1 200 ") {
                return Ok(());
            }
            if more == 0 || received == BUFFER_BYTES {
                let text = String::from_utf8_lossy(so_far).into_owned();
                return Err(format!("a response is not a good one: {text}").into());
            }
        }
    }
}
