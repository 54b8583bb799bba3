//! One structured event per decision, never with a token in it.

use http::{HeaderMap, Method};

use crate::error::Denial;
use crate::verifier::Verified;

/// The target of all audit events, for filters: `hallpass::audit=info`.
pub const AUDIT_TARGET: &str = "hallpass::audit";
/// How much of a method is written: a caller may make one up, as long as a header.
const MAX_METHOD_BYTES: usize = 32;

/// A decision about one call.
#[derive(Debug)]
pub(crate) struct Decision<'a> {
    /// `allow`, `deny`, `would_deny` or `bypass`.
    pub(crate) result: &'static str,
    pub(crate) denial: Option<&'a Denial>,
    pub(crate) mode: &'static str,
    pub(crate) route: &'a str,
    pub(crate) method: &'a Method,
    pub(crate) caller: Option<&'a Verified>,
    pub(crate) headers: &'a HeaderMap,
}

impl Decision<'_> {
    /// Writes the event at level INFO. The path is left out on purpose: it may hold personal data, the route does not.
    pub(crate) fn record(&self) {
        let context = self.caller.map(Verified::context);
        let claims = context.map(|it| it.claims());
        tracing::info!(
            target: AUDIT_TARGET,
            decision = self.result,
            reason = self.denial.map_or("none", Denial::log_code),
            detail = self.denial.map(tracing::field::display),
            mode = self.mode,
            route = self.route,
            method = shortened(self.method.as_str()),
            issuer = self.caller.map(Verified::issuer_name),
            subject = claims.map(|it| it.subject.as_str()),
            client_id = context.and_then(|it| it.client_id()).map(AsRef::<str>::as_ref),
            actor = claims.and_then(|it| it.actor.as_ref()).map(|it| it.subject.as_str()),
            scope = claims.map(|it| it.scope.as_str()),
            token_id = claims.and_then(|it| it.token_id.as_ref()).map(AsRef::<str>::as_ref),
            trace_id = trace_id(self.headers),
            "call judged"
        );
    }
}

/// A method has ASCII characters only (RFC 9110 section 9.1).
fn shortened(method: &str) -> &str {
    method.get(..MAX_METHOD_BYTES).unwrap_or(method)
}

/// The trace id of a well-formed `traceparent` (W3C trace context, version 00 and later): 32 lower-case hex digits.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, id) = (parts.next()?, parts.next()?);
    let lower_hex = |text: &str| {
        text.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let sound = version.len() == 2
        && version != "ff"
        && id.len() == 32
        && lower_hex(version)
        && lower_hex(id);
    (sound && id.bytes().any(|byte| byte != b'0')).then_some(id)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_well_formed_trace_id_is_recorded() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_static(text));
            trace_id(&headers).map(str::to_owned)
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(
            of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").as_deref(),
            Some(id)
        );
        assert_eq!(
            of("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
            None
        );
        assert_eq!(
            of("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
            None
        );
        assert_eq!(of("nonsense"), None);
        // Each of these breaks one rule only.
        for text in [
            "000-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0G-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47361-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473G-00f067aa0ba902b7-01",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
