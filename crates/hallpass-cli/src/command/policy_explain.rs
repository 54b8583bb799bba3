//! `hallpass policy explain`: what becomes of a request, and why.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use hallpass::resource::{Denial, Explanation};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{Method, Request};
use serde::Serialize;

use super::policy_list::{RuleObject, shown};
use super::policy_source::PolicySource;
use crate::input;
use crate::output::{self, Exit, Failure};

/// Say which rule decides about a request, and why
///
/// Verifies the token as the service would (its keys are fetched or read as the configuration says), and says which
/// rules are asked, what each says, which one decides, and why other rules of the same path are not asked. Exit code 0:
/// the request passes; 65: it is refused. Rules in the code of a service are known to the service alone, so the last line
/// says what that means for this request.
///
/// A token in the command line can be read by every user of the machine: give `-` for standard input, or --token-file.
/// Its proof (DPoP) or certificate does not come with it, so a bound token is refused here.
#[derive(Args, Debug)]
pub(crate) struct PolicyExplain {
    #[command(flatten)]
    source: PolicySource,
    /// The method of the request.
    #[arg(value_name = "METHOD")]
    method: Method,
    /// The path of the request as a caller would write it, or its whole address.
    #[arg(value_name = "PATH")]
    target: String,
    /// The token, or `-` to read it from standard input. Without one the request is anonymous.
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<OsString>,
    /// A file with the token.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// The host that the request is for (`Host`).
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Print a JSON object in place of text.
    #[arg(long)]
    json: bool,
}

/// The object on standard output.
#[derive(Debug, Serialize)]
struct ExplanationObject {
    passes: bool,
    status: u16,
    /// `none`, or why the request should not pass.
    code: &'static str,
    detail: Option<String>,
    mode: &'static str,
    permit_all: bool,
    /// Whether the request gets the metadata of the protected resource (RFC 9728), which no rule is asked for.
    metadata: bool,
    /// What rules in the code of a service, which are not known here, may make of it.
    rules_in_code: RulesInCode,
    caller: Option<CallerObject>,
    /// Why the token gives no identity.
    token: Option<String>,
    asked: Vec<DecisionObject>,
    passed_over: Vec<PassedOverObject>,
}

#[derive(Debug, Serialize)]
struct CallerObject {
    kind: String,
    subject: String,
    client_id: Option<String>,
    issuer: String,
    roles: Vec<String>,
    scope: String,
}

#[derive(Debug, Serialize)]
struct DecisionObject {
    #[serde(flatten)]
    rule: RuleObject,
    /// The mode that counts for it here.
    effective_mode: &'static str,
    allows: bool,
    code: &'static str,
    detail: Option<String>,
    decides: bool,
}

#[derive(Debug, Serialize)]
struct PassedOverObject {
    #[serde(flatten)]
    rule: RuleObject,
    why: &'static str,
}

impl PolicyExplain {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let parts = self.request()?;
        let explain =
            async |server: hallpass::resource::ResourceServer| server.explain(&parts).await;
        let explanation = self.source.with_server(explain)?;
        if self.json {
            output::print_json(&ExplanationObject::from(&explanation))?;
        } else {
            output::print_line(&self.text(&explanation))?;
        }
        Ok(if explanation.passes() {
            Exit::Ok
        } else {
            Exit::NotValid
        })
    }

    fn request(&self) -> Result<Parts, Failure> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.target);
        if let Some(host) = &self.host {
            request = request.header(HOST, host);
        }
        if let Some(token) = self.token()? {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        // Which of them it is is not said in the library's words: they may quote the token.
        let request = request.body(()).map_err(|_| {
            Failure::usage(
                "the path, the host or the token has characters that no request can have",
            )
        })?;
        Ok(request.into_parts().0)
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        let source = match (&self.token, &self.token_file) {
            (Some(token), _) if token != "-" => {
                let text = token.to_str().map(|it| it.trim_ascii().to_owned());
                return text.map(Some).ok_or_else(not_text);
            }
            (Some(_), _) => Path::new("-"),
            (None, Some(file)) => file,
            (None, None) => return Ok(None),
        };
        let input = input::read(source, input::MAX_TOKEN_BYTES)?;
        let text = input.trimmed_text().map(str::to_owned);
        text.map(Some).ok_or_else(not_text)
    }

    fn text(&self, it: &Explanation) -> String {
        let mut lines = vec![format!("{} {}", self.method, self.target)];
        if it.is_for_metadata {
            let answer =
                "passes: the service answers with its metadata (RFC 9728), and asks no rule";
            lines.push(answer.to_owned());
            return lines.join("\n");
        }
        lines.push(caller_line(it));
        if it.decisions.is_empty() {
            lines.push("asked: no rule".to_owned());
        }
        for decision in &it.decisions {
            let says = match &decision.denial {
                None => "allows".to_owned(),
                Some(denial) => format!("refuses ({}): {denial}", denial.log_code()),
            };
            let decides = if decision.decides { "  <- decides" } else { "" };
            lines.push(format!("asked: {}", shown(&decision.rule)));
            lines.push(format!(
                "       {says}, in {}{decides}",
                decision.mode.name()
            ));
        }
        for other in &it.passed_over {
            let why = match other.why {
                "method" => "another method",
                "host" => "another host",
                _ => "less specific than one that is asked",
            };
            lines.push(format!("not asked: {}: {why}", shown(&other.rule)));
        }
        lines.push(verdict_line(it));
        lines.extend(RulesInCode::of(it).line().map(str::to_owned));
        lines.join("\n")
    }
}

fn not_text() -> Failure {
    Failure::usage("the token is not text")
}

fn caller_line(it: &Explanation) -> String {
    match (&it.caller, &it.fault) {
        (Some(caller), _) => {
            let context = caller.context();
            let client = context.client_id().map_or("none", AsRef::as_ref);
            format!(
                "caller: {}, {}, client {client}, of the issuer {}",
                context.subject(),
                context.caller(),
                caller.issuer_name()
            )
        }
        (None, Some(fault)) => format!(
            "caller: none; the token gives no identity ({}): {fault}",
            fault.log_code()
        ),
        (None, None) => "caller: none; no token".to_owned(),
    }
}

fn verdict_line(it: &Explanation) -> String {
    match &it.denial {
        _ if it.permits_all => "passes: security.permit-all lets everything pass".to_owned(),
        None => format!("passes, in {}", it.mode.name()),
        Some(denial) => {
            let (code, status) = (denial.log_code(), denial.response().status.as_u16());
            match it.status() {
                Some(_) => format!("refused with {status} ({code}): {denial}"),
                None => format!(
                    "passes in {}; enforced, it would be refused with {status} ({code}): {denial}",
                    it.mode.name()
                ),
            }
        }
    }
}

/// What the rules in the code of a service, which are not known here, may make of it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum RulesInCode {
    /// No rule is asked.
    NotAsked,
    /// No rule that is known is for the request.
    MayOpen,
    MustAllowToo,
    CannotOpen,
}

impl RulesInCode {
    fn of(it: &Explanation) -> Self {
        match &it.denial {
            _ if it.permits_all || it.is_for_metadata => Self::NotAsked,
            Some(Denial::NoRule | Denial::MissingToken) if it.decisions.is_empty() => Self::MayOpen,
            _ if it.passes() => Self::MustAllowToo,
            _ => Self::CannotOpen,
        }
    }

    fn line(self) -> Option<&'static str> {
        match self {
            Self::NotAsked => None,
            Self::MayOpen => Some(
                "not known here: rules in the code of a service, of which one may be for this request",
            ),
            Self::MustAllowToo => {
                Some("not known here: rules in the code of a service, which must allow it too")
            }
            Self::CannotOpen => {
                Some("not known here: rules in the code of a service, none of which could open it")
            }
        }
    }
}

impl From<&Explanation> for ExplanationObject {
    fn from(it: &Explanation) -> Self {
        let code = |denial: &Option<Denial>| denial.as_ref().map_or("none", Denial::log_code);
        let detail = |denial: &Option<Denial>| denial.as_ref().map(ToString::to_string);
        let asked = it.decisions.iter().map(|decision| DecisionObject {
            rule: RuleObject::from(&decision.rule),
            effective_mode: decision.mode.name(),
            allows: decision.denial.is_none(),
            code: code(&decision.denial),
            detail: detail(&decision.denial),
            decides: decision.decides,
        });
        let passed_over = it.passed_over.iter().map(|other| PassedOverObject {
            rule: RuleObject::from(&other.rule),
            why: other.why,
        });
        Self {
            passes: it.passes(),
            status: it.status().map_or(200, |status| status.as_u16()),
            code: code(&it.denial),
            detail: detail(&it.denial),
            mode: it.mode.name(),
            permit_all: it.permits_all,
            metadata: it.is_for_metadata,
            rules_in_code: RulesInCode::of(it),
            caller: it.caller.as_ref().map(|caller| {
                let context = caller.context();
                CallerObject {
                    kind: context.caller().to_string(),
                    subject: context.subject().to_string(),
                    client_id: context.client_id().map(ToString::to_string),
                    issuer: caller.issuer_name().to_owned(),
                    roles: caller.roles(),
                    scope: context.scope().to_string(),
                }
            }),
            token: detail(&it.fault),
            asked: asked.collect(),
            passed_over: passed_over.collect(),
        }
    }
}
