//! Administrators that are known by the certificate of their connection.

use hallpass_tls::{
    CertificateName, ClientAuth, ClientTls, ClientTlsSettings, KeyPairSettings, ServerTlsSettings,
    TestAuthority, TlsMetrics,
};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{JSON, READ, Rig, bearer, problem, refused};
use crate::harness::{Response, request};

struct Estate {
    rig: Rig,
    folder: TempDir,
    authority: TestAuthority,
}

impl Estate {
    /// `reader.example` may look, `spiffe://shop.example/admin` and `writer.example` may change everything.
    async fn start(any: bool) -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), TestAuthority::new("Test CA"));
        let ca_file = folder.path().join("ca.crt");
        std::fs::write(&ca_file, authority.pem()).unwrap();
        let key_pair = authority.certificate(&["127.0.0.1"]);
        let tls = ServerTlsSettings {
            key_pair: key_pair.write(folder.path(), "admin"),
            client_auth: match any {
                true => ClientAuth::Any {
                    ca_file: Some(ca_file),
                },
                false => ClientAuth::Want { ca_file },
            },
        };
        let rig = Rig::with(|settings| {
            let admin = settings.admin.as_mut().unwrap();
            let dns = |name: &str| CertificateName::Dns(name.to_owned());
            admin.tls = Some(tls);
            admin.read_certificates = vec![dns("reader.example")];
            let uri = CertificateName::Uri("spiffe://shop.example/admin".to_owned());
            admin.write_certificates = vec![dns("writer.example"), uri];
        })
        .await;
        Self {
            rig,
            folder,
            authority,
        }
    }

    fn certificate(&self, name: &str) -> KeyPairSettings {
        self.certificate_of(&[name])
    }

    fn certificate_of(&self, names: &[&str]) -> KeyPairSettings {
        let certificate = self.authority.certificate(names);
        let file = names.concat().replace('/', "_");
        certificate.write(self.folder.path(), &file)
    }

    async fn send(
        &self,
        pair: Option<&KeyPairSettings>,
        line: &str,
        headers: &[String],
    ) -> Option<Response> {
        let settings = ClientTlsSettings {
            system_roots: false,
            ca_file: Some(self.folder.path().join("ca.crt")),
            key_pair: pair.cloned(),
        };
        let clock = self.rig.harness.clock.clone();
        let tls = ClientTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
        let stream = TcpStream::connect(self.rig.address()).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connector = TlsConnector::from(tls.config());
        let mut stream = connector.connect(name, stream).await.ok()?;
        let mut headers = headers.to_vec();
        headers.push("Host: 127.0.0.1".to_owned());
        let body: &[u8] = if line.starts_with("POST") { b"{}" } else { b"" };
        let _ = stream.write_all(&request(line, &headers, body)).await;
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        (!received.is_empty()).then(|| Response::parse(&received))
    }
}

const LOOK: &str = "GET /admin/v1/status";
const CHANGE: &str = "POST /admin/v1/keys/rotation";

#[tokio::test]
async fn a_certificate_with_a_name_of_the_settings_may_look_or_change_and_no_other_one() {
    let estate = Estate::start(false).await;
    let json = [JSON.to_owned()];
    for (name, look, change) in [
        (Some("reader.example"), 200, 403),
        (Some("writer.example"), 200, 200),
        (Some("stranger.example"), 401, 401),
        (Some("writer.example.evil.example"), 401, 401),
        (None, 401, 401),
    ] {
        let pair = name.map(|name| estate.certificate(name));
        let looked = estate.send(pair.as_ref(), LOOK, &json).await.unwrap();
        assert_eq!(looked.status, look, "{name:?}");
        let changed = estate.send(pair.as_ref(), CHANGE, &json).await.unwrap();
        assert_eq!(changed.status, change, "{name:?}");
    }
    let stranger = TestAuthority::new("Test CA").certificate(&["writer.example"]);
    let stranger = stranger.write(estate.folder.path(), "stranger");
    assert!(estate.send(Some(&stranger), LOOK, &json).await.is_none());
}

/// An authority that lets clients choose further URIs vouches for none of them.
#[tokio::test]
async fn a_certificate_with_a_spiffe_id_among_other_uris_makes_no_administrator() {
    let estate = Estate::start(false).await;
    let (admin, other) = ("spiffe://shop.example/admin", "spiffe://shop.example/order");
    for (names, status) in [
        (&[admin][..], 200),
        (&[admin, "order.shop.example"], 200),
        (&[admin, other], 401),
        (&[other, admin], 401),
        (&[admin, "https://shop.example/"], 401),
        (&["writer.example", other, "SPIFFE://shop.example/x"], 401),
        (&["writer.example", other], 200),
    ] {
        let pair = estate.certificate_of(names);
        let changed = estate.send(Some(&pair), CHANGE, &[JSON.to_owned()]).await;
        assert_eq!(changed.unwrap().status, status, "{names:?}");
    }
}

#[tokio::test]
async fn a_name_in_a_certificate_that_anybody_can_make_makes_no_administrator() {
    let estate = Estate::start(true).await;
    let json = [JSON.to_owned()];
    let forged = hallpass_tls::TestCertificate::self_signed(&["writer.example"]);
    let forged = forged.write(estate.folder.path(), "forged");
    let refusal = estate.send(Some(&forged), CHANGE, &json).await.unwrap();
    assert_eq!(problem(&refusal), refused(401, "missing_credentials"));
    let good = estate.certificate("writer.example");
    let changed = estate.send(Some(&good), CHANGE, &json).await.unwrap();
    assert_eq!(changed.status, 200);
}

#[tokio::test]
async fn a_token_goes_before_a_certificate_so_that_who_shows_both_is_no_more_than_the_token_says() {
    let estate = Estate::start(false).await;
    let viewer = estate.rig.token("viewer", READ).await;
    let writer = estate.certificate("writer.example");
    let headers = [JSON.to_owned(), bearer(&viewer)];
    let refusal = estate.send(Some(&writer), CHANGE, &headers).await.unwrap();
    assert_eq!(problem(&refusal), refused(403, "insufficient_scope"));
    for bad in ["Authorization: Bearer x", "Authorization: Basic b3BzOng="] {
        let headers = [JSON.to_owned(), bad.to_owned()];
        let refusal = estate.send(Some(&writer), CHANGE, &headers).await.unwrap();
        assert_eq!(problem(&refusal).0, 401, "{bad}");
    }
}

#[tokio::test]
async fn a_name_that_is_taken_out_of_the_settings_counts_no_more_without_a_restart() {
    let mut estate = Estate::start(false).await;
    let writer = estate.certificate("writer.example");
    let json = [JSON.to_owned()];
    assert_eq!(
        estate
            .send(Some(&writer), LOOK, &json)
            .await
            .unwrap()
            .status,
        200
    );
    let settings = &mut estate.rig.harness.settings;
    settings.admin.as_mut().unwrap().write_certificates.clear();
    let applied = estate
        .rig
        .harness
        .issuer
        .apply(&estate.rig.harness.settings)
        .await;
    applied.unwrap();
    assert_eq!(
        estate
            .send(Some(&writer), LOOK, &json)
            .await
            .unwrap()
            .status,
        401
    );
}

/// Of a certificate-bound token: see `a_token_that_is_bound_to_a_certificate_or_a_key_is_not_taken_without_it`.
#[tokio::test]
async fn the_address_for_administrators_speaks_tls_alone_when_it_has_a_certificate() {
    let estate = Estate::start(false).await;
    let bytes = request(LOOK, &["Host: 127.0.0.1".to_owned()], b"");
    let mut stream = TcpStream::connect(estate.rig.address()).await.unwrap();
    let _ = stream.write_all(&bytes).await;
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    assert!(!received.starts_with(b"HTTP"), "{received:?}");
}
