//! Credentials and identity at the wrong place, twice, or in a spelling that another program reads.

use crate::case::{Case, Expected, request};
use crate::forge::{Forge, base64};
use crate::rig::Rig;

const MISSING: Expected = Expected::Refused(401, "missing_token");
const BROKEN: Expected = Expected::Refused(400, "invalid_request");

pub(crate) fn cases(rig: &Rig) -> Vec<Case> {
    let mut cases = twice(&rig.forge);
    cases.extend(forms(&rig.forge));
    cases.extend(schemes(&rig.forge));
    cases.extend(elsewhere(&rig.forge));
    cases.extend(identity());
    cases.extend(routing_hints());
    cases
}

fn get(name: impl Into<String>, headers: &str, expected: Expected) -> Case {
    Case::new(name, request("GET /orders/7", headers), expected)
}

/// Two of them, or none.
fn twice(forge: &Forge) -> Vec<Case> {
    let good = forge.good();
    let bearer = format!("authorization: Bearer {good}\r\n");
    let basic = format!("Basic {}", base64(b"alice:secret"));
    let mut cases = vec![get("nothing", "", MISSING)];
    for (name, headers) in [
        ("twice the same", format!("{bearer}{bearer}")),
        (
            "a bad one before",
            format!("authorization: Bearer x.y.z\r\n{bearer}"),
        ),
        (
            "a bad one behind",
            format!("{bearer}authorization: Bearer x.y.z\r\n"),
        ),
        (
            "Basic before",
            format!("authorization: {basic}\r\n{bearer}"),
        ),
        (
            "Basic behind",
            format!("{bearer}authorization: {basic}\r\n"),
        ),
        ("an empty one before", format!("authorization:\r\n{bearer}")),
        (
            "an empty one behind",
            format!("{bearer}Authorization: \r\n"),
        ),
        (
            "in two spellings",
            format!("{bearer}AUTHORIZATION: Bearer {good}\r\n"),
        ),
    ] {
        cases.push(get(format!("two headers: {name}"), &headers, BROKEN));
    }
    cases
}

/// Anything but one token behind the scheme.
fn forms(forge: &Forge) -> Vec<Case> {
    let good = forge.good();
    let basic = format!("Basic {}", base64(b"alice:secret"));
    let mut cases = Vec::new();
    for (name, value) in [
        ("a list of two", format!("Bearer {good}, Bearer {good}")),
        (
            "a list of two without the scheme",
            format!("Bearer {good},{good}"),
        ),
        ("a list with Basic", format!("Bearer {good}, {basic}")),
        ("a comma behind", format!("Bearer {good},")),
        ("quotes", format!("Bearer \"{good}\"")),
        ("a parameter", format!("Bearer token={good} ")),
        ("two tokens", format!("Bearer {good} {good}")),
        ("the scheme twice", format!("Bearer Bearer {good}")),
        ("no token", "Bearer".to_owned()),
        ("a tab before the token", format!("Bearer\t{good}")),
        ("a colon", format!("Bearer: {good}")),
        ("angle brackets", format!("Bearer <{good}>")),
    ] {
        cases.push(get(
            format!("credentials: {name}"),
            &format!("authorization: {value}\r\n"),
            Expected::AnyRefusal,
        ));
    }
    cases
}

/// Another scheme, or one that asks for more than a token.
fn schemes(forge: &Forge) -> Vec<Case> {
    let good = forge.good();
    let basic = format!("Basic {}", base64(b"alice:secret"));
    let mut cases = Vec::new();
    for (name, value) in [
        ("no scheme", good.clone()),
        ("Token", format!("Token {good}")),
        ("JWT", format!("JWT {good}")),
        ("Basic with a token", format!("Basic {good}")),
        ("Basic", basic),
        ("Negotiate", format!("Negotiate {good}")),
        ("Digest", "Digest username=\"alice\"".to_owned()),
        ("Bearers", format!("Bearers {good}")),
        ("a hyphen", format!("Bearer-{good}")),
        ("a letter that looks alike", format!("\u{412}earer {good}")),
    ] {
        cases.push(get(
            format!("scheme: {name}"),
            &format!("authorization: {value}\r\n"),
            Expected::AnyRefusal,
        ));
    }
    for (name, headers) in [
        (
            "DPoP without a proof",
            format!("authorization: DPoP {good}\r\n"),
        ),
        (
            "DPoP with a proof that is none",
            format!("authorization: DPoP {good}\r\ndpop: x.y.z\r\n"),
        ),
        (
            "DPoP with the token as a proof",
            format!("authorization: DPoP {good}\r\ndpop: {good}\r\n"),
        ),
        (
            "DPoP with two proofs",
            format!("authorization: DPoP {good}\r\ndpop: a.b.c\r\ndpop: a.b.c\r\n"),
        ),
    ] {
        cases.push(get(name, &headers, Expected::AnyRefusal));
    }
    cases
}

/// A good token where no resource server of ours looks (RFC 6750 sections 2.2 and 2.3 among them).
pub(crate) fn elsewhere(forge: &Forge) -> Vec<Case> {
    let good = forge.good();
    let mut cases = Vec::new();
    for name in [
        "X-Authorization",
        "Proxy-Authorization",
        "X-Forwarded-Authorization",
        "X-Forwarded-Access-Token",
        "X-Access-Token",
        "X-Auth-Token",
        "Authentication",
        "Authorisation",
        "X-Original-Authorization",
        "X-Amzn-Oidc-Data",
        "Cookie",
        "Txn-Token",
        "Workload-Identity-Token",
        "Sec-WebSocket-Protocol",
    ] {
        cases.push(get(
            format!("a token in {name}"),
            &format!("{name}: Bearer {good}\r\n"),
            MISSING,
        ));
    }
    for target in [
        format!("GET /orders/7?access_token={good}"),
        format!("GET /orders/7?token={good}"),
        format!("GET /orders/7?authorization=Bearer%20{good}"),
    ] {
        cases.push(Case::new(
            "a token in the query",
            request(&target, ""),
            MISSING,
        ));
    }
    let form = format!("access_token={good}");
    let headers = format!(
        "content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n",
        form.len()
    );
    let mut bytes = request("POST /orders", &headers);
    bytes.extend(form.as_bytes());
    cases.push(Case::new("a token in a form", bytes, MISSING));
    cases
}

/// Who somebody claims to be, in every spelling that some program takes for a header of identity.
pub(crate) fn identity() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in [
        "X-User-Id",
        "x-user-id",
        "X-USER-ID",
        "X_User_Id",
        "x_user-id",
        "X-Username",
        "X_USERNAME",
        "X-Authorities",
        "x_authorities",
        "X-Client-Id",
        "X-Scope",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Remote-User",
        "Remote-User",
        "REMOTE_USER",
        "X-Auth-Request-User",
        "X-Consumer-Username",
        "X-Userinfo",
        "X-Jwt-Payload",
        "X-Jwt-Claim-Sub",
        "X-Forwarded-Client-Cert",
        "X-SSL-Client-Verify",
        "SSL_CLIENT_VERIFY",
        "X-Client-Cert",
        "Client-Cert",
        "X-Internal-Call",
        "X-From-Gateway",
        "X-Api-Key",
        "X-Real-Ip",
        "X-Forwarded-For",
    ] {
        for (path, value) in [
            ("/orders/7", "admin"),
            ("/internal/report", "internal-service"),
        ] {
            let bytes = request(&format!("GET {path}"), &format!("{name}: {value}\r\n"));
            cases.push(Case::new(format!("{name} at {path}"), bytes, MISSING));
        }
    }
    cases.push(get(
        "Connection names Authorization",
        "Connection: authorization, x-user-id\r\nx-user-id: admin\r\n",
        MISSING,
    ));
    cases
}

/// What other programs route or decide by: only the request line counts here.
pub(crate) fn routing_hints() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, value) in [
        ("X-Original-URL", "/open"),
        ("X-Rewrite-URL", "/open"),
        ("X-Forwarded-Uri", "/open"),
        ("X-Forwarded-Path", "/open"),
        ("X-Forwarded-Prefix", "/open"),
        ("X-Envoy-Original-Path", "/open"),
        ("X-Auth-Request-Redirect", "/open"),
        ("X-Forwarded-Method", "OPTIONS"),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("X-Method-Override", "OPTIONS"),
        ("X-HTTP-Method", "OPTIONS"),
        ("X-Forwarded-Host", "localhost"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=127.0.0.1;host=localhost;proto=https"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Envoy-Internal", "true"),
        ("User-Agent", "kube-probe/1.30"),
        ("User-Agent", "GoogleHC/1.0"),
        ("Origin", "http://localhost"),
        ("Access-Control-Request-Method", "GET"),
        ("X-Skip-Auth", "true"),
        ("X-Debug", "1"),
    ] {
        cases.push(get(
            format!("{name}: {value}"),
            &format!("{name}: {value}\r\n"),
            MISSING,
        ));
    }
    cases
}
