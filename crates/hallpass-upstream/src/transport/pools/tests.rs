use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use hallpass_clock::{Clock as _, SystemClock};
use hallpass_tls::{
    ClientAuth, ClientTls, ClientTlsSettings, ServerTls, ServerTlsSettings, TestAuthority,
    TestCertificate, TlsMetrics,
};
use http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use crate::body::Body;
use crate::transport::HttpTransport;

/// What each connection that came to its end of the handshake has shown, in DER; empty for nothing.
type Shown = Arc<Mutex<Vec<Vec<u8>>>>;

/// Answers every request over TLS with 200, and asks callers for a certificate of `authority` if they have one.
async fn server(authority: &TestAuthority, certificate: &TestCertificate) -> (u16, Shown) {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("clients.crt");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let settings = ServerTlsSettings {
        key_pair: certificate.write(folder.path(), "server"),
        client_auth: ClientAuth::Want { ca_file },
    };
    let clock = Arc::new(SystemClock::new());
    let tls = ServerTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
    let acceptor = TlsAcceptor::from(tls.config());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shown = Shown::default();
    let seen = Arc::clone(&shown);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let own = stream.get_ref().1.peer_certificates();
                let own = own.map(|shown| shown[0].to_vec());
                seen.lock().unwrap().push(own.unwrap_or_default());
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                    let response = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(response).await.unwrap();
                }
            });
        }
    });
    (port, shown)
}

/// A caller that trusts the authority in `folder` alone.
fn caller(folder: &Path, certificate: Option<&TestCertificate>) -> (HttpTransport, ClientTls) {
    let settings = ClientTlsSettings {
        system_roots: false,
        ca_file: Some(folder.join("ca.crt")),
        key_pair: certificate.map(|certificate| certificate.write(folder, "client")),
    };
    let clock = Arc::new(SystemClock::new());
    let tls = ClientTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
    let transport = HttpTransport::builder().followed_tls(tls.clone());
    (transport.build().unwrap(), tls)
}

async fn get(transport: &HttpTransport, port: u16) -> Result<u16, String> {
    let uri = format!("https://127.0.0.1:{port}/");
    let request = Request::get(uri).body(Body::empty()).unwrap();
    let response = transport.clone().call(request).await;
    let response = response.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    // To its end, so that the connection goes back to the pool.
    let body = response.into_body().collect_within(1_024).await;
    assert!(body.unwrap().is_empty());
    Ok(status)
}

fn trust(folder: &Path, authority: &TestAuthority) {
    std::fs::write(folder.join("ca.crt"), authority.pem()).unwrap();
}

#[tokio::test]
async fn a_server_whose_certificate_is_no_good_is_refused_with_the_reason() {
    let authority = TestAuthority::new("Test CA");
    let folder = tempfile::tempdir().unwrap();
    trust(folder.path(), &authority);
    let (transport, _tls) = caller(folder.path(), None);
    let yesterday = SystemClock::new().now() - Duration::from_secs(86_400);
    let stranger = TestAuthority::new("Another CA");
    let cases = [
        (authority.certificate(&["127.0.0.1"]), Ok(200)),
        (
            authority.certificate(&["a.example"]),
            Err("not valid for name"),
        ),
        (stranger.certificate(&["127.0.0.1"]), Err("UnknownIssuer")),
        (
            authority.certificate_until(&["127.0.0.1"], yesterday),
            Err("certificate expired"),
        ),
    ];
    for (certificate, expected) in cases {
        let (port, shown) = server(&authority, &certificate).await;
        let got = get(&transport, port).await;
        match expected {
            Ok(status) => assert_eq!(got, Ok(status)),
            Err(reason) => {
                let error = got.unwrap_err();
                assert!(
                    error.starts_with("could not connect: ") && error.contains(reason),
                    "{error}"
                );
                assert!(shown.lock().unwrap().is_empty());
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_was_made_under_a_removed_authority_is_not_used_again() {
    let (old, new) = (TestAuthority::new("Old CA"), TestAuthority::new("New CA"));
    let folder = tempfile::tempdir().unwrap();
    trust(folder.path(), &old);
    let (transport, tls) = caller(folder.path(), None);
    let (port, shown) = server(&old, &old.certificate(&["127.0.0.1"])).await;
    for _twice in 0..2 {
        assert_eq!(get(&transport, port).await, Ok(200));
    }
    assert_eq!(
        shown.lock().unwrap().len(),
        1,
        "one connection, kept in the pool"
    );
    trust(folder.path(), &new);
    tls.look();
    let error = get(&transport, port).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
    trust(folder.path(), &old);
    tls.look();
    assert_eq!(get(&transport, port).await, Ok(200));
}

#[tokio::test]
async fn a_renewed_certificate_of_the_caller_is_shown_without_a_restart_and_no_request_fails() {
    let authority = TestAuthority::new("Test CA");
    let folder = tempfile::tempdir().unwrap();
    trust(folder.path(), &authority);
    let first = authority.certificate(&["order-service"]);
    let (transport, tls) = caller(folder.path(), Some(&first));
    let (port, shown) = server(&authority, &authority.certificate(&["127.0.0.1"])).await;
    for _round in 0..10 {
        assert_eq!(get(&transport, port).await, Ok(200));
        let _settings = authority
            .certificate(&["order-service"])
            .write(folder.path(), "client");
        tls.look();
    }
    let mut shown = std::mem::take(&mut *shown.lock().unwrap());
    assert!(shown.iter().all(|own| !own.is_empty()));
    shown.dedup();
    assert_eq!(shown.len(), 10, "each was another one");
}

#[tokio::test]
async fn no_request_goes_over_a_connection_that_is_older_than_it_may_be() {
    let authority = TestAuthority::new("Test CA");
    let folder = tempfile::tempdir().unwrap();
    trust(folder.path(), &authority);
    let settings = ClientTlsSettings {
        system_roots: false,
        ca_file: Some(folder.path().join("ca.crt")),
        key_pair: None,
    };
    let clock = Arc::new(SystemClock::new());
    let tls = ClientTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
    let transport = HttpTransport::builder().followed_tls(tls);
    let transport = transport
        .idle_timeout(Duration::from_secs(3_600))
        .max_age(Duration::from_secs(100));
    let transport = transport.build().unwrap();
    let (port, shown) = server(&authority, &authority.certificate(&["127.0.0.1"])).await;
    let made = async |later: u64| {
        // While time stands still, nobody waits for anything of the network.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(later)).await;
        tokio::time::resume();
        assert_eq!(get(&transport, port).await, Ok(200));
        shown.lock().unwrap().len()
    };
    assert_eq!(made(0).await, 1);
    assert_eq!(made(70).await, 1, "in use all the time");
    assert_eq!(made(31).await, 2);
    assert_eq!(made(1).await, 2);
}
