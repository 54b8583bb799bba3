//! `POST /ca/v1/certificate`, top to bottom: form, client, registration, rate, key, certificate, response, audit; and
//! `GET /ca/v1/bundle`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::response::Response as BundleResponse;
use bytes::Bytes;
use hallpass_tls::{CertificateName, SigningRequest};
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use serde::Serialize;

use super::request::CertificateRequest;
use super::ring::{AuthorityRing, IssuedCertificate};
use crate::audit::{AuditEvent, Caller, Decision, GivenCertificate};
use crate::clients::certificate_names::CertificateNames;
use crate::clients::registry::{Client, Registry};
use crate::core::Core;
use crate::http::{jwks, respond as whole};
use crate::lockout_events;
use crate::token::attempt::Attempt;
use crate::token::client_rate::Rate;
use crate::token::credentials::Credentials;
use crate::token::message::{error_response, json_response, read, retry_after};
use crate::token::refusal::assertion::AssertionRefusal;
use crate::token::refusal::{CertificateFault, Refusal};
use crate::token::shown::Shown;

/// What a request is called among the decisions.
const GRANT: &str = "certificate";
/// RFC 8555 section 9.1.
const PEM: HeaderValue = HeaderValue::from_static("application/pem-certificate-chain");
/// Whoever asks again learns of a new authority long before that signs.
const SHORTLY: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// The response to one request, and what a client needs of a certificate.
#[derive(Serialize)]
struct CertificateResponse<'a> {
    /// In PEM, the client's own first. Its authority stands in `bundle`.
    certificate_chain: &'a str,
    bundle: &'a str,
    spiffe_id: &'a str,
    not_before: u64,
    not_after: u64,
    renew_after: u64,
}

/// Responds to one request, whatever it contains.
pub(crate) async fn respond<B>(
    core: &Core,
    ring: &AuthorityRing,
    parts: &Parts,
    body: B,
    source: Option<IpAddr>,
) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = read(body).await;
    let attempt = core.attempt(source).with(&parts.headers);
    let body = body.as_deref().map_err(|refusal| *refusal);
    let request = match body.and_then(|body| CertificateRequest::parse(&parts.headers, body)) {
        Ok(request) => request,
        Err(refusal) => return refuse(core, refusal, Caller::Unnamed, attempt),
    };
    let (registry, credentials) = (core.registry(), &request.credentials);
    let shown = Shown::of(&parts.extensions);
    let proven = prove(core, (ring, &registry), (credentials, shown), attempt).await;
    let (client, is_renewal) = match proven {
        Ok(proven) => proven,
        Err(refusal) => {
            let caller = Caller::unverified(&credentials.unverified_client_id());
            return refuse(core, refusal, caller, attempt);
        }
    };
    match issue(core, ring, &client, &request, attempt) {
        Ok((names, issued)) => {
            let json = to_json(ring, names, &issued);
            note(core, (&client, names), issued, is_renewal, attempt);
            json_response(StatusCode::OK, json.into())
        }
        Err(refusal) => refuse(core, refusal, Caller::Verified(client), attempt),
    }
}

/// Who asks, and whether it proves itself by its old certificate.
async fn prove(
    core: &Core,
    (ring, registry): (&AuthorityRing, &Arc<Registry>),
    (credentials, shown): (&Credentials<'_>, Shown<'_>),
    attempt: Attempt,
) -> Result<(Arc<Client>, bool), Refusal> {
    let authenticator = core.authenticator();
    let by_registration = async || {
        let client = authenticator.authenticate(registry, credentials, shown, attempt);
        client.await.map(|client| (client, false))
    };
    let Credentials::Name(unverified_client_id) = credentials else {
        return by_registration().await;
    };
    // Who made a certificate is found out by a check of its signature, on each request of an open connection.
    let pass = authenticator.admit_check(unverified_client_id, attempt)?;
    let proven = match by_old_certificate(ring, registry, (unverified_client_id, shown), attempt) {
        Some(client) => Ok((client, true)),
        None => by_registration().await,
    };
    match &proven {
        Ok(_) => pass.was_right(),
        Err(Refusal::Assertion(AssertionRefusal::KeysUnavailable)) => drop(pass),
        Err(_) => pass.failed(),
    }
    proven
}

/// The client whose certificate the connection shows, when that is one of ours with the id of its registration, and counts now. Who made
/// it is judged by our own authorities, not by those that the listener trusts: another one may write any name.
fn by_old_certificate(
    ring: &AuthorityRing,
    registry: &Registry,
    (unverified_client_id, shown): (&str, Shown<'_>),
    attempt: Attempt,
) -> Option<Arc<Client>> {
    let client = registry.find(unverified_client_id)?;
    let names = client.certificate_names.as_ref()?;
    let old = ring.own(shown, attempt.now)?;
    let id = CertificateName::Uri(names.spiffe_id.clone());
    id.is_of(old.own()).then(|| Arc::clone(client))
}

/// Makes the certificate, for a client that has proven who it is.
fn issue<'c>(
    core: &Core,
    ring: &AuthorityRing,
    client: &'c Client,
    request: &CertificateRequest<'_>,
    attempt: Attempt,
) -> Result<(&'c CertificateNames, IssuedCertificate), Refusal> {
    if core.deny_list().keeps_out(client, attempt.now) {
        return Err(Refusal::RevokedClient);
    }
    let at_fault = Refusal::Certificate;
    let settings = core.settings();
    let names = client.certificate_names.as_deref();
    let (Some(names), Some(ca)) = (names, settings.ca.as_ref()) else {
        return Err(at_fault(CertificateFault::NotRegistered));
    };
    let rate = Rate::per_hour(ca.certificates_per_client_per_hour);
    let (limit, now) = (&core.authorities().rate, attempt.monotonic);
    let too_many = |retry_after| at_fault(CertificateFault::TooMany { retry_after });
    // Before its signature is checked.
    limit.check(&client.id, rate, now).map_err(too_many)?;
    let request = SigningRequest::read(request.unverified_csr.as_bytes())
        .map_err(|fault| at_fault(CertificateFault::Request(fault)))?;
    limit.take(&client.id, rate, now).map_err(too_many)?;
    let life = names.life.unwrap_or(ca.certificate_life);
    let issued = ring.issue(&request, names, life, attempt.now);
    Ok((names, issued.map_err(at_fault)?))
}

fn to_json(ring: &AuthorityRing, names: &CertificateNames, issued: &IssuedCertificate) -> Vec<u8> {
    let response = CertificateResponse {
        certificate_chain: &issued.pem,
        bundle: str::from_utf8(ring.bundle()).unwrap_or_default(),
        spiffe_id: &names.spiffe_id,
        not_before: issued.not_before.as_secs(),
        not_after: issued.not_after.as_secs(),
        renew_after: issued.renew_after.as_secs(),
    };
    // Texts and whole numbers: nothing that could fail.
    serde_json::to_vec(&response).unwrap_or_default()
}

/// Counted and audited.
fn note(
    core: &Core,
    (client, names): (&Arc<Client>, &CertificateNames),
    issued: IssuedCertificate,
    is_renewal: bool,
    attempt: Attempt,
) {
    let result = if is_renewal { "renewed" } else { "issued" };
    core.authorities().metrics.asked(result);
    let given = GivenCertificate {
        client: Arc::clone(client),
        spiffe_id: names.spiffe_id.clone(),
        serial: issued.serial,
        not_after: issued.not_after,
        is_renewal,
    };
    record(core, Decision::CertificateIssued(Box::new(given)), attempt);
}

/// RFC 6749 section 5.2, counted and audited.
fn refuse(
    core: &Core,
    refusal: Refusal,
    caller: Caller,
    attempt: Attempt,
) -> Response<Full<Bytes>> {
    core.authorities().metrics.asked(refusal.reason());
    lockout_events::say(core, refusal);
    let decision = Decision::CertificateRefused { refusal, caller };
    record(core, decision, attempt);
    let mut response = error_response(refusal.wire());
    if let Some(wait) = refusal.retry_after() {
        let wait = retry_after(wait);
        response.headers_mut().insert(RETRY_AFTER, wait);
    }
    response
}

fn record(core: &Core, decision: Decision, attempt: Attempt) {
    let audit = core.audit();
    if audit.is_read() {
        audit.record(AuditEvent {
            at: attempt.now,
            source: attempt.source,
            trace: attempt.trace,
            grant: GRANT,
            decision,
        });
    }
}

/// The bundle, or 304 when the caller has it already.
pub(crate) fn bundle(ring: &AuthorityRing, headers: &HeaderMap) -> BundleResponse {
    let mut known = headers.get_all(IF_NONE_MATCH).iter();
    let mut response = match known.any(|known| jwks::names(known, ring.etag())) {
        true => whole(StatusCode::NOT_MODIFIED, PEM, Bytes::new()),
        false => whole(StatusCode::OK, PEM, ring.bundle().clone()),
    };
    let headers = response.headers_mut();
    headers.insert(ETAG, ring.etag().clone());
    headers.insert(CACHE_CONTROL, SHORTLY);
    response
}
