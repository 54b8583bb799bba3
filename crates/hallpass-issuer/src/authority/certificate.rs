//! What certificates say: those of authorities, and those that they sign.

use std::time::{Duration, SystemTime};

use hallpass_tls::{RequestedKey, SigningRequest};
use hallpass_token::UnixTime;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
    PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};

use crate::clients::certificate_names::CertificateNames;

/// How much earlier than now a certificate begins: clocks differ.
pub(super) const BEGINS_BEFORE: Duration = Duration::from_secs(60);
/// Bytes of a serial number: as many as RFC 5280 section 4.1.2.2 allows.
const SERIAL_BYTES: usize = 20;

/// From when to when, and under which number.
pub(super) struct Circumstances {
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    pub(super) serial: Serial,
}

/// The number of a certificate: random, so that nothing of it can be foreseen.
#[derive(Clone, Copy)]
pub(super) struct Serial([u8; SERIAL_BYTES]);

impl Serial {
    /// `None` on a machine without random numbers.
    pub(super) fn draw() -> Option<Self> {
        let mut bytes = [0; SERIAL_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        // Positive, and of the same length each time.
        if let Some(first) = bytes.first_mut() {
            *first = *first & 0x7f | 0x40;
        }
        Some(Self(bytes))
    }

    /// In hexadecimal, as `openssl x509 -serial` prints it.
    pub(super) fn text(&self) -> String {
        let digits = self.0.iter().map(|byte| format!("{byte:02X}"));
        digits.collect()
    }
}

/// What the authority `id` is called: the same each time, since what it signs repeats its name, and another name for each generation,
/// so that no verifier takes one for another.
pub(super) fn authority(
    id: &str,
    trust_domain: &str,
    it: &Circumstances,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = certificate(it);
    params.distinguished_name = authority_name(id, trust_domain);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let id = format!("spiffe://{trust_domain}");
    params.subject_alt_names = vec![SanType::URI(id.try_into()?)];
    Ok(params)
}

/// As much of the parameters of an authority as what it signs repeats.
pub(super) fn signer(id: &str, trust_domain: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = authority_name(id, trust_domain);
    params
}

fn authority_name(id: &str, trust_domain: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, trust_domain);
    name.push(DnType::CommonName, format!("hallpass ca {id}"));
    name
}

/// One for servers and clients alike, with the names of a registration and no other (X509-SVID section 4).
pub(super) fn leaf(
    names: &CertificateNames,
    trust_domain: &str,
    it: &Circumstances,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = certificate(it);
    params.distinguished_name = DistinguishedName::new();
    let organization = DnType::OrganizationName;
    params.distinguished_name.push(organization, trust_domain);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let id = SanType::URI(names.spiffe_id.as_str().try_into()?);
    params.subject_alt_names.push(id);
    for name in &names.dns_names {
        let name = SanType::DnsName(name.as_str().try_into()?);
        params.subject_alt_names.push(name);
    }
    Ok(params)
}

fn certificate(it: &Circumstances) -> CertificateParams {
    let moment = |at: UnixTime| {
        let since = Duration::from_secs(at.as_secs());
        SystemTime::UNIX_EPOCH + since
    };
    let mut params = CertificateParams::default();
    params.not_before = moment(it.not_before).into();
    params.not_after = moment(it.not_after).into();
    params.serial_number = Some(SerialNumber::from_slice(&it.serial.0));
    params.use_authority_key_identifier_extension = true;
    params
}

/// The key of a request, as rcgen writes it.
pub(super) struct RequestedPublicKey<'r> {
    request: &'r SigningRequest,
    algorithm: &'static SignatureAlgorithm,
}

impl<'r> RequestedPublicKey<'r> {
    /// `None` for a kind of key that this version does not know.
    pub(super) fn of(request: &'r SigningRequest) -> Option<Self> {
        let algorithm = match request.key() {
            RequestedKey::P256 => &PKCS_ECDSA_P256_SHA256,
            RequestedKey::P384 => &PKCS_ECDSA_P384_SHA384,
            RequestedKey::Ed25519 => &PKCS_ED25519,
            RequestedKey::Rsa => &PKCS_RSA_SHA256,
            _ => return None,
        };
        Some(Self { request, algorithm })
    }
}

impl PublicKeyData for RequestedPublicKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.request.public_key()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}
