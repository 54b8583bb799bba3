//! The section `issuer.admin`.

use std::sync::Arc;

use hallpass_issuer::{AdminSettings, Error, IssuerServer};
use hallpass_tls::CertificateName;

use super::AUDIENCE;
use crate::harness::{settings, test_clock};
use crate::settings::{load, problems};

fn of(section: &str) -> String {
    format!("hallpass: {{ issuer: {{ admin: {{ {section} }} }} }}")
}

#[test]
fn the_interface_for_administrators_is_off_unless_its_section_is_there() {
    assert!(load("hallpass: { issuer: { } }").admin.is_none());
    let admin = load(&of("listen: '127.0.0.1:9001'")).admin.unwrap();
    let expected = AdminSettings::new("127.0.0.1:9001".parse().unwrap(), AUDIENCE.parse().unwrap());
    assert_eq!(admin, expected);
    let all = of(
        "listen: '[::1]:1', audience: ops, hosts: [Admin.Example], tls: { certificate-file: a, private-key-file: b, client-auth: want, \
         client-ca-file: c }, read-certificates: [spiffe://shop.example/viewer], write-certificates: [Ops.example]",
    );
    let admin = load(&all).admin.unwrap();
    assert_eq!(admin.hosts, ["admin.example"]);
    assert_eq!(admin.audience.as_str(), "ops");
    let uri = CertificateName::Uri("spiffe://shop.example/viewer".to_owned());
    assert_eq!(admin.read_certificates, [uri]);
    assert_eq!(
        admin.write_certificates,
        [CertificateName::Dns("ops.example".to_owned())]
    );
}

#[test]
fn what_would_show_tokens_of_administrators_to_the_network_is_refused() {
    for (section, key) in [
        ("audience: x", "issuer.admin.listen"),
        ("listen: '0.0.0.0:9001'", "issuer.admin.listen"),
        ("listen: '[::]:9001'", "issuer.admin.listen"),
        ("listen: '10.0.0.7:9001'", "issuer.admin.listen"),
        (
            "listen: '127.0.0.1:1', write-certificates: [a.example]",
            "issuer.admin.write-certificates",
        ),
        (
            "listen: '127.0.0.1:1', read-certificates: [a.example]",
            "issuer.admin.read-certificates",
        ),
        (
            "listen: '127.0.0.1:1', audience: 'a b'",
            "issuer.admin.audience",
        ),
        (
            "listen: '127.0.0.1:1', hosts: ['https://a.example']",
            "issuer.admin.hosts[0]",
        ),
        (
            "listen: '127.0.0.1:1', hosts: ['*.example']",
            "issuer.admin.hosts[0]",
        ),
        ("listen: '127.0.0.1:1', port: 9001", "issuer.admin.port"),
        (
            "enabled: true, listen: '127.0.0.1:1'",
            "issuer.admin.enabled",
        ),
    ] {
        let found = problems(&of(section));
        assert!(
            found.iter().any(|line| line.contains(key)),
            "{section}: {found:?}"
        );
    }
    let anybody = of(
        "listen: '127.0.0.1:1', tls: { certificate-file: a, private-key-file: b, client-auth: any }, write-certificates: [a.example]",
    );
    let found = problems(&anybody);
    assert!(
        found.iter().any(|line| line.contains("write-certificates")),
        "{found:?}"
    );
    let admin = load(&of("listen: '0.0.0.0:9001', dangerous-plain-http: true")).admin;
    assert!(admin.unwrap().tls.is_none());
}

#[tokio::test]
async fn an_address_that_is_taken_stops_the_start_before_the_store_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings(&folder);
    let (listen, audience) = (taken.local_addr().unwrap(), AUDIENCE.parse().unwrap());
    settings.admin = Some(AdminSettings::new(listen, audience));
    let started = IssuerServer::start(&settings, Arc::new(test_clock())).await;
    assert!(matches!(started, Err(Error::Listen { address, .. }) if address == listen));
    assert!(!settings.store.exists());
}
