//! What an attempt carries beside its identity: its span of the trace, and the headers of the context.

use std::sync::Arc;

use hallpass_client::context::{AllowList, CallContext};
use hallpass_upstream::{Body, find_header};
use http::{HeaderMap, HeaderName, Request};

use super::{CallResult, Layer};
use crate::headers::Header;
use crate::ongoing_attempt::OngoingAttempt;
use crate::settings::ContextHeadersSettings;

pub(crate) mod metrics;

use metrics::{ContextMetrics, Dropped};

/// `tracestate`, in which products of tracing say something to themselves.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Writes the headers of each attempt. They are set and never added, so an attempt has none of the one before.
#[derive(Clone, Debug)]
pub(crate) struct ContextHeaders<L> {
    inner: L,
    rules: Arc<HeaderRules>,
}

/// Which headers leave with the calls of a method.
#[derive(Debug)]
pub(crate) struct HeaderRules {
    client: &'static str,
    /// What may leave at all.
    list: AllowList,
    /// What of it leaves with these calls.
    sent: Box<[HeaderName]>,
    /// Whether the callee is a service of this estate.
    is_ours: bool,
    /// Whether what is listed stays here since the callee is not, and nobody has said so for this client.
    keeps: bool,
    /// Constants of the client that have the names of such headers: for calls whose context has none.
    constants: Box<[Header]>,
    metrics: ContextMetrics,
}

impl HeaderRules {
    pub(crate) fn new(
        client: &'static str,
        list: &AllowList,
        wanted: &ContextHeadersSettings,
        is_ours: bool,
        metrics: &ContextMetrics,
    ) -> Self {
        let names = list.names().iter();
        let is_sent = |name: &&HeaderName| match wanted {
            ContextHeadersSettings::WithIdentity => is_ours,
            ContextHeadersSettings::All => true,
            ContextHeadersSettings::None => false,
            ContextHeadersSettings::These(these) => these.contains(name),
        };
        Self {
            client,
            list: list.clone(),
            sent: names.filter(is_sent).cloned().collect(),
            is_ours,
            keeps: are_kept(list, wanted, is_ours),
            constants: Box::default(),
            metrics: metrics.clone(),
        }
    }

    /// With these constants, which are listed.
    pub(crate) fn with_constants(self, constants: Box<[Header]>) -> Self {
        Self { constants, ..self }
    }

    /// What the context has goes over a constant, which would be that of all users.
    fn fill(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.constants {
            if !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
    }

    fn write(&self, context: &CallContext, headers: &mut HeaderMap) {
        if let Some(trace) = context.trace() {
            trace.write(headers);
            if !self.is_ours && find_header(headers, &TRACESTATE).is_some() {
                headers.remove(TRACESTATE);
            }
        }
        let carried = context.carried();
        if carried.is_empty() {
            return;
        }
        // What code has put there has passed no limit yet.
        if !self.list.takes(carried) {
            self.metrics.dropped(self.client, Dropped::TooLong);
            return;
        }
        for (name, value) in carried.iter() {
            if !self.list.allows(name) {
                self.metrics.dropped(self.client, Dropped::Unlisted);
            } else if self.keeps {
                self.metrics.dropped(self.client, Dropped::ThirdParty);
            } else if self.sent.contains(name) && !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
    }
}

/// Whether the callee gets nothing of what is listed for no other reason than that it is a third party.
pub(crate) fn are_kept(list: &AllowList, wanted: &ContextHeadersSettings, is_ours: bool) -> bool {
    *wanted == ContextHeadersSettings::WithIdentity && !is_ours && !list.is_empty()
}

/// A transaction or a tenant that ends here without a word would be looked for long.
pub(crate) fn warn_of_third_party(client: &'static str) {
    tracing::warn!(
        client,
        "no header of context.headers leaves with the calls of this client: it is a third party, by identity = none or by \
         internal-token.feign.skip-clients. feign.clients.NAME.context-headers says what it gets: none, all, or names"
    );
}

impl<L> ContextHeaders<L> {
    pub(crate) fn new(inner: L, rules: Arc<HeaderRules>) -> Self {
        Self { inner, rules }
    }
}

impl<L: Layer<Arc<OngoingAttempt>>> Layer<Arc<OngoingAttempt>> for ContextHeaders<L> {
    fn send(
        &self,
        attempt: &Arc<OngoingAttempt>,
        request: &mut Request<Body>,
    ) -> impl Future<Output = CallResult> + Send {
        self.rules.write(&attempt.context, request.headers_mut());
        self.rules.fill(request.headers_mut());
        self.inner.send(attempt, request)
    }
}
