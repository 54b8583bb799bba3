//! Clients that prove who they are by the certificate of the connection, and tokens that are bound to it (RFC 8705), over the wire,
//! as clients and attackers try it.

mod bound;
mod settings;

use std::time::Duration;

use hallpass_clock::Clock as _;
use hallpass_issuer::{ClientAuthentication, ClientKeys, ClientSettings, IssuerSettings};
use hallpass_tls::{
    CertificateName, ClientAuth, ClientTls, ClientTlsSettings, KeyPairSettings, ServerTlsSettings,
    TestAuthority, TestCertificate, TlsMetrics,
};
use hallpass_token::{Thumbprint, UnverifiedToken};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::audit::Log;
use crate::harness::{Harness, Response, SECRET, basic, client, request};

const GRANT: &str = "grant_type=client_credentials";

/// An issuer with TLS, and callers with certificates.
pub(crate) struct Estate {
    pub(crate) harness: Harness,
    pub(crate) folder: TempDir,
    authority: TestAuthority,
}

/// How the listener asks for certificates.
#[derive(Clone, Copy)]
pub(crate) enum Asks {
    /// Those of the authority alone.
    Want,
    /// Any, and those of the authority are verified.
    AnyAndVerified,
}

impl Estate {
    /// With these clients beside `c`, which has a secret.
    async fn start(asks: Asks, clients: impl FnOnce(&TempDir) -> Vec<ClientSettings>) -> Self {
        Self::with(asks, |settings, folder| {
            settings.clients.extend(clients(folder));
        })
        .await
    }

    /// With other settings, and files in the folder.
    pub(crate) async fn with(
        asks: Asks,
        change: impl FnOnce(&mut IssuerSettings, &TempDir),
    ) -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), TestAuthority::new("Test CA"));
        let ca_file = folder.path().join("ca.crt");
        std::fs::write(&ca_file, authority.pem()).unwrap();
        let key_pair = authority.certificate(&["127.0.0.1"]);
        let tls = ServerTlsSettings {
            key_pair: key_pair.write(folder.path(), "issuer"),
            client_auth: match asks {
                Asks::Want => ClientAuth::Want { ca_file },
                Asks::AnyAndVerified => ClientAuth::Any {
                    ca_file: Some(ca_file),
                },
            },
        };
        let harness = Harness::with(|settings| {
            settings.tls = Some(tls);
            change(settings, &folder);
        })
        .await;
        Self {
            harness,
            folder,
            authority,
        }
    }

    /// A connection that shows `pair`; `None` when the issuer ends it.
    async fn connect(&self, pair: Option<&KeyPairSettings>) -> Option<TlsStream<TcpStream>> {
        let settings = ClientTlsSettings {
            system_roots: false,
            ca_file: Some(self.folder.path().join("ca.crt")),
            key_pair: pair.cloned(),
        };
        let clock = self.harness.clock.clone();
        let tls = ClientTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
        let stream = TcpStream::connect(self.harness.address()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connector = TlsConnector::from(tls.config());
        connector.connect(name, stream).await.ok()
    }

    /// The response to a caller that shows `pair`; `None` when the issuer ends the connection.
    async fn send(&self, pair: Option<&KeyPairSettings>, bytes: &[u8]) -> Option<Response> {
        let mut stream = self.connect(pair).await?;
        let _ = stream.write_all(bytes).await;
        // With TLS 1.3 a refusal comes after the caller is done with the handshake.
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        (!received.is_empty()).then(|| Response::parse(&received))
    }

    pub(crate) async fn post_to(
        &self,
        path: &str,
        pair: Option<&KeyPairSettings>,
        headers: &[String],
        form: &str,
    ) -> Response {
        let mut lines = vec!["Content-Type: application/x-www-form-urlencoded".to_owned()];
        lines.extend_from_slice(headers);
        let bytes = request(&format!("POST {path}"), &lines, form.as_bytes());
        self.send(pair, &bytes).await.unwrap()
    }

    /// Asks for a token, with further headers.
    async fn post(
        &self,
        pair: Option<&KeyPairSettings>,
        headers: &[String],
        form: &str,
    ) -> Response {
        self.post_to("/oauth2/token", pair, headers, form).await
    }

    /// Asks by its name alone.
    async fn ask(&self, id: &str, pair: Option<&KeyPairSettings>) -> Response {
        self.post(pair, &[], &format!("{GRANT}&client_id={id}"))
            .await
    }

    /// One of the authority.
    fn certificate(&self, file: &str, names: &[&str]) -> KeyPairSettings {
        let certificate = self.authority.certificate(names);
        certificate.write(self.folder.path(), file)
    }

    async fn metadata(&self) -> Value {
        let path = "GET /.well-known/oauth-authorization-server";
        let response = self.send(None, &request(path, &[], b"")).await;
        response.unwrap().json()
    }
}

/// One of nobody, in a folder that a client brings.
fn self_signed(folder: &TempDir, file: &str) -> KeyPairSettings {
    TestCertificate::self_signed(&["order.example"]).write(folder.path(), file)
}

fn with(id: &str, authentication: ClientAuthentication) -> ClientSettings {
    ClientSettings {
        authentication,
        ..client(id, SECRET, &["read"], &["service-system"])
    }
}

/// Known by a DNS name.
fn named(id: &str, name: &str) -> ClientSettings {
    let name = CertificateName::Dns(name.to_owned());
    with(id, ClientAuthentication::TlsClientAuth(name))
}

/// Whoever has a stolen certificate could go on for as long as he keeps the connection.
#[tokio::test]
async fn a_certificate_that_ends_on_an_open_connection_brings_no_token_any_more() {
    for asks in [Asks::Want, Asks::AnyAndVerified] {
        let estate = Estate::start(asks, |_| vec![named("order", "order.example")]).await;
        let clock = &estate.harness.clock;
        let end = clock.now() + Duration::from_secs(3_600);
        let certificate = estate.authority.certificate_until(&["order.example"], end);
        let pair = certificate.write(estate.folder.path(), "order");
        let mut stream = estate.connect(Some(&pair)).await.unwrap();
        let form = format!("{GRANT}&client_id=order");
        let lines = ["Content-Type: application/x-www-form-urlencoded".to_owned()];
        let last = request("POST /oauth2/token", &lines, form.as_bytes());
        let last = String::from_utf8(last).unwrap();
        let kept = last.replace("Connection: close\r\n", "");
        for _ in 0..2 {
            stream.write_all(kept.as_bytes()).await.unwrap();
            let mut received = Vec::new();
            while !received.ends_with(b"}") {
                stream.read_buf(&mut received).await.unwrap();
            }
            Response::parse(&received).token();
        }
        clock.advance(Duration::from_secs(3_602));
        let _ = stream.write_all(last.as_bytes()).await;
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        assert_eq!(Response::parse(&received).status, 400, "it has to connect");
    }
}

fn der(pair: &KeyPairSettings) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(&pair.certificate_file).unwrap()
}

fn thumbprint(pair: &KeyPairSettings) -> Value {
    json!(Thumbprint::of_certificate(&der(pair)))
}

/// A JWK set with these certificates. The keys are those of somebody else: nothing is signed with them.
fn jwks(pairs: &[&KeyPairSettings]) -> String {
    use base64::Engine as _;
    let (x, y) = (
        "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    );
    let key = |(number, pair): (usize, &&KeyPairSettings)| {
        let x5c = base64::engine::general_purpose::STANDARD.encode(der(pair));
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": number.to_string(), "x5c": [x5c]})
    };
    let keys: Vec<_> = pairs.iter().enumerate().map(key).collect();
    json!({ "keys": keys }).to_string()
}

/// Known by the certificates that a file has.
fn registered(folder: &TempDir, id: &str, pairs: &[&KeyPairSettings]) -> ClientSettings {
    let file = folder.path().join(format!("{id}.jwks"));
    std::fs::write(&file, jwks(pairs)).unwrap();
    let keys = ClientKeys::File(file);
    with(id, ClientAuthentication::SelfSignedTlsClientAuth(keys))
}

fn claims_of(token: &str) -> Value {
    let token = UnverifiedToken::parse(token, 10_000).unwrap();
    serde_json::from_slice(token.unverified_payload()).unwrap()
}

fn invalid_client() -> (u16, String) {
    (401, "invalid_client".to_owned())
}

#[tokio::test]
async fn a_client_is_known_by_the_name_in_its_certificate_and_by_nothing_less() {
    let estate = Estate::start(Asks::Want, |_| vec![named("order", "order.example")]).await;
    let own = estate.certificate("own", &["order.example"]);
    let other = estate.certificate("other", &["billing.example"]);
    let both = estate.certificate("both", &["billing.example", "order.example"]);
    assert_eq!(estate.ask("order", Some(&own)).await.status, 200);
    let one_of_its_names = estate.ask("order", Some(&both)).await;
    assert_eq!(one_of_its_names.status, 200);
    let refused = [
        estate.ask("order", Some(&other)).await,
        estate.ask("nobody", Some(&own)).await,
        estate.ask("c", Some(&own)).await,
    ];
    for response in &refused {
        assert_eq!(response.refusal(), invalid_client());
        let (one, first) = (response.snapshot(), refused[0].snapshot());
        assert_eq!(one, first, "nobody learns which clients there are");
    }
    assert_eq!(estate.ask("order", None).await.refusal(), invalid_client());
    // Its name with a secret, in either place, is another way to prove it.
    for (headers, form) in [
        (vec![basic("order", SECRET)], GRANT.to_owned()),
        (
            vec![],
            format!("{GRANT}&client_id=order&client_secret={SECRET}"),
        ),
    ] {
        let refused = estate.post(Some(&own), &headers, &form).await;
        assert_eq!(refused.refusal(), invalid_client());
    }
    // Who has a secret goes on with it, whatever its connection shows.
    let headers = [basic("c", SECRET)];
    let with_secret = estate.post(Some(&other), &headers, GRANT).await;
    assert_eq!(with_secret.status, 200);
}

#[tokio::test]
async fn a_certificate_of_another_authority_gets_no_connection_where_only_those_of_ours_do() {
    let estate = Estate::start(Asks::Want, |_| vec![named("order", "order.example")]).await;
    let stranger = TestAuthority::new("Another CA").certificate(&["order.example"]);
    let stranger = stranger.write(estate.folder.path(), "stranger");
    let form = format!("{GRANT}&client_id=order");
    let lines = ["Content-Type: application/x-www-form-urlencoded".to_owned()];
    let bytes = request("POST /oauth2/token", &lines, form.as_bytes());
    assert!(estate.send(Some(&stranger), &bytes).await.is_none());
    assert_eq!(estate.harness.issuer.tokens_issued(), 0);
}

#[tokio::test]
async fn a_name_in_a_certificate_that_anybody_can_make_counts_nowhere() {
    let estate = Estate::start(Asks::AnyAndVerified, |folder| {
        let own = self_signed(folder, "registered");
        vec![
            named("order", "order.example"),
            registered(folder, "shop", &[&own]),
        ]
    })
    .await;
    let forged = self_signed(&estate.folder, "forged");
    let stranger = TestAuthority::new("Test CA").certificate(&["order.example"]);
    let stranger = stranger.write(estate.folder.path(), "stranger");
    let old = estate.authority.certificate_until(
        &["order.example"],
        std::time::UNIX_EPOCH + Duration::from_secs(crate::harness::NOW - 1),
    );
    let old = old.write(estate.folder.path(), "old");
    for (pair, what) in [
        (&forged, "of nobody"),
        (&stranger, "of an authority that is called like ours"),
        (&old, "expired"),
    ] {
        for id in ["order", "shop"] {
            let refused = estate.ask(id, Some(pair)).await;
            assert_eq!(refused.refusal(), invalid_client(), "{what}, {id}");
        }
    }
    assert_eq!(estate.harness.issuer.tokens_issued(), 0);
    // Those of the authority count on the same listener, and do not stand for a registered one.
    let own = estate.certificate("own", &["order.example"]);
    assert_eq!(estate.ask("order", Some(&own)).await.status, 200);
    assert_eq!(
        estate.ask("shop", Some(&own)).await.refusal(),
        invalid_client()
    );
}

#[tokio::test]
async fn a_registered_certificate_counts_whoever_made_it_until_it_is_registered_no_more() {
    let estate = Estate::start(Asks::AnyAndVerified, |folder| {
        let pairs = ["one", "next"].map(|file| self_signed(folder, file));
        vec![registered(folder, "order", &[&pairs[0], &pairs[1]])]
    })
    .await;
    let pair = |file: &str| KeyPairSettings {
        certificate_file: estate.folder.path().join(format!("{file}.crt")),
        private_key_file: estate.folder.path().join(format!("{file}.key")),
    };
    let (one, next) = (pair("one"), pair("next"));
    for pair in [&one, &next] {
        let token = estate.ask("order", Some(pair)).await.token();
        assert_eq!(claims_of(&token)["sub"], "order");
        assert!(claims_of(&token).get("cnf").is_none(), "not bound unasked");
    }
    let same_name = self_signed(&estate.folder, "same");
    let refused = estate.ask("order", Some(&same_name)).await;
    assert_eq!(refused.refusal(), invalid_client());
    // The file is read again, so a change of certificates needs no restart.
    let third = self_signed(&estate.folder, "third");
    let file = estate.folder.path().join("order.jwks");
    std::fs::write(file, jwks(&[&next, &third])).unwrap();
    let a_while = Duration::from_secs(30);
    estate.harness.clock.advance(a_while);
    assert_eq!(estate.ask("order", Some(&third)).await.status, 200);
    assert_eq!(estate.ask("order", Some(&next)).await.status, 200);
    let gone = estate.ask("order", Some(&one)).await;
    assert_eq!(gone.refusal(), invalid_client());
    // Nor does it stand for the clients of secrets, and nobody for it.
    let as_another = estate.ask("c", Some(&third)).await;
    assert_eq!(as_another.refusal(), invalid_client());
}

#[tokio::test]
async fn whoever_names_a_client_whose_certificates_cannot_be_had_does_not_fill_the_log() {
    let (log, _guard) = Log::begin();
    let estate = Estate::start(Asks::AnyAndVerified, |_| {
        let nowhere = ClientKeys::Url("http://127.0.0.1:1/jwks".parse().unwrap());
        let authentication = ClientAuthentication::SelfSignedTlsClientAuth(nowhere);
        vec![with("order", authentication)]
    })
    .await;
    let anybodys = self_signed(&estate.folder, "anybodys");
    for _ in 0..20 {
        assert_eq!(estate.ask("order", Some(&anybodys)).await.status, 503);
    }
    let text = log.text();
    let warnings = text
        .lines()
        .filter(|line| line.contains("\"level\":\"WARN\""));
    let of_client = warnings.filter(|line| line.contains("of a client cannot be had"));
    // Once for each kind of trouble: that nobody responds, and that it is too early to ask again.
    let said = of_client.count();
    assert!((1..=3).contains(&said), "{said}");
}
