//! `docs/admin-api.md`: its requests are sent to an issuer that runs, in their order, and what comes back is held against what stands there.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use hallpass_issuer::CaSettings;
use serde_json::Value;

use super::{READ, Rig, WRITE};
use crate::harness::{Response, send};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/admin-api.md");
const FENCE: &str = "```http\n";
/// The headers of a response that the page shows.
const SHOWN: [&str; 5] = [
    "content-type",
    "www-authenticate",
    "etag",
    "location",
    "retry-after",
];
/// A name of at least so many characters may be another one in each run.
const RANDOM: usize = 16;

/// What depends on when the issuer looks after its store.
const UNSURE: &str = "store_queries";

/// The page cut at its blocks: text, request, text, response, and so on.
fn parts(page: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = page;
    while let Some((text, after)) = rest.split_once(FENCE) {
        let (block, after) = after.split_once("```").unwrap();
        parts.push(text.to_owned());
        parts.push(block.to_owned());
        rest = after;
    }
    parts.push(rest.to_owned());
    parts
}

/// What the page calls names that are random, and what they are in this run.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    /// The text of the page with the names of this run.
    fn in_this_run(&self, text: &str) -> String {
        let names = self.0.iter();
        names.fold(text.to_owned(), |text, (page, run)| text.replace(page, run))
    }

    /// The other way round.
    fn on_page(&self, text: &str) -> String {
        let names = self.0.iter();
        names.fold(text.to_owned(), |text, (page, run)| text.replace(run, page))
    }

    fn compare(&mut self, page: &Value, run: &Value, place: &str) {
        match (page, run) {
            (Value::Object(page), Value::Object(run)) => {
                let keys = |members: &serde_json::Map<String, Value>| {
                    members.keys().cloned().collect::<Vec<_>>()
                };
                assert_eq!(keys(page), keys(run), "{place}");
                for (name, page) in page.iter().filter(|(name, _)| *name != UNSURE) {
                    self.compare(page, &run[name], &format!("{place} {name}"));
                }
            }
            (Value::Array(page), Value::Array(run)) => {
                assert_eq!(page.len(), run.len(), "{place}: {run:?}");
                for (page, run) in page.iter().zip(run) {
                    self.compare(page, run, place);
                }
            }
            (Value::String(page), Value::String(run)) => self.same(page, run, place),
            _ => assert_eq!(page, run, "{place}"),
        }
    }

    fn same(&mut self, page: &str, run: &str, place: &str) {
        if self.in_this_run(page) == *run {
            return;
        }
        let is_name = |text: &str| text.len() >= RANDOM && !text.contains([' ', ':', '/']);
        assert!(
            is_name(page) && is_name(run),
            "{place}: {page:?}, and it is {run:?}"
        );
        let before = self.0.insert(page.to_owned(), run.to_owned());
        assert!(
            before.is_none(),
            "{place}: {page:?} is another one than before"
        );
    }
}

/// Sends the request of the page.
async fn sent(rig: &Rig, block: &str) -> Response {
    // What is made by two requests has an order.
    rig.harness.clock.advance(Duration::from_secs(1));
    let (head, body) = block.split_once("\n\n").unwrap_or((block, ""));
    let mut lines = head.trim().lines();
    let line = lines.next().unwrap();
    let mut headers = Vec::new();
    for header in lines {
        let mut header = header.to_owned();
        if header.contains("$TOKEN") {
            header = header.replace("$TOKEN", &rig.ops().await);
        }
        if header.contains("$ETAG") {
            // Of the client that the path names.
            let path = line.split(' ').nth(1).unwrap();
            let client: Vec<_> = path.split('/').take(5).collect();
            let shown = rig.get(&client.join("/"), &rig.ops().await).await;
            header = header.replace("$ETAG", shown.header("etag").unwrap());
        }
        if header.contains("$READER") {
            header = header.replace("$READER", &rig.token("viewer", READ).await);
        }
        headers.push(header);
    }
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        headers.push("Host: localhost:9001".to_owned());
    }
    let bytes = crate::harness::request(line, &headers, body.trim().as_bytes());
    send(rig.address(), &bytes).await
}

fn shown(response: &Response) -> String {
    let status = http_status(response.status);
    let mut text = format!("HTTP/1.1 {status}\n");
    for name in SHOWN {
        if let Some(value) = response.header(name) {
            writeln!(text, "{name}: {value}").unwrap();
        }
    }
    if !response.body.is_empty() {
        let body = serde_json::to_string_pretty(&response.json()).unwrap();
        writeln!(text, "\n{body}").unwrap();
    }
    text
}

fn http_status(status: u16) -> String {
    let reason = match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        412 => "Precondition Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        428 => "Precondition Required",
        other => panic!("the page has no {other} yet"),
    };
    format!("{status} {reason}")
}

fn compare(names: &mut Names, page: &str, run: &str, place: &str) {
    let (page_head, page_body) = page.split_once("\n\n").unwrap_or((page, ""));
    let (run_head, run_body) = run.split_once("\n\n").unwrap_or((run, ""));
    let heads = (page_head.trim().lines(), run_head.trim().lines());
    assert_eq!(
        heads.0.clone().count(),
        heads.1.clone().count(),
        "{place}: {run}"
    );
    for (page, run) in heads.0.zip(heads.1) {
        let value = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
        match page == run {
            true => {}
            false => names.same(&value(page), &value(run), place),
        }
    }
    if page_body.trim().is_empty() {
        assert_eq!(run_body, "", "{place}");
        return;
    }
    let page: Value = serde_json::from_str(page_body).unwrap();
    let run: Value = serde_json::from_str(run_body).unwrap();
    names.compare(&page, &run, place);
}

async fn rig() -> Rig {
    assert_eq!(WRITE, "hallpass.admin.write");
    Rig::with(|settings| settings.ca = Some(CaSettings::new("shop.example"))).await
}

#[tokio::test]
async fn every_request_of_the_page_about_the_interface_brings_the_response_that_stands_there() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let parts = parts(&page);
    let (rig, mut names) = (rig().await, Names::default());
    let blocks: Vec<_> = parts.iter().skip(1).step_by(2).collect();
    assert!(blocks.len() >= 20, "{}", blocks.len());
    for pair in blocks.chunks(2) {
        let request = names.in_this_run(pair[0]);
        let response = sent(&rig, &request).await;
        let place = request.lines().next().unwrap();
        compare(&mut names, pair[1], &shown(&response), place);
    }
}

#[tokio::test]
#[ignore = "writes docs/admin-api.md"]
async fn writes_the_responses_of_the_page_anew() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let mut parts = parts(&page);
    let (rig, mut names) = (rig().await, Names::default());
    for at in (1..parts.len()).step_by(4) {
        let request = names.in_this_run(&parts[at]);
        let response = shown(&sent(&rig, &request).await);
        let page = parts[at + 2].clone();
        // What cannot be compared is new.
        let same = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            compare(&mut names, &page, &response, &request);
        }));
        if same.is_err() {
            parts[at + 2] = names.on_page(&response);
        }
    }
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        match at % 2 {
            0 => text.push_str(part),
            _ => write!(text, "{FENCE}{}\n```", part.trim_end()).unwrap(),
        }
    }
    std::fs::write(PAGE, text).unwrap();
}
