//! An introspection endpoint that breaks off, says nothing, or never ends.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hallpass_client::Credential;
use hallpass_clock::Clock as _;
use hallpass_config::Secret;
use hallpass_resource::{Introspection, IntrospectionLimits, TrustedIssuer};
use hallpass_token::UnixTime;
use hallpass_upstream::{HttpTransport, Network, StaticDiscovery};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::endpoint::{ISSUER, policy};
use crate::support::{AppBuilder, get, test_clock};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

/// What it sends, and whether it closes then.
type Script = (String, bool);

/// Sends the same bytes to everybody.
struct Wire {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

impl Wire {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let served = Arc::clone(&script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = served.lock().unwrap().clone();
                tokio::spawn(serve(stream, script));
            }
        });
        Self { address, script }
    }

    fn says(&self, bytes: &str, closes: bool) {
        *self.script.lock().unwrap() = (bytes.to_owned(), closes);
    }
}

async fn serve(mut stream: TcpStream, (bytes, closes): Script) {
    let mut asked = Vec::new();
    while !String::from_utf8_lossy(&asked).contains("token=") {
        if stream.read_buf(&mut asked).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let _written = stream.write_all(bytes.as_bytes()).await;
    if !closes {
        // Until the other side gives up.
        let _gone = stream.read_to_end(&mut asked).await;
    }
}

fn response(length: usize, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn an_endpoint_that_breaks_off_or_never_ends_is_a_503_within_its_limit_and_nothing_later() {
    let clock = test_clock();
    let wire = Wire::start().await;
    let url = format!("http://{}/introspect", wire.address);
    let secret = Secret::from("secret");
    let credential = Credential::new("shop".parse().unwrap(), secret, url.parse().unwrap());
    let limits = IntrospectionLimits {
        timeout: Duration::from_millis(300),
        ..IntrospectionLimits::default()
    };
    let transport = HttpTransport::new().unwrap();
    let network = Network::new(transport, Arc::new(StaticDiscovery::new()), clock.clone());
    let introspection = Introspection::new(credential, &network, limits);
    let trusted = TrustedIssuer::introspected(policy(), introspection, clock.clone());
    let app = AppBuilder::new(&clock).with(|it| it.issuer(trusted));
    let app = app.start().await;
    let now = UnixTime::from(clock.now()).as_secs();
    let said = json!({
        "active": true, "iss": ISSUER, "sub": "alice", "aud": "shop", "client_id": "web", "scope": "orders", "iat": now, "exp": now + 3_600, "token_type": "Bearer", "jti": "jti-alice",
    });
    let said = said.to_string();
    let half = &said[..said.len() / 2];
    let scripts = [
        ("silence", String::new(), false),
        ("closed without a word", String::new(), true),
        (
            "half a head",
            "HTTP/1.1 200 OK\r\ncontent-".to_owned(),
            false,
        ),
        (
            "half a body that never ends",
            response(said.len(), half),
            false,
        ),
        ("half a body", response(said.len(), half), true),
        // All that it says of itself is whole, and yet it is less than was announced.
        (
            "less than was announced",
            response(said.len() + 1, &said),
            true,
        ),
        ("an empty one", response(0, ""), true),
        ("no HTTP", "+OK\r\n".to_owned(), true),
    ];
    for (number, (what, bytes, closes)) in scripts.into_iter().enumerate() {
        let token = format!("opaque-{number}");
        wire.says(&bytes, closes);
        let asked = get(app.address, "/whoami", Some(&token));
        let refused = timeout(LIMIT, asked).await.unwrap();
        let expected = (503, "unavailable".to_owned());
        assert_eq!(refused.refusal(), expected, "{what}");
        // Nothing of it is remembered of the token.
        wire.says(&response(said.len(), &said), true);
        clock.advance_seconds(30);
        let asked = get(app.address, "/whoami", Some(&token));
        let passed = timeout(LIMIT, asked).await.unwrap();
        assert_eq!(passed.status, 200, "after {what}: {passed:?}");
    }
}
