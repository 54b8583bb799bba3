//! An event, and how it is written.

use std::iter;
use std::path::Path;
use std::sync::Arc;

use hallpass_token::{Actor, ClientId, Scope, SecurityContext, Subject, TokenId, UnixTime};
use hallpass_upstream::TraceContext;
use http::Method;
use serde::Serialize;
use tracing::Dispatch;

use super::file::AuditFile;
use crate::error::Denial;

/// The target of all audit events, for filters: `hallpass::audit=info`.
pub const AUDIT_TARGET: &str = "hallpass::audit";
/// How much of a method is written: a caller may make one up, as long as a header.
const MAX_METHOD_BYTES: usize = 32;
/// Actors of a chain that are written; a token that was verified has fewer.
const MAX_ACTORS: usize = 8;

/// A decision, with all that is written of it and no more: who waits in the queue must not keep tokens in memory.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: Kind,
    pub(super) at: UnixTime,
    pub(super) result: &'static str,
    pub(super) reason: &'static str,
    /// `reason` in words.
    pub(super) detail: Option<Denial>,
    pub(super) route: Arc<str>,
    /// Of a call, and not of a stream that is judged again.
    pub(super) call: Option<Call>,
    pub(super) caller: Option<Who>,
    /// The log of the thread that has judged the call.
    pub(super) log: Dispatch,
    /// The file that it is written into as well.
    pub(super) file: Option<Arc<Path>>,
}

/// What was judged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Call,
    Stream,
}

/// What is written of a call alone.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) mode: &'static str,
    pub(super) policy: Arc<str>,
    pub(super) method: String,
    pub(super) trace: TraceContext,
}

/// An event as it is written. Its names are those of the fields, in the log and in the file.
#[derive(Debug, Serialize)]
struct Line<'e> {
    event: &'static str,
    at: u64,
    decision: &'static str,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    route: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actors: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_id: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
}

/// What is written of an identity. Its texts are shared with the call, so that making one costs next to nothing.
#[derive(Debug)]
pub(super) struct Who {
    issuer: Arc<str>,
    subject: Subject,
    client_id: Option<ClientId>,
    actor: Option<Actor>,
    scope: Scope,
    token_id: Option<TokenId>,
}

impl Who {
    pub(super) fn of(context: &SecurityContext, issuer: Arc<str>) -> Self {
        let claims = context.claims();
        Self {
            issuer,
            subject: claims.subject.clone(),
            client_id: context.client_id().cloned(),
            actor: claims.actor.clone(),
            scope: claims.scope.clone(),
            token_id: claims.token_id.clone(),
        }
    }
}

impl Event {
    /// Writes it at level INFO, outside of all spans, since the span of the call may have ended by now, and into its file. Returns whether
    /// the file has taken it, where there is one.
    pub(super) fn write(&self, file: &mut AuditFile) -> bool {
        tracing::dispatcher::with_default(&self.log, || {
            let line = self.line();
            match self.kind {
                Kind::Call => line.log("call judged"),
                Kind::Stream => line.log("stream judged again"),
            }
            let Some(path) = &self.file else {
                return true;
            };
            // A text of these fields is always one of JSON.
            let text = serde_json::to_string(&line);
            text.is_ok_and(|text| file.write(path, text))
        })
    }

    fn line(&self) -> Line<'_> {
        let (call, caller) = (self.call.as_ref(), self.caller.as_ref());
        let actor = caller.and_then(|it| it.actor.as_ref());
        let trace = call.map(|it| &it.trace);
        Line {
            event: match self.kind {
                Kind::Call => "call_judged",
                Kind::Stream => "stream_judged",
            },
            at: self.at.as_secs(),
            decision: self.result,
            reason: self.reason,
            detail: self.detail.as_ref().map(ToString::to_string),
            mode: call.map(|it| it.mode),
            route: &self.route,
            policy: call.map(|it| &*it.policy),
            method: call.map(|it| it.method.as_str()),
            issuer: caller.map(|it| &*it.issuer),
            subject: caller.map(|it| it.subject.as_str()),
            client_id: caller
                .and_then(|it| it.client_id.as_ref())
                .map(AsRef::<str>::as_ref),
            actor: actor.map(|it| it.subject.as_str()),
            actors: actor.map(chain),
            scope: caller.map(|it| it.scope.as_str()),
            token_id: caller
                .and_then(|it| it.token_id.as_ref())
                .map(AsRef::<str>::as_ref),
            trace_id: trace.map(|it| it.trace_id().to_string()),
            span_id: trace.map(|it| it.span_id().to_string()),
            parent_span_id: trace.and_then(|it| Some(it.parent_id()?.to_string())),
        }
    }
}

impl Line<'_> {
    fn log(&self, what: &str) {
        tracing::info!(
            target: AUDIT_TARGET,
            parent: None,
            event = self.event,
            at = self.at,
            decision = self.decision,
            reason = self.reason,
            detail = self.detail.as_deref(),
            mode = self.mode,
            route = self.route,
            policy = self.policy,
            method = self.method,
            issuer = self.issuer,
            subject = self.subject,
            client_id = self.client_id,
            actor = self.actor,
            actors = self.actors.as_deref(),
            scope = self.scope,
            token_id = self.token_id,
            trace_id = self.trace_id.as_deref(),
            span_id = self.span_id.as_deref(),
            parent_span_id = self.parent_span_id.as_deref(),
            "{what}"
        );
    }
}

/// What is written of a method, which has ASCII characters only (RFC 9110 section 9.1).
pub(super) fn shortened(method: &Method) -> String {
    let method = method.as_str();
    method.get(..MAX_METHOD_BYTES).unwrap_or(method).to_owned()
}

/// All who act, the newest first.
fn chain(actor: &Actor) -> String {
    let all = iter::successors(Some(actor), |actor| actor.actor.as_deref());
    let names: Vec<_> = all.take(MAX_ACTORS).map(named).collect();
    names.join(" < ")
}

/// One whose name could pass for several, or for one of another issuer, stands between quotation marks; one of another issuer with
/// that issuer.
fn named(actor: &Actor) -> String {
    let is_plain = |text: &str| !text.contains([' ', '<', '"', '(', ')']);
    let shown = |text: &str| match is_plain(text) {
        true => text.to_owned(),
        false => format!("{text:?}"),
    };
    let name = shown(actor.subject.as_str());
    match &actor.issuer {
        None => name,
        Some(issuer) => format!("{name} ({})", shown(issuer.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(name: &str, before: Option<Actor>) -> Actor {
        Actor {
            actor: before.map(Box::new),
            ..Actor::new(name.parse().unwrap())
        }
    }

    #[test]
    fn a_name_in_a_chain_passes_neither_for_two_nor_for_one_of_another_issuer() {
        let foreign = Actor {
            issuer: Some("https://login.example".parse().unwrap()),
            ..actor("billing", None)
        };
        let odd = actor("a < b (https://login.example)", Some(foreign));
        let expected =
            "order-service < \"a < b (https://login.example)\" < billing (https://login.example)";
        assert_eq!(chain(&actor("order-service", Some(odd))), expected);
    }

    #[test]
    fn a_chain_is_cut_at_its_old_end() {
        let long = (0..MAX_ACTORS + 5).fold(None, |before, number| {
            Some(actor(&format!("a{number}"), before))
        });
        assert_eq!(
            chain(&long.unwrap()),
            "a12 < a11 < a10 < a9 < a8 < a7 < a6 < a5"
        );
    }
}
