use hallpass_tls::{CertificateName, UnverifiedPeerCertificates};

use super::*;

const NOW: u64 = 1_900_000_000;
const CSR: &[u8] = include_bytes!("../../../../hallpass-tls/fuzz/seeds/csr/p256.der");

fn now() -> UnixTime {
    UnixTime::from_secs(NOW)
}

fn names() -> CertificateNames {
    CertificateNames {
        spiffe_id: "spiffe://shop.example/order-service".to_owned(),
        dns_names: vec!["order-service".to_owned()],
        life: None,
    }
}

fn record(state: AuthorityState) -> AuthorityRecord {
    let life = Duration::from_secs(100 * 86_400);
    AuthorityRecord::generate(state, "shop.example", now(), life).unwrap()
}

fn issue(
    ring: &AuthorityRing,
    names: &CertificateNames,
    life: u64,
    at: UnixTime,
) -> Result<IssuedCertificate, CertificateFault> {
    let request = SigningRequest::from_der(CSR).unwrap();
    ring.issue(&request, names, Duration::from_secs(life), at)
}

fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    BASE64.decode(lines.collect::<String>()).unwrap()
}

#[test]
fn a_certificate_counts_from_now_for_its_life_and_never_longer_than_its_authority() {
    let signing = record(AuthorityState::Signing);
    let end = signing.not_after;
    let ring = AuthorityRing::new(&[signing], "shop.example").unwrap();
    let issued = issue(&ring, &names(), 3_600, now()).unwrap();
    let moments = [issued.not_before, issued.not_after, issued.renew_after];
    assert_eq!(
        moments.map(UnixTime::as_secs),
        [NOW - 60, NOW + 3_600, NOW + 1_800]
    );
    let long = issue(&ring, &names(), 1_000_000, now()).unwrap();
    assert_eq!(long.not_after.as_secs(), NOW + 86_400, "a day at most");
    let late = end.saturating_sub(Duration::from_secs(100));
    assert_eq!(issue(&ring, &names(), 3_600, late).unwrap().not_after, end);
    let refused = issue(&ring, &names(), 3_600, end).unwrap_err();
    assert_eq!(refused, CertificateFault::Unavailable);
    assert_ne!(issued.serial, long.serial);
    assert_eq!(issued.serial.len(), 40);
}

#[test]
fn nothing_of_a_request_but_its_key_is_in_a_certificate() {
    let ring = AuthorityRing::new(&[record(AuthorityState::Signing)], "shop.example").unwrap();
    let issued = der(&issue(&ring, &names(), 3_600, now()).unwrap().pem);
    let request = SigningRequest::from_der(CSR).unwrap();
    let key = request.public_key();
    assert!(issued.windows(key.len()).any(|part| part == key));
    // It calls itself an authority, and by the name of another.
    for wished in ["admin", "payment", "spiffe://shop.example/admin"] {
        let is_in = issued
            .windows(wished.len())
            .any(|it| it == wished.as_bytes());
        assert!(!is_in, "{wished}");
    }
    assert!(CertificateName::Uri(names().spiffe_id).is_of(&issued));
    assert!(CertificateName::Dns("order-service".to_owned()).is_of(&issued));
}

#[test]
fn names_of_another_trust_domain_are_signed_by_nobody() {
    let ring = AuthorityRing::new(&[record(AuthorityState::Signing)], "shop.example").unwrap();
    for id in [
        "spiffe://other.example/order-service",
        "spiffe://shop.example.evil/order-service",
        "spiffe://shop.example",
        "https://shop.example/order-service",
    ] {
        let names = CertificateNames {
            spiffe_id: id.to_owned(),
            ..names()
        };
        let refused = issue(&ring, &names, 3_600, now()).unwrap_err();
        assert_eq!(refused, CertificateFault::NotRegistered, "{id}");
    }
}

#[test]
fn own_certificates_are_told_from_all_others_and_count_while_they_are_good() {
    let (old, mut records) = (record(AuthorityState::Signing), Vec::new());
    let ring = AuthorityRing::new(std::slice::from_ref(&old), "shop.example").unwrap();
    let of_old = der(&issue(&ring, &names(), 3_600, now()).unwrap().pem);
    records.push(old);
    records[0].enter(AuthorityState::Retired, now());
    records.push(record(AuthorityState::Signing));
    let next = AuthorityRing::new(&records, "shop.example").unwrap();
    let stranger = AuthorityRing::new(&[record(AuthorityState::Signing)], "shop.example").unwrap();
    let is_own = |ring: &AuthorityRing, der: &[u8], at: u64| {
        let chain = [rustls::pki_types::CertificateDer::from(der.to_vec())];
        let mut extensions = http::Extensions::new();
        extensions.insert(UnverifiedPeerCertificates::new(Some(&chain)).unwrap());
        let shown = Shown::of(&extensions);
        let own = ring.own(shown, UnixTime::from_secs(at)).is_some();
        let mut extensions = http::Extensions::new();
        extensions.insert(PeerCertificates::new(Some(&chain)).unwrap());
        let believed = Shown::of(&extensions);
        assert_eq!(ring.own(believed, UnixTime::from_secs(at)).is_some(), own);
        own
    };
    assert!(is_own(&ring, &of_old, NOW) && is_own(&next, &of_old, NOW));
    assert!(is_own(&next, &of_old, NOW + 3_600));
    assert!(!is_own(&next, &of_old, NOW + 3_601), "it has ended");
    assert!(!is_own(&stranger, &of_old, NOW), "of the same names");
    assert_ne!(ring.etag(), next.etag());
    let sections = str::from_utf8(next.bundle()).unwrap().matches("BEGIN");
    assert_eq!(sections.count(), 2);
}

#[test]
fn a_ring_needs_one_that_signs_whose_key_is_the_one_of_its_certificate() {
    let announced = [record(AuthorityState::Announced)];
    assert!(AuthorityRing::new(&announced, "shop.example").is_err());
    let (mut one, other) = (
        record(AuthorityState::Signing),
        record(AuthorityState::Signing),
    );
    one.private = other.private;
    let problem = AuthorityRing::new(&[one], "shop.example").unwrap_err();
    assert!(problem.contains("is not the one of its private half"));
    let mut none = record(AuthorityState::Signing);
    none.private = None;
    assert!(AuthorityRing::new(&[none], "shop.example").is_err());
}
