//! `hallpass token inspect`: the content of a token, without verifying it.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::input;
use crate::output::{self, Exit, Failure};

/// Show the content of a token without verifying it
///
/// Nothing is verified: anyone can write a token with this content. The signature is not shown, so
/// that the output cannot be used as a token. Exit 65 when it is not a JWS with JSON inside.
#[derive(Args, Debug)]
pub(crate) struct TokenInspect {
    /// The token, or `-` to read it from standard input.
    #[arg(value_name = "TOKEN", allow_hyphen_values = true)]
    token: std::ffi::OsString,
}

#[derive(Debug, Serialize)]
struct Unverified {
    unverified_header: Value,
    unverified_claims: Value,
}

impl TokenInspect {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let read;
        let text = if self.token == "-" {
            read = input::read(Path::new("-"), input::MAX_TOKEN_BYTES)?;
            read.trimmed_text()
        } else {
            self.token.to_str().map(str::trim_ascii)
        };
        match text.ok_or("the token is not text").and_then(look_into) {
            Ok(unverified) => {
                output::print_json(&unverified)?;
                Ok(Exit::Ok)
            }
            Err(reason) => {
                output::complain(reason);
                Ok(Exit::NotValid)
            }
        }
    }
}

fn look_into(token: &str) -> Result<Unverified, &'static str> {
    let mut segments = token.split('.');
    let (Some(header), Some(payload), Some(_signature), None) = (
        segments.next(),
        segments.next(),
        segments.next(),
        segments.next(),
    ) else {
        return Err("a compact JWS has three parts with dots between them");
    };
    Ok(Unverified {
        unverified_header: json(header).ok_or("the header is not JSON in base64url")?,
        unverified_claims: json(payload).ok_or("the payload is not JSON in base64url")?,
    })
}

fn json(segment: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_header_and_claims_but_not_the_signature() {
        let shown = look_into("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2VjcmV0").unwrap();
        let text = serde_json::to_string(&shown).unwrap();
        assert_eq!(
            text,
            r#"{"unverified_header":{"alg":"none"},"unverified_claims":{"sub":"alice"}}"#
        );
    }

    #[test]
    fn a_deeply_nested_payload_is_refused_and_does_not_overflow_the_stack() {
        let nested = URL_SAFE_NO_PAD.encode("[".repeat(100_000));
        assert!(look_into(&format!("e30.{nested}.")).is_err());
    }
}
