//! An issuer with an authority, and services that get their certificates of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use hallpass::clock::{Clock, SystemClock};
use hallpass::config::{Configuration, Loader};
use hallpass::{Hallpass, Settings};
use hallpass_issuer::{IssuerServer, IssuerSettings, RunningIssuer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::measure::{Failure, Outcome};

/// How long the next authority is announced; in an estate ten minutes, and bundles are fetched every five.
pub(super) const ANNOUNCED: Duration = Duration::from_secs(15);
/// For those whose authority changes.
const BUNDLE_EVERY: Duration = Duration::from_secs(2);
const SECRET: &str = "InternalSecret123!";
/// Those with a certificate.
const NAMES: [&str; 5] = [
    "server",
    "client",
    "front",
    "service-order",
    "service-system",
];

pub(super) struct Stand {
    folder: tempfile::TempDir,
    pub(super) settings: IssuerSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) issuer: RunningIssuer,
}

/// A service with a certificate of its own.
pub(super) struct Member {
    pub(super) settings: Settings,
    pub(super) hallpass: Hallpass,
}

impl Stand {
    pub(super) async fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        certify_issuer(folder.path())?;
        let client = |name: &str| {
            format!(
                "      - {{ client-id: {name}, client-secret: {SECRET}, audiences: [service-order, service-system], \
                 tls-client-certificate-bound-access-tokens: true, \
                 certificate: {{ spiffe-id: 'spiffe://shop.example/{name}', dns-names: [localhost] }} }}\n"
            )
        };
        let yaml = format!(
            "hallpass:\n  issuer:\n    listen: 127.0.0.1:0\n    store: issuer.db\n    \
             tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, client-auth: any }}\n    \
             ca: {{ trust-domain: shop.example, certificates-per-client-per-hour: 100000 }}\n    clients:\n{}",
            NAMES.map(client).concat()
        );
        let mut settings: IssuerSettings = load(folder.path(), &yaml)?;
        if let Some(ca) = &mut settings.ca {
            ca.announce = ANNOUNCED;
        }
        let belated = Arc::new(Belated::default());
        let clock: Arc<dyn Clock> = Arc::clone(&belated) as _;
        let issuer = IssuerServer::start(&settings, Arc::clone(&clock)).await?;
        belated.is_on_time.store(true, Ordering::SeqCst);
        Ok(Self {
            folder,
            settings,
            clock,
            issuer,
        })
    }

    /// One whose certificate is used, and stays.
    pub(super) async fn bystander(&self, name: &str) -> Result<Member, Failure> {
        let settings = self.settings_of(name, None)?;
        let hallpass = Hallpass::start(&settings).await?;
        Ok(Member { settings, hallpass })
    }

    /// It calls `callee`, if it calls anybody, and follows the authority closely.
    pub(super) async fn member(
        &self,
        name: &str,
        callee: Option<(&str, u16)>,
    ) -> Result<Member, Failure> {
        let mut settings = self.settings_of(name, callee)?;
        if let Some(certificates) = &mut settings.certificates {
            certificates.bundle_every = BUNDLE_EVERY;
        }
        let hallpass = Hallpass::start(&settings).await?;
        Ok(Member { settings, hallpass })
    }

    fn settings_of(&self, name: &str, callee: Option<(&str, u16)>) -> Outcome<Settings> {
        let discovery = callee.map(|(callee, port)| {
            format!("  discovery: {{ static: {{ {callee}: ['https://localhost:{port}'] }} }}\n")
        });
        let at = self.issuer.local_addr();
        let yaml = format!(
            "
hallpass:
  service: {{ name: {name}, tls: {{ client-auth: need }} }}
  certificates: {{ from: 'https://{at}/ca/v1/certificate', folder: {name} }}
  tls: {{ ca-file: server-ca.crt, system-roots: false }}
  internal-token: {{ client-id: {name}, client-secret: {SECRET}, token-url: 'https://{at}/oauth2/token' }}
  security: {{ internal-jwt: {{ issuer: internal, jwks-url: 'https://{at}/oauth2/jwks', bound: certificate }} }}
  feign: {{ defaults: {{ bulkhead: {{ max-concurrent: 4096 }} }} }}
{}",
            discovery.unwrap_or_default()
        );
        load(self.folder.path(), &yaml)
    }

    /// How many authorities `name` trusts.
    pub(super) fn authorities(&self, name: &str) -> Outcome<usize> {
        let file = self.folder.path().join(name).join("current/ca.crt");
        let bundle = std::fs::read_to_string(file)?;
        Ok(bundle.matches("BEGIN CERTIFICATE").count())
    }
}

/// The issuer's own listener has a certificate of another authority.
fn certify_issuer(folder: &Path) -> Outcome<()> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    std::fs::write(
        folder.join("server-ca.crt"),
        params.self_signed(&key)?.pem(),
    )?;
    let authority = Issuer::new(params, key);
    let params = CertificateParams::new(["127.0.0.1".to_owned()])?;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &authority)?;
    std::fs::write(folder.join("issuer.crt"), certificate.pem())?;
    std::fs::write(folder.join("issuer.key"), key.serialize_pem())?;
    Ok(())
}

/// Settings in a file beside the certificates.
fn load<T: Configuration>(folder: &Path, yaml: &str) -> Outcome<T> {
    let file = folder.join("settings.yaml");
    std::fs::write(&file, yaml)?;
    Ok(Loader::new("hallpass").file(file).load()?.into_settings())
}

/// For how long a clock must have gone evenly before an issuer ends or begins an authority by it, and a little.
const EVEN_FOR: Duration = Duration::from_secs(16 * 60);

/// The clock of an issuer that was started sixteen minutes ago, so that nobody has to wait for that.
#[derive(Debug, Default)]
struct Belated {
    real: SystemClock,
    is_on_time: AtomicBool,
}

impl Belated {
    fn is_behind_by(&self) -> Duration {
        match self.is_on_time.load(Ordering::SeqCst) {
            true => Duration::ZERO,
            false => EVEN_FOR,
        }
    }
}

impl Clock for Belated {
    fn now(&self) -> SystemTime {
        self.real.now() - self.is_behind_by()
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic() + EVEN_FOR - self.is_behind_by()
    }
}
