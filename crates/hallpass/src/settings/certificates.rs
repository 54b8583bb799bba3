//! `certificates`: what it brings to the sections of TLS, and what it needs.

#[cfg(feature = "certificates")]
use hallpass_certificates::CertificateSettings;
#[cfg(feature = "certificates")]
use hallpass_client::{ClientAuthentication, TokenServiceSettings};
use hallpass_config::Section;
use hallpass_tls::IssuedFiles;
use hallpass_upstream::TlsSettings;

/// By connections that trust what `tls` says by itself.
#[cfg(feature = "certificates")]
pub(super) fn by(
    read: Option<Option<CertificateSettings>>,
    tls: Option<&TlsSettings>,
) -> Option<Option<CertificateSettings>> {
    let read = read?;
    Some(read.map(|certificates| match tls {
        Some(tls) => certificates.by(&tls.client),
        None => certificates,
    }))
}

/// The files that it brings.
#[cfg(feature = "certificates")]
pub(super) fn files(read: Option<&Option<CertificateSettings>>) -> Option<IssuedFiles> {
    let certificates = read?.as_ref()?;
    Some(certificates.files())
}

/// Outgoing connections show the issued certificate, unless `tls` names one.
pub(super) fn or_issued(mut tls: TlsSettings, issued: Option<&IssuedFiles>) -> TlsSettings {
    if tls.client.key_pair.is_none() {
        tls.client.key_pair = issued.map(|issued| issued.key_pair.clone());
    }
    tls
}

/// Says what the section needs and does not find.
#[cfg(feature = "certificates")]
pub(super) fn check(
    root: &Section<'_>,
    certificates: &CertificateSettings,
    tokens: Option<&TokenServiceSettings>,
) {
    let section = root.section("certificates");
    let Some(tokens) = tokens else {
        // What is wrong with it is said where it is read.
        if !root.section("internal-token").is_given() {
            let message = "needs `internal-token`: it says as which client the authority is asked";
            section.problem("from", message);
        }
        return;
    };
    let proven_by_certificate =
        tokens.credential.client_authentication == ClientAuthentication::Certificate;
    if proven_by_certificate && certificates.tls.key_pair.is_none() {
        let message = "is required with `client-authentication: tls_client_auth`: the first request would prove nothing";
        section.missing("certificate-file", message);
    }
}

/// Else a service that should show a certificate would show none.
#[cfg(not(feature = "certificates"))]
pub(super) fn refuse(root: &Section<'_>) {
    if root.property_below("certificates.from").is_some() {
        let message = "is of no effect: this program was built without the feature `certificates` of `hallpass`";
        root.warn("certificates", message);
    }
}
