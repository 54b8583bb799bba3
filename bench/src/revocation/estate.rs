//! The issuer, those who verify, and those who call.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hallpass::config::Loader;
use hallpass::resource::ResourceServer;
use hallpass::token::{Audience, Scope};
use hallpass::upstream::{Body, HttpTransport};
use hallpass::{Hallpass, Settings};
use http::{Request, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;

use crate::children::Issuer;
use crate::measure::Failure;

/// Clients that take back tokens: one alone is held to a rate.
const CLIENTS: usize = 64;
const SECRET: &str = "hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// Requests under way while the list is filled.
const AT_ONCE: usize = 128;
/// Longer than the measurement, so that no entry ends in it.
const TOKEN_LIFE_SECONDS: u64 = 7_200;

pub(super) struct Estate {
    issuer: Issuer,
    pub(super) verifiers: Vec<ResourceServer>,
    callers: Vec<Hallpass>,
    http: HttpTransport,
    audience: Audience,
    scope: Scope,
}

impl Estate {
    pub(super) async fn start(folder: &Path, number: usize) -> Result<Self, Failure> {
        let mut keys = format!(
            "    token-life-seconds: {TOKEN_LIFE_SECONDS}\n    key-announce-seconds: 0\n    revocations-per-client-per-second: 10000\n    clients:\n"
        );
        for client in 0..CLIENTS {
            keys.push_str(&format!(
                "      - {{ client-id: client-{client}, client-secret: {SECRET}, audiences: [service-system] }}\n"
            ));
        }
        let issuer = Issuer::start(folder, &keys, "").await?;
        let address = issuer.address();
        let verifier = || {
            let hallpass = service(&format!(
                "hallpass:\n  service: {{ name: service-system }}\n  security:\n    internal-jwt:\n      \
                 jwks-url: http://{address}/oauth2/jwks\n      jwks-cooldown-seconds: 1\n"
            ))?;
            Ok::<_, Failure>(hallpass.resource_server().build()?)
        };
        let caller = || {
            service(&format!(
                "hallpass:\n  service: {{ name: client-0 }}\n  internal-token: {{ client-id: client-0, client-secret: {SECRET}, \
                 token-url: 'http://{address}/oauth2/token' }}\n"
            ))
        };
        Ok(Self {
            issuer,
            verifiers: (0..number).map(|_| verifier()).collect::<Result<_, _>>()?,
            callers: (0..number).map(|_| caller()).collect::<Result<_, _>>()?,
            http: HttpTransport::new()?,
            audience: "service-system".parse()?,
            scope: Scope::empty(),
        })
    }

    pub(super) fn issuer_resident(&self) -> Result<u64, Failure> {
        self.issuer.resident()
    }

    /// Withdraws the key that signs, as an operator does.
    pub(super) fn taint_signing_key(&self) -> Result<(), Failure> {
        self.issuer.taint_signing_key()
    }

    /// The token that each caller would send now.
    pub(super) async fn cached_tokens(&self) -> Result<Vec<String>, Failure> {
        let mut tokens = Vec::new();
        for caller in &self.callers {
            let token = caller.tokens().service_token(&self.audience, &self.scope);
            tokens.push(token.await?.expose().to_owned());
        }
        Ok(tokens)
    }

    /// A new token of a client.
    pub(super) async fn token(&self, client: usize) -> Result<String, Failure> {
        self.asking().token(client).await
    }

    /// Takes a token of the client back.
    pub(super) async fn revoke(&self, client: usize, token: &str) -> Result<(), Failure> {
        self.asking().revoke(client, token).await
    }

    /// Revokes so many tokens; how long it took.
    pub(super) async fn fill(&self, entries: usize) -> Result<Duration, Failure> {
        let begun = Instant::now();
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (asking, next) = (self.asking(), Arc::clone(&next));
            workers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= entries {
                        return Ok::<_, Failure>(());
                    }
                    let client = number % CLIENTS;
                    let token = asking.token(client).await?;
                    asking.revoke(client, &token).await?;
                }
            });
        }
        while let Some(worker) = workers.join_next().await {
            worker??;
        }
        Ok(begun.elapsed())
    }

    fn asking(&self) -> Asking {
        Asking {
            http: self.http.clone(),
            issuer: format!("http://{}/oauth2", self.issuer.address()),
        }
    }
}

fn service(yaml: &str) -> Result<Hallpass, Failure> {
    let settings = Loader::new("hallpass").text("measurement", yaml);
    let settings = settings.load::<Settings>()?.into_settings();
    Ok(Hallpass::builder(&settings).build()?)
}

/// Plain requests to the issuer.
struct Asking {
    http: HttpTransport,
    issuer: String,
}

impl Asking {
    async fn token(&self, client: usize) -> Result<String, Failure> {
        let form = "grant_type=client_credentials&audience=service-system";
        let body = self.post("token", client, form).await?;
        let body: Value = serde_json::from_str(&body)?;
        let token = body.get("access_token").and_then(Value::as_str);
        Ok(token.ok_or("no token")?.to_owned())
    }

    async fn revoke(&self, client: usize, token: &str) -> Result<(), Failure> {
        self.post("revoke", client, &format!("token={token}"))
            .await?;
        Ok(())
    }

    /// One that comes too fast is sent again.
    async fn post(&self, endpoint: &str, client: usize, form: &str) -> Result<String, Failure> {
        loop {
            let form = format!("client_id=client-{client}&client_secret={SECRET}&{form}");
            let request = Request::post(format!("{}/{endpoint}", self.issuer))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from(form))?;
            let response = self.http.clone().oneshot(request).await?;
            let status = response.status();
            let body = response.into_body().collect_within(64 * 1024).await?;
            match status {
                StatusCode::OK => return Ok(String::from_utf8_lossy(&body).into_owned()),
                StatusCode::TOO_MANY_REQUESTS => sleep(Duration::from_secs(1)).await,
                _ => {
                    let body = String::from_utf8_lossy(&body);
                    return Err(format!("{endpoint}: {status}: {body}").into());
                }
            }
        }
    }
}
