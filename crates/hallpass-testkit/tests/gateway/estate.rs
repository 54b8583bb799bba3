//! An issuer, a gateway, and callers that say any bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::{Configuration, Loader};
use hallpass::resource::EncodedCharacters;
use hallpass::token::{Issuer, SigningKey, TokenClaims, UnixTime, sign};
use hallpass::{Hallpass, Settings};
use hallpass_clock::ManualClock;
use hallpass_gateway::{Gateway, GatewayServer, GatewaySettings, RunningGateway};
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::TestIssuer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// A key of the issuer that tests sign with too (RFC 8037 appendix A.1).
const KEY: &str = r#"{ "kty": "OKP", "crv": "Ed25519", "kid": "users", "alg": "EdDSA",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;

const ISSUER: &str = "
hallpass:
  issuer:
    clients:
      - client-id: edge
        client-secret: EdgeSecret123!
        grant-types: 'client_credentials, urn:ietf:params:oauth:grant-type:token-exchange'
        audiences: stock-service
        scopes: stock.read
        exchange:
          - { subject-kinds: user, targets: logistics-service, scopes: shipments.read }
";

/// For what a busy machine needs.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Estate {
    pub(crate) issuer: TestIssuer,
    pub(crate) hallpass: Hallpass,
    pub(crate) gateway: RunningGateway,
    /// Behind which the section `gateway` stands.
    before: String,
}

/// What an estate is made of.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// Instances of the service `orders`.
    pub(crate) orders: &'a [SocketAddr],
    /// A YAML list of flow mappings.
    pub(crate) routes: &'a str,
    /// Below `gateway`.
    pub(crate) more: &'a str,
    /// Beside `gateway`.
    pub(crate) above: &'a str,
    /// Below `security.internal-jwt`, as in a flow mapping, with a comma before each.
    pub(crate) jwt: &'a str,
    /// In place of the issuer: entries of `issuers`, a YAML list of flow mappings.
    pub(crate) issuers: &'a [String],
    /// In place of the issuer's.
    pub(crate) jwks_url: Option<String>,
    pub(crate) clock: Option<Arc<ManualClock>>,
    /// Whether Redis has all the time that a busy machine needs, in place of 30 ms.
    pub(crate) waits_for_redis: bool,
}

impl Estate {
    /// With these routes, and the service `orders` at this address.
    pub(crate) async fn start(orders: SocketAddr, routes: &str) -> Self {
        Self::start_with(&[orders], routes, "").await
    }

    /// With several instances of `orders`, and `more` below `gateway`.
    pub(crate) async fn start_with(orders: &[SocketAddr], routes: &str, more: &str) -> Self {
        Self::of(Setup {
            orders,
            routes,
            more,
            ..Setup::default()
        })
        .await
    }

    /// By a clock that the test moves.
    pub(crate) async fn start_by_hand(
        orders: SocketAddr,
        routes: &str,
    ) -> (Self, Arc<ManualClock>) {
        let setup = Setup {
            orders: &[orders],
            routes,
            ..Setup::default()
        };
        Self::by_hand(setup).await
    }

    /// The same, of more.
    pub(crate) async fn by_hand(setup: Setup<'_>) -> (Self, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let setup = Setup {
            clock: Some(Arc::clone(&clock)),
            ..setup
        };
        (Self::of(setup).await, clock)
    }

    pub(crate) async fn of(setup: Setup<'_>) -> Self {
        let settings = Loader::new("hallpass").text("issuer", ISSUER);
        let settings = settings.load::<IssuerSettings>().unwrap().into_settings();
        let issuer = TestIssuer::of(settings).start().await.unwrap();
        issuer.import_key(KEY).await.unwrap();
        let instances: Vec<_> = setup.orders.iter().map(|it| format!("'{it}'")).collect();
        let discovery = match instances.is_empty() {
            true => String::new(),
            false => format!(
                "discovery: {{ static: {{ orders: [{}] }} }}",
                instances.join(", ")
            ),
        };
        let keys = match setup.issuers {
            [] => {
                let url = setup.jwks_url.unwrap_or_else(|| issuer.jwks_url());
                format!("jwks-url: '{url}'")
            }
            issuers => format!("issuers: [{}]", issuers.join(", ")),
        };
        let before = format!(
            "
hallpass:
  service: {{ name: edge }}
  internal-token: {{ client-id: edge, client-secret: EdgeSecret123!, token-url: '{}' }}
  {discovery}
  security: {{ internal-jwt: {{ {keys}{} }} }}
{}  gateway:
    listen: 127.0.0.1:0
    management: {{ listen: 127.0.0.1:0 }}
",
            issuer.token_url(),
            setup.jwt,
            setup.above,
        );
        let yaml = yaml(&before, setup.routes, setup.more);
        let gateway_settings = load::<GatewaySettings>(&yaml);
        let mut settings = service(&yaml);
        if let Some(redis) = settings
            .redis
            .redis
            .as_mut()
            .filter(|_| setup.waits_for_redis)
        {
            redis.timeout = LIMIT;
        }
        let builder = Hallpass::builder(&settings);
        let builder = match setup.clock {
            Some(clock) => builder.clock(clock),
            None => builder,
        };
        let hallpass = builder.build().unwrap();
        let gateway = Gateway {
            resource: hallpass.resource_server().build().unwrap(),
            tokens: hallpass.tokens().clone(),
            network: hallpass.network().clone(),
            encoded: settings.security.paths.allow_encoded,
        };
        let gateway = GatewayServer::start(gateway, &gateway_settings).await;
        Self {
            issuer,
            hallpass,
            gateway: gateway.unwrap(),
            before,
        }
    }

    /// Other routes from now on.
    pub(crate) async fn reload(&mut self, routes: &str, more: &str) {
        let yaml = yaml(&self.before, routes, more);
        let settings = service(&yaml);
        self.hallpass.apply(&settings).unwrap();
        let encoded = settings.security.paths.allow_encoded;
        let settings = load::<GatewaySettings>(&yaml);
        self.gateway.apply(&settings, encoded).await.unwrap();
    }

    /// What is said of a file that holds no more than this below `gateway`.
    pub(crate) async fn check(&self, more: &str) -> Result<(), hallpass_gateway::Error> {
        let settings = load::<GatewaySettings>(&format!("{}{more}\n", self.before));
        self.gateway
            .check(&settings, EncodedCharacters::default())
            .await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.local_addrs()[0]
    }

    /// Sends these lines, with an empty one behind them, and reads all that comes back.
    pub(crate) async fn ask(&self, lines: &[&str]) -> Answer {
        let mut request = lines.join("\r\n");
        request.push_str("\r\nConnection: close\r\n\r\n");
        send(self.address(), request.as_bytes())
            .await
            .expect("an answer")
    }

    /// The same from another address of this machine.
    pub(crate) async fn ask_from(&self, source: &str, lines: &[&str]) -> Answer {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::new(source.parse().unwrap(), 0))
            .unwrap();
        let stream = socket.connect(self.address()).await.unwrap();
        let request = format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"));
        answer_on(stream, request.as_bytes())
            .await
            .expect("an answer")
    }

    /// A GET of alice.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let line = format!("GET {path} HTTP/1.1");
        self.ask(&[&line, "Host: shop.example", &bearer("alice")])
            .await
    }

    /// One sample of the metrics.
    pub(crate) fn sample(&self, name: &str) -> f64 {
        let text = self.gateway.metrics();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }
}

fn yaml(before: &str, routes: &str, more: &str) -> String {
    format!("{before}{more}\n    routes:\n{routes}\n")
}

/// The settings of the service, with the rules in the routes.
fn service(yaml: &str) -> Settings {
    let mut settings = load::<Settings>(yaml);
    let rules = load::<GatewaySettings>(yaml).rules();
    settings.security.internal_jwt.routes.extend(rules);
    settings
}

/// One part of the settings.
pub(crate) fn load<T: Configuration>(yaml: &str) -> T {
    let loader = Loader::new("hallpass").text("edge", yaml);
    loader.load_part().unwrap().into_settings()
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header that comes once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(it, _)| it == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} comes twice: {self:?}");
        value
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> Option<&str> {
        let (_, rest) = self.body.split_once("\"code\":\"")?;
        Some(rest.split_once('"')?.0)
    }
}

/// `None` when the connection ends without an answer.
pub(crate) async fn send(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    answer_on(TcpStream::connect(address).await.ok()?, request).await
}

async fn answer_on(mut stream: TcpStream, request: &[u8]) -> Option<Answer> {
    // Who is refused may be so before the last byte is written.
    let _written = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut bytes)).await;
    assert!(
        read.is_ok(),
        "no end of {}",
        String::from_utf8_lossy(&bytes)
    );
    parse(&String::from_utf8_lossy(&bytes))
}

pub(crate) fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    Some(Answer {
        status,
        headers: headers.collect(),
        body: body.to_owned(),
    })
}

/// The line that shows a user's token.
pub(crate) fn bearer(user: &str) -> String {
    format!(
        "Authorization: Bearer {}",
        token(user, Duration::from_secs(600))
    )
}

/// A user's token for the edge, good for so long.
pub(crate) fn token(user: &str, life: Duration) -> String {
    token_with(user, life, |_| {})
}

/// The same, signed by another key of the issuer.
pub(crate) fn token_by(key: &str, user: &str, life: Duration) -> String {
    token_of(key, user, life, |_| {})
}

/// The same, with other claims.
pub(crate) fn token_with(
    user: &str,
    life: Duration,
    change: impl FnOnce(&mut TokenClaims),
) -> String {
    token_of(KEY, user, life, change)
}

fn token_of(
    key: &str,
    user: &str,
    life: Duration,
    change: impl FnOnce(&mut TokenClaims),
) -> String {
    let now = UnixTime::from(SystemClock::new().now());
    let (user, audience) = (user.parse().unwrap(), "edge".parse().unwrap());
    let end = now.saturating_add(life);
    let mut claims = TokenClaims::new(Issuer::internal(), user, audience, end);
    claims.client_id = Some("app".parse().unwrap());
    claims.scope = "orders.read".parse().unwrap();
    change(&mut claims);
    let key = SigningKey::from_jwk(&serde_json::from_str(key).unwrap()).unwrap();
    sign(&claims, &key, now).unwrap().expose().to_owned()
}
