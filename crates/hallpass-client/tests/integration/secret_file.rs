//! A client secret in a file that changes while the service runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallpass_client::{
    AuthTokenService, ClientAuthentication, Credential, DenialCode, MemoryTokenCache, TokenError,
};
use hallpass_config::Secret;
use tempfile::TempDir;

use crate::apply::{own, settings};
use crate::scripted_issuer::{ScriptedIssuer, handle};

struct Fixture {
    issuer: ScriptedIssuer,
    folder: TempDir,
    service: AuthTokenService,
}

/// A service whose secret is `first`, out of a file, and an issuer that takes no other one.
fn fixture() -> Fixture {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    issuer.takes_only("first");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "first\n").unwrap();
    let service = issuer.client_with(in_file(folder.path())).build();
    Fixture {
        issuer,
        folder,
        service,
    }
}

fn in_file(folder: &Path) -> Credential {
    let endpoint = "https://service-auth.example/oauth2/token".parse().unwrap();
    let id = "internal-service-client".parse().unwrap();
    Credential::new(id, Secret::from("first"), endpoint)
        .with_scope("internal-service".parse().unwrap())
        .with_authentication(ClientAuthentication::Post)
        .with_secret_file(folder.join("secret"))
}

impl Fixture {
    fn write(&self, content: &str) {
        std::fs::write(self.folder.path().join("secret"), content).unwrap();
    }

    /// Asks for another token. Returns the secrets that were sent for it.
    async fn renew(&self) -> (Result<(), TokenError>, Vec<String>) {
        let before = self.issuer.requests();
        let tokens = handle(&self.service);
        tokens.evict().await;
        let result = tokens.token().await.map(drop);
        let forms = self.issuer.forms().into_iter().skip(before);
        (
            result,
            forms.map(|form| form["client_secret"].clone()).collect(),
        )
    }
}

#[tokio::test]
async fn a_changed_file_is_read_before_the_next_request() {
    let fixture = fixture();
    assert_eq!(fixture.renew().await, (Ok(()), vec!["first".to_owned()]));
    fixture.issuer.takes_only("second");
    fixture.write("second\r\n");
    assert_eq!(fixture.renew().await, (Ok(()), vec!["second".to_owned()]));
}

#[tokio::test]
async fn what_is_no_secret_leaves_the_last_good_one() {
    let fixture = fixture();
    fixture.renew().await.0.unwrap();
    for content in ["", "\n\n"] {
        fixture.write(content);
        assert_eq!(fixture.renew().await, (Ok(()), vec!["first".to_owned()]));
    }
    std::fs::write(fixture.folder.path().join("secret"), [0xff, 0xfe]).unwrap();
    assert_eq!(fixture.renew().await.1, ["first"]);
    std::fs::remove_file(fixture.folder.path().join("secret")).unwrap();
    assert_eq!(fixture.renew().await.1, ["first"]);
    fixture.issuer.takes_only("second");
    fixture.write("second");
    assert_eq!(fixture.renew().await, (Ok(()), vec!["second".to_owned()]));
}

#[tokio::test]
async fn a_file_that_changed_before_the_issuer_did_costs_one_refusal_and_no_call() {
    let fixture = fixture();
    fixture.renew().await.0.unwrap();
    // Half written, or the issuer does not know it yet.
    fixture.write("sec");
    assert_eq!(
        fixture.renew().await,
        (Ok(()), vec!["sec".to_owned(), "first".to_owned()])
    );
    assert_eq!(fixture.renew().await.1, ["first"], "it is not tried again");
    fixture.write("second");
    assert_eq!(fixture.renew().await.1, ["second", "first"]);
    fixture.issuer.takes_only("second");
    assert_eq!(
        fixture.renew().await,
        (Ok(()), vec!["first".to_owned(), "second".to_owned()])
    );
    assert_eq!(fixture.renew().await.1, ["second"]);
}

#[tokio::test]
async fn what_was_sealed_for_a_tier_under_the_secret_before_still_opens() {
    let fixture = fixture();
    let client = fixture.issuer.client_with(in_file(fixture.folder.path()));
    let tier = Arc::new(MemoryTokenCache::new(10));
    // So that the tier alone has the tokens.
    let service = client.without_memory_cache().shared_cache(tier).build();
    let old = handle(&service).token().await.unwrap();
    fixture.write("second");
    fixture.issuer.takes_only("second");
    let (audience, scope) = ("service-billing".parse().unwrap(), "s".parse().unwrap());
    service.service_token(&audience, &scope).await.unwrap();
    assert_eq!(fixture.issuer.forms()[1]["client_secret"], "second");
    assert_eq!(handle(&service).token().await.unwrap(), old);
    assert_eq!(fixture.issuer.requests(), 2);
}

#[tokio::test]
async fn a_refused_secret_is_followed_by_one_other_try_at_most() {
    let fixture = fixture();
    fixture.issuer.takes_only("nobody knows");
    let (result, sent) = fixture.renew().await;
    let denied = TokenError::Denied {
        code: DenialCode::InvalidClient,
        status: 401,
    };
    assert_eq!((result, sent), (Err(denied), vec!["first".to_owned()]));
}

#[tokio::test]
async fn settings_that_were_loaded_in_the_middle_of_a_change_do_not_lose_the_accepted_secret() {
    let fixture = fixture();
    let loaded = |secret: &str| {
        let mut own = own(secret);
        own.client_secret_file = Some(fixture.folder.path().join("secret"));
        settings(own, [])
    };
    fixture.renew().await.0.unwrap();
    fixture.write("sec");
    fixture.service.apply(&loaded("sec")).unwrap();
    assert_eq!(
        fixture.renew().await,
        (Ok(()), vec!["sec".to_owned(), "first".to_owned()])
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_is_not_read_again() {
    let fixture = fixture();
    let path = fixture.folder.path().join("secret");
    std::fs::remove_file(&path).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    assert_eq!(fixture.renew().await, (Ok(()), vec!["first".to_owned()]));
}
