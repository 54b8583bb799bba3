//! The gateway in front of the shop.

use std::net::SocketAddr;
use std::time::Duration;

use hallpass::config::{Configuration, Loader};
use hallpass::{BoxError, Hallpass, Settings};
use hallpass_gateway::{Gateway, GatewayServer, GatewaySettings, RunningGateway};

/// A gateway that forwards to the shop.
#[derive(Debug)]
pub(crate) struct Edge {
    gateway: RunningGateway,
    address: SocketAddr,
    /// Its credentials and keys go with it.
    _hallpass: Hallpass,
}

impl Edge {
    /// Starts one by what `settings` gives each time.
    pub(crate) async fn start(settings: impl Fn() -> Loader) -> Result<Self, BoxError> {
        let of_gateway: GatewaySettings = part(&settings())?;
        let mut service: Settings = part(&settings())?;
        // Who may call is said by the routes.
        let rules = of_gateway.rules();
        service.security.internal_jwt.routes.extend(rules);
        let hallpass = Hallpass::from_settings(&service)?;
        let gateway = Gateway {
            resource: hallpass.resource_server().build()?,
            tokens: hallpass.tokens().clone(),
            network: hallpass.network().clone(),
            encoded: service.security.paths.allow_encoded,
        };
        let gateway = GatewayServer::start(gateway, &of_gateway).await?;
        // The gateway shows what it counts itself; decisions, keys and deny-lists are counted by what it asks.
        gateway.register_metrics(|registry| hallpass.metrics().register(registry));
        let address = gateway.local_addrs().first().copied();
        Ok(Self {
            address: address.ok_or("the gateway listens nowhere")?,
            gateway,
            _hallpass: hallpass,
        })
    }

    /// Where customers come in.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are.
    pub(crate) const fn management_address(&self) -> SocketAddr {
        self.gateway.management_addr()
    }

    pub(crate) async fn stop(self) -> Result<(), BoxError> {
        let limit = Duration::from_secs(1);
        Ok(self.gateway.shutdown_within(limit).await?)
    }
}

fn part<T: Configuration>(loader: &Loader) -> Result<T, BoxError> {
    Ok(loader.load_part::<T>()?.into_settings())
}
