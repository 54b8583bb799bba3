//! All processes of a row, and the caller in this one.

use std::net::SocketAddr;
use std::sync::Arc;

use hallpass::clock::Clock;
use hallpass::config::Loader;
use hallpass::upstream::BulkheadSettings;
use hallpass::{Hallpass, Settings};
use tempfile::TempDir;

use super::clock::ShiftedClock;
use super::nacos::Nacos;
use super::proxy::Proxy;
use super::redis::RedisEstate;
use super::row::{Fault, Row};
use super::service::{FeignOrders, Service};
use crate::children::{Issuer, free_address};
use crate::measure::Failure;

/// The secrets of the two clients, as a person chose them.
const CALLER_SECRET: &str = "CallerSecret123!";
pub(super) const ORDER_SECRET: &str = "OrderSecret123!";
/// Renewed twice in a row's third: every 15 seconds.
const LIFE: &str = "    cache-expire-seconds: 20\n    refresh-ahead-seconds: 5\n";
/// Renewed as early as may be, at the half, and used for as long.
const LIFE_OVER_AN_OUTAGE: &str = "    cache-expire-seconds: 29\n    refresh-ahead-seconds: 25\n";
/// The shortest that an issuer gives.
const TOKEN_LIFE_SECONDS: u64 = 30;
/// Verifiers ask for the keys again during each outage.
const KEYS_AGE_SECONDS: u64 = 10;
/// A new key signs when every verifier has it: those that asked just before it came ask again within this.
pub(super) const KEY_ANNOUNCE_SECONDS: u64 = KEYS_AGE_SECONDS + 1;
/// A network that says nothing fails no call by itself: an attempt that takes that long is made again elsewhere. Until then there have to
/// be places for all that are under way.
const NEAR: &str = "  feign: { defaults: { retry: { attempt-timeout-ms: 200 }, bulkhead: { max-concurrent: 4096 } } }\n";
/// The shortest: that of the longest token, and what clocks may differ by.
const KEY_RETENTION_SECONDS: u64 = 330;

/// What a row runs in.
pub(super) struct Estate {
    pub(super) issuer: Issuer,
    pub(super) redis: Option<RedisEstate>,
    /// In front of Redis, Nacos or the issuer.
    pub(super) proxy: Option<Proxy>,
    /// In front of the first instances of `service-system`.
    pub(super) proxies: Vec<Proxy>,
    pub(super) order: Service,
    pub(super) systems: Vec<Service>,
    pub(super) caller: Hallpass,
    /// What the caller takes for the time.
    pub(super) clock: Arc<ShiftedClock>,
    pub(super) orders: Arc<FeignOrders>,
    /// Where the documents and services of this row are in Nacos.
    pub(super) group: String,
    caller_yaml: String,
    system_yaml: String,
    folder: TempDir,
}

impl Estate {
    pub(super) async fn start(row: &Row, nacos: Option<&Nacos>) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let group = format!("OUTAGES-{}", row.name);
        let redis = match row.redis {
            Some(form) => Some(RedisEstate::start(form).await?),
            None => None,
        };
        let rotates = nacos.filter(|_| row.fault == Fault::SecretRotated);
        let issuer = start_issuer(&folder, rotates, &group).await?;
        let proxy = proxy(row.fault, redis.as_ref(), nacos, &issuer).await?;
        let systems = (0..row.instances()).map(|_| free_address());
        let systems = systems.collect::<Result<Vec<_>, _>>()?;
        let mut proxies = Vec::new();
        for address in systems.iter().take(row.proxied()) {
            proxies.push(Proxy::start(*address).await?);
        }
        let is_issuers =
            |_: &&Proxy| matches!(row.fault, Fault::IssuerSlow | Fault::IssuerAnswers(_));
        let way = Way {
            row,
            issuer: proxy
                .as_ref()
                .filter(is_issuers)
                .map_or(issuer.address(), |proxy| proxy.address),
            redis: redis
                .as_ref()
                .map(|redis| redis.yaml(proxy.as_ref().map(|proxy| proxy.address))),
            nacos: nacos.map(|nacos| match &proxy {
                Some(proxy) if row.redis.is_none() => proxy.address.port(),
                _ => nacos.grpc_port(),
            }),
            group: &group,
            order: free_address()?,
            systems: found_at(&systems, &proxies),
        };
        let caller_yaml = way.caller();
        let systems = systems
            .into_iter()
            .map(|address| Service::start(folder.path(), "service-system", &way.system(address)))
            .collect::<Result<Vec<_>, _>>()?;
        let system_yaml = way.system(SocketAddr::from(([127, 0, 0, 1], 0)));
        if let Some(nacos) = rotates {
            nacos
                .publish(&group, "order.yaml", &order_document(ORDER_SECRET))
                .await?;
        }
        let order = Service::start(folder.path(), "service-order", &way.order())?;
        let clock = Arc::new(ShiftedClock::default());
        let caller = caller(&caller_yaml, &clock).await?;
        let orders = FeignOrders::builder(caller.feign()).bulkhead(places());
        let orders = Arc::new(orders.build()?);
        Ok(Self {
            issuer,
            redis,
            proxy,
            proxies,
            order,
            systems,
            caller,
            clock,
            orders,
            group: group.clone(),
            caller_yaml,
            system_yaml,
            folder,
        })
    }

    /// How many instances of a service stand in Nacos now, as somebody sees it who has not asked before.
    pub(super) async fn ask_anew(&self, service: &str) -> Result<usize, Failure> {
        let newcomer = caller(&self.caller_yaml, &self.clock).await?;
        let found = newcomer.discovery().instances(service).await;
        Ok(found.map_or(0, |found| found.len()))
    }

    /// One more instance of `service-system`, at an address that it finds itself.
    pub(super) fn start_system(&self) -> Result<Service, Failure> {
        Service::start(self.folder.path(), "service-system", &self.system_yaml)
    }
}

/// The caller stands for many, each of which has a bulkhead of its own.
fn places() -> BulkheadSettings {
    let default = BulkheadSettings::default();
    BulkheadSettings::new(16 * default.max_concurrent, default.max_wait)
}

/// In front of what misbehaves by its network.
async fn proxy(
    fault: Fault,
    redis: Option<&RedisEstate>,
    nacos: Option<&Nacos>,
    issuer: &Issuer,
) -> Result<Option<Proxy>, Failure> {
    let port = match fault {
        Fault::IssuerSlow | Fault::IssuerAnswers(_) => Some(issuer.address().port()),
        Fault::RedisSilent => redis
            .and_then(|redis| redis.servers.first())
            .map(|it| it.port),
        Fault::NacosHalfAnswers => nacos.map(Nacos::grpc_port),
        _ => None,
    };
    Ok(match port {
        Some(port) => Some(Proxy::start(SocketAddr::from(([127, 0, 0, 1], port))).await?),
        None => None,
    })
}

async fn start_issuer(
    folder: &TempDir,
    nacos: Option<&Nacos>,
    group: &str,
) -> Result<Issuer, Failure> {
    let life = format!(
        "    token-life-seconds: {TOKEN_LIFE_SECONDS}\n    jwks-max-age-seconds: {KEYS_AGE_SECONDS}\n    \
         key-announce-seconds: {KEY_ANNOUNCE_SECONDS}\n    key-retention-seconds: {KEY_RETENTION_SECONDS}\n"
    );
    let Some(nacos) = nacos else {
        let keys = format!("{life}{}", clients(ORDER_SECRET, "", "    "));
        return Issuer::start(folder.path(), &keys, "").await;
    };
    let document = issuer_document(ORDER_SECRET, "");
    nacos.publish(group, "clients.yaml", &document).await?;
    let port = nacos.grpc_port();
    let more = format!(
        "  nacos:\n    server-addr: 127.0.0.1:{port}\n    grpc-port-offset: 0\n    config: {{ group: {group}, data-ids: [clients.yaml] }}\n"
    );
    Issuer::start(folder.path(), &life, &more).await
}

/// The clients as the issuer has them, with `more` keys for that of `service-order`.
fn clients(order_secret: &str, more: &str, indent: &str) -> String {
    format!(
        "{indent}clients:\n{indent}  - {{ client-id: caller, client-secret: {CALLER_SECRET}, scopes: [internal-service], audiences: [service-order] }}\n\
         {indent}  - {{ client-id: order, client-secret: {order_secret}{more}, scopes: [internal-service], audiences: [service-system] }}\n"
    )
}

/// The issuer's document in Nacos.
pub(super) fn issuer_document(order_secret: &str, more: &str) -> String {
    format!("scccy:\n  issuer:\n{}", clients(order_secret, more, "    "))
}

/// The document of `service-order` in Nacos.
pub(super) fn order_document(secret: &str) -> String {
    format!("hallpass:\n  internal-token:\n    client-secret: {secret}\n")
}

/// The caller, in this process.
async fn caller(yaml: &str, clock: &Arc<ShiftedClock>) -> Result<Hallpass, Failure> {
    let loader = Loader::new("hallpass").text("caller", yaml);
    let nacos = hallpass::nacos::Nacos::start(loader).await?;
    let settings = nacos.reloader()?.load::<Settings>()?.into_settings();
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    Ok(Hallpass::builder(&settings)
        .nacos(&nacos)
        .clock(clock)
        .build()?)
}

/// Where the instances are found: the first ones by way of their proxies.
fn found_at(instances: &[SocketAddr], proxies: &[Proxy]) -> Vec<SocketAddr> {
    let by_proxy = proxies.iter().map(|proxy| proxy.address);
    let others = instances.iter().skip(proxies.len()).copied();
    by_proxy.chain(others).collect()
}

/// Who finds whom, and where.
struct Way<'a> {
    row: &'a Row,
    issuer: SocketAddr,
    redis: Option<String>,
    /// The port for gRPC.
    nacos: Option<u16>,
    group: &'a str,
    order: SocketAddr,
    systems: Vec<SocketAddr>,
}

impl Way<'_> {
    fn caller(&self) -> String {
        let tokens = self.tokens("caller", CALLER_SECRET, "");
        let nacos = self.nacos("false", "");
        let redis = self.redis.as_deref().unwrap_or_default();
        format!("hallpass:\n  service: {{ name: caller }}\n{tokens}{nacos}{redis}")
    }

    fn order(&self) -> String {
        let memory = match self.redis {
            Some(_) => "    memory-cache: { enabled: false }\n",
            None => "",
        };
        let (secret, documents) = match self.row.fault {
            Fault::SecretRotated => ("in-the-document", ", data-ids: [order.yaml]"),
            _ => (ORDER_SECRET, ""),
        };
        let tokens = self.tokens("order", secret, memory);
        let nacos = self.nacos("{ ip: 127.0.0.1 }", documents);
        let redis = self.redis.as_deref().unwrap_or_default();
        let service = self.service("service-order", self.order);
        let zone = match self.row.fault {
            Fault::ZoneGone => NEAR,
            _ => "",
        };
        format!("{service}{tokens}{nacos}{redis}{zone}")
    }

    fn system(&self, listen: SocketAddr) -> String {
        let nacos = self.nacos("{ ip: 127.0.0.1 }", "");
        format!("{}{nacos}", self.service("service-system", listen))
    }

    fn service(&self, name: &str, listen: SocketAddr) -> String {
        let zone = match self.row.fault {
            Fault::ZoneGone => ", zone: near",
            _ => "",
        };
        format!(
            "hallpass:\n  service: {{ name: {name}, listen: '{listen}'{zone} }}\n  security:\n    internal-jwt:\n      issuers:\n        \
             - {{ name: service-auth, issuer: internal, internal: true, jwks-url: 'http://{}/oauth2/jwks' }}\n",
            self.issuer
        )
    }

    fn tokens(&self, client: &str, secret: &str, more: &str) -> String {
        let life = match self.row.fault {
            Fault::IssuerDown | Fault::IssuerHangs | Fault::IssuerAnswers(_) => LIFE_OVER_AN_OUTAGE,
            _ => LIFE,
        };
        format!(
            "  internal-token:\n    client-id: {client}\n    client-secret: {secret}\n    scope: internal-service\n{life}    \
             token-url: http://{}/oauth2/token\n{more}",
            self.issuer
        )
    }

    /// Where others are found.
    fn nacos(&self, register: &str, documents: &str) -> String {
        let group = self.group;
        match self.nacos {
            Some(port) => format!(
                "  discovery: {{ nacos: {{ group: {group}, register: {register} }} }}\n  nacos:\n    server-addr: 127.0.0.1:{port}\n    \
                 grpc-port-offset: 0\n    config: {{ group: {group}{documents} }}\n"
            ),
            None => format!(
                "  discovery: {{ static: {{ service-order: ['{}'], service-system: [{}] }} }}\n",
                self.order,
                self.instances()
            ),
        }
    }

    /// The instances of `service-system`; in the row of zones half of them are near.
    fn instances(&self) -> String {
        let zone = |number: usize| match self.row.fault {
            Fault::ZoneGone if number < self.row.proxied() => " zone=near",
            Fault::ZoneGone => " zone=far",
            _ => "",
        };
        let instances = self.systems.iter().enumerate();
        let instances = instances.map(|(number, it)| format!("'{it}{}'", zone(number)));
        instances.collect::<Vec<_>>().join(", ")
    }
}
