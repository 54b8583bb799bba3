//! Two executables of one issuer, which share in a real Redis what others have signed and what counts once.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};
use hallpass::token::{
    Algorithm, Issuer, JWT_BEARER_ASSERTION, JwkSet, SigningKey, TokenClaims, TokenType, UnixTime,
    sign_as,
};
use hallpass::upstream::{Body, HttpTransport};
use http::{Request, StatusCode, header};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::built::built;
use crate::redis::Redis;

const AUTH: &str = "https://auth.example";
const PARTNER: &str = "https://partner.example";
const PLATFORM: &str = "https://platform.example";
const SECRET: &str = "OrderSecret123!";

/// `hallpass issuer`, killed at the end.
struct Executable {
    child: Child,
    address: String,
}

impl Executable {
    fn start(folder: &Path, store: &str) -> Self {
        let mut command = Command::new(built(&["hallpass-cli"], &["hallpass"], "hallpass"));
        let mut child = command
            .current_dir(folder)
            .args(["issuer", "--config=issuer.yaml", "--listen=127.0.0.1:0"])
            .arg(format!("--store={store}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address =
            lines.find_map(|line| Some(line.unwrap().strip_prefix("listening on ")?.to_owned()));
        Self {
            child,
            address: address.unwrap(),
        }
    }

    /// Status and `error`; while Redis does not respond in its time, which a busy machine may cost, it is asked again.
    async fn ask(&self, form: &str, fresh: impl Fn() -> String) -> (StatusCode, Value, String) {
        loop {
            let shown = fresh();
            let request = Request::post(format!("http://{}/oauth2/token", self.address))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(form.replace("{}", &shown)))
                .unwrap();
            let response = HttpTransport::new().unwrap().oneshot(request).await;
            let (parts, body) = response.unwrap().into_parts();
            let body = body.collect_within(100_000).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            if parts.status != StatusCode::SERVICE_UNAVAILABLE {
                return (parts.status, body["error"].clone(), shown);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Executable {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Somebody whom the issuer trusts.
struct Signer {
    name: &'static str,
    key: SigningKey,
}

impl Signer {
    fn new(name: &'static str) -> Self {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        Self { name, key }
    }

    fn keys(&self) -> String {
        JwkSet::new([self.key.public_jwk()]).to_json().to_string()
    }

    /// A new assertion about `subject`.
    fn assertion(&self, subject: &str) -> String {
        let now = UnixTime::from(SystemClock::new().now());
        let end = now.saturating_add(Duration::from_secs(120));
        let issuer: Issuer = self.name.parse().unwrap();
        let (subject, audience) = (subject.parse().unwrap(), AUTH.parse().unwrap());
        let mut claims = TokenClaims::new(issuer, subject, audience, end);
        claims.issued_at = Some(now);
        let random = SigningKey::generate(Algorithm::EdDsa).unwrap();
        claims.token_id = Some(random.key_id().as_str().parse().unwrap());
        sign_as(&claims, &self.key, TokenType::Jwt, now)
            .unwrap()
            .expose()
            .to_owned()
    }
}

fn configuration(redis: u16) -> String {
    format!(
        "
hallpass:
  redis: {{ port: {redis} }}
  issuer:
    name: '{AUTH}'
    dpop: {{ without-replay-store: refuse }}
    trusted-issuers:
      - {{ name: partner, issuer: '{PARTNER}', jwks-file: partner.json, algorithms: EdDSA, user-when: [sub], service-when: '' }}
      - {{ name: platform, issuer: '{PLATFORM}', jwks-file: platform.json, algorithms: EdDSA, service-when: [sub] }}
    clients:
      - client-id: order-service
        client-secret: {SECRET}
        grant-types: 'urn:ietf:params:oauth:grant-type:jwt-bearer'
        exchange:
          - {{ grant: jwt-bearer, subject-issuer: '{PARTNER}', subject-kinds: [user], targets: [logistics-service], scopes: [shipments.read] }}
      - client-id: builder
        token-endpoint-auth-method: federated_jwt
        audiences: [logistics-service]
        assertions: [ {{ issuer: '{PLATFORM}', subject: builder }} ]
"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_have_signed_counts_once_at_all_executables_of_an_issuer_and_after_a_restart() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (partner, platform) = (Signer::new(PARTNER), Signer::new(PLATFORM));
    for (name, text) in [
        ("issuer.yaml", configuration(redis.port)),
        ("partner.json", partner.keys()),
        ("platform.json", platform.keys()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let first = Executable::start(folder.path(), "first.db");
    let second = Executable::start(folder.path(), "second.db");
    let by_grant = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&client_id=order-service&client_secret={SECRET}&audience=logistics-service&assertion={{}}"
    );
    let by_client = format!(
        "grant_type=client_credentials&audience=logistics-service&client_assertion_type={JWT_BEARER_ASSERTION}&client_assertion={{}}"
    );
    let mut used = Vec::new();
    for (form, signer, subject, error) in [
        (&by_grant, &partner, "alice", "invalid_grant"),
        (&by_client, &platform, "builder", "invalid_client"),
    ] {
        let (status, error_of_first, shown) = first.ask(form, || signer.assertion(subject)).await;
        assert_eq!(status, StatusCode::OK, "{subject}: {error_of_first}");
        for at in [&second, &first] {
            let (status, said, _) = at.ask(form, || shown.clone()).await;
            assert_ne!(status, StatusCode::OK, "{subject}");
            assert_eq!(said, error, "{subject}");
        }
        let new = second.ask(form, || signer.assertion(subject)).await;
        assert_eq!(new.0, StatusCode::OK, "{subject}: {}", new.1);
        used.push((form, shown, error));
    }
    drop(first);
    let first = Executable::start(folder.path(), "first.db");
    for (form, shown, error) in used {
        let (status, said, _) = first.ask(form, || shown.clone()).await;
        assert_ne!(status, StatusCode::OK);
        assert_eq!(said, error);
    }
}
