//! The certificate authority over the wire: as clients, judges and attackers meet it.

mod administration;
mod judges;
mod kept;
mod refused;
mod renewed;
mod settings;

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_issuer::{CaSettings, CertificateNames, ClientSettings, IssuerSettings};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;

use crate::harness::{Harness, Response, SECRET, basic, client, request};

pub(crate) const PATH: &str = "/ca/v1/certificate";
pub(crate) const ID: &str = "spiffe://shop.example/order-service";

/// `order` is registered for certificates, `c` is not.
fn registered(settings: &mut IssuerSettings) {
    settings.ca = Some(CaSettings::new("shop.example"));
    settings.clients.push(order());
}

fn order() -> ClientSettings {
    ClientSettings {
        certificate: Some(CertificateNames {
            spiffe_id: ID.to_owned(),
            dns_names: vec!["order-service".to_owned()],
            life: None,
        }),
        ..client("order", SECRET, &["read"], &["service-system"])
    }
}

async fn start() -> Harness {
    Harness::with(registered).await
}

fn clock(harness: &Harness) -> Arc<dyn Clock> {
    harness.clock.clone()
}

/// A new key, and a request that wishes for more than anybody gets.
fn asked() -> (KeyPair, String) {
    let key = KeyPair::generate().unwrap();
    let names = ["admin.example".to_owned(), "*.example".to_owned()];
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let request = params.serialize_request(&key).unwrap();
    (key, request.pem().unwrap())
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn form(csr: &str) -> String {
    format!("csr={}", encoded(csr))
}

async fn ask(harness: &Harness, headers: &[String], form: &str) -> Response {
    let mut lines = vec!["Content-Type: application/x-www-form-urlencoded".to_owned()];
    lines.extend_from_slice(headers);
    let bytes = request(&format!("POST {PATH}"), &lines, form.as_bytes());
    harness.send(&bytes).await
}

/// A certificate of `order`, by its secret, with its key in PEM.
async fn given(harness: &Harness) -> (String, Value) {
    let (key, csr) = asked();
    let response = ask(harness, &[basic("order", SECRET)], &form(&csr)).await;
    assert_eq!(response.status, 200, "{response:?}");
    (key.serialize_pem(), response.json())
}

fn text<'v>(given: &'v Value, name: &str) -> &'v str {
    given[name].as_str().unwrap()
}

async fn bundle(harness: &Harness) -> String {
    harness.get("/ca/v1/bundle", &[]).await.body
}

fn counted(harness: &Harness, result: &str) -> u64 {
    harness.metric(&format!(
        "hallpass_ca_certificates_total{{result=\"{result}\"}}"
    ))
}
