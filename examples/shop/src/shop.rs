//! All of it in one process: who listens where, and who is started with which settings.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use hallpass::BoxError;
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::feign::FinishedCall;
use hallpass::listen::HttpServer;
use hallpass::prelude::*;
use tokio::net::TcpListener;

use crate::identity_provider::IdentityProvider;
use crate::order_service::OrderService;
use crate::{Running, logistics_service, order_service, service_system};

/// The estate's own file, as it stands.
const INTERNAL_TOKEN_YAML: &str = include_str!("../config/internal-token.yaml");
/// What each of the two has for itself.
const ORDER_SERVICE_YAML: &str = include_str!("../config/order-service.yaml");
const LOGISTICS_SERVICE_YAML: &str = include_str!("../config/logistics-service.yaml");
/// What the gateway in front has for itself.
const GATEWAY_YAML: &str = include_str!("../config/gateway.yaml");
/// Where things are, and whose tokens count.
const SHOP_YAML: &str = include_str!("../config/shop.yaml");
/// The issuer's settings, for code that starts one.
pub const SERVICE_AUTH_YAML: &str = include_str!("../config/service-auth.yaml");

/// The listening sockets; bound before anything starts, so that each can be told of the others.
#[derive(Debug)]
pub struct Sockets {
    identity_provider: TcpListener,
    order_service: TcpListener,
    logistics_service: TcpListener,
    service_system: TcpListener,
}

impl Sockets {
    /// The ports of `shop.yaml`.
    pub async fn configured() -> Result<Self, BoxError> {
        Self::bind(|port| port).await
    }

    /// Free ports.
    pub async fn free() -> Result<Self, BoxError> {
        Self::bind(|_port| 0).await
    }

    async fn bind(port: impl Fn(u16) -> u16) -> Result<Self, BoxError> {
        let listen = |known| TcpListener::bind((Ipv4Addr::LOCALHOST, port(known)));
        Ok(Self {
            identity_provider: listen(9001).await?,
            order_service: listen(9002).await?,
            logistics_service: listen(9003).await?,
            service_system: listen(9004).await?,
        })
    }

    /// With a socket for the identity provider that others have been told of.
    #[must_use]
    pub fn with_identity_provider(self, identity_provider: TcpListener) -> Self {
        Self {
            identity_provider,
            ..self
        }
    }

    /// Where the identity provider will listen: whoever starts an issuer tells it.
    pub fn identity_provider(&self) -> Result<SocketAddr, BoxError> {
        Ok(self.identity_provider.local_addr()?)
    }

    /// The section `discovery` for these sockets and this issuer.
    fn discovery_yaml(&self, issuer: SocketAddr) -> Result<String, BoxError> {
        let (identity_provider, order_service) = (
            self.identity_provider.local_addr()?,
            self.order_service.local_addr()?,
        );
        let (logistics, system) = (
            self.logistics_service.local_addr()?,
            self.service_system.local_addr()?,
        );
        Ok(format!(
            "scccy:\n  discovery:\n    static:\n      service-auth: ['{issuer}']\n      \
             identity-provider: ['{identity_provider}']\n      order-service: ['{order_service}']\n      \
             logistics-service: ['{logistics}']\n      service-system: ['{system}']\n"
        ))
    }
}

/// The running shop.
#[derive(Debug)]
pub struct Shop {
    /// Signs customers' tokens.
    pub identity_provider: IdentityProvider,
    /// It ends with the shop.
    _identity_provider: Running,
    /// For its background job, which no request starts.
    pub orders: Arc<OrderService>,
    /// Where customers call.
    pub order_service: Running,
    /// Where services report.
    pub service_system: Running,
    logistics: Hallpass,
    carrier: Option<Running>,
    carrier_address: SocketAddr,
    carrier_router: Router,
    /// The section `discovery` for its sockets.
    discovery: String,
}

impl Shop {
    /// Starts everything; `observer` is told of each call that `order-service` has made.
    pub async fn start(
        sockets: Sockets,
        issuer: SocketAddr,
        observer: impl Fn(&FinishedCall) + Send + Sync + 'static,
    ) -> Result<Self, BoxError> {
        let discovery = sockets.discovery_yaml(issuer)?;
        let settings = |service| settings(service, &discovery);

        let identity_provider = IdentityProvider::new()?;
        let server = HttpServer::new(sockets.identity_provider);
        let identity_provider_running = Running::start(server, identity_provider.router()?)?;

        let system = Hallpass::from_settings(&settings(service_system::NAME)?)?;
        let server = system.http_server(sockets.service_system);
        let service_system = Running::start(server, service_system::router(&system)?)?;

        let logistics = Hallpass::from_settings(&settings(logistics_service::NAME)?)?;
        let carrier_router = logistics_service::router(&logistics)?;
        let server = logistics.http_server(sockets.logistics_service);
        let carrier = Running::start(server, carrier_router.clone())?;

        let order = Hallpass::builder(&settings(order_service::NAME)?)
            .observe(observer)
            .build()?;
        let orders = OrderService::new(&order)?;
        let server = order.http_server(sockets.order_service);
        let order_service = Running::start(server, Arc::clone(&orders).router(&order)?)?;

        let carrier_address = carrier.address();
        Ok(Self {
            identity_provider,
            _identity_provider: identity_provider_running,
            logistics,
            orders,
            order_service,
            service_system,
            carrier: Some(carrier),
            carrier_address,
            carrier_router,
            discovery,
        })
    }

    /// The settings of the gateway in front, for code that starts one: of the shop, and of `gateway.yaml`, on free ports.
    pub fn gateway(&self) -> Loader {
        Loader::new("scccy")
            .text("shop.yaml", SHOP_YAML)
            .text("gateway.yaml", GATEWAY_YAML)
            .text("sockets", self.discovery.as_str())
            .flag("gateway.listen", "127.0.0.1:0")
            .flag("gateway.management.listen", "127.0.0.1:0")
    }

    /// All of it ends, callers before whom they call; what is under way is finished.
    pub async fn stop(self) {
        self.order_service.stop().await;
        if let Some(carrier) = self.carrier {
            carrier.stop().await;
        }
        self.service_system.stop().await;
    }

    /// Where the carrier listens.
    pub fn carrier_address(&self) -> SocketAddr {
        self.carrier_address
    }

    /// The carrier goes away.
    pub async fn stop_carrier(&mut self) {
        if let Some(carrier) = self.carrier.take() {
            carrier.stop().await;
        }
    }

    /// The carrier comes back at its old address.
    pub async fn start_carrier(&mut self) -> Result<(), BoxError> {
        let listener = TcpListener::bind(self.carrier_address).await?;
        let server = self.logistics.http_server(listener);
        self.carrier = Some(Running::start(server, self.carrier_router.clone())?);
        Ok(())
    }
}

/// What a service is configured with. Only `order-service` calls others, so only it gets the files with secrets of clients.
fn settings(service: &str, discovery: &str) -> Result<Settings, BoxError> {
    let loader = Loader::new("scccy");
    let loader = match service {
        order_service::NAME => loader
            .text("internal-token.yaml", INTERNAL_TOKEN_YAML)
            .text("shop.yaml", SHOP_YAML)
            .text("order-service.yaml", ORDER_SERVICE_YAML),
        logistics_service::NAME => loader
            .text("shop.yaml", SHOP_YAML)
            .text("logistics-service.yaml", LOGISTICS_SERVICE_YAML),
        _ => loader.text("shop.yaml", SHOP_YAML),
    };
    let loader = loader.text("sockets", discovery);
    Ok(loader.flag("service.name", service).load()?.into_settings())
}
