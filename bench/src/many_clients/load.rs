//! Requests for tokens over kept connections, with as little work as possible here.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::{audience, authorization};
use crate::measure::Failure;

/// Connections that the load is spread over.
const CONNECTIONS: u64 = 32;
/// Room for one response.
const BUFFER_BYTES: usize = 8 * 1024;
const GOOD: &[u8] = b"HTTP/1.1 200";

/// Whose tokens are asked for.
#[derive(Clone, Copy)]
pub(super) enum Drawn {
    /// Of any of so many clients.
    Any(u32),
    /// Of one and the same.
    One,
}

/// What came of a round.
pub(super) struct Seen {
    tokens: u32,
    took: Duration,
    pub(super) p99_ms: f64,
    pub(super) cpu: Duration,
}

impl Seen {
    pub(super) fn per_second(&self) -> f64 {
        f64::from(self.tokens) / self.took.as_secs_f64()
    }

    /// CPU time of the issuer for each token.
    pub(super) fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / f64::from(self.tokens)
    }
}

/// Asks for tokens for `length`.
pub(super) async fn run(
    issuer: SocketAddr,
    drawn: Drawn,
    length: Duration,
) -> Result<Seen, Failure> {
    let begun = Instant::now();
    let end = begun + length;
    let mut workers = JoinSet::new();
    for number in 0..CONNECTIONS {
        workers.spawn(async move { ask(issuer, drawn, (number, end)).await });
    }
    let mut micros: Vec<u32> = Vec::new();
    while let Some(worker) = workers.join_next().await {
        micros.extend(worker??);
    }
    let took = begun.elapsed();
    micros.sort_unstable();
    let p99 = micros.get(micros.len() * 99 / 100).or(micros.last());
    Ok(Seen {
        tokens: u32::try_from(micros.len())?,
        took,
        p99_ms: f64::from(p99.copied().unwrap_or_default()) / 1e3,
        cpu: Duration::ZERO,
    })
}

async fn ask(
    issuer: SocketAddr,
    drawn: Drawn,
    (seed, end): (u64, Instant),
) -> Result<Vec<u32>, Failure> {
    let mut connection = TcpStream::connect(issuer).await?;
    connection.set_nodelay(true)?;
    let mut state = seed + 1;
    let mut draw = || match drawn {
        Drawn::One => 0,
        Drawn::Any(clients) => {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            u32::try_from((state >> 33) % u64::from(clients)).unwrap_or_default()
        }
    };
    let mut micros = Vec::new();
    while Instant::now() < end {
        let request = request(draw());
        let sent = Instant::now();
        connection.write_all(request.as_bytes()).await?;
        let status = read(&mut connection).await?;
        if !status {
            return Err("a request was refused".into());
        }
        micros.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(micros)
}

/// Whether a client gets a token.
pub(super) async fn is_known(issuer: SocketAddr, number: u32) -> Result<bool, Failure> {
    let mut connection = TcpStream::connect(issuer).await?;
    connection.write_all(request(number).as_bytes()).await?;
    read(&mut connection).await
}

/// Whether the issuer says that it is ready.
pub(super) async fn is_ready(issuer: SocketAddr) -> bool {
    let asked = async {
        let mut connection = TcpStream::connect(issuer).await?;
        let request = b"GET /health/ready HTTP/1.1\r\nhost: issuer\r\n\r\n";
        connection.write_all(request).await?;
        read(&mut connection).await
    };
    asked.await.unwrap_or(false)
}

fn request(number: u32) -> String {
    let form = format!(
        "grant_type=client_credentials&scope=read&audience=of-{}",
        audience(number)
    );
    format!(
        "POST /oauth2/token HTTP/1.1\r\nhost: issuer\r\nauthorization: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{form}",
        authorization(number),
        form.len()
    )
}

/// Reads one response; whether it is a good one.
async fn read(connection: &mut TcpStream) -> Result<bool, Failure> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut filled = 0;
    loop {
        let room = buffer.get_mut(filled..).unwrap_or_default();
        let read = connection.read(room).await?;
        if read == 0 {
            return Err("the issuer has closed a connection".into());
        }
        filled += read;
        let text = buffer.get(..filled).unwrap_or_default();
        if let Some(whole) = whole(text)
            && filled >= whole
        {
            return Ok(text.starts_with(GOOD));
        }
    }
}

/// How long the whole response is, once its head is there.
fn whole(text: &[u8]) -> Option<usize> {
    let head = text.windows(4).position(|it| it == b"\r\n\r\n")? + 4;
    let fields = std::str::from_utf8(text.get(..head)?).ok()?;
    let length = fields.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    Some(head + length.unwrap_or_default())
}
