//! An authority made on the spot, for tests.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "only tests use it: a panic shows what is wrong with the test"
)]

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use crate::settings::KeyPairSettings;

/// How long certificates of a [`TestAuthority`] are good, unless the test says otherwise: far longer than a test.
const LIFE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// A certificate authority that only the test knows.
///
/// ```
/// use hallpass_tls::TestAuthority;
///
/// let authority = TestAuthority::new("Test CA");
/// let server = authority.certificate(&["127.0.0.1", "service-auth.example"]);
/// assert!(authority.pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// assert!(server.private_key_pem.contains("PRIVATE KEY"));
/// ```
pub struct TestAuthority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its private key, as PEM.
pub struct TestCertificate {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub private_key_pem: String,
}

impl TestAuthority {
    /// A new one, of this name, valid around the present of the machine and around the start of `ManualClock`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("an authority");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its own certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for these host names, addresses and URIs, for servers and clients.
    #[must_use]
    pub fn certificate(&self, names: &[&str]) -> TestCertificate {
        self.issue(params(names.first().copied().unwrap_or_default(), names))
    }

    /// As [`certificate`](Self::certificate), with an end.
    #[must_use]
    pub fn certificate_until(&self, names: &[&str], end: SystemTime) -> TestCertificate {
        let mut params = params(names.first().copied().unwrap_or_default(), names);
        params.not_after = end.into();
        self.issue(params)
    }

    /// As [`certificate`](Self::certificate), with a beginning and an end, to the second.
    #[must_use]
    pub fn certificate_between(
        &self,
        names: &[&str],
        begin: SystemTime,
        end: SystemTime,
    ) -> TestCertificate {
        let mut params = params(names.first().copied().unwrap_or_default(), names);
        params.not_before = begin.into();
        params.not_after = end.into();
        self.issue(params)
    }

    fn issue(&self, mut params: CertificateParams) -> TestCertificate {
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        TestCertificate {
            certificate_pem: certificate.pem(),
            private_key_pem: key.serialize_pem(),
        }
    }
}

impl TestCertificate {
    /// One that its own key has signed, and no authority.
    #[must_use]
    pub fn self_signed(names: &[&str]) -> Self {
        let params = params(names.first().copied().unwrap_or_default(), names);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            certificate_pem: certificate.pem(),
            private_key_pem: key.serialize_pem(),
        }
    }

    /// Writes both into `folder`, as `NAME.crt` and `NAME.key`; files of before are replaced.
    #[must_use]
    pub fn write(&self, folder: &Path, name: &str) -> KeyPairSettings {
        let settings = KeyPairSettings {
            certificate_file: folder.join(format!("{name}.crt")),
            private_key_file: folder.join(format!("{name}.key")),
        };
        let write = |path: &Path, text: &str| std::fs::write(path, text).expect("a file");
        write(&settings.certificate_file, &self.certificate_pem);
        write(&settings.private_key_file, &self.private_key_pem);
        settings
    }
}

fn params(name: &str, names: &[&str]) -> CertificateParams {
    let (uris, hosts): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains("://"));
    let hosts: Vec<_> = hosts.into_iter().map(str::to_owned).collect();
    let mut params = CertificateParams::new(hosts).expect("names of hosts");
    let uris = uris.into_iter().map(|uri| uri.try_into().expect("ASCII"));
    params.subject_alt_names.extend(uris.map(SanType::URI));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = (now() + LIFE).into();
    params
}

fn now() -> SystemTime {
    hallpass_clock::Clock::now(&hallpass_clock::SystemClock::new())
}

impl fmt::Debug for TestAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestAuthority").finish_non_exhaustive()
    }
}

impl fmt::Debug for TestCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCertificate").finish_non_exhaustive()
    }
}
