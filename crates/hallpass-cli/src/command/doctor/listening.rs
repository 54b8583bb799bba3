//! The addresses to listen on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::check::Check;
use super::finding::Finding;
use crate::settings::Everything;

/// How long a process of this machine may take to take a connection.
const CONNECT_LIMIT: Duration = Duration::from_millis(300);

/// Whether each of them is an address of this machine: a socket is opened there for a moment, on a port that the system chooses.
pub(super) async fn examine(everything: &Everything) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
    for (key, address) in addresses(everything) {
        match taken.iter().find(|(_, other)| meet(*other, address)) {
            Some((other, _)) => findings.push(Finding::failure(
                Check::Listen,
                format!("{key} and {other} both want {address}: the second one does not start"),
                "give each of them a port of its own",
            )),
            None => findings.push(examine_one(key, address).await),
        }
        taken.push((key, address));
    }
    if findings.is_empty() {
        let why = "no section says where to listen";
        findings.push(Finding::skipped(Check::Listen, why));
    }
    findings
}

fn addresses(everything: &Everything) -> Vec<(&'static str, SocketAddr)> {
    let mut all = Vec::new();
    let service = everything.service.service.listen;
    all.extend(service.map(|it| ("service.listen", it)));
    if let Some(gateway) = &everything.gateway {
        all.extend(gateway.listen.iter().map(|it| ("gateway.listen", *it)));
        all.push(("gateway.management.listen", gateway.management_listen));
    }
    if let Some(authz) = &everything.authz {
        all.push(("authz.listen", authz.listen));
        all.push(("authz.management.listen", authz.management_listen));
    }
    if let Some(sidecar) = &everything.sidecar {
        all.push(("sidecar.management.listen", sidecar.management_listen));
        let inbound = sidecar.inbound.as_ref();
        all.extend(inbound.map(|it| ("sidecar.inbound.listen", it.listen)));
        let outbound = sidecar.outbound.as_ref();
        let proxy = outbound.and_then(|it| it.listen);
        all.extend(proxy.map(|it| ("sidecar.outbound.listen", it)));
        let services = outbound.iter().flat_map(|it| &it.services);
        let ports = services.filter_map(|it| it.listen);
        all.extend(ports.map(|it| ("sidecar.outbound.services[].listen", it)));
    }
    if let Some(issuer) = &everything.issuer {
        all.push(("issuer.listen", issuer.listen));
        let management = issuer.management_listen;
        all.extend(management.map(|it| ("issuer.management.listen", it)));
    }
    all
}

/// Whether the system gives both to no one process. Port 0 is another one each time.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let is_for_all = one.ip().is_unspecified() || other.ip().is_unspecified();
    let is_same_family = one.is_ipv4() == other.is_ipv4();
    let is_same_ip = one.ip() == other.ip() || (is_for_all && is_same_family);
    one.port() != 0 && one.port() == other.port() && is_same_ip
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
