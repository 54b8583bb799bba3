//! Where the programs of a configuration listen, and which of them cannot do so at once.

use std::net::{IpAddr, SocketAddr};

use crate::settings::Everything;

/// The process that opens an address. Several of them may share a file, and a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Service,
    Gateway,
    Authz,
    Sidecar,
    Issuer,
}

/// One address to listen on.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    /// Its key, without the prefix: `sidecar.outbound.services[0].listen`.
    pub(crate) key: String,
    pub(crate) address: SocketAddr,
    program: Program,
}

/// Two that want the same port of the same address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clash<'a> {
    pub(crate) first: &'a Listener,
    pub(crate) second: &'a Listener,
}

/// All of them, those of one program together.
pub(crate) fn of(everything: &Everything) -> Vec<Listener> {
    let mut all = Vec::new();
    let mut add = |program, key: &str, address: SocketAddr| {
        let key = key.to_owned();
        all.push(Listener {
            key,
            address,
            program,
        });
    };
    if let Some(address) = everything.service.service.listen {
        add(Program::Service, "service.listen", address);
    }
    if let Some(gateway) = &everything.gateway {
        for (index, address) in gateway.listen.iter().enumerate() {
            let key = match gateway.listen.len() {
                1 => "gateway.listen".to_owned(),
                _ => format!("gateway.listen[{index}]"),
            };
            add(Program::Gateway, &key, *address);
        }
        let management = gateway.management_listen;
        add(Program::Gateway, "gateway.management.listen", management);
    }
    if let Some(authz) = &everything.authz {
        add(Program::Authz, "authz.listen", authz.listen);
        if let Some(address) = authz.grpc_listen {
            add(Program::Authz, "authz.grpc-listen", address);
        }
        let management = authz.management_listen;
        add(Program::Authz, "authz.management.listen", management);
    }
    if let Some(sidecar) = &everything.sidecar {
        let management = sidecar.management_listen;
        add(Program::Sidecar, "sidecar.management.listen", management);
        if let Some(inbound) = &sidecar.inbound {
            add(Program::Sidecar, "sidecar.inbound.listen", inbound.listen);
        }
        let outbound = sidecar.outbound.as_ref();
        if let Some(address) = outbound.and_then(|it| it.listen) {
            add(Program::Sidecar, "sidecar.outbound.listen", address);
        }
        let services = outbound.iter().flat_map(|it| &it.services).enumerate();
        for (index, service) in services {
            if let Some(address) = service.listen {
                let key = format!("sidecar.outbound.services[{index}].listen");
                add(Program::Sidecar, &key, address);
            }
        }
    }
    if let Some(issuer) = &everything.issuer {
        add(Program::Issuer, "issuer.listen", issuer.listen);
        if let Some(address) = issuer.management_listen {
            add(Program::Issuer, "issuer.management.listen", address);
        }
        if let Some(admin) = &issuer.admin {
            add(Program::Issuer, "issuer.admin.listen", admin.listen);
        }
    }
    all
}

/// Each of `all` that wants what one before it wants, with the first such one.
pub(crate) fn clashes(all: &[Listener]) -> Vec<Clash<'_>> {
    let mut found = Vec::new();
    for (index, second) in all.iter().enumerate() {
        let mut before = all.iter().take(index);
        let first = before.find(|first| meet(first.address, second.address));
        found.extend(first.map(|first| Clash { first, second }));
    }
    found
}

impl Clash<'_> {
    /// Whether one process opens both, so that it never starts.
    pub(crate) fn is_of_one_program(&self) -> bool {
        self.first.program == self.second.program
    }
}

/// Whether the system gives both to no two sockets. Port 0 is another one each time.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let (first, second) = (one.ip().to_canonical(), other.ip().to_canonical());
    let is_same_ip = first == second || has(first, second) || has(second, first);
    one.port() != 0 && one.port() == other.port() && is_same_ip
}

/// Whether `all` is every address of this machine, `one` among them. Linux takes those of IPv4 for `[::]` too, unless it is told otherwise
/// (`net.ipv6.bindv6only`).
const fn has(all: IpAddr, one: IpAddr) -> bool {
    match all {
        IpAddr::V4(ip) => ip.is_unspecified() && one.is_ipv4(),
        IpAddr::V6(ip) => ip.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_meets_is_what_the_system_does_not_give_twice() {
        let all = [
            "0.0.0.0",
            "127.0.0.1",
            "127.0.0.2",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ];
        for one in all {
            // Not every machine has IPv6.
            let Ok(first) = TcpListener::bind(format!("{one}:0")) else {
                continue;
            };
            let taken = first.local_addr().unwrap();
            for other in all {
                let other: SocketAddr = format!("{other}:{}", taken.port()).parse().unwrap();
                let is_given = TcpListener::bind(other).is_ok();
                let is_here = TcpListener::bind(SocketAddr::new(other.ip(), 0)).is_ok();
                if is_here {
                    assert_eq!(meet(taken, other), !is_given, "{taken} {other}");
                    assert_eq!(meet(other, taken), !is_given, "{other} {taken}");
                }
            }
        }
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        assert!(!meet(any, any));
    }
}
