//! The shop on the ports of `config/shop.yaml`, with an issuer that runs somewhere else.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hallpass::BoxError;
use shop::{Shop, Sockets};

/// How often `order-service` reports.
const REPORT_EVERY: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().init();
    let issuer = SocketAddr::from((Ipv4Addr::LOCALHOST, 9000));
    let shop = Shop::start(Sockets::configured().await?, issuer, |_call| {}).await?;
    tracing::info!(address = %shop.order_service.address(), "order-service");
    let mut evening = tokio::time::interval(REPORT_EVERY);
    loop {
        tokio::select! {
            _tick = evening.tick() => match shop.orders.report_the_day().await {
                Ok(receipt) => tracing::info!(received_from = receipt.received_from, "reported"),
                Err(error) => tracing::warn!(%error, "not reported"),
            },
            stop = tokio::signal::ctrl_c() => return Ok(stop?),
        }
    }
}
