//! Others judge what the authority makes: openssl by its commands, curl, and the library of TLS.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hallpass_tls::{
    ClientAuth, ClientTls, ClientTlsSettings, KeyPairSettings, ServerTls, ServerTlsSettings,
    TlsMetrics,
};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{ID, PATH, bundle, clock, given, start, text};
use crate::harness::{Harness, NOW, SECRET};

/// What `program` prints; `None`, said loudly, on a machine without it.
fn run(program: &str, folder: &Path, arguments: &[&str]) -> Option<(bool, String)> {
    let run = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output();
    let Ok(output) = run else {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: there is no `{program}` to judge"
        );
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Some((output.status.success(), said))
}

/// Whether `openssl verify` says OK to `leaf` by `bundle` at `now`, as a client and as a server.
fn is_good(folder: &Path, leaf: &str, bundle: &str, now: u64) -> Option<bool> {
    std::fs::write(folder.join("leaf.pem"), leaf).unwrap();
    std::fs::write(folder.join("bundle.pem"), bundle).unwrap();
    let now = now.to_string();
    let mut is_good = true;
    for purpose in ["sslclient", "sslserver"] {
        let arguments = [
            "verify",
            "-x509_strict",
            "-attime",
            &now,
            "-purpose",
            purpose,
            "-CAfile",
            "bundle.pem",
            "leaf.pem",
        ];
        let (success, said) = run("openssl", folder, &arguments)?;
        is_good &= success && said.contains("leaf.pem: OK");
    }
    Some(is_good)
}

#[tokio::test]
async fn openssl_takes_what_is_issued_before_during_and_after_a_rotation() {
    let harness = start().await;
    let folder = harness.folder.path();
    let (before, first) = (given(&harness).await.1, bundle(&harness).await);
    let leaf = text(&before, "certificate_chain").to_owned();
    let Some(good) = is_good(folder, &leaf, &first, NOW) else {
        return;
    };
    assert!(good);
    for (now, expected) in [(NOW - 61, false), (NOW + 3_599, true), (NOW + 3_601, false)] {
        assert_eq!(is_good(folder, &leaf, &first, now), Some(expected), "{now}");
    }
    hallpass_issuer::rotate_authority(&harness.settings, &clock(&harness), false)
        .await
        .unwrap();
    let announced = changed(&harness, &first).await;
    let during = given(&harness).await.1;
    let during = text(&during, "certificate_chain");
    assert_eq!(is_good(folder, during, &first, NOW), Some(true), "not yet");
    assert_eq!(is_good(folder, &leaf, &announced, NOW), Some(true));
    // Longer than it is announced: who has just started does not believe his clock yet.
    harness.clock.advance(Duration::from_secs(900));
    let after = loop {
        let given = given(&harness).await.1;
        let leaf = text(&given, "certificate_chain").to_owned();
        if is_good(folder, &leaf, &first, NOW + 900) == Some(false) {
            break leaf;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    // Who has fetched the bundle since it was announced knows both.
    assert_eq!(is_good(folder, &after, &announced, NOW + 900), Some(true));
    assert_eq!(is_good(folder, &leaf, &announced, NOW + 900), Some(true));
    let now = bundle(&harness).await;
    assert_eq!(is_good(folder, &leaf, &now, NOW + 900), Some(true));
}

/// The bundle, once it is another one.
async fn changed(harness: &Harness, before: &str) -> String {
    let look = async {
        loop {
            let now = bundle(harness).await;
            if now != before {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), look)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_certificate_says_what_is_registered_and_what_it_is_for() {
    let harness = start().await;
    let folder = harness.folder.path();
    let given = given(&harness).await.1;
    let leaf = text(&given, "certificate_chain");
    assert_eq!(text(&given, "spiffe_id"), ID);
    assert_eq!(text(&given, "bundle"), bundle(&harness).await);
    let moments = ["not_before", "not_after", "renew_after"].map(|it| given[it].as_u64());
    assert_eq!(
        moments,
        [Some(NOW - 60), Some(NOW + 3_600), Some(NOW + 1_800)]
    );
    assert!(is_good(folder, leaf, text(&given, "bundle"), NOW) != Some(false));
    let arguments = ["x509", "-in", "leaf.pem", "-noout", "-text"];
    let Some((_, said)) = run("openssl", folder, &arguments) else {
        return;
    };
    let names = "DNS:order-service";
    for wanted in [
        "CA:FALSE",
        "Digital Signature\n",
        "TLS Web Server Authentication, TLS Web Client Authentication\n",
        &format!("URI:{ID}, {names}\n"),
        "Authority Key Identifier",
        "Subject: O = shop.example\n",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(
        !said.contains("*.example") && !said.contains("admin"),
        "{said}"
    );
    std::fs::write(folder.join("ca.pem"), text(&given, "bundle")).unwrap();
    let (_, said) = run(
        "openssl",
        folder,
        &["x509", "-in", "ca.pem", "-noout", "-text"],
    )
    .unwrap();
    for wanted in [
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
        "URI:spiffe://shop.example\n",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_and_curl_get_a_certificate_by_a_secret_and_nothing_else() {
    let harness = start().await;
    let folder = harness.folder.path();
    let make = ["genpkey", "-algorithm", "ed25519", "-out", "key.pem"];
    let ask = [
        "req",
        "-new",
        "-key",
        "key.pem",
        "-subj",
        "/CN=admin",
        "-out",
        "csr.pem",
    ];
    for arguments in [&make[..], &ask] {
        let Some((true, _)) = run("openssl", folder, arguments) else {
            return;
        };
    }
    let url = harness.issuer.url(PATH);
    let user = format!("order:{SECRET}");
    let arguments = [
        "-sS",
        "--fail-with-body",
        "-u",
        &user,
        "--data-urlencode",
        "csr@csr.pem",
        &url,
    ];
    let Some((success, said)) = run("curl", folder, &arguments) else {
        return;
    };
    assert!(success, "{said}");
    let given: serde_json::Value = serde_json::from_str(&said).unwrap();
    let (leaf, bundle) = (text(&given, "certificate_chain"), text(&given, "bundle"));
    assert_eq!(is_good(folder, leaf, bundle, NOW), Some(true));
    let public = ["x509", "-in", "leaf.pem", "-noout", "-pubkey"];
    let own = ["pkey", "-in", "key.pem", "-pubout"];
    assert_eq!(
        run("openssl", folder, &public),
        run("openssl", folder, &own),
        "the key that has signed the request"
    );
}

#[tokio::test]
async fn two_services_with_certificates_of_it_know_each_other() {
    let harness = start().await;
    let folder = harness.folder.path();
    let (key, given) = given(&harness).await;
    let pair = KeyPairSettings {
        certificate_file: folder.join("tls.crt"),
        private_key_file: folder.join("tls.key"),
    };
    let ca_file = folder.join("ca.crt");
    for (file, content) in [
        (&pair.certificate_file, text(&given, "certificate_chain")),
        (&pair.private_key_file, &key),
        (&ca_file, text(&given, "bundle")),
    ] {
        std::fs::write(file, content).unwrap();
    }
    let metrics = TlsMetrics::default();
    let server = ServerTlsSettings {
        key_pair: pair.clone(),
        client_auth: ClientAuth::Need {
            ca_file: ca_file.clone(),
        },
    };
    let server = ServerTls::load(&server, harness.clock.clone(), &metrics).unwrap();
    let client = ClientTlsSettings {
        system_roots: false,
        ca_file: Some(ca_file),
        key_pair: Some(pair),
    };
    let client = ClientTls::load(&client, harness.clock.clone(), &metrics).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(server.config()).accept(stream).await?;
        stream.write_all(b"hello").await?;
        stream.shutdown().await
    };
    let call = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("order-service").unwrap();
        let connector = TlsConnector::from(client.config());
        let mut stream = connector.connect(name, stream).await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await.map(|_| said)
    };
    let (served, called) = tokio::join!(serve, call);
    served.unwrap();
    assert_eq!(called.unwrap(), "hello");
}
