//! An instance of the service behind the gateway: it says what it was asked for.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use hallpass::listen::HttpServer;

use crate::measure::Failure;

/// What the process is told to be.
pub(in crate::outages) const ROLE: &str = "behind-the-gateway";

/// The process: it goes on until it is killed.
pub(in crate::outages) async fn serve(address: &str) -> Result<(), Failure> {
    let address: SocketAddr = address.parse()?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    let said = async |Path(number): Path<u64>| number.to_string();
    let router = Router::new().route("/orders/{number}", get(said));
    let mut running = HttpServer::new(listener).serve(move |_peer| router.clone())?;
    running.ended().await;
    Err("it has ended by itself".into())
}
