//! `tls-client-auth-...`: the name in the certificate of a client (RFC 8705 section 2.1.2).

use hallpass_config::Section;
use hallpass_tls::CertificateName;

const SUBJECT_DN: &str = "tls-client-auth-subject-dn";
const SAN_DNS: &str = "tls-client-auth-san-dns";
const SAN_URI: &str = "tls-client-auth-san-uri";
const SAN_IP: &str = "tls-client-auth-san-ip";
const SAN_EMAIL: &str = "tls-client-auth-san-email";
/// Exactly one of them names a client with `tls_client_auth`.
pub(super) const NAME_KEYS: &[&str] = &[SUBJECT_DN, SAN_DNS, SAN_URI, SAN_IP, SAN_EMAIL];

/// The one name that is given.
pub(super) fn read_name(section: &Section<'_>) -> Option<CertificateName> {
    let given = NAME_KEYS.iter().copied().filter(|key| section.has(key));
    let given: Vec<&str> = given.collect();
    let Some((key, others)) = given.split_first() else {
        let message = "is required with `tls_client_auth`, or one of tls-client-auth-san-dns, -uri, -ip and -email";
        section.missing(SUBJECT_DN, message);
        return None;
    };
    for other in others {
        section.problem(
            other,
            format!("contradicts `{key}`: RFC 8705 has one of the two"),
        );
    }
    let text = |text: &str| match text.is_empty() {
        true => Err("must not be empty"),
        false => Ok(text.to_owned()),
    };
    match *key {
        SAN_DNS => section
            .checked(SAN_DNS, check_dns)
            .map(CertificateName::Dns),
        SAN_URI => section.checked(SAN_URI, text).map(CertificateName::Uri),
        SAN_IP => section.checked(SAN_IP, check_ip).map(CertificateName::Ip),
        SAN_EMAIL => section.checked(SAN_EMAIL, text).map(CertificateName::Email),
        _ => section
            .checked(SUBJECT_DN, str::parse)
            .map(CertificateName::Subject),
    }
}

/// A pattern would be taken for a name, and no certificate would have it.
fn check_dns(text: &str) -> Result<String, &'static str> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    match !text.is_empty() && text.bytes().all(is_name) {
        true => Ok(text.to_owned()),
        false => Err("must be one DNS name, whole and in ASCII: patterns are not known"),
    }
}

fn check_ip(text: &str) -> Result<std::net::IpAddr, &'static str> {
    text.parse().map_err(|_| "must be an IP address")
}
