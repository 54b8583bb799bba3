//! Certificates for clients without a secret: by a key of their own, by a token of another issuer, by a certificate of another authority.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::{Configuration, Loader};
use hallpass::token::{
    Algorithm, AssertionSigner, JwkSet, SigningKey, TokenClaims, TokenType, UnixTime, sign_as,
};
use hallpass::{Error, Hallpass, Settings};
use hallpass_issuer::{IssuerServer, IssuerSettings, RunningIssuer};
use tempfile::TempDir;

const AUTH: &str = "https://auth.example";
const PLATFORM: &str = "https://platform.example";
const ID: &str = "spiffe://shop.example/order-service";

struct Estate {
    folder: TempDir,
    issuer: RunningIssuer,
}

impl Estate {
    /// `order-service` is registered so; `trust` are further keys of the section `issuer`.
    async fn start(folder: TempDir, client: &str, trust: &str) -> Self {
        let authority = hallpass::tls::TestAuthority::new("Other CA");
        fs::write(folder.path().join("other-ca.crt"), authority.pem()).unwrap();
        for (file, name) in [
            ("issuer", "127.0.0.1"),
            ("first", "order.example"),
            ("foreign", "another.example"),
        ] {
            let certificate = authority.certificate(&[name]);
            let _settings = certificate.write(folder.path(), file);
        }
        let yaml = format!(
            "
hallpass:
  issuer:
    name: '{AUTH}'
    listen: 127.0.0.1:0
    store: issuer.db
    tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, client-auth: any, client-ca-file: other-ca.crt }}
    ca: {{ trust-domain: shop.example }}
{trust}
    clients:
      - client-id: order-service
        audiences: [service-system]
        certificate: {{ spiffe-id: '{ID}', dns-names: [order-service] }}
{client}
"
        );
        let settings: IssuerSettings = load(folder.path(), &yaml);
        let clock = Arc::new(SystemClock::new());
        let issuer = IssuerServer::start(&settings, clock).await.unwrap();
        Self { folder, issuer }
    }

    fn settings(&self, certificates: &str, internal_token: &str) -> Settings {
        let yaml = format!(
            "
hallpass:
  service: {{ name: order-service, tls: {{}} }}
  certificates: {{ from: '{}', folder: certificates, start-limit-seconds: 0{certificates} }}
  tls: {{ ca-file: other-ca.crt, system-roots: false }}
  internal-token: {{ client-id: order-service, token-url: '{}', {internal_token} }}
",
            self.url("/ca/v1/certificate"),
            self.url("/oauth2/token"),
        );
        load(self.folder.path(), &yaml)
    }

    /// Where it listens, whatever it is called.
    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.issuer.local_addr())
    }

    /// The first one by the proof of the registration, the next one by the first, and one more by the proof when that is gone.
    async fn gives(&self, settings: &Settings, fresh: impl Fn()) {
        let hallpass = Hallpass::start(settings).await.unwrap();
        assert!(self.is_of_registration(), "names of the registration");
        let agent = hallpass.certificates().unwrap();
        assert!(agent.renew().await);
        fs::remove_dir_all(self.folder.path().join("certificates")).unwrap();
        fresh();
        assert!(agent.renew().await);
        let shown = hallpass.metrics().text();
        for (result, times) in [("by_credential", 2), ("by_certificate", 1)] {
            let line =
                format!("hallpass_certificates_renewals_total{{result=\"{result}\"}} {times}");
            assert!(shown.contains(&line), "{line}: {shown}");
        }
    }

    /// Whether the certificate that is there has the id; it stands there as it is.
    fn is_of_registration(&self) -> bool {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject as _;
        let file = self.folder.path().join("certificates/current/tls.crt");
        let certificate = CertificateDer::from_pem_file(file).unwrap();
        let id = ID.as_bytes();
        certificate.windows(id.len()).any(|part| part == id)
    }
}

/// Settings in a file of `folder`, so that names of files are seen from there.
fn load<T: Configuration>(folder: &Path, yaml: &str) -> T {
    let file = folder.join("settings.yaml");
    fs::write(&file, yaml).unwrap();
    let loaded = Loader::new("hallpass").file(file).load();
    loaded.unwrap().into_settings()
}

/// The code of the refusal, and what it says.
async fn refused(settings: &Settings) -> (&'static str, String) {
    match Hallpass::start(settings).await {
        Err(Error::Certificates(error)) => (error.code(), error.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_that_signs_gets_certificates_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let [own, other] = [(); 2].map(|()| AssertionSigner::generate(Algorithm::Es256).unwrap());
    for (name, signer) in [("own.pem", &own), ("other.pem", &other)] {
        fs::write(
            folder.path().join(name),
            signer.to_pem().unwrap().as_bytes(),
        )
        .unwrap();
    }
    let keys = JwkSet::new([own.public_jwk()]).to_json();
    let client =
        format!("        token-endpoint-auth-method: private_key_jwt\n        jwks: '{keys}'");
    let estate = Estate::start(folder, &client, "").await;
    let by = |file: &str| {
        let proof = format!(
            "client-authentication: private_key_jwt, private-key-file: {file}, issuer: '{AUTH}'"
        );
        estate.settings("", &proof)
    };
    let (code, said) = refused(&by("other.pem")).await;
    assert_eq!(code, "certificate_refused");
    assert!(said.contains("401"), "{said}");
    estate.gives(&by("own.pem"), || {}).await;
}

/// A token of a platform about this subject, each of which counts once.
fn platform_token(key: &SigningKey, subject: &str) -> String {
    let now = UnixTime::from(SystemClock::new().now());
    let end = now.saturating_add(Duration::from_secs(120));
    let mut claims = TokenClaims::new(
        PLATFORM.parse().unwrap(),
        subject.parse().unwrap(),
        AUTH.parse().unwrap(),
        end,
    );
    claims.issued_at = Some(now);
    let random = SigningKey::generate(Algorithm::EdDsa).unwrap();
    claims.token_id = Some(random.key_id().as_str().parse().unwrap());
    let token = sign_as(&claims, key, TokenType::Jwt, now).unwrap();
    token.expose().to_owned()
}

#[tokio::test]
async fn a_client_gets_certificates_by_the_token_of_its_platform() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let keys = JwkSet::new([key.public_jwk()]).to_json().to_string();
    fs::write(folder.path().join("platform.json"), keys).unwrap();
    let client = format!(
        "        token-endpoint-auth-method: federated_jwt\n        assertions: [ {{ issuer: '{PLATFORM}', subject: orders }} ]"
    );
    let trust = format!(
        "    trusted-issuers:\n      - {{ name: platform, issuer: '{PLATFORM}', jwks-file: platform.json, algorithms: EdDSA, service-when: [sub] }}"
    );
    let estate = Estate::start(folder, &client, &trust).await;
    let file = estate.folder.path().join("platform-token");
    fs::write(&file, platform_token(&key, "somebody")).unwrap();
    let settings = estate.settings(
        "",
        "client-authentication: federated_jwt, client-assertion-file: platform-token",
    );
    let (code, said) = refused(&settings).await;
    assert_eq!(code, "certificate_refused");
    assert!(said.contains("401"), "{said}");
    let fresh = || fs::write(&file, platform_token(&key, "orders")).unwrap();
    fresh();
    estate.gives(&settings, fresh).await;
}

#[tokio::test]
async fn a_client_gets_certificates_by_one_of_another_authority() {
    let folder = tempfile::tempdir().unwrap();
    let client = "        token-endpoint-auth-method: tls_client_auth\n        tls-client-auth-san-dns: order.example";
    let estate = Estate::start(folder, client, "").await;
    let by = |name: &str| {
        estate.settings(
            &format!(", certificate-file: {name}.crt, private-key-file: {name}.key"),
            "client-authentication: tls_client_auth",
        )
    };
    let (code, said) = refused(&by("foreign")).await;
    assert_eq!(code, "certificate_refused");
    assert!(said.contains("401"), "{said}");
    estate.gives(&by("first"), || {}).await;
}

#[tokio::test]
async fn all_that_is_wrong_with_the_section_is_said_at_once() {
    let yaml = "hallpass: { certificates: { folder: '', renew-at-percent: 95, bundle-seconds: 1, certificate-file: a.crt } }";
    let loaded = Loader::new("hallpass")
        .text("test", yaml)
        .load::<Settings>();
    let said = loaded.unwrap_err().to_string();
    for problem in [
        "certificates.from: is required",
        "certificates.folder: must name a file",
        "certificates.renew-at-percent: must be",
        "certificates.bundle-seconds: must be",
        "certificates.private-key-file: is required with `certificate-file`",
    ] {
        assert!(said.contains(problem), "{problem}: {said}");
    }
    let proven = "hallpass: { certificates: { from: 'https://a.example/ca/v1/certificate', folder: x }, \
        internal-token: { client-id: a, client-authentication: tls_client_auth, token-url: 'https://a.example/token' } }";
    let anonymous =
        "hallpass: { certificates: { from: 'https://a.example/ca/v1/certificate', folder: x } }";
    for (yaml, problem) in [
        (
            proven,
            "certificates.certificate-file: is required with `client-authentication: tls_client_auth`",
        ),
        (anonymous, "certificates.from: needs `internal-token`"),
    ] {
        let loaded = Loader::new("hallpass")
            .text("test", yaml)
            .load::<Settings>();
        let said = loaded.unwrap_err().to_string();
        assert!(said.contains(problem), "{problem}: {said}");
    }
}
