//! The addresses to listen on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::check::Check;
use super::finding::Finding;
use crate::listeners::{self, Clash, Listener};
use crate::settings::Everything;

/// How long a process of this machine may take to take a connection.
const CONNECT_LIMIT: Duration = Duration::from_millis(300);

/// Whether each of them is an address of this machine: a socket is opened there for a moment, on a port that the system chooses.
pub(super) async fn examine(everything: &Everything) -> Vec<Finding> {
    let all = listeners::of(everything);
    let clashes = listeners::clashes(&all);
    let mut findings = Vec::new();
    for Listener { key, address, .. } in &all {
        match clashes.iter().find(|it| it.second.key == *key) {
            Some(Clash { first, .. }) => findings.push(Finding::failure(
                Check::Listen,
                format!(
                    "{key} and {} both want {address}: the second one does not start",
                    first.key
                ),
                "give each of them a port of its own",
            )),
            None => findings.push(examine_one(key, *address).await),
        }
    }
    if findings.is_empty() {
        let why = "no section says where to listen";
        findings.push(Finding::skipped(Check::Listen, why));
    }
    findings
}

async fn examine_one(key: &str, address: SocketAddr) -> Finding {
    let any_port = SocketAddr::new(address.ip(), 0);
    match TcpListener::bind(any_port).await {
        Ok(_closed_at_once) => {
            let state = match is_served(address).await {
                true => "a process listens there",
                false => "nobody listens there now",
            };
            Finding::ok(Check::Listen, format!("{key}: {address}: {state}"))
        }
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Finding::failure(
            Check::Listen,
            format!("{key}: {} is no address of this machine", address.ip()),
            "write an address of this machine, or 0.0.0.0 for all of them",
        ),
        Err(error) => Finding::failure(
            Check::Listen,
            format!(
                "{key}: nothing can listen on {}: {}",
                address.ip(),
                error.kind()
            ),
            "write another address, or look at the rights of this user",
        ),
    }
}

/// Whether somebody takes connections there.
pub(super) async fn is_served(address: SocketAddr) -> bool {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let connecting = TcpStream::connect(SocketAddr::new(ip, address.port()));
    let connected = tokio::time::timeout(CONNECT_LIMIT, connecting).await;
    connected.is_ok_and(|it| it.is_ok())
}
