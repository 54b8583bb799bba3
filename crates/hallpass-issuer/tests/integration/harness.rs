//! An issuer on loopback with a clock driven by hand, and a client that sends exactly the bytes it is told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use hallpass_clock::{Clock, ManualClock};
use hallpass_config::Secret;
use hallpass_issuer::{ClientAuthentication, ClientSecrets, ClientSettings, IssuerSettings};
use hallpass_issuer::{IssuerServer, RunningIssuer};
use hallpass_token::{
    Audience, Issuer, JwkSet, Scope, UnixTime, VerifiedClaims, VerifyError, VerifyPolicy, verify,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A secret of the generated shape, so that tests which are not about argon2 do not wait for it.
pub(crate) const SECRET: &str = "hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
pub(crate) const KEY: &str = "a key-encryption key of 32 bytes!";
/// Where the clock stands at the start.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A clock that stands at [`NOW`].
pub(crate) fn test_clock() -> ManualClock {
    ManualClock::at(UNIX_EPOCH + Duration::from_secs(NOW))
}

/// A running issuer and all that a test needs around it.
pub(crate) struct Harness {
    pub(crate) issuer: RunningIssuer,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: IssuerSettings,
    pub(crate) folder: TempDir,
}

impl Harness {
    /// An issuer with the client `c` / [`SECRET`], scopes `read write`, audience `service-system`.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut IssuerSettings)) -> Self {
        crate::leaks::keep_log();
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder);
        settings.clients = vec![client("c", SECRET, &["read", "write"], &["service-system"])];
        change(&mut settings);
        let clock = Arc::new(test_clock());
        let issuer = IssuerServer::start(&settings, clock.clone()).await.unwrap();
        Self {
            issuer,
            clock,
            settings,
            folder,
        }
    }

    /// The same store, served by a new process as far as the issuer can tell.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            issuer,
            clock,
            settings,
            folder,
        } = self;
        issuer.shutdown().await.unwrap();
        let issuer = IssuerServer::start(&settings, clock.clone()).await.unwrap();
        Self {
            issuer,
            clock,
            settings,
            folder,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.issuer.local_addr()
    }

    /// Asks for a token as `c` with HTTP Basic.
    pub(crate) async fn ask(&self, form: &str) -> Response {
        self.ask_as("c", SECRET, form).await
    }

    pub(crate) async fn ask_as(&self, id: &str, secret: &str, form: &str) -> Response {
        self.post(&[&basic(id, secret)], form.as_bytes()).await
    }

    /// Asks again until it is told this: the running issuer follows its store. Whoever is refused again and again is told to wait, which it does by the
    /// issuer's clock.
    pub(crate) async fn until_told<F: Future<Output = Response>>(
        &self,
        told: impl Fn(u16) -> bool,
        ask: impl Fn() -> F,
    ) -> Response {
        let asked = async {
            loop {
                let response = ask().await;
                if told(response.status) {
                    return response;
                }
                if response.status == 429 {
                    self.clock.advance(Duration::from_secs(1));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let limit = Duration::from_secs(60);
        tokio::time::timeout(limit, asked).await.unwrap()
    }

    /// Posts a form with further header lines.
    pub(crate) async fn post(&self, headers: &[&str], body: &[u8]) -> Response {
        let mut lines = vec!["Content-Type: application/x-www-form-urlencoded".to_owned()];
        lines.extend(headers.iter().map(|line| (*line).to_owned()));
        self.send(&request("POST /oauth2/token", &lines, body))
            .await
    }

    pub(crate) async fn get(&self, path: &str, headers: &[&str]) -> Response {
        let lines: Vec<String> = headers.iter().map(|line| (*line).to_owned()).collect();
        self.send(&request(&format!("GET {path}"), &lines, b""))
            .await
    }

    pub(crate) async fn send(&self, bytes: &[u8]) -> Response {
        send(self.address(), bytes).await
    }

    /// A token of `c` for its one audience, without any scope.
    pub(crate) async fn token(&self) -> String {
        self.ask("grant_type=client_credentials").await.token()
    }

    /// Verifies a token as a service does, by the key set as it is served.
    pub(crate) async fn verify(
        &self,
        token: &str,
        audience: &str,
    ) -> Result<VerifiedClaims, VerifyError> {
        let keys = JwkSet::parse(self.get("/oauth2/jwks", &[]).await.body.as_bytes()).unwrap();
        let issuer = Issuer::try_from(self.issuer.issuer_name()).unwrap();
        let policy = VerifyPolicy::new(issuer, Audience::try_from(audience).unwrap());
        verify(token, &keys, &policy, UnixTime::from(self.clock.now()))
    }

    /// The value of one line of `/metrics`; 0 when there is no such line.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        let text = self.issuer.metrics();
        let value = text
            .lines()
            .find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }
}

/// Settings with a store in `folder`, a system-chosen port and no client.
pub(crate) fn settings(folder: &TempDir) -> IssuerSettings {
    IssuerSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        store: folder.path().join("issuer.db"),
        key_encryption_key: Some(Secret::new(KEY)),
        ..IssuerSettings::default()
    }
}

pub(crate) fn client(
    id: &str,
    secret: &str,
    scopes: &[&str],
    audiences: &[&str],
) -> ClientSettings {
    let audiences = audiences.iter().map(|audience| audience.parse().unwrap());
    let secret = ClientAuthentication::chosen_secret(Secret::new(secret));
    ClientSettings {
        scope: Scope::from_words(scopes.iter().copied()).unwrap(),
        audiences: audiences.collect(),
        ..ClientSettings::new(id.parse().unwrap(), secret)
    }
}

/// The secrets of a client that has some.
pub(crate) fn secrets(client: &mut ClientSettings) -> &mut ClientSecrets {
    match &mut client.authentication {
        ClientAuthentication::Secret(secrets) => secrets,
        other => panic!("{other:?}"),
    }
}

/// An `Authorization` header line.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    use base64::Engine as _;
    let joined = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
    format!("Authorization: Basic {joined}")
}

/// A whole request that asks for the connection to be closed.
pub(crate) fn request(line: &str, headers: &[String], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        text.push_str("Host: issuer\r\n");
    }
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

/// Sends `bytes` and reads until the server closes.
pub(crate) async fn send(address: SocketAddr, bytes: &[u8]) -> Response {
    crate::leaks::request(bytes);
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    read(&mut stream).await
}

pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Response {
    let mut received = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => break,
            Ok(length) => received.extend_from_slice(&buffer[..length]),
            Err(_) if !received.is_empty() => break,
            Err(error) => panic!("no response: {error}"),
        }
    }
    Response::parse(&received)
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap_or_default()
            .split(' ')
            .nth(1)
            .unwrap_or("0")
            .parse()
            .unwrap();
        let header = |line: &str| {
            line.split_once(": ")
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        };
        let response = Self {
            status,
            headers: lines.filter_map(header).collect(),
            body: body.to_owned(),
        };
        crate::leaks::response(&response);
        response
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The access token of a good response.
    pub(crate) fn token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Status and `error`, for one-line comparisons.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (
            self.status,
            self.json()["error"].as_str().unwrap_or_default().to_owned(),
        )
    }

    /// The response as text, without what changes from run to run.
    pub(crate) fn snapshot(&self) -> String {
        let headers: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| name != "date")
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        format!("{}\n{}\n\n{}", self.status, headers.join("\n"), self.body)
    }
}
