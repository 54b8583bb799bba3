//! Requests as `openssl req` makes them, and what must not pass for one.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use hallpass_tls::{CsrFault, RequestedKey, SigningRequest};

pub(crate) const P256: &[u8] = include_bytes!("../../fuzz/seeds/csr/p256.der");
const P256_PEM: &str = include_str!("../../fuzz/seeds/csr/p256.pem");
pub(crate) const P384: &[u8] = include_bytes!("../../fuzz/seeds/csr/p384.der");
pub(crate) const ED25519: &[u8] = include_bytes!("../../fuzz/seeds/csr/ed25519.der");
const ED25519_PEM: &str = include_str!("../../fuzz/seeds/csr/ed25519.pem");
pub(crate) const RSA: &[u8] = include_bytes!("../../fuzz/seeds/csr/rsa2048.der");

fn fault(der: &[u8]) -> CsrFault {
    SigningRequest::from_der(der).unwrap_err()
}

/// `der` with `from`, which it has once, replaced by as many bytes.
fn with(der: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places = der.windows(from.len()).enumerate();
    let places: Vec<_> = places.filter(|(_, part)| *part == from).collect();
    assert_eq!(places.len(), 1, "{from:02x?}");
    let at = places[0].0;
    let mut changed = der.to_vec();
    changed[at..at + to.len()].copy_from_slice(to);
    changed
}

/// A request made now by `openssl req`, its key by `key`; `None`, said loudly, on a machine without it.
fn made(folder: &Path, key: &[&str], request: &[&str]) -> Option<String> {
    let run = |arguments: &[&str]| {
        let mut run = Command::new("openssl");
        let Ok(output) = run.args(arguments).current_dir(folder).output() else {
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: there is no `openssl` to make requests with"
            );
            return None;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let mut generate = vec!["genpkey", "-out", "key.pem"];
    generate.extend(key);
    run(&generate)?;
    let mut ask = vec!["req", "-new", "-key", "key.pem", "-subj", "/CN=x"];
    ask.extend(request);
    run(&ask)
}

const EC_256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

fn rsa(bits: &str) -> [String; 4] {
    [
        "-algorithm",
        "RSA",
        "-pkeyopt",
        &format!("rsa_keygen_bits:{bits}"),
    ]
    .map(str::to_owned)
}

#[test]
fn what_openssl_asks_for_is_read_with_each_kind_of_key() {
    let folder = tempfile::tempdir().unwrap();
    let p384 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
    let (rsa_2048, rsa_4096) = (rsa("2048"), rsa("4096"));
    let (rsa_2048, rsa_4096) = (
        rsa_2048.each_ref().map(String::as_str),
        rsa_4096.each_ref().map(String::as_str),
    );
    let ed25519 = ["-algorithm", "ed25519"];
    let cases: [(&[&str], &[&str], RequestedKey, usize); 9] = [
        (&EC_256, &[], RequestedKey::P256, 65),
        (&EC_256, &["-sha384"], RequestedKey::P256, 65),
        (&EC_256, &["-sha512"], RequestedKey::P256, 65),
        (&p384, &[], RequestedKey::P384, 97),
        (&p384, &["-sha384"], RequestedKey::P384, 97),
        (&ed25519, &[], RequestedKey::Ed25519, 32),
        (&rsa_2048, &[], RequestedKey::Rsa, 270),
        (&rsa_2048, &["-sha512"], RequestedKey::Rsa, 270),
        (&rsa_4096, &["-sha384"], RequestedKey::Rsa, 526),
    ];
    for (key, request, kind, length) in cases {
        let Some(pem) = made(folder.path(), key, request) else {
            return;
        };
        let read = SigningRequest::read(pem.as_bytes()).unwrap();
        assert_eq!(
            (read.key(), read.public_key().len()),
            (kind, length),
            "{request:?}"
        );
    }
    let Some(text) = made(folder.path(), &EC_256, &["-text"]) else {
        return;
    };
    assert!(
        SigningRequest::read(text.as_bytes()).is_ok(),
        "explanations before it"
    );
}

#[test]
fn keys_and_signatures_that_are_not_taken_are_refused_as_openssl_makes_them() {
    let folder = tempfile::tempdir().unwrap();
    let (small, large) = (rsa("1024"), rsa("4104"));
    let (small, large) = (
        small.each_ref().map(String::as_str),
        large.each_ref().map(String::as_str),
    );
    let curve = |name| ["-algorithm", "EC", "-pkeyopt", name];
    let (p521, k1) = (
        curve("ec_paramgen_curve:P-521"),
        curve("ec_paramgen_curve:secp256k1"),
    );
    let explicit = [&EC_256[..], &["-pkeyopt", "ec_param_enc:explicit"]].concat();
    let three = [
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-pkeyopt",
        "rsa_keygen_pubexp:3",
    ];
    let rsa_2048 = &three[..4];
    let pss = ["-sigopt", "rsa_padding_mode:pss"];
    let cases: [(&[&str], &[&str], CsrFault); 9] = [
        (&small, &[], CsrFault::Key),
        (&large, &[], CsrFault::Key),
        (&three, &[], CsrFault::Key),
        (&p521, &[], CsrFault::Key),
        (&k1, &[], CsrFault::Key),
        (&explicit, &[], CsrFault::Key),
        (&["-algorithm", "ed448"], &[], CsrFault::Key),
        (&EC_256, &["-sha1"], CsrFault::Algorithm),
        (rsa_2048, &pss, CsrFault::Algorithm),
    ];
    for (key, request, expected) in cases {
        let Some(pem) = made(folder.path(), key, request) else {
            return;
        };
        let read = SigningRequest::read(pem.as_bytes());
        assert_eq!(read.unwrap_err(), expected, "{key:?} {request:?}");
    }
}

#[test]
fn nothing_of_a_request_but_its_key_is_given_out() {
    // It calls itself by the name of another, and an authority.
    let read = SigningRequest::from_der(P256).unwrap();
    assert_eq!(read.key(), RequestedKey::P256);
    assert_eq!(format!("{read:?}"), "SigningRequest { key: P256, .. }");
    let by_pem = SigningRequest::read(P256_PEM.as_bytes()).unwrap();
    assert_eq!(by_pem, read);
    let keytool = P256_PEM.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
    assert_eq!(SigningRequest::read(keytool.as_bytes()), Ok(read));
}

#[test]
fn who_has_not_the_private_key_gets_no_certificate_for_the_public_one() {
    // Every bit of the request, and of the signature over it.
    for request in [P256, ED25519] {
        for at in 0..request.len() * 8 {
            let mut changed = request.to_vec();
            changed[at / 8] ^= 1 << (at % 8);
            assert!(SigningRequest::from_der(&changed).is_err(), "bit {at}");
        }
    }
    // The key of another in a request that one has signed oneself.
    let theirs = SigningRequest::from_der(ED25519).unwrap();
    let mut foreign = theirs.public_key().to_vec();
    foreign[0] ^= 1;
    let changed = with(ED25519, theirs.public_key(), &foreign);
    assert_eq!(fault(&changed), CsrFault::Signature);
    // Nor is a signature taken for one of another algorithm.
    let as_sha384 = with(
        P256,
        b"\x2a\x86\x48\xce\x3d\x04\x03\x02",
        b"\x2a\x86\x48\xce\x3d\x04\x03\x03",
    );
    assert_eq!(fault(&as_sha384), CsrFault::Signature);
    let as_sha1 = with(
        P256,
        b"\x2a\x86\x48\xce\x3d\x04\x03\x02",
        b"\x2a\x86\x48\xce\x3d\x04\x03\x01",
    );
    assert_eq!(fault(&as_sha1), CsrFault::Algorithm);
    let rsa_as_md5 = with(
        RSA,
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b",
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04",
    );
    assert_eq!(fault(&rsa_as_md5), CsrFault::Algorithm);
}

#[test]
fn a_request_has_one_form() {
    for request in [P256, P384, ED25519, RSA] {
        assert!(SigningRequest::from_der(request).is_ok());
        for end in 0..request.len() {
            assert_eq!(fault(&request[..end]), CsrFault::Malformed, "cut at {end}");
        }
        assert_eq!(
            fault(&[request, b"\0"].concat()),
            CsrFault::Malformed,
            "more behind it"
        );
    }
    // Its length in one byte more than it needs; and without one.
    let content = &ED25519[2..];
    for header in [
        &[0x30, 0x81, 0x7f][..],
        &[0x30, 0x82, 0, 0x7f],
        &[0x30, 0x80],
        &[0x31, 0x7f],
    ] {
        assert_eq!(
            fault(&[header, content].concat()),
            CsrFault::Malformed,
            "{header:02x?}"
        );
    }
    let version_2 = with(ED25519, b"\x02\x01\x00\x30", b"\x02\x01\x01\x30");
    assert_eq!(fault(&version_2), CsrFault::Malformed);
    let half_a_byte = with(ED25519, b"\x03\x21\x00", b"\x03\x21\x04");
    assert_eq!(fault(&half_a_byte), CsrFault::Malformed);
    let no_attributes = with(ED25519, b"\xa0\x00\x30", b"\xa1\x00\x30");
    assert_eq!(fault(&no_attributes), CsrFault::Malformed);
    let compressed = with(P256, b"\x03\x42\x00\x04", b"\x03\x42\x00\x02");
    assert_eq!(fault(&compressed), CsrFault::Key);
    let key_of_ed448 = with(
        ED25519,
        b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70",
        b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x71",
    );
    assert_eq!(fault(&key_of_ed448), CsrFault::Key);
}

#[test]
fn text_with_a_private_key_with_two_requests_or_with_none_is_refused() {
    let read = |text: &str| SigningRequest::read(text.as_bytes()).unwrap_err();
    assert_eq!(read(""), CsrFault::NoRequest);
    assert_eq!(
        read("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        CsrFault::NoRequest
    );
    assert_eq!(read(&format!("{P256_PEM}{ED25519_PEM}")), CsrFault::Several);
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(read(&format!("{P256_PEM}{key}")), CsrFault::PrivateKey);
    assert_eq!(read(&format!("{key}{P256_PEM}")), CsrFault::PrivateKey);
    let (begin, _) = P256_PEM.split_once("-----END").unwrap();
    assert_eq!(read(begin), CsrFault::NotPem);
    assert_eq!(
        SigningRequest::read(b"\xff\xfe").unwrap_err(),
        CsrFault::NotPem
    );
    let padded = |more: usize| format!("{}{P256_PEM}", "#\n".repeat(more));
    let room = SigningRequest::MAX_BYTES - P256_PEM.len();
    assert!(SigningRequest::read(padded(room / 2).as_bytes()).is_ok());
    assert_eq!(read(&padded(room / 2 + 1)), CsrFault::TooLarge);
    assert_eq!(
        fault(&vec![0x30; SigningRequest::MAX_BYTES + 1]),
        CsrFault::TooLarge
    );
}
