//! Who takes part on the page: the issuer, its clients, and those whose tokens they bring.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_clock::ManualClock;
use hallpass_config::Secret;
use hallpass_issuer::{IssuerServer, RunningIssuer};
use hallpass_tls::{
    ClientTls, ClientTlsSettings, KeyPairSettings, TestAuthority, TestCertificate, TlsMetrics,
};
use hallpass_token::{
    Algorithm, AssertionSigner, DpopKey, DpopRequest, DpopUri, Jwk, JwkSet, SigningKey, Thumbprint,
    TokenClaims, TokenType, UnixTime, sign_as,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{KEY, NOW, Response, basic, request, test_clock};
use crate::page::Values;

/// The clients that have a secret.
const WITH_A_SECRET: [&str; 8] = [
    "order-service",
    "logistics-service",
    "courier-service",
    "checkout-service",
    "edge",
    "report-service",
    "returns-service",
    "warehouse-service",
];
const EXCHANGE: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token_type=urn:ietf:params:oauth:token-type:access_token";
const END_OF_EVENT: &str = "\n\n";

pub(super) struct Estate {
    issuer: RunningIssuer,
    clock: Arc<ManualClock>,
    folder: TempDir,
    parcel_service: KeyPairSettings,
    scanner: KeyPairSettings,
    batch_service: AssertionSigner,
    /// Those that the issuer trusts.
    cluster: SigningKey,
    login: SigningKey,
    partner: SigningKey,
}

impl Estate {
    /// An issuer with this configuration, which names no place to listen at and no store.
    pub(super) async fn start(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let authority = TestAuthority::new("Test CA");
        write("clients.crt", authority.pem());
        let _pair = authority
            .certificate(&["127.0.0.1"])
            .write(folder.path(), "tls");
        let parcel_service = authority.certificate(&["spiffe://shop.example/parcel-service"]);
        let scanner = TestCertificate::self_signed(&["scanner"]).write(folder.path(), "scanner");
        write("scanner.jwks.json", &certified(&scanner).to_string());
        let batch_service = AssertionSigner::generate(Algorithm::Es256).unwrap();
        write("batch-service.jwks.json", &set(batch_service.public_jwk()));
        let [cluster, login, partner] = ["cluster", "login", "partner"].map(|name| {
            let key = SigningKey::generate(Algorithm::Es256).unwrap();
            write(&format!("{name}.jwks.json"), &set(key.public_jwk()));
            key
        });
        for client in WITH_A_SECRET {
            write(&format!("{client}.secret"), &secret(client));
        }
        let (clock, mut settings) = (Arc::new(test_clock()), read(configuration, folder.path()));
        settings.listen = "127.0.0.1:0".parse().unwrap();
        settings.store = folder.path().join("issuer.db");
        settings.key_encryption_key = Some(Secret::new(KEY));
        Self {
            issuer: IssuerServer::start(&settings, clock.clone()).await.unwrap(),
            clock,
            parcel_service: parcel_service.write(folder.path(), "parcel-service"),
            scanner,
            batch_service,
            cluster,
            login,
            partner,
            folder,
        }
    }

    /// What the names of the page stand for that no response brings.
    pub(super) async fn introduce(&self, values: &mut Values) {
        for client in WITH_A_SECRET {
            let header = basic(client, &secret(client));
            values.put(client, header.trim_start_matches("Authorization: Basic "));
        }
        values.put("order-service-secret", secret("order-service"));
        values.put("csr", csr());
        values.put("client-assertion", self.assertion_of_batch_service());
        let courier = DpopKey::generate(Algorithm::Es256).unwrap();
        values.put("dpop-proof", proof(&courier, "https://auth.example"));
        let elsewhere = proof(&courier, "https://other.example");
        values.put("proof-for-another-address", elsewhere);
        let of_pod = |name: &str| {
            let subject = format!("system:serviceaccount:shop:{name}");
            let issuer = "https://kubernetes.default.svc.cluster.local";
            let mut claims = claims(issuer, &subject, "internal", 3_600);
            let pod = json!({"namespace": "shop", "serviceaccount": {"name": name, "uid": "7"}});
            claims.extra.insert("kubernetes.io".to_owned(), pod);
            signed(&claims, &self.cluster)
        };
        values.put("service-account-token", of_pod("stock"));
        values.put("token-of-another-service-account", of_pod("billing"));
        let assertion = claims("https://auth.partner.example", "bob", "internal", 60);
        values.put("assertion", signed(&assertion, &self.partner));
        let of_alice = self.token_of_keycloak("Bearer");
        let users = format!("{EXCHANGE}&subject_token={of_alice}");
        let users = self.post_as("edge", &users).await.token();
        values.put("token-of-keycloak", of_alice);
        values.put("id-token-of-keycloak", self.token_of_keycloak("ID"));
        values.put("user-token-for-checkout-service", users);
    }

    /// Brings about what the fence of an exchange says, and sends its request.
    pub(super) async fn respond(&self, mark: &str, sent: &[u8]) -> Response {
        match mark {
            "" => self.send(None, sent).await,
            "certificate of parcel-service" => self.send(Some(&self.parcel_service), sent).await,
            "certificate of scanner" => self.send(Some(&self.scanner), sent).await,
            "as far as the first event current" => self.read_until("event: current", sent).await,
            "after the file of the store is gone" => {
                std::fs::remove_file(self.store()).unwrap();
                let mut response = self.send(None, sent).await;
                while !response.body.contains("is gone") {
                    tokio::task::yield_now().await;
                    response = self.send(None, sent).await;
                }
                response
            }
            "after a stop has begun" => {
                self.issuer.begin_stopping();
                self.send(None, sent).await
            }
            other => panic!("nobody knows what {other:?} means"),
        }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("issuer.db")
    }

    async fn connect(&self, pair: Option<&KeyPairSettings>) -> TlsStream<TcpStream> {
        let settings = ClientTlsSettings {
            system_roots: false,
            ca_file: Some(self.folder.path().join("clients.crt")),
            key_pair: pair.cloned(),
        };
        let tls = ClientTls::load(&settings, self.clock.clone(), &TlsMetrics::default()).unwrap();
        let stream = TcpStream::connect(self.issuer.local_addr()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connector = TlsConnector::from(tls.config());
        connector.connect(name, stream).await.unwrap()
    }

    async fn send(&self, pair: Option<&KeyPairSettings>, sent: &[u8]) -> Response {
        let mut stream = self.connect(pair).await;
        stream.write_all(sent).await.unwrap();
        let mut received = Vec::new();
        // The end of a connection with TLS is not always told.
        let _ = stream.read_to_end(&mut received).await;
        Response::parse(&received)
    }

    /// What has come of a stream when an event with this line is complete.
    async fn read_until(&self, line: &str, sent: &[u8]) -> Response {
        let mut stream = self.connect(None).await;
        stream.write_all(sent).await.unwrap();
        let mut received = Vec::new();
        loop {
            let length = stream.read_buf(&mut received).await.unwrap();
            let mut response = Response::parse(&received);
            response.body = without_chunks(&response.body);
            let event = response.body.split_once(line);
            if event.is_some_and(|(_, rest)| rest.contains(END_OF_EVENT)) {
                return response;
            }
            assert_ne!(length, 0, "the stream has ended: {response:?}");
        }
    }

    async fn post_as(&self, client: &str, form: &str) -> Response {
        let headers = [
            "Content-Type: application/x-www-form-urlencoded".to_owned(),
            basic(client, &secret(client)),
        ];
        let sent = request("POST /oauth2/token", &headers, form.as_bytes());
        self.send(None, &sent).await
    }

    fn assertion_of_batch_service(&self) -> String {
        let minute = std::time::Duration::from_secs(60);
        let client = "batch-service".parse().unwrap();
        let assertion = self.batch_service.sign(&client, "internal", now(), minute);
        assertion.unwrap().expose().to_owned()
    }

    /// Of the user Alice, as Keycloak writes what it calls `typ`.
    fn token_of_keycloak(&self, typ: &str) -> String {
        let mut claims = claims("https://login.example/realms/shop", "alice", "shop", 300);
        claims.scope = "openid orders".parse().unwrap();
        claims.extra.insert("typ".to_owned(), json!(typ));
        claims.extra.insert("azp".to_owned(), json!("shop-web"));
        let name = ("preferred_username".to_owned(), json!("alice"));
        claims.extra.extend([name]);
        signed(&claims, &self.login)
    }
}

fn read(configuration: &str, folder: &Path) -> hallpass_issuer::IssuerSettings {
    let file = folder.join("hallpass.yaml");
    let indented = configuration.lines().map(|line| format!("  {line}\n"));
    let text = format!("hallpass:\n{}", indented.collect::<String>());
    std::fs::write(&file, text).unwrap();
    let nothing: [(&str, &str); 0] = [];
    let loader = hallpass_config::Loader::new("hallpass");
    let loaded = loader.file(file).environment(nothing).load();
    loaded
        .unwrap_or_else(|problems| panic!("{problems}"))
        .into_settings()
}

const fn now() -> UnixTime {
    UnixTime::from_secs(NOW)
}

/// One of the generated shape, which each client has for itself.
fn secret(client: &str) -> String {
    format!("hallpass_{client:0<43}").replace('-', "_")
}

fn set(key: Jwk) -> String {
    JwkSet::new([key]).to_json().to_string()
}

/// A JWK set with this certificate. The key is somebody else's: nothing is signed with it.
fn certified(pair: &KeyPairSettings) -> Value {
    let certificate = CertificateDer::from_pem_file(&pair.certificate_file).unwrap();
    json!({"keys": [{
        "kty": "EC",
        "crv": "P-256",
        "kid": "1",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "x5t#S256": Thumbprint::of_certificate(&certificate),
        "x5c": [STANDARD.encode(&certificate)],
    }]})
}

fn claims(issuer: &str, subject: &str, audience: &str, seconds: u64) -> TokenClaims {
    let end = UnixTime::from_secs(NOW + seconds);
    let (issuer, audience) = (issuer.parse().unwrap(), audience.parse().unwrap());
    let mut claims = TokenClaims::new(issuer, subject.parse().unwrap(), audience, end);
    claims.issued_at = Some(now());
    claims.token_id = Some(format!("{subject}-1").parse().unwrap());
    claims
}

fn signed(claims: &TokenClaims, key: &SigningKey) -> String {
    let token = sign_as(claims, key, TokenType::Jwt, now()).unwrap();
    token.expose().to_owned()
}

fn proof(key: &DpopKey, base: &str) -> String {
    let uri = DpopUri::parse(&format!("{base}/oauth2/token")).unwrap();
    let request = DpopRequest {
        method: "POST",
        uri: &uri,
        access_token: None,
        nonce: None,
    };
    key.prove(&request, now()).unwrap()
}

/// A request for a certificate, form-encoded.
fn csr() -> String {
    let params = CertificateParams::new(Vec::<String>::new()).unwrap();
    let request = params
        .serialize_request(&KeyPair::generate().unwrap())
        .unwrap();
    let pem = request.pem().unwrap();
    pem.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A body without the lengths between its pieces (RFC 9112 section 7.1), as far as it has come.
fn without_chunks(body: &str) -> String {
    let (mut whole, mut rest) = (String::new(), body);
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        let Some((piece, after)) = after.split_at_checked(length) else {
            break;
        };
        whole.push_str(piece);
        rest = after.trim_start_matches("\r\n");
    }
    whole
}
