use rcgen::{CertificateParams, DistinguishedName as Made, DnType, DnValue, KeyPair, SanType};
use rustls::pki_types::CertificateDer;

use super::*;

fn certificate(subject: &[(DnType, &str)], names: Vec<SanType>) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.distinguished_name = Made::new();
    for (kind, value) in subject {
        let value = DnValue::Utf8String((*value).to_owned());
        params.distinguished_name.push(kind.clone(), value);
    }
    params.subject_alt_names = names;
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

fn dn(text: &str) -> CertificateName {
    CertificateName::Subject(text.parse().unwrap())
}

#[test]
fn a_subject_is_the_whole_name_in_the_order_of_rfc_4514() {
    let made = certificate(
        &[
            (DnType::CountryName, "DE"),
            (DnType::OrganizationName, "Example, Inc."),
            (DnType::CommonName, "order service"),
        ],
        Vec::new(),
    );
    for same in [
        r"CN=order service,O=Example\, Inc.,C=DE",
        r"cn = order service , O=Example\2c Inc. , C=DE",
        r"2.5.4.3=order service,2.5.4.10=Example\, Inc.,2.5.4.6=DE",
    ] {
        assert!(dn(same).is_of(&made), "{same}");
    }
    for other in [
        "CN=order service",
        r"C=DE,O=Example\, Inc.,CN=order service",
        r"CN=Order Service,O=Example\, Inc.,C=DE",
        r"CN=order service,O=Example\, Inc.,C=DE,DC=x",
        r"CN=order service+O=Example\, Inc.,C=DE",
        r"CN=order  service,O=Example\, Inc.,C=DE",
    ] {
        assert!(!dn(other).is_of(&made), "{other}");
    }
}

#[test]
fn what_is_no_distinguished_name_is_refused() {
    for bad in [
        "",
        "CN",
        "CN=",
        "order-service",
        "CN=a,",
        ",CN=a",
        "XX=a",
        "CN=#0401",
        r"CN=a\",
        r"CN=a\zz",
        "CN=a;O=b",
        "CN=\"a\"",
        "3.1=a",
        "1.40=a",
        "CN=a++O=b",
    ] {
        let parsed = bad.parse::<DistinguishedName>();
        assert_eq!(parsed, Err(InvalidDistinguishedName), "{bad}");
    }
}

#[test]
fn alternative_names_are_told_apart_by_their_kind_and_compared_whole() {
    let text = |text: &str| text.try_into().unwrap();
    let made = certificate(
        &[(DnType::CommonName, "billing.example")],
        vec![
            SanType::DnsName(text("order.example")),
            SanType::URI(text("spiffe://example/order")),
            SanType::Rfc822Name(text("order@example")),
            SanType::IpAddress("10.1.2.3".parse().unwrap()),
            SanType::IpAddress("fd00::1".parse().unwrap()),
        ],
    );
    let dns = |name: &str| CertificateName::Dns(name.to_owned());
    let uri = |name: &str| CertificateName::Uri(name.to_owned());
    let email = |name: &str| CertificateName::Email(name.to_owned());
    let ip = |name: &str| CertificateName::Ip(name.parse().unwrap());
    for own in [
        dns("order.example"),
        dns("ORDER.example"),
        uri("spiffe://example/order"),
        email("order@example"),
        ip("10.1.2.3"),
        ip("fd00::1"),
    ] {
        assert!(own.is_of(&made), "{own:?}");
    }
    for other in [
        // The common name is no DNS name.
        dns("billing.example"),
        dns("example"),
        dns("*.example"),
        dns("order.example."),
        uri("spiffe://example/Order"),
        uri("spiffe://example/"),
        dns("spiffe://example/order"),
        email("order.example"),
        ip("10.1.2.4"),
        ip("::ffff:10.1.2.3"),
    ] {
        assert!(!other.is_of(&made), "{other:?}");
    }
    let without = certificate(&[(DnType::CommonName, "order.example")], Vec::new());
    assert!(!dns("order.example").is_of(&without));
}

#[test]
fn what_cannot_be_read_has_no_name_however_it_is_cut() {
    let made = certificate(
        &[(DnType::CommonName, "a")],
        vec![SanType::DnsName("a.example".try_into().unwrap())],
    );
    let name = CertificateName::Dns("a.example".to_owned());
    for length in 0..made.len() {
        assert!(!name.is_of(&made[..length]));
        assert!(!dn("CN=a").is_of(&made[..length]));
    }
    assert!(name.is_of(&made) && dn("CN=a").is_of(&made));
}
