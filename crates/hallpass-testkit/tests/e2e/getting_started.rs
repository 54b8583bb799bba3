//! The service of `docs/getting-started.md`, with its own files, against a real issuer.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use hallpass::tls::TestAuthority;
use hallpass::upstream::{Body, HttpTransport};
use hallpass_testkit::TestIssuer;
use http::{Request, StatusCode};
use tower::ServiceExt as _;

use crate::blocks::blocks;
use crate::child::{Example, get};

const CONFIGURATION: &str = include_str!("../../../../examples/getting-started/hallpass.yaml");
const PAGE: &str = include_str!("../../../../docs/getting-started.md");
/// Commands of the page that build: the issuer and the service are started without them here.
const BUILDS: [&str; 3] = [
    "cargo run -p hallpass-cli -- issuer\n",
    "cargo new stock && cd stock\n",
    "CLIENT_SECRET=hallpass_… cargo run\n",
];

#[tokio::test]
async fn the_service_of_the_first_page_answers_callers_that_have_an_identity() {
    let issuer = TestIssuer::start().await.unwrap();
    // A port that nobody listens on yet.
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap().to_string();
    drop(reserved);
    let folder = tempfile::tempdir().unwrap();
    let configuration = CONFIGURATION
        .replace("127.0.0.1:9000", &issuer.address().to_string())
        .replace("127.0.0.1:8080", &address);
    std::fs::write(folder.path().join("hallpass.yaml"), configuration).unwrap();
    let secret = [("CLIENT_SECRET", TestIssuer::CLIENT_SECRET)];
    let service = Example::start_in(folder.path(), "getting-started", &address, &secret);
    listening(&address).await;

    let protected = service.url("/internal/stock/tea");
    assert_eq!(get(&protected, None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        text(&service.url("/ask/tea")).await,
        "3 x tea, for internal-service-client"
    );
    assert_eq!(
        get(&service.url("/elsewhere"), None).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn what_the_first_page_types_says_what_stands_there() {
    let issuer = TestIssuer::start().await.unwrap();
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap().to_string();
    drop(reserved);
    let folder = tempfile::tempdir().unwrap();
    let configuration = CONFIGURATION
        .replace("127.0.0.1:9000", &issuer.address().to_string())
        .replace("127.0.0.1:8080", &address);
    std::fs::write(folder.path().join("hallpass.yaml"), configuration).unwrap();
    let secret = [("CLIENT_SECRET", TestIssuer::CLIENT_SECRET)];
    let _service = Example::start_in(folder.path(), "getting-started", &address, &secret);
    listening(&address).await;
    let page = blocks(PAGE);
    let mut asked = 0;
    for (block, next) in page.iter().zip(page.iter().skip(1)) {
        let is_command = block.language == "sh" && block.mark.is_empty();
        if !is_command || BUILDS.contains(&block.text.as_str()) {
            continue;
        }
        let command = block.text.replace("127.0.0.1:8080", &address);
        let Some(said) = said(command).await else {
            return;
        };
        assert_eq!(next.language, "text", "line {}", next.line);
        for line in next.text.lines() {
            assert!(said.contains(line), "line {}: {said}", block.line);
        }
        asked += 1;
    }
    assert_eq!(asked, 2, "who has an identity, and who has none");
}

/// What a shell prints; `None`, which is said loudly, where there is no curl.
async fn said(command: String) -> Option<String> {
    let run = move || Command::new("sh").args(["-c", &command]).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    if output.status.code() == Some(127) {
        let line = b"\n!! SKIPPED, the commands of the first page: curl is not installed\n";
        // No test runner keeps back what is written there.
        let _unheard = std::io::stderr().write_all(line);
        return None;
    }
    Some(String::from_utf8(output.stdout).unwrap())
}

/// What docs/roll-out.md builds on: a file that is followed, and metrics that say how far it is rolled out.
#[tokio::test]
async fn the_service_of_the_first_page_follows_its_file_and_says_how_far_it_is_rolled_out() {
    let issuer = TestIssuer::start().await.unwrap();
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap().to_string();
    drop(reserved);
    let folder = tempfile::tempdir().unwrap();
    let configuration = CONFIGURATION
        .replace("127.0.0.1:9000", &issuer.address().to_string())
        .replace("127.0.0.1:8080", &address);
    let file = folder.path().join("hallpass.yaml");
    std::fs::write(&file, &configuration).unwrap();
    let secret = [("CLIENT_SECRET", TestIssuer::CLIENT_SECRET)];
    let service = Example::start_in(folder.path(), "getting-started", &address, &secret);
    listening(&address).await;
    let elsewhere = service.url("/elsewhere");
    assert_eq!(get(&elsewhere, None).await.status, StatusCode::UNAUTHORIZED);

    let turned = configuration.replace("internal-jwt:\n", "internal-jwt:\n      mode: report\n");
    assert_ne!(turned, configuration);
    std::fs::write(&file, turned).unwrap();
    let passes = async {
        while get(&elsewhere, None).await.status != StatusCode::NOT_FOUND {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), passes)
        .await
        .unwrap();
    let metrics = text(&service.url("/metrics")).await;
    let counted = "hallpass_would_deny_total{route=\"none\",reason=\"missing_token\",caller=\"_unauthenticated\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(
        metrics.contains("hallpass_rollout_ratio{route=\"none\",mode=\"report\"} 0"),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_service_of_the_first_page_speaks_tls_once_its_file_names_a_certificate() {
    let issuer = TestIssuer::start().await.unwrap();
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap().to_string();
    drop(reserved);
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new("Test CA");
    std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    let certificate = authority.certificate(&["127.0.0.1"]);
    let _settings = certificate.write(folder.path(), "tls");
    // It calls itself: so it trusts the authority too.
    let files = "    tls: { certificate-file: tls.crt, private-key-file: tls.key }";
    let configuration = CONFIGURATION
        .replace("127.0.0.1:9000", &issuer.address().to_string())
        .replace(
            "listen: 127.0.0.1:8080",
            &format!("listen: {address}\n{files}"),
        )
        .replace("127.0.0.1:8080", &format!("https://{address}"))
        .replace("hallpass:\n", "hallpass:\n  tls: { ca-file: ca.crt }\n");
    std::fs::write(folder.path().join("hallpass.yaml"), configuration).unwrap();
    let secret = [("CLIENT_SECRET", TestIssuer::CLIENT_SECRET)];
    let _service = Example::start_in(folder.path(), "getting-started", &address, &secret);
    listening(&address).await;
    let transport = HttpTransport::builder().trust_only_pem(authority.pem().as_bytes());
    let transport = transport.unwrap().build().unwrap();
    let request = Request::get(format!("https://{address}/ask/tea"));
    let response = transport
        .oneshot(request.body(Body::empty()).unwrap())
        .await;
    let body = response.unwrap().into_body().collect_within(65_536).await;
    assert_eq!(body.unwrap(), "3 x tea, for internal-service-client");
}

async fn listening(address: &str) {
    let connected = async {
        let mut again = tokio::time::interval(Duration::from_millis(20));
        while tokio::net::TcpStream::connect(address).await.is_err() {
            again.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), connected)
        .await
        .unwrap();
}

async fn text(url: &str) -> String {
    let request = Request::get(url).body(Body::empty()).unwrap();
    let transport = HttpTransport::new().unwrap();
    let response = transport.oneshot(request).await.unwrap();
    let bytes = response.into_body().collect_within(65_536).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
