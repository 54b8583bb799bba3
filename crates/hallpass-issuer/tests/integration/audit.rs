//! One event per decision, and nothing in it that must not be there.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;

use hallpass_issuer::{ExchangeRule, GrantType, SubjectKind, TrustedIssuerSettings};
use hallpass_token::{
    Algorithm, DpopKey, DpopRequest, DpopUri, SigningKey, TokenClaims, UnixTime, sign,
};

use crate::harness::{Harness, NOW, SECRET, basic, request};

/// A log in memory.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// What is logged from now on by this thread, for as long as the guard is held.
    pub(crate) fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        never_alone();
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .without_time()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// What is a warning or worse in this thread, until the guard is dropped.
    pub(crate) fn warnings() -> (Self, tracing::subscriber::DefaultGuard) {
        never_alone();
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::WARN)
            .with_writer(log.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (log, guard)
    }

    /// How many lines say so.
    pub(crate) fn lines(&self, what: &str) -> usize {
        let text = self.text();
        text.lines().filter(|line| line.contains(what)).count()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        let text = self.text();
        let events = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        events
            .filter(|event| event["target"] == hallpass_issuer::AUDIT_TARGET)
            .collect()
    }
}

/// While there is one subscriber alone, what a line is to a thread without it is remembered for that line: nobody's.
fn never_alone() {
    static ANOTHER: OnceLock<tracing::Dispatch> = OnceLock::new();
    ANOTHER.get_or_init(|| tracing::Dispatch::new(tracing_subscriber::registry()));
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        crate::kept::output(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Everything that is logged while `work` runs and the issuer is shut down.
async fn logged(work: impl AsyncFnOnce(&Harness)) -> Log {
    let (log, guard) = Log::begin();
    let harness = Harness::start().await;
    work(&harness).await;
    harness.issuer.shutdown().await.unwrap();
    drop(guard);
    log
}

#[tokio::test]
async fn each_decision_is_one_event_and_shutdown_writes_what_is_queued() {
    let log = logged(async |harness| {
        harness
            .ask("grant_type=client_credentials&scope=read")
            .await;
        harness
            .ask_as("c", "wrong-secret-value", "grant_type=client_credentials")
            .await;
        harness
            .ask("grant_type=client_credentials&audience=other")
            .await;
        harness.post(&[], b"%").await;
    })
    .await;
    let mut events = log.events();
    for event in &mut events {
        if event["fields"].get("jti").is_some() {
            event["fields"]["jti"] = Value::from("(jti)");
        }
    }
    let lines: Vec<String> = events
        .iter()
        .map(|event| event["fields"].to_string())
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn an_event_names_the_trace_of_its_request_issued_or_refused() {
    let log = logged(async |harness| {
        let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for (secret, trace) in [
            (SECRET, trace),
            ("wrong-secret-value", trace),
            (SECRET, "traceparent: 00-made-up-01"),
        ] {
            let headers = [&*basic("c", secret), trace];
            harness
                .post(&headers, b"grant_type=client_credentials")
                .await;
        }
    })
    .await;
    let events = log.events();
    for event in &events[..2] {
        let fields = &event["fields"];
        assert_eq!(fields["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(fields["parent_span_id"], "00f067aa0ba902b7");
    }
    assert_eq!(events[1]["fields"]["event"], "token_refused");
    assert_eq!(events[2]["fields"].get("trace_id"), None);
    assert!(!log.text().contains("made-up"));
}

#[tokio::test]
async fn the_event_of_a_bound_token_names_its_key_and_that_of_another_does_not() {
    let mut jkt = String::new();
    let log = logged(async |harness| {
        let key = DpopKey::generate(Algorithm::EdDsa).unwrap();
        let uri = DpopUri::parse(&harness.issuer.url("/oauth2/token")).unwrap();
        let request = DpopRequest {
            method: "POST",
            uri: &uri,
            access_token: None,
            nonce: None,
        };
        let proof = key.prove(&request, UnixTime::from_secs(NOW)).unwrap();
        let proof = format!("DPoP: {proof}");
        let headers = [&*basic("c", SECRET), &*proof];
        let response = harness.post(&headers, b"grant_type=client_credentials");
        assert_eq!(response.await.status, 200);
        harness.token().await;
        jkt = key.thumbprint().to_string();
    })
    .await;
    let events = log.events();
    let named: Vec<_> = events.iter().map(|it| it["fields"].get("jkt")).collect();
    assert_eq!(named, [Some(&Value::from(jkt)), None]);
}

#[tokio::test]
async fn no_secret_and_no_token_is_in_any_log_line_of_any_level() {
    let mut token = String::new();
    let log = logged(async |harness| {
        token = harness.token().await;
        harness
            .ask_as("c", "wrong-secret-value", "grant_type=client_credentials")
            .await;
        let post = format!("grant_type=client_credentials&client_id=c&client_secret={SECRET}");
        harness.post(&[], post.as_bytes()).await;
        harness.post(&[&basic("c", SECRET)], post.as_bytes()).await;
        harness
            .post(
                &[],
                b"grant_type=client_credentials&client_id=c&client_secret=a-broken-%zz",
            )
            .await;
    })
    .await;
    let text = log.text();
    assert!(text.contains("token issued"));
    let signature = token.rsplit('.').next().unwrap();
    let basic = basic("c", SECRET);
    let credential = basic.rsplit(' ').next().unwrap();
    for hidden in [
        SECRET,
        "wrong-secret-value",
        "a-broken",
        signature,
        credential,
    ] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn the_event_of_an_introspection_says_why_a_token_does_not_count_and_the_response_does_not() {
    let log = logged(async |harness| {
        let token = harness.token().await;
        let made_up = "A".repeat(64);
        for token in [token.as_str(), "x.y.z", made_up.as_str()] {
            let lines = [
                "Content-Type: application/x-www-form-urlencoded".to_owned(),
                basic("c", SECRET),
            ];
            let form = format!("token={token}");
            let request = request("POST /oauth2/introspect", &lines, form.as_bytes());
            let told = harness.send(&request).await.json();
            assert_eq!(told, serde_json::json!({ "active": false }));
        }
    })
    .await;
    let events = log.events();
    let told = events
        .iter()
        .filter(|it| it["fields"]["event"] == "token_introspected");
    let reasons: Vec<_> = told.map(|it| it["fields"]["reason"].clone()).collect();
    assert_eq!(
        reasons,
        [
            "not_for_client",
            "malformed_encoding",
            "invalid_refresh_token"
        ]
    );
}

#[tokio::test]
async fn a_token_of_an_unknown_issuer_is_refused_with_the_name_of_that_and_of_the_one_that_is_meant()
 {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let signed = |issuer: &str| {
        let end = UnixTime::from_secs(NOW + 300);
        let [subject, audience] = ["alice", "internal"];
        let (subject, audience) = (subject.parse().unwrap(), audience.parse().unwrap());
        let claims = TokenClaims::new(issuer.parse().unwrap(), subject, audience, end);
        let token = sign(&claims, &key, UnixTime::from_secs(NOW)).unwrap();
        token.expose().to_owned()
    };
    let trusted = "https://login.example/a";
    let log = logged(async |harness| {
        let mut settings = harness.settings.clone();
        let issuer = TrustedIssuerSettings::new("login", trusted.parse().unwrap());
        settings.trusted_issuers.push(issuer);
        settings.clients[0].grant_types = [GrantType::TokenExchange].into_iter().collect();
        settings.clients[0].exchange.push(ExchangeRule {
            subject_kinds: vec![SubjectKind::User],
            targets: vec!["service-system".parse().unwrap()],
            ..ExchangeRule::new()
        });
        harness.issuer.apply(&settings).await.unwrap();
        let long = format!("https://{}", "\u{e9}\"".repeat(200));
        for issuer in ["https://login.example/a/", trusted, &long] {
            let token = signed(issuer);
            let form = format!(
                "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={token}\
                 &subject_token_type=urn:ietf:params:oauth:token-type:access_token"
            );
            assert_eq!(harness.ask(&form).await.status, 400);
            let form = format!(
                "grant_type=client_credentials&client_assertion={token}&client_assertion_type=\
                 urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            );
            assert_eq!(harness.post(&[], form.as_bytes()).await.status, 401);
        }
    })
    .await;
    let events = log.events();
    let refused = events
        .iter()
        .filter(|it| it["fields"]["event"] == "token_refused")
        .map(|it| {
            ["claimed_issuer", "known_issuer", "hint"].map(|name| it["fields"][name].clone())
        });
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), 6);
    let slash = "differs from a known issuer by a slash at its end";
    for event in &refused[..2] {
        assert_eq!(*event, ["https://login.example/a/", trusted, slash]);
    }
    for event in &refused[2..4] {
        assert_eq!(event[..2], [trusted, trusted]);
        assert!(event[2].as_str().unwrap().contains("no rule"), "{event:?}");
    }
    for event in &refused[4..] {
        assert_eq!(event[0].as_str().unwrap().chars().count(), 200);
        assert_eq!(event[1..], [Value::Null, Value::Null]);
    }
}

#[tokio::test]
async fn a_client_id_that_nobody_verified_is_escaped_and_cut() {
    let id = format!("evil\"}}\n{{\"forged\"}}{}", "x".repeat(500));
    let log = logged(async |harness| {
        harness
            .ask_as(&id, "x", "grant_type=client_credentials")
            .await;
    })
    .await;
    let events = log.events();
    assert_eq!(events.len(), 1);
    let named = events[0]["fields"]["unverified_client_id"]
        .as_str()
        .unwrap();
    assert_eq!(named, &id[..64]);
    let line = log
        .text()
        .lines()
        .find(|line| line.contains("forged"))
        .unwrap()
        .to_owned();
    assert!(
        serde_json::from_str::<Value>(&line).is_ok(),
        "one whole line: {line}"
    );
}
