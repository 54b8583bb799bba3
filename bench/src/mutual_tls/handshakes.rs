//! New connections, each with one request: our listener against a bare loop of rustls with the very same configuration.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass::listen::HttpServer;
use hallpass::tls::{
    ClientAuth, ClientTls, ClientTlsSettings, ServerTls, ServerTlsSettings, TlsMetrics,
};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::measure::{Failure, Outcome};

use super::load::{Count, median};
use super::stand::{Member, Stand};

/// Callers at once.
const CALLERS: usize = 4;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
pub(super) async fn measure(
    stand: &Stand,
    [server, client]: [&Member; 2],
    (rounds, length): (usize, Duration),
) -> Outcome<()> {
    println!(
        "| new connections, one request each | bare rustls, per s | ours, per s | ours / bare, of each round | µs of CPU, both ends: bare | ours |\n|---|---|---|---|---|---|"
    );
    for (name, is_mutual) in [
        ("TLS 1.3, the server's certificate alone", false),
        ("mutual", true),
    ] {
        let (tls, caller) = (
            server_tls(stand, server, is_mutual)?,
            caller(stand, client, is_mutual)?,
        );
        let (bare, serving) = (bare(tls.config()).await?, ours(tls).await?);
        let at = [bare, serving.local_addr()];
        let mut counts = Vec::new();
        // The first one warms up.
        for round in 0..=rounds {
            let [one, other] = at.map(|address| connect_until(Arc::clone(&caller), address));
            let pair = (
                Count::of(length, one).await?,
                Count::of(length, other).await?,
            );
            if round > 0 {
                counts.push(pair);
            }
        }
        println!(
            "| {name} | {:.0} | {:.0} | {:.3} | {:.0} | {:.0} |",
            median(counts.iter().map(|(bare, _)| bare.per_second)),
            median(counts.iter().map(|(_, ours)| ours.per_second)),
            median(
                counts
                    .iter()
                    .map(|(bare, ours)| ours.per_second / bare.per_second)
            ),
            median(counts.iter().map(|(bare, _)| bare.cpu_micros)),
            median(counts.iter().map(|(_, ours)| ours.cpu_micros)),
        );
    }
    Ok(())
}

fn server_tls(stand: &Stand, member: &Member, is_mutual: bool) -> Outcome<ServerTls> {
    let files = member.settings.issued_files().ok_or("no certificate")?;
    let settings = ServerTlsSettings {
        key_pair: files.key_pair,
        client_auth: match is_mutual {
            true => ClientAuth::Need {
                ca_file: files.ca_file,
            },
            false => ClientAuth::None,
        },
    };
    let clock = Arc::clone(&stand.clock);
    Ok(ServerTls::load(&settings, clock, &TlsMetrics::default())?)
}

/// Every connection is shaken hands for in full.
fn caller(stand: &Stand, member: &Member, is_mutual: bool) -> Outcome<Arc<ClientConfig>> {
    let files = member.settings.issued_files().ok_or("no certificate")?;
    let settings = ClientTlsSettings {
        system_roots: false,
        ca_file: Some(files.ca_file),
        key_pair: is_mutual.then_some(files.key_pair),
    };
    let clock = Arc::clone(&stand.clock);
    let tls = ClientTls::load(&settings, clock, &TlsMetrics::default())?;
    let mut config = ClientConfig::clone(&tls.config());
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Accepts, shakes hands, reads a head and writes what ours does.
async fn bare(config: Arc<ServerConfig>) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let acceptor = TlsAcceptor::from(config);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let _no_delay = stream.set_nodelay(true);
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut head = [0; 1024];
                if stream.read(&mut head).await.is_ok() {
                    let _written = stream.write_all(RESPONSE).await;
                    let _ended = stream.shutdown().await;
                }
            });
        }
    });
    Ok(address)
}

async fn ours(tls: ServerTls) -> Result<hallpass::listen::RunningServer, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let serving = HttpServer::new(listener).tls(tls).serve(|_| {
        tower::service_fn(|_: Request<Incoming>| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
        })
    })?;
    Ok(serving)
}

/// How many connections were made until then, by all callers.
fn connect_until(
    caller: Arc<ClientConfig>,
    address: SocketAddr,
) -> impl FnOnce(Instant) -> std::pin::Pin<Box<dyn Future<Output = Outcome<u64>> + Send>> {
    move |end| {
        Box::pin(async move {
            let mut callers = JoinSet::new();
            for _ in 0..CALLERS {
                let connector = TlsConnector::from(Arc::clone(&caller));
                callers.spawn(async move {
                    let mut made = 0;
                    while Instant::now() < end {
                        connect(&connector, address).await?;
                        made += 1;
                    }
                    Ok::<u64, Failure>(made)
                });
            }
            let mut sum = 0;
            while let Some(made) = callers.join_next().await {
                sum += made??;
            }
            Ok(sum)
        })
    }
}

async fn connect(connector: &TlsConnector, address: SocketAddr) -> Result<(), Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    let mut stream = connector.connect(name, stream).await?;
    stream.write_all(REQUEST).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    match response.ends_with(b"hello") {
        true => Ok(()),
        false => Err("another response than expected".into()),
    }
}
