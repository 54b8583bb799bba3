//! A service without a secret: it shows a token of another issuer, which somebody renews in a file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass_client::{
    AssertionFault, AssertionType, AuthTokenService, AuthTokenServiceBuilder,
    ClientAssertionSettings, ClientAuthentication, Credential, CredentialSettings, DenialCode,
    InternalTokenSettings, MemoryTokenCache, TokenError, TokenSource,
};
use hallpass_clock::Clock as _;
use hallpass_config::{Loader, Secret};
use hallpass_token::UnixTime;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::apply::{own, settings};
use crate::scripted_issuer::{ScriptedIssuer, handle};

/// Longer than any back-off after one failure.
const LONG: Duration = Duration::from_secs(120);

/// A pod: the file that the kubelet writes, and an issuer.
struct Pod {
    issuer: ScriptedIssuer,
    folder: TempDir,
}

impl Pod {
    fn new() -> Self {
        Self {
            issuer: ScriptedIssuer::new(Duration::from_secs(600)),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Puts a token there that ends in so many seconds, and gives it back.
    fn renew(&self, name: &str, seconds: u64) -> String {
        let now = UnixTime::from(self.issuer.clock().now()).as_secs();
        let token = token(name, now + seconds);
        self.write(&format!("{token}\n"));
        token
    }

    fn write(&self, content: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("token")
    }

    fn client(&self) -> AuthTokenServiceBuilder {
        self.issuer.client_with(federated(&self.file()))
    }

    /// Asks for another token. Returns what came of it, and what was shown for it.
    async fn ask(&self, service: &AuthTokenService) -> (Result<(), TokenError>, Vec<String>) {
        let before = self.issuer.requests();
        let tokens = handle(service);
        tokens.evict().await;
        let result = tokens.token().await.map(drop);
        let forms = self.issuer.forms().into_iter().skip(before);
        let shown = forms.map(|form| form["client_assertion"].clone());
        (result, shown.collect())
    }
}

fn federated(file: &Path) -> Credential {
    let endpoint = "https://service-auth.example/oauth2/token".parse().unwrap();
    let id = "internal-service-client".parse().unwrap();
    Credential::federated(id, file, AssertionType::JwtBearer, endpoint)
        .with_scope("internal-service".parse().unwrap())
}

fn token(name: &str, end: u64) -> String {
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let claims = format!(r#"{{"sub":"{name}","exp":{end}}}"#);
    format!(
        "{}.{}.{}",
        part("{}".to_owned()),
        part(claims),
        part(name.to_owned())
    )
}

fn fails(fault: AssertionFault) -> (Result<(), TokenError>, Vec<String>) {
    (Err(TokenError::ClientAssertion(fault)), Vec::new())
}

#[tokio::test(start_paused = true)]
async fn it_is_sent_with_the_clients_name_and_no_secret() {
    let pod = Pod::new();
    let token = pod.renew("orders", 3_600);
    for (kind, name) in [
        (AssertionType::JwtBearer, "jwt-bearer"),
        (AssertionType::JwtSpiffe, "jwt-spiffe"),
    ] {
        let id = "orders".parse().unwrap();
        let url = "https://service-auth.example/oauth2/token".parse().unwrap();
        let credential = Credential::federated(id, pod.file(), kind, url)
            // It has no secret, and so shows none.
            .with_authentication(ClientAuthentication::Post);
        let service = pod.issuer.client_with(credential).build();
        handle(&service).token().await.unwrap();
        let form = pod.issuer.forms().pop().unwrap();
        let urn = format!("urn:ietf:params:oauth:client-assertion-type:{name}");
        assert_eq!(form["client_assertion_type"], urn);
        assert_eq!(
            (&form["client_assertion"], &*form["client_id"]),
            (&token, "orders")
        );
        assert!(!form.contains_key("client_secret"), "{form:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewed_file_is_read_before_the_next_request_and_costs_no_token() {
    let pod = Pod::new();
    let first = pod.renew("first", 3_600);
    let service = pod.client().build();
    let shown = AssertionType::JwtBearer;
    let as_loaded = || {
        let mut own = own("");
        own.client_authentication = ClientAuthentication::FederatedJwt;
        own.client_assertion = Some(ClientAssertionSettings {
            file: pod.file(),
            assertion_type: shown,
            cache_secret: None,
        });
        settings(own, [])
    };
    service.apply(&as_loaded()).unwrap();
    assert_eq!(pod.ask(&service).await, (Ok(()), vec![first]));
    let kept = handle(&service).token().await.unwrap();
    let second = pod.renew("second", 3_600);
    // Whatever else may have changed in the settings, the file says nothing about the tokens that are there.
    service.apply(&as_loaded()).unwrap();
    assert_eq!(handle(&service).try_current(), Some(kept));
    assert_eq!(pod.ask(&service).await, (Ok(()), vec![second]));
}

#[tokio::test(start_paused = true)]
async fn without_a_file_the_last_one_is_used_until_its_end_and_never_after_it() {
    let pod = Pod::new();
    let token = pod.renew("orders", 3_600);
    let service = pod.client().build();
    assert_eq!(pod.ask(&service).await, (Ok(()), vec![token.clone()]));
    let large = format!("e30.{}.e30", "A".repeat(20_000));
    for content in ["", "\n", "half a token", &large] {
        pod.write(content);
        assert_eq!(pod.ask(&service).await, (Ok(()), vec![token.clone()]));
    }
    std::fs::remove_file(pod.file()).unwrap();
    sleep(Duration::from_secs(3_599)).await;
    assert_eq!(pod.ask(&service).await, (Ok(()), vec![token]));
    sleep(Duration::from_secs(1)).await;
    let (absent, sent) = pod.ask(&service).await;
    let absent = absent.unwrap_err();
    assert_eq!(
        absent.to_string(),
        "the token of client-assertion-file cannot be used: the file cannot be read: there is none of this name"
    );
    assert!(sent.is_empty() && absent.is_retryable() && !absent.is_outage());
    pod.write("");
    sleep(LONG).await;
    let empty = pod.ask(&service).await.0.unwrap_err();
    assert!(empty.to_string().ends_with("the file is empty"), "{empty}");
    // As soon as somebody renews it all is well again.
    sleep(LONG).await;
    let renewed = pod.renew("renewed", 3_600);
    assert_eq!(pod.ask(&service).await, (Ok(()), vec![renewed]));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_ended_is_not_sent() {
    let pod = Pod::new();
    pod.renew("orders", 0);
    let service = pod.client().build();
    assert_eq!(pod.ask(&service).await, fails(AssertionFault::Ended));
    sleep(LONG).await;
    pod.write("InternalSecret123!");
    assert_eq!(pod.ask(&service).await, fails(AssertionFault::NotAJwt));
    // What has been handed out already lives for its own time.
    sleep(LONG).await;
    pod.renew("orders", 10);
    handle(&service).token().await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert!(handle(&service).token().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refused_one_is_followed_by_the_last_accepted_one_while_that_lives() {
    let pod = Pod::new();
    let first = pod.renew("first", 600);
    let service = pod.client().build();
    pod.issuer.takes_only(&first);
    assert_eq!(pod.ask(&service).await, (Ok(()), vec![first.clone()]));
    // Signed with a key that the issuer does not know yet, or half written.
    let second = pod.renew("second", 3_600);
    assert_eq!(
        pod.ask(&service).await,
        (Ok(()), vec![second.clone(), first.clone()])
    );
    assert_eq!(pod.ask(&service).await, (Ok(()), vec![first]));
    sleep(Duration::from_secs(600)).await;
    let denied = TokenError::Denied {
        code: DenialCode::InvalidClient,
        status: 401,
    };
    assert_eq!(pod.ask(&service).await, (Err(denied), vec![second.clone()]));
    pod.issuer.takes_only(&second);
    sleep(LONG).await;
    assert_eq!(pod.ask(&service).await, (Ok(()), vec![second]));
}

#[tokio::test(start_paused = true)]
async fn its_tokens_stay_in_memory_unless_its_instances_have_something_in_common() {
    let pod = Pod::new();
    let tier = Arc::new(MemoryTokenCache::new(10));
    let instance = |secret: Option<&str>| {
        // Each instance has a token of its own.
        pod.renew("another", 3_600);
        let credential = federated(&pod.file());
        let credential = match secret {
            Some(secret) => credential.with_cache_secret(Secret::from(secret)),
            None => credential,
        };
        let client = pod.issuer.client_with(credential);
        client.shared_cache(tier.clone()).build()
    };
    let source = async |secret| {
        let token = handle(&instance(secret)).token().await.unwrap();
        assert_eq!(token.source(), TokenSource::Issuer);
    };
    source(None).await;
    source(None).await;
    source(Some("one")).await;
    source(Some("another")).await;
    assert_eq!(pod.issuer.requests(), 4);
    let shared = handle(&instance(Some("another"))).token().await.unwrap();
    assert_eq!(
        (shared.source(), pod.issuer.requests()),
        (TokenSource::Cache, 4)
    );
}

const SECTION: &str = "hallpass:
  internal-token:
    client-id: orders
    client-authentication: federated_jwt
    token-url: https://service-auth.example/oauth2/token
";

fn load(text: &str) -> Result<CredentialSettings, Vec<String>> {
    let nothing: [(&str, &str); 0] = [];
    let loader = Loader::new("hallpass").text("y", text).environment(nothing);
    let loaded = loader.load::<InternalTokenSettings>();
    let problems = |problems: hallpass_config::Problems| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let loaded = loaded.map_err(problems)?.into_settings();
    Ok(loaded.token_service.unwrap().credential)
}

#[test]
fn settings_name_a_file_that_has_a_token() {
    let pod = tempfile::tempdir().unwrap();
    let file = pod.path().join("token");
    let line = format!("    client-assertion-file: {}\n", file.display());
    std::fs::write(&file, token("orders", 1)).unwrap();
    // One that has ended is renewed later.
    let credential = load(&format!("{SECTION}{line}")).unwrap();
    let shown = credential.client_assertion.clone().unwrap();
    assert_eq!(shown.file, file);
    assert_eq!(shown.assertion_type, AssertionType::JwtBearer);
    assert!(shown.cache_secret.is_none());
    let all = format!(
        "{SECTION}{line}    client-assertion-type: jwt-spiffe\n    cache-secret: hunter2\n"
    );
    let credential = load(&all).unwrap();
    let shown = credential.client_assertion.clone().unwrap();
    assert_eq!(shown.assertion_type, AssertionType::JwtSpiffe);
    assert_eq!(shown.cache_secret.as_ref().unwrap().expose(), "hunter2");
    assert!(!format!("{credential:?}").contains("hunter2"));
    for (content, problem) in [
        ("", "the file is empty"),
        ("InternalSecret123!", "what stands in it is no JWT"),
    ] {
        std::fs::write(&file, content).unwrap();
        let problems = load(&format!("{SECTION}{line}")).unwrap_err();
        let expected = format!("y:6:28: hallpass.internal-token.client-assertion-file: {problem}");
        assert_eq!(problems, [expected]);
    }
    std::fs::remove_file(&file).unwrap();
    let absent = load(&format!("{SECTION}{line}")).unwrap_err();
    assert!(
        absent[0].ends_with(
            "client-assertion-file: the file cannot be read: there is none of this name"
        )
    );
}

#[test]
fn what_the_way_to_authenticate_has_no_use_for_is_a_problem() {
    let missing = load(SECTION).unwrap_err();
    assert!(
        missing[0].contains("internal-token.client-assertion-file: "),
        "{missing:?}"
    );
    assert_eq!(missing.len(), 1);
    let by_secret = SECTION.replace("federated_jwt", "basic");
    let lines = "    client-secret: s\n    client-assertion-file: /t\n    client-assertion-type: jwt-bearer\n    cache-secret: c\n";
    let unused = load(&format!("{by_secret}{lines}")).unwrap_err();
    assert_eq!(unused.len(), 3, "{unused:?}");
    let pod = tempfile::tempdir().unwrap();
    let file = pod.path().join("token");
    std::fs::write(&file, token("orders", 1)).unwrap();
    let line = format!("    client-assertion-file: {}\n", file.display());
    let unused = load(&format!(
        "{SECTION}{line}    client-secret: s\n    key-id: k\n"
    ))
    .unwrap_err();
    assert_eq!(unused.len(), 2, "{unused:?}");
    assert!(
        unused
            .iter()
            .all(|it| it.ends_with("is of no use with this `client-authentication`"))
    );
}
