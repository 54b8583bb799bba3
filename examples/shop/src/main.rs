//! The shop on the ports of `config/shop.yaml`, with an issuer that runs somewhere else.

use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};
use hallpass::listen::StopSignals;
use hallpass::{BoxError, LogWriter};
use shop::{Shop, Sockets};

/// How often `order-service` reports.
const REPORT_EVERY: Duration = Duration::from_secs(30);
/// How long the token on the `curl` line is good for.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // Each caller is logged: nobody waits for whoever reads that, and the guard writes the last lines at the end.
    let (log, _guard) = LogWriter::start(io::stderr())?;
    let log = tracing_subscriber::fmt().with_writer(move || log.clone());
    log.with_ansi(io::stderr().is_terminal()).init();
    let mut stop = StopSignals::install()?;
    let issuer = SocketAddr::from((Ipv4Addr::LOCALHOST, 9000));
    let shop = Shop::start(Sockets::configured().await?, issuer, |_call| {}).await?;
    print_curl(&shop)?;
    let mut evening = tokio::time::interval(REPORT_EVERY);
    loop {
        tokio::select! {
            _tick = evening.tick() => match shop.orders.report_the_day().await {
                Ok(receipt) => tracing::info!(received_from = receipt.received_from, "reported"),
                Err(error) => tracing::warn!(%error, "not reported"),
            },
            _signal = stop.received() => break,
        }
    }
    shop.stop().await;
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "for the person who has started it in a terminal"
)]
fn print_curl(shop: &Shop) -> Result<(), BoxError> {
    let now = SystemClock::new().now().into();
    let token = shop.identity_provider.token("alice", now, TOKEN_LIFE)?;
    let orders = shop.order_service.address();
    println!(
        "curl -i -H 'Authorization: Bearer {}' http://{orders}/orders",
        token.expose()
    );
    Ok(())
}
