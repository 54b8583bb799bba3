//! Pages that show requests and their responses, as a test sends them: what stands on such a page is run.
//!
//! A fenced block `http` is a request and, from the line that begins with `HTTP/1.1`, its response. What stands behind `http` in the
//! fence is the [`Exchange::mark`], for the test alone. In both:
//!
//! - `{name}` stands for a value that differs from run to run. In a request it is what an earlier response had at the place of that
//!   name, or what the test has put into [`Values`]. In a response it is a value of the [`Form`] that the test gives to the name; where
//!   the request has the name too, it is that very value.
//! - `...` stands for whatever comes: as a line of a text, as a member (`"...": ...`), or as the last element of a list.
//!
//! In a request a line that begins with `&` goes on with the one before, and what it needs beside what is shown (`Host`, the length, the
//! type of a form or of JSON) is added. The headers that a response shows must be there; others may be. JSON is compared as JSON, so the
//! page may break its lines.

#[path = "../../../../tests/pages/blocks.rs"]
mod blocks;
mod compared;

use std::collections::BTreeMap;

pub(crate) use blocks::blocks;
pub(crate) use compared::{Form, is_base64url, is_jwt, is_number};

use crate::harness::{Response, request};

/// A request and its response, as the page shows them.
pub(crate) struct Exchange {
    pub(crate) line: usize,
    pub(crate) mark: String,
    request: String,
    response: String,
}

/// Those of a page, in their order.
pub(crate) fn exchanges(page: &str) -> Vec<Exchange> {
    let blocks = blocks(page).into_iter();
    let exchanges = blocks
        .filter(|block| block.language == "http")
        .map(|block| {
            let both = block.text.split_once("\n\nHTTP/1.1 ");
            let (request, response) =
                both.unwrap_or_else(|| panic!("line {}: no request and response", block.line));
            Exchange {
                line: block.line,
                mark: block.mark.clone(),
                request: request.to_owned(),
                response: format!("HTTP/1.1 {response}"),
            }
        });
    exchanges.collect()
}

impl Exchange {
    /// `POST /oauth2/token`, without the query.
    pub(crate) fn endpoint(&self) -> &str {
        let line = self.request.lines().next().unwrap();
        line.split('?').next().unwrap()
    }

    /// What the response is shown with.
    pub(crate) fn status(&self) -> u16 {
        let status = self.response.split(' ').nth(1).unwrap();
        status.trim().parse().unwrap()
    }

    /// The bytes to send; the connection ends with the response.
    pub(crate) fn request(&self, values: &Values) -> Vec<u8> {
        let filled = values.fill(&self.request.replace("\n&", "&"), self.line);
        let (head, body) = split(&filled);
        let mut lines = head.lines();
        let first = lines.next().unwrap();
        let mut headers: Vec<String> = lines.map(str::to_owned).collect();
        if !body.is_empty() && !head.contains("\nContent-Type: ") {
            let content_type = match body.starts_with('{') {
                true => "application/json",
                false => "application/x-www-form-urlencoded",
            };
            headers.push(format!("Content-Type: {content_type}"));
        }
        request(first, &headers, body.as_bytes())
    }

    /// Holds the response against the page, and keeps what it has at the places of names.
    ///
    /// # Errors
    /// All that differs, a line each.
    pub(crate) fn compare(
        &self,
        response: &Response,
        values: &mut Values,
    ) -> Result<(), Vec<String>> {
        values.same = names(&self.request);
        let mut problems = Vec::new();
        if response.status != self.status() {
            problems.push(format!("status {}, not {}", response.status, self.status()));
        }
        let (head, body) = split(&self.response);
        for line in head.lines().skip(1) {
            let (name, shown) = line.split_once(": ").unwrap();
            match response.header(&name.to_lowercase()) {
                Some(value) => {
                    if let Err(problem) = values.text(shown, value) {
                        problems.push(format!("header {name}: {problem}"));
                    }
                }
                None => problems.push(format!("no header {name}")),
            }
        }
        let content_type = response.header("content-type").unwrap_or_default();
        let compared = match content_type.contains("json") && !body.is_empty() {
            true => values.json(body, &response.body),
            false => values.lines(body, &response.body),
        };
        problems.extend(compared.err());
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems
                .iter()
                .map(|problem| format!("line {}: {problem}", self.line))
                .collect()),
        }
    }
}

/// Head and body; a block ends with a line break that is no part of the body.
fn split(block: &str) -> (&str, &str) {
    let (head, body) = block.split_once("\n\n").unwrap_or((block, ""));
    (head, body.trim_end_matches('\n'))
}

/// The names in a text, each once or more.
fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((_, name, after)) = next_name(rest) {
        names.push(name.to_owned());
        rest = after;
    }
    names
}

/// The text before the first `{name}`, the name, and what follows.
fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    for (start, _) in text.match_indices('{') {
        let (before, after) = (&text[..start], &text[start + 1..]);
        if let Some((name, rest)) = after.split_once('}')
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(is_of_name)
        {
            return Some((before, name, rest));
        }
    }
    None
}

/// What names stand for.
pub(crate) struct Values {
    known: BTreeMap<String, String>,
    forms: &'static [(&'static str, Form)],
    /// Names of the request whose response is compared.
    same: Vec<String>,
}

impl Values {
    /// With a form for each name that a response may have.
    pub(crate) fn new(forms: &'static [(&'static str, Form)]) -> Self {
        Self {
            known: BTreeMap::new(),
            forms,
            same: Vec::new(),
        }
    }

    pub(crate) fn put(&mut self, name: &str, value: impl Into<String>) {
        self.known.insert(name.to_owned(), value.into());
    }

    fn fill(&self, text: &str, line: usize) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, name, after)) = next_name(rest) {
            let value = self.known.get(name);
            let value = value.unwrap_or_else(|| panic!("line {line}: nothing is called {name}"));
            filled.push_str(before);
            filled.push_str(value);
            rest = after;
        }
        filled + rest
    }
}
