//! An issuer, external authorization, and proxies that say any bytes.

use std::net::SocketAddr;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::{Configuration, Loader};
use hallpass::resource::ResourceServer;
use hallpass::token::{Confirmation, Issuer, SigningKey, TokenClaims, UnixTime, sign};
use hallpass::{Hallpass, Settings};
use hallpass_gateway::{Authz, AuthzServer, AuthzSettings, RunningAuthz};
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::TestIssuer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

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

/// What every estate has: rules, and upstreams of each kind.
const RULES: &str = "
      routes:
        - { path: /public/**, rule: anonymous }
        - { path: '/orders/{id}', methods: GET, rule: authenticated }
        - { path: '/orders/{id}', methods: DELETE, rule: scopes, all: orders.delete }
        - { path: '/logistics/**', rule: authenticated }
        - { path: '/stock/**', rule: authenticated }
        - { path: '/alone/**', rule: authenticated }
  authz:
    listen: 127.0.0.1:0
    management: { listen: 127.0.0.1:0 }
    upstreams:
      - { hosts: shop.example, paths: '/logistics/**', identity: exchange, audience: logistics-service }
      - { hosts: '*.example', paths: '/stock/**', identity: service, audience: stock-service, scope: stock.read }
      - { paths: '/alone/**', identity: none }
";

pub(crate) struct Estate {
    pub(crate) issuer: TestIssuer,
    pub(crate) hallpass: Hallpass,
    pub(crate) resource: ResourceServer,
    pub(crate) authz: RunningAuthz,
    pub(crate) yaml: String,
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

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.headers.iter().filter(|(it, _)| it == name);
        values.map(|(_, value)| value.as_str()).collect()
    }
}

impl Estate {
    pub(crate) async fn start() -> Self {
        Self::start_with("").await
    }

    /// With `more` below `authz`.
    pub(crate) async fn start_with(more: &str) -> Self {
        let settings = Loader::new("hallpass").text("issuer", ISSUER);
        let settings = settings.load::<IssuerSettings>().unwrap().into_settings();
        let issuer = TestIssuer::of(settings).start().await.unwrap();
        issuer.import_key(KEY).await.unwrap();
        Self::of(issuer, more).await
    }

    pub(crate) async fn of(issuer: TestIssuer, more: &str) -> Self {
        let yaml = format!(
            "
hallpass:
  service: {{ name: edge }}
  internal-token: {{ client-id: edge, client-secret: EdgeSecret123!, token-url: '{}' }}
  security:
    internal-jwt:
      jwks-url: '{}'{RULES}{more}",
            issuer.token_url(),
            issuer.jwks_url(),
        );
        let settings: Settings = load(&yaml);
        let hallpass = Hallpass::from_settings(&settings).unwrap();
        let resource = hallpass.resource_server().build().unwrap();
        let authz = Authz {
            resource: resource.clone(),
            tokens: hallpass.tokens().clone(),
            encoded: settings.security.paths.allow_encoded,
            clock: hallpass.clock().clone(),
        };
        let authz = AuthzServer::start(authz, &load::<AuthzSettings>(&yaml))
            .await
            .unwrap();
        Self {
            issuer,
            hallpass,
            resource,
            authz,
            yaml,
        }
    }

    /// Sends these lines, with an empty one behind them, and reads all that comes back.
    pub(crate) async fn ask(&self, lines: &[&str]) -> Answer {
        ask(self.authz.local_addr(), lines).await
    }

    pub(crate) async fn management(&self, path: &str) -> Answer {
        let line = format!("GET {path} HTTP/1.1");
        ask(self.authz.management_addr(), &[&line, "Host: localhost"]).await
    }

    /// One sample of the metrics.
    pub(crate) fn sample(&self, name: &str) -> f64 {
        let text = self.authz.metrics();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }
}

pub(crate) fn load<T: Configuration>(yaml: &str) -> T {
    let loader = Loader::new("hallpass").text("edge", yaml);
    loader.load_part().unwrap().into_settings()
}

pub(crate) async fn ask(address: SocketAddr, lines: &[&str]) -> Answer {
    let mut request = lines.join("\r\n");
    request.push_str("\r\nConnection: close\r\n\r\n");
    send(address, request.as_bytes()).await.expect("an answer")
}

/// `None` when the connection ends without an answer.
pub(crate) async fn send(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    // Who is refused may be so before the last byte is written.
    let _written = stream.write_all(request).await;
    let mut bytes = Vec::new();
    let _read = stream.read_to_end(&mut bytes).await;
    parse(&String::from_utf8_lossy(&bytes))
}

fn parse(text: &str) -> Option<Answer> {
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

/// A user's token for the edge.
pub(crate) fn token_of(user: &str) -> String {
    token(user, "orders.read")
}

pub(crate) fn token(user: &str, scope: &str) -> String {
    signed([user, scope, "app"], None)
}

/// A token of alice that was issued to this client.
pub(crate) fn token_through(client: &str) -> String {
    signed(["alice", "orders.read", client], None)
}

/// A token of alice that is of use to her alone.
pub(crate) fn bound_token(confirmation: Confirmation) -> String {
    signed(["alice", "orders.read", "app"], Some(confirmation))
}

/// A token that was issued to this client and names a tenant.
pub(crate) fn token_of_tenant(subject: &str, client: &str, tenant: &str) -> String {
    signed_with([subject, "orders.read", client], |claims| {
        let name = "tenant".to_owned();
        claims.extra.insert(name, tenant.into());
    })
}

fn signed(names: [&str; 3], confirmation: Option<Confirmation>) -> String {
    signed_with(names, |claims| claims.confirmation = confirmation)
}

fn signed_with([user, scope, client]: [&str; 3], more: impl FnOnce(&mut TokenClaims)) -> String {
    let now = UnixTime::from(SystemClock::new().now());
    let end = now.saturating_add(Duration::from_secs(300));
    let (user, audience) = (user.parse().unwrap(), "edge".parse().unwrap());
    let mut claims = TokenClaims::new(Issuer::internal(), user, audience, end);
    claims.client_id = Some(client.parse().unwrap());
    claims.scope = scope.parse().unwrap();
    let name = "preferred_username".to_owned();
    claims.extra.insert(name, "Al\u{e9}".into());
    more(&mut claims);
    let key = SigningKey::from_jwk(&serde_json::from_str(KEY).unwrap()).unwrap();
    sign(&claims, &key, now).unwrap().expose().to_owned()
}
