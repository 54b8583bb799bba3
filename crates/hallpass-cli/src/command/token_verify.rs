//! `hallpass token verify`: the verdict of a resource server, for a shell.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use hallpass::clock::{Clock, SystemClock};
use hallpass::token::{
    self, Algorithm, Algorithms, Audience, Issuer, UnixTime, VerifiedClaims, VerifyPolicy,
};
use serde::Serialize;

use crate::input;
use crate::key_set;
use crate::output::{self, Exit, Failure};
use crate::settings::CallerArguments;

/// Check a token as a resource server would
///
/// The token is checked as RFC 9068 and RFC 8725 ask: signature, algorithm, `typ`, `iss`, `aud`,
/// `exp` and `nbf`. One JSON object goes to standard output: `valid`, `code` (`ok`, or why not),
/// `claims` (`null` unless valid), `message`. Not checked: revocation and scopes.
///
/// A key set at an https URL is fetched as the section `tls` of the configuration says: with a private authority
/// (`--ca-file`), with a certificate of its own. No other section is read.
///
/// Any argument that is not a known option is taken as the token, even with hyphens in front. Give
/// a token from an untrusted source through standard input (`-`) or after `--`, so that it cannot be
/// taken as an option.
#[derive(Args, Debug)]
pub(crate) struct TokenVerify {
    #[command(flatten)]
    caller: CallerArguments,
    /// The issuer's JWK set: a file, or an https URL (plain http on loopback only).
    #[arg(long, value_name = "FILE_OR_URL")]
    jwks: OsString,
    /// The exact `iss` the token must have.
    #[arg(long, value_name = "ISSUER")]
    issuer: Issuer,
    /// The audience that must be among the token's `aud`.
    #[arg(long, value_name = "AUDIENCE")]
    audience: Audience,
    /// An accepted algorithm (ES256, EdDSA, RS256, ES384, PS256); repeatable; default: the first three.
    #[arg(long = "algorithm", value_name = "ALG")]
    algorithms: Vec<Algorithm>,
    /// Seconds by which clocks may differ; default 10.
    #[arg(long, value_name = "SECONDS")]
    leeway: Option<u64>,
    /// Check as if it were this moment; default: now.
    #[arg(long, value_name = "UNIX_SECONDS")]
    at: Option<u64>,
    /// Accept tokens whose `typ` is not `at+jwt` (an ID token then passes as an access token).
    #[arg(long)]
    dangerous_accept_untyped: bool,
    /// The token, or `-` to read it from standard input.
    #[arg(value_name = "TOKEN", allow_hyphen_values = true)]
    token: OsString,
}

/// The object on standard output.
#[derive(Debug, Serialize)]
struct Verdict {
    valid: bool,
    code: &'static str,
    claims: Option<VerifiedClaims>,
    message: String,
}

impl TokenVerify {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let unverified_token = self.unverified_token()?;
        let keys = key_set::load(&self.jwks, &self.caller)?;
        let outcome = match unverified_token.as_deref() {
            Some(text) => token::verify(text, &keys, &self.policy(), self.now())
                .map_err(|error| (error.code(), error.to_string())),
            // Tokens are ASCII (RFC 7515 section 7.1); other bytes cannot be a token.
            None => Err(("malformed_encoding", "the token is not text".to_owned())),
        };
        let verdict = Verdict::from(outcome);
        output::print_json(&verdict)?;
        Ok(if verdict.valid {
            Exit::Ok
        } else {
            Exit::NotValid
        })
    }

    /// The text to check; `None` when the bytes are not UTF-8.
    fn unverified_token(&self) -> Result<Option<String>, Failure> {
        if self.token == "-" {
            let input = input::read(Path::new("-"), input::MAX_TOKEN_BYTES)?;
            return Ok(input.trimmed_text().map(str::to_owned));
        }
        Ok(self.token.to_str().map(|text| text.trim_ascii().to_owned()))
    }

    fn policy(&self) -> VerifyPolicy {
        let mut policy = VerifyPolicy::new(self.issuer.clone(), self.audience.clone());
        if !self.algorithms.is_empty() {
            policy =
                policy.with_algorithms(self.algorithms.iter().copied().collect::<Algorithms>());
        }
        if let Some(seconds) = self.leeway {
            policy = policy.with_leeway(Duration::from_secs(seconds));
        }
        if self.dangerous_accept_untyped {
            policy = policy.dangerous_accept_untyped();
        }
        policy
    }

    fn now(&self) -> UnixTime {
        match self.at {
            Some(seconds) => UnixTime::from_secs(seconds),
            None => UnixTime::from(SystemClock::new().now()),
        }
    }
}

impl From<Result<VerifiedClaims, (&'static str, String)>> for Verdict {
    fn from(outcome: Result<VerifiedClaims, (&'static str, String)>) -> Self {
        match outcome {
            Ok(claims) => Self {
                valid: true,
                code: "ok",
                claims: Some(claims),
                message: "the token is valid".to_owned(),
            },
            Err((code, message)) => Self {
                valid: false,
                code,
                claims: None,
                message,
            },
        }
    }
}
