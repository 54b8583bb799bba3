//! Each request of `docs/api.md` gets the response that stands there, of an issuer with the configuration that stands there.

mod estate;

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::timeout;

use crate::api_page::estate::Estate;
use crate::page::{Form, Values, blocks, exchanges, is_base64url, is_jwt, is_number};

const PAGE: &str = include_str!("../../../../docs/api.md");
const PATHS: &str = include_str!("../../src/http/public_urls.rs");

/// Longer than what comes by a watch of the issuer takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

const FORMS: &[(&str, Form)] = &[
    ("access-token", is_jwt),
    ("billing-token", is_jwt),
    ("bound-token", is_jwt),
    ("bundle", is_pem),
    ("certificates", is_pem),
    ("digest", is_base64url),
    ("dpop-token", is_jwt),
    ("etag", is_base64url),
    ("event", is_event),
    ("exchanged-token", is_jwt),
    ("jti", is_base64url),
    ("kid", is_base64url),
    ("next-refresh-token", is_base64url),
    ("order-token", is_jwt),
    ("refresh-token", is_base64url),
    ("report-token", is_jwt),
    ("signed-response", is_jwt),
    ("thumbprint", is_base64url),
    ("time", is_number),
    ("user-token-for-checkout-service", is_jwt),
    ("x", is_base64url),
    ("y", is_base64url),
];

fn is_pem(value: &str) -> bool {
    value.starts_with("-----BEGIN CERTIFICATE-----\n")
        && value.ends_with("-----END CERTIFICATE-----\n")
}

/// Which process, and the how manieth of its events.
fn is_event(value: &str) -> bool {
    value.split_once('.').is_some_and(|(process, number)| {
        process.len() == 16
            && process.bytes().all(|byte| byte.is_ascii_hexdigit())
            && is_number(number)
    })
}

#[tokio::test]
async fn each_request_of_the_page_gets_the_response_that_stands_there() {
    let estate = Estate::start(&configuration()).await;
    let mut values = Values::new(FORMS);
    estate.introduce(&mut values).await;
    let mut problems = Vec::new();
    for exchange in exchanges(PAGE) {
        let sent = exchange.request(&values);
        let response = timeout(PATIENCE, estate.respond(&exchange.mark, &sent)).await;
        let compared = exchange.compare(&response.unwrap(), &mut values);
        problems.extend(compared.err().unwrap_or_default());
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn each_endpoint_of_the_issuer_is_shown_with_a_response_and_with_a_refusal() {
    let paths = PATHS.lines().filter(|line| line.contains("PATH: &str = "));
    let mut paths: BTreeSet<&str> = paths.map(|line| line.split('"').nth(1).unwrap()).collect();
    paths.extend(["/health/live", "/health/ready", "/metrics"]);
    assert!(paths.len() >= 12, "{paths:?}");
    let mut missing = Vec::new();
    for path in paths {
        for (is_good, what) in [(true, "a response"), (false, "a refusal")] {
            let shown = exchanges(PAGE).into_iter().any(|exchange| {
                exchange.endpoint().ends_with(&format!(" {path}"))
                    && (exchange.status() < 400) == is_good
            });
            if !shown {
                missing.push(format!("{path}: {what}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Whatever looks as if it could be run is run.
#[test]
fn the_page_has_nothing_but_configuration_and_requests() {
    for block in blocks(PAGE) {
        let known = ["http", "yaml"].contains(&block.language.as_str());
        assert!(known, "line {}: {:?}", block.line, block.language);
    }
}

/// All `yaml` of the page as one: its lists go on where the one before has ended.
fn configuration() -> String {
    let mut sections: Vec<(String, String)> = Vec::new();
    for block in blocks(PAGE)
        .into_iter()
        .filter(|block| block.language == "yaml")
    {
        let text = block.text.strip_prefix("issuer:\n");
        let text = text.unwrap_or_else(|| panic!("line {}: not of the issuer", block.line));
        for line in text.lines() {
            let is_key = line.starts_with("  ") && !line.starts_with("   ");
            if is_key {
                // It goes on where it was begun: what follows is added to the last one.
                let known = sections.iter().position(|(key, _)| key == line);
                let section = known.map(|known| sections.remove(known));
                sections.push(section.unwrap_or_else(|| (line.to_owned(), String::new())));
            } else {
                let (_, lines) = sections.last_mut().unwrap();
                lines.push_str(line);
                lines.push('\n');
            }
        }
    }
    let sections = sections
        .iter()
        .map(|(key, lines)| format!("{key}\n{lines}"));
    format!("issuer:\n{}", sections.collect::<String>())
}
