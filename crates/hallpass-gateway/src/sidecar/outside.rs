//! The way to hosts that are no services of the estate: as nobody, over plain HTTP, and never by a name to this machine or to where clouds give out credentials.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_core::future::BoxFuture;
use hallpass_upstream::{
    Discover, DiscoverError, HttpTransport, Instance, Instances, Network, TransportError,
    TransportErrorKind,
};
use rustls::{ClientConfig, RootCertStore};

use crate::error::Error;
use crate::settings::sidecar::{OutsideAddress, is_reserved};

/// From the name of a host to addresses.
pub(super) type LookUp =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The operating system's.
pub(super) fn system() -> LookUp {
    Arc::new(|host| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// As `look_up`, without the addresses that no name may lead to.
///
/// # Errors
/// Those of `look_up`; `PermissionDenied` where no other address is left.
pub(super) async fn permitted(look_up: &LookUp, host: String) -> io::Result<Vec<IpAddr>> {
    let mut found = look_up(host.clone()).await?;
    let count = found.len();
    found.retain(|address| !is_reserved(*address));
    if found.len() < count {
        tracing::warn!(
            host,
            "a host outside the estate is resolved to this machine or to a link-local address, which is not called"
        );
    }
    match found.is_empty() && count > 0 {
        true => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the name leads to no address that may be called",
        )),
        false => Ok(found),
    }
}

/// Connections to these hosts: of a transport of their own, which has no TLS, so that none of them is one that bears a token.
///
/// # Errors
/// [`Error::Transport`].
pub(super) fn network(
    of_service: &Network,
    hosts: &Arc<Hosts>,
    look_up: LookUp,
) -> Result<Network, Error> {
    let transport = HttpTransport::builder()
        .look_up(move |host| {
            let look_up = Arc::clone(&look_up);
            async move { permitted(&look_up, host).await }
        })
        .tls(no_tls()?)
        .build()
        .map_err(Error::Transport)?;
    let discovery = Arc::clone(hosts) as Arc<dyn Discover>;
    let clock = Arc::clone(&of_service.clock);
    Ok(Network::new(transport, discovery, clock))
}

/// Nobody is trusted.
fn no_tls() -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TransportError::new(TransportErrorKind::Tls, error))
        .map_err(Error::Transport)?;
    Ok(config
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// The hosts of `pass-through` as a discovery: each is found where its name says.
#[derive(Debug, Default)]
pub(super) struct Hosts(ArcSwap<HashMap<Box<str>, Instances>>);

impl Hosts {
    /// These from now on, and no others.
    pub(super) fn set(&self, hosts: &[OutsideAddress]) {
        let found = hosts.iter().filter_map(|host| {
            let name = host.to_string();
            let instance: Instance = name.parse().ok()?;
            Some((name.into(), Instances::from_iter([instance])))
        });
        self.0.store(Arc::new(found.collect()));
    }
}

impl Discover for Hosts {
    fn instances<'a>(
        &'a self,
        service: &'a str,
    ) -> BoxFuture<'a, Result<Instances, DiscoverError>> {
        let found = self.at_hand(service);
        let found = found.ok_or_else(|| DiscoverError::no_instance(service));
        Box::pin(std::future::ready(found))
    }

    fn at_hand(&self, service: &str) -> Option<Instances> {
        self.0.load().get(service).cloned()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_upstream::{Body, CarriesNoSecret, StaticDiscovery};
    use http::Request;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tower::ServiceExt as _;

    use super::*;

    fn to(addresses: &[&str]) -> LookUp {
        let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        Arc::new(move |_| {
            let addresses = addresses.clone();
            Box::pin(std::future::ready(Ok(addresses)))
        })
    }

    #[tokio::test]
    async fn of_a_name_that_leads_elsewhere_too_only_the_rest_is_left() {
        let all = to(&["169.254.169.254", "192.0.2.1", "::1", "::ffff:127.0.0.1"]);
        let left = permitted(&all, "metrics.example".to_owned()).await.unwrap();
        assert_eq!(left, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        let none = permitted(&to(&["fe80::1"]), "metrics.example".to_owned()).await;
        assert_eq!(none.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(permitted(&to(&[]), "a.example".to_owned()).await.is_ok());
    }

    #[tokio::test]
    async fn a_name_that_is_resolved_to_this_machine_is_not_called() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 3];
            stream.read_exact(&mut head).await.unwrap();
            let response = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(response).await.unwrap();
            head
        });
        let hosts = Arc::new(Hosts::default());
        let service = Network::system(Arc::new(StaticDiscovery::new())).unwrap();
        let network = network(&service, &hosts, to(&["127.0.0.1"])).unwrap();
        let ask = async |host: &str| {
            let mut request = Request::get(format!("http://{host}:{port}/"))
                .body(Body::empty())
                .unwrap();
            request.extensions_mut().insert(CarriesNoSecret);
            network.transport.clone().oneshot(request).await
        };
        let refused = ask("rebound.example").await.unwrap_err();
        assert_eq!(refused.kind(), TransportErrorKind::Connect, "{refused}");
        assert!(!served.is_finished());
        // Whoever writes the address down means it.
        assert_eq!(ask("127.0.0.1").await.unwrap().status(), 200);
        assert_eq!(&served.await.unwrap(), b"GET");
    }

    #[tokio::test]
    async fn a_host_is_found_where_its_name_says_and_no_other_is() {
        let hosts = Hosts::default();
        hosts.set(&["metrics.example:9090".parse().unwrap()]);
        let found = hosts.at_hand("metrics.example:9090").unwrap();
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["http://metrics.example:9090"]);
        for other in ["metrics.example:80", "metrics.example", "evil.example:9090"] {
            assert!(hosts.instances(other).await.is_err(), "{other}");
        }
    }
}
