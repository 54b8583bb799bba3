//! The interface for administrators over the wire, as administrators and attackers try it.

mod access;
mod audit;
mod authorities;
mod certificates;
mod changes;
mod clients;
mod creations;
mod described;
mod forged;
mod http2;
mod keys;
mod limits;
mod lost_commits;
mod named_files;
mod origin;
mod page;
mod replicas;
mod revocations;
mod settings;
mod strangers;

use std::net::SocketAddr;

use hallpass_issuer::{AdminSettings, IssuerSettings};
use serde_json::Value;

use self::described::check_response;
use crate::harness::{Harness, Response, SECRET, client, request, send};

pub(crate) const AUDIENCE: &str = "hallpass-admin";
pub(crate) const READ: &str = "hallpass.admin.read";
pub(crate) const WRITE: &str = "hallpass.admin.write";

/// An issuer with an interface for administrators: `ops` may change everything, `viewer` may look, `c` is a service like any other.
pub(crate) struct Rig {
    pub(crate) harness: Harness,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut IssuerSettings)) -> Self {
        let harness = Harness::with(|settings| {
            administered(settings);
            change(settings);
        });
        Self {
            harness: harness.await,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.harness.issuer.admin_addr().unwrap()
    }

    /// A token of `ops` with both scopes.
    pub(crate) async fn ops(&self) -> String {
        self.token("ops", &format!("{READ} {WRITE}")).await
    }

    /// A token of `client` for administrators.
    pub(crate) async fn token(&self, client: &str, scope: &str) -> String {
        let form = format!("grant_type=client_credentials&audience={AUDIENCE}&scope={scope}");
        self.harness.ask_as(client, SECRET, &form).await.token()
    }

    /// Sends exactly this.
    pub(crate) async fn raw(&self, line: &str, headers: &[String], body: &[u8]) -> Response {
        let mut headers = headers.to_vec();
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            headers.push(format!("Host: {}", self.address()));
        }
        send(self.address(), &request(line, &headers, body)).await
    }

    /// A request with a token; its response is held against the description.
    pub(crate) async fn get(&self, path: &str, token: &str) -> Response {
        let response = self
            .raw(&format!("GET {path}"), &[bearer(token)], b"")
            .await;
        check_response("get", path, &response);
        response
    }

    /// The same that changes something.
    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        let headers = [bearer(token), JSON.to_owned()];
        let body = body.to_string();
        let line = format!("POST {path}");
        let response = self.raw(&line, &headers, body.as_bytes()).await;
        check_response("post", path, &response);
        response
    }
}

pub(crate) const JSON: &str = "Content-Type: application/json";

pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// Status and code of a problem; everything that all problems have is looked at.
pub(crate) fn problem(response: &Response) -> (u16, String) {
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json"),
        "{response:?}"
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let document = response.json();
    assert_eq!(document["type"], "about:blank");
    assert_eq!(document["status"], response.status);
    assert!(document["title"].is_string());
    let code = document["code"].as_str().unwrap().to_owned();
    (response.status, code)
}

/// `(404, "not_found")` as [`problem`] gives it.
pub(crate) fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn administered(settings: &mut IssuerSettings) {
    let audience = AUDIENCE.parse().unwrap();
    settings.admin = Some(AdminSettings::new("127.0.0.1:0".parse().unwrap(), audience));
    settings
        .clients
        .push(client("ops", SECRET, &[READ, WRITE], &[AUDIENCE]));
    settings
        .clients
        .push(client("viewer", SECRET, &[READ], &[AUDIENCE]));
}
