//! Tokens that are bound to a key or a certificate of their sender, through a proxy.

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::tls::TestCertificate;
use hallpass::token::{
    Algorithm, Confirmation, DpopKey, DpopRequest, DpopUri, Thumbprint, UnixTime,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::estate::{Estate, bound_token};
use crate::grpc::Question;
use crate::protocols::by_each;

/// A proof of `key` for one request with `token`.
fn proof(key: &DpopKey, token: &str, method: &str, uri: &str) -> String {
    let request = DpopRequest {
        method,
        uri: &DpopUri::parse(uri).unwrap(),
        access_token: Some(token),
        nonce: None,
    };
    let now = UnixTime::from(SystemClock::new().now());
    key.prove(&request, now).unwrap()
}

#[tokio::test]
async fn a_proof_is_for_the_request_as_the_caller_wrote_it_and_counts_once() {
    let estate = Estate::start_with("    grpc-listen: 127.0.0.1:0\n").await;
    let key = DpopKey::generate(Algorithm::EdDsa).unwrap();
    let token = bound_token(Confirmation {
        jkt: Some(key.thumbprint()),
        ..Confirmation::default()
    });
    let authorization = format!("DPoP {token}");
    let line = format!("Authorization: {authorization}");
    let good = ["GET", "https://shop.example/orders/7"];
    for (method, uri, status) in [
        (good[0], good[1], 200),
        ("POST", good[1], 401),
        ("GET", "https://evil.example/orders/7", 401),
        ("GET", "https://shop.example/orders/8", 401),
        // What the proxy asks is not what the caller asked.
        ("GET", "http://authz:9191/authz/forward", 401),
        ("GET", "https://shop.example/authz/envoy/orders/7", 401),
    ] {
        for at in 0..3 {
            // One for each protocol: none counts for two.
            let proof = format!("DPoP: {}", proof(&key, &token, method, uri));
            let (protocol, answer) = by_each(&estate, ["GET", "/orders/7"], &[&line, &proof])
                .await
                .swap_remove(at);
            // The first of the three has used it up.
            let expected = if at == 0 { status } else { 401 };
            assert_eq!(
                answer.status, expected,
                "{protocol} {method} {uri}: {answer:?}"
            );
        }
        let proof = proof(&key, &token, method, uri);
        let headers = [
            ("authorization", authorization.as_str()),
            ("dpop", proof.as_str()),
        ];
        let question = Question::new("GET", "/orders/7", &headers);
        let answers = [estate.check(&question).await, estate.check(&question).await];
        let statuses = answers.map(|answer| answer.status.unwrap_or(200));
        assert_eq!(statuses, [status, 401], "{method} {uri}");
    }
    let without = by_each(&estate, ["GET", "/orders/7"], &[&line]).await;
    assert!(
        without.iter().all(|(_, answer)| answer.status == 401),
        "{without:?}"
    );
}

#[tokio::test]
async fn a_certificate_that_envoy_names_counts_where_that_is_believed_and_nowhere_else() {
    let [own, other] = [(), ()].map(|()| TestCertificate::self_signed(&["client"]).certificate_pem);
    let der = CertificateDer::from_pem_slice(own.as_bytes()).unwrap();
    let token = bound_token(Confirmation {
        x5t_s256: Some(Thumbprint::of_certificate(&der)),
        ..Confirmation::default()
    });
    let authorization = format!("Bearer {token}");
    for (settings, believes) in [("", false), ("    source-certificates: believe\n", true)] {
        let estate = Estate::start_with(&format!("    grpc-listen: 127.0.0.1:0\n{settings}")).await;
        let ask = async |certificate: &str| {
            let mut question =
                Question::new("GET", "/orders/7", &[("authorization", &authorization)]);
            question.certificate = escaped(certificate);
            estate.check(&question).await.status.unwrap_or(200)
        };
        assert_eq!(ask(&own).await, if believes { 200 } else { 401 });
        assert_eq!(ask(&other).await, 401);
        assert_eq!(ask("").await, 401);
        assert_eq!(ask("nonsense").await, if believes { 400 } else { 401 });
        // No header says what a connection shows.
        let line = format!("Authorization: {authorization}");
        let named = format!("X-Forwarded-Client-Cert: Cert=\"{}\"", escaped(&own));
        for (protocol, answer) in by_each(&estate, ["GET", "/orders/7"], &[&line, &named]).await {
            assert_eq!(answer.status, 401, "{protocol}: {answer:?}");
        }
    }
}

/// As Envoy writes it.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}
