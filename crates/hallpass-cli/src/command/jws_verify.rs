//! `hallpass jws verify`: a raw JWS with the code of the resource server, alone or as a batch.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;

use clap::Args;
use hallpass::token::{self, Algorithm, Algorithms, JwkSet};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::input;
use crate::key_set;
use crate::output::{self, Exit, Failure};
use crate::settings::CallerArguments;

/// Most bytes of one line of a batch; the result of a longer line is `line_too_long`.
const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// Check the signature of a raw JWS with the code of the resource server
///
/// Checks the signature, the algorithm against the key, and the strictness of the header
/// (`crit`, duplicate members). Claims are not checked.
///
/// A key set at an https URL is fetched as the section `tls` of the configuration says: with a private authority
/// (`--ca-file`), with a certificate of its own. No other section is read.
///
/// Alone: prints one JSON object (`valid`, `code`, `message`), exit 0 when valid and 65 when not.
/// With `--batch`: reads lines `{"id", "jwks": {"keys": [...]}, "jws"}` from standard input and
/// writes for each one line `{"id", "valid", "error"}` in the same order; exit 0.
#[derive(Args, Debug)]
pub(crate) struct JwsVerify {
    #[command(flatten)]
    caller: CallerArguments,
    /// The JWK set: a file, or an https URL (plain http on loopback only).
    #[arg(
        long,
        value_name = "FILE_OR_URL",
        required_unless_present = "batch",
        conflicts_with = "batch"
    )]
    jwks: Option<std::ffi::OsString>,
    /// A file that holds the compact JWS, or `-` for standard input.
    #[arg(
        long,
        value_name = "FILE|-",
        required_unless_present = "batch",
        conflicts_with = "batch"
    )]
    jws: Option<PathBuf>,
    /// An accepted algorithm (ES256, EdDSA, RS256, ES384, PS256); repeatable; default: the first three.
    #[arg(long = "algorithm", value_name = "ALG")]
    algorithms: Vec<Algorithm>,
    /// Check a line at a time from standard input.
    #[arg(long)]
    batch: bool,
}

#[derive(Debug, Serialize)]
struct Verdict<'a> {
    valid: bool,
    code: &'static str,
    message: &'a str,
}

/// A line of input. Raw texts: the id is returned digit by digit, and the key set keeps its repeated members.
#[derive(Deserialize)]
struct BatchLine<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    jwks: Option<&'a RawValue>,
    #[serde(borrow)]
    jws: Option<&'a RawValue>,
}

/// A line of output.
#[derive(Debug, Serialize)]
struct BatchResult<'a> {
    id: Option<&'a RawValue>,
    valid: bool,
    error: Option<&'static str>,
}

impl JwsVerify {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let algorithms = self.algorithms();
        match (&self.jwks, &self.jws) {
            (Some(jwks), Some(jws)) => {
                let input = input::read(jws, input::MAX_TOKEN_BYTES)?;
                let keys = key_set::load(jwks, &self.caller)?;
                let verdict = check(input.trimmed_text(), &keys, algorithms);
                verify_one(verdict)
            }
            _ => {
                let stdin = BufReader::new(io::stdin().lock());
                output::settle(batch(stdin, &mut io::stdout().lock(), algorithms))?;
                Ok(Exit::Ok)
            }
        }
    }

    fn algorithms(&self) -> Algorithms {
        if self.algorithms.is_empty() {
            Algorithms::ALL
        } else {
            self.algorithms.iter().copied().collect()
        }
    }
}

fn verify_one(outcome: Result<(), (&'static str, String)>) -> Result<Exit, Failure> {
    match outcome {
        Ok(()) => {
            output::print_json(&Verdict {
                valid: true,
                code: "ok",
                message: "the signature is valid",
            })?;
            Ok(Exit::Ok)
        }
        Err((code, message)) => {
            output::print_json(&Verdict {
                valid: false,
                code,
                message: &message,
            })?;
            Ok(Exit::NotValid)
        }
    }
}

/// `None` is a JWS that is not even text.
fn check(
    jws: Option<&str>,
    keys: &JwkSet,
    algorithms: Algorithms,
) -> Result<(), (&'static str, String)> {
    let jws = jws.ok_or_else(|| ("malformed_encoding", "the JWS is not text".to_owned()))?;
    match token::verify_jws(jws, keys, algorithms) {
        Ok(_payload) => Ok(()),
        Err(error) => Err((error.code(), error.to_string())),
    }
}

/// Writes a result for every line of `lines`, in order; ends at the end of input or when the reader has gone away.
fn batch(
    mut lines: BufReader<impl Read>,
    results: &mut impl Write,
    algorithms: Algorithms,
) -> io::Result<()> {
    let mut results = io::BufWriter::new(results);
    let mut line = Vec::new();
    while let Some(length) = next_line(&mut lines, &mut line)? {
        let result = line_result(&line, length, algorithms);
        serde_json::to_writer(&mut results, &result)?;
        results.write_all(b"\n")?;
        // A caller that sends line by line gets each result at once; a file is written in large pieces.
        if lines.buffer().is_empty() {
            results.flush()?;
        }
    }
    results.flush()
}

/// Reads one line into `line`, at most [`MAX_LINE_BYTES`] of it, and returns its full length.
fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<usize>> {
    line.clear();
    let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
    let mut length = lines.by_ref().take(limit).read_until(b'\n', line)?;
    if length == 0 {
        return Ok(None);
    }
    // The rest of an overlong line is skipped, so that the next read begins at the start of the next line.
    if line.last() != Some(&b'\n') {
        length = length.saturating_add(skip_line(lines)?);
    }
    Ok(Some(length))
}

fn skip_line(lines: &mut impl BufRead) -> io::Result<usize> {
    let mut skipped = 0_usize;
    loop {
        let available = lines.fill_buf()?;
        let end = available.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(available.len(), |at| at.saturating_add(1));
        lines.consume(used);
        skipped = skipped.saturating_add(used);
        if end.is_some() || used == 0 {
            return Ok(skipped);
        }
    }
}

fn line_result(line: &[u8], length: usize, algorithms: Algorithms) -> BatchResult<'_> {
    if length > line.len() {
        return BatchResult {
            id: None,
            valid: false,
            error: Some("line_too_long"),
        };
    }
    let Ok(parsed) = serde_json::from_slice::<BatchLine<'_>>(line) else {
        return BatchResult {
            id: None,
            valid: false,
            error: Some("bad_line"),
        };
    };
    let outcome = check_line(&parsed, algorithms);
    BatchResult {
        id: parsed.id,
        valid: outcome.is_ok(),
        error: outcome.err(),
    }
}

fn check_line(line: &BatchLine<'_>, algorithms: Algorithms) -> Result<(), &'static str> {
    let jwks = line.jwks.ok_or("missing_jwks")?;
    let jws = line.jws.ok_or("missing_jws")?;
    let keys = JwkSet::parse(jwks.get().as_bytes()).map_err(|_broken| "bad_jwks")?;
    let jws = serde_json::from_str::<String>(jws.get()).map_err(|_other_type| "bad_jws")?;
    check(Some(&jws), &keys, algorithms).map_err(|(code, _message)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(input: &[u8]) -> Vec<serde_json::Value> {
        let mut output = Vec::new();
        batch(
            BufReader::with_capacity(16, input),
            &mut output,
            Algorithms::ALL,
        )
        .unwrap();
        let text = String::from_utf8(output).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_bad_line_gets_an_answer_and_does_not_stop_the_batch() {
        let input =
            b"not json\n\xff\xfe\n\n{\"id\":1}\n{\"id\":2,\"jwks\":{\"keys\":[]},\"jws\":7}";
        let results = results(input);
        let errors: Vec<_> = results
            .iter()
            .map(|result| result["error"].as_str().unwrap())
            .collect();
        assert_eq!(
            errors,
            [
                "bad_line",
                "bad_line",
                "bad_line",
                "missing_jwks",
                "bad_jws"
            ]
        );
        assert_eq!(results[3]["id"], 1);
    }

    #[test]
    fn an_id_of_any_kind_comes_back_as_it_went_in() {
        for id in [
            r#"{"a":[1,2.50,null]}"#,
            "12345678901234567890123",
            r#""\u00e9""#,
            "null",
            "true",
        ] {
            let line = format!("{{\"id\":{id},\"jwks\":{{\"keys\":[]}},\"jws\":\"a.b.c\"}}\n");
            let mut output = Vec::new();
            batch(
                BufReader::new(line.as_bytes()),
                &mut output,
                Algorithms::ALL,
            )
            .unwrap();
            let text = String::from_utf8(output).unwrap();
            assert!(
                text.starts_with(&format!("{{\"id\":{id},\"valid\":false,")),
                "{text}"
            );
        }
    }

    #[test]
    fn an_overlong_line_is_answered_and_the_next_one_is_read_from_its_start() {
        let mut input = vec![b'x'; MAX_LINE_BYTES + 10];
        input.extend_from_slice(b"\n{\"id\":\"next\"}\n");
        let results = results(&input);
        assert_eq!(results[0]["error"], "line_too_long");
        assert_eq!(results[1]["id"], "next");
        assert_eq!(results.len(), 2);
    }
}
