//! Calls over one connection that is kept: without TLS, with the server's certificate alone, and mutual.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass::listen::{HttpServer, RunningServer};
use hallpass::tls::{
    ClientAuth, ClientTls, ClientTlsSettings, ServerTls, ServerTlsSettings, TlsMetrics,
};
use hallpass::upstream::{Body, HttpTransport};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::measure::{Failure, Outcome};

use super::load::{Count, median};
use super::stand::{Member, Stand};

const ROWS: [&str; 3] = ["plain", "TLS 1.3, the server's certificate alone", "mutual"];

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
pub(super) async fn measure(
    stand: &Stand,
    members: [&Member; 2],
    (rounds, length): (usize, Duration),
) -> Outcome<()> {
    let mut sides = Vec::new();
    for way in 0..ROWS.len() {
        sides.push(Side::start(stand, members, way).await?);
    }
    let mut counts: Vec<Vec<Count>> = vec![Vec::new(); sides.len()];
    for round in 0..=rounds {
        for (side, counts) in sides.iter().zip(&mut counts) {
            let count = Count::of(length, |end| side.call_until(end)).await?;
            // The first one warms up.
            if round > 0 {
                counts.push(count);
            }
        }
    }
    println!(
        "\n| one call after the other, over a kept connection | µs | µs of CPU, both ends | more than plain: µs | µs of CPU |\n|---|---|---|---|---|"
    );
    let of = |counts: &[Count]| {
        (
            median(counts.iter().map(|count| 1e6 / count.per_second)),
            median(counts.iter().map(|count| count.cpu_micros)),
        )
    };
    let plain = counts.first().map(|counts| of(counts)).unwrap_or_default();
    for (name, counts) in ROWS.iter().zip(&counts) {
        let (micros, cpu) = of(counts);
        println!(
            "| {name} | {micros:.1} | {cpu:.1} | {:.1} | {:.1} |",
            micros - plain.0,
            cpu - plain.1
        );
    }
    println!();
    Ok(())
}

/// A server, and a caller with one connection to it.
struct Side {
    transport: HttpTransport,
    url: String,
    _serving: RunningServer,
}

impl Side {
    async fn start(
        stand: &Stand,
        [server, client]: [&Member; 2],
        way: usize,
    ) -> Result<Self, Failure> {
        let metrics = TlsMetrics::default();
        let files = server.settings.issued_files().ok_or("no certificate")?;
        let own = client.settings.issued_files().ok_or("no certificate")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let mut http = HttpServer::new(listener);
        if way > 0 {
            let settings = ServerTlsSettings {
                key_pair: files.key_pair,
                client_auth: match way {
                    1 => ClientAuth::None,
                    _ => ClientAuth::Need {
                        ca_file: files.ca_file,
                    },
                },
            };
            http = http.tls(ServerTls::load(
                &settings,
                Arc::clone(&stand.clock),
                &metrics,
            )?);
        }
        let serving = http.serve(|_| {
            tower::service_fn(|_: Request<Incoming>| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
            })
        })?;
        let settings = ClientTlsSettings {
            system_roots: false,
            ca_file: Some(own.ca_file),
            key_pair: (way > 1).then_some(own.key_pair),
        };
        let tls = ClientTls::load(&settings, Arc::clone(&stand.clock), &metrics)?;
        let scheme = if way == 0 { "http" } else { "https" };
        Ok(Self {
            transport: HttpTransport::builder().followed_tls(tls).build()?,
            url: format!("{scheme}://localhost:{port}/"),
            _serving: serving,
        })
    }

    async fn call_until(&self, end: Instant) -> Outcome<u64> {
        let mut calls = 0;
        while Instant::now() < end {
            let request = Request::get(&self.url).body(Body::empty())?;
            let response = self.transport.clone().oneshot(request).await?;
            if !response.status().is_success() {
                return Err(format!("the response has {}", response.status()).into());
            }
            let body = response.into_body().collect_within(100).await?;
            calls += u64::from(body.len() == 5);
        }
        Ok(calls)
    }
}
