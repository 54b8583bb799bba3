//! What a collector is sent of spans.

use hallpass_upstream::random_id;

use super::messages::{
    ExportRequest, KeyValue, Resource, ResourceSpans, Scope, ScopeSpans, Span, Status,
    Value as SentValue,
};
use super::open_span::{FinishedSpan, SpanKind, Value};

/// Bits of the flags of a span, beside those of W3C Trace Context: whether its parent is known to be of another process or not, and whether it is.
const SAMPLED: u32 = 1;
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;
/// A status that says of a failure.
const ERROR: i32 = 2;

/// What is said of this process.
pub(super) fn resource(service: &str) -> Vec<KeyValue> {
    vec![
        KeyValue::text("service.name", service),
        KeyValue::text("service.instance.id", instance_id()),
        KeyValue::text("telemetry.sdk.name", "hallpass"),
        KeyValue::text("telemetry.sdk.language", "rust"),
        KeyValue::text("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ]
}

/// A random UUID (RFC 9562, version 4): one for each process, so that replicas can be told apart.
fn instance_id() -> String {
    const VERSION: u128 = 0xf << 76;
    const VARIANT: u128 = 0b11 << 62;
    let id = (random_id() & !VERSION & !VARIANT) | (4_u128 << 76) | (0b10_u128 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        id >> 96,
        (id >> 80) & 0xffff,
        (id >> 64) & 0xffff,
        (id >> 48) & 0xffff,
        id & 0xffff_ffff_ffff
    )
}

/// A message with these spans.
pub(super) fn request(resource: &[KeyValue], spans: &[FinishedSpan]) -> ExportRequest {
    let scope = Scope {
        name: "hallpass".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    ExportRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: resource.to_vec(),
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans: spans.iter().map(sent).collect(),
            }],
        }],
    }
}

fn sent(span: &FinishedSpan) -> Span {
    let remote = if span.is_parent_remote { IS_REMOTE } else { 0 };
    let parent = span.parent.map(|parent| parent.to_be_bytes().to_vec());
    let attributes = span.attributes.iter();
    Span {
        trace_id: span.ids.trace.to_be_bytes().to_vec(),
        span_id: span.ids.span.to_be_bytes().to_vec(),
        parent_span_id: parent.unwrap_or_default(),
        name: span.title(),
        kind: match span.kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
            SpanKind::Client => 3,
            SpanKind::Producer => 4,
            SpanKind::Consumer => 5,
        },
        start_time_unix_nano: span.began,
        end_time_unix_nano: span.ended,
        attributes: attributes.map(|(name, it)| attribute(name, it)).collect(),
        status: span.has_failed().then_some(Status { code: ERROR }),
        flags: SAMPLED | HAS_IS_REMOTE | remote,
    }
}

/// By the name that the conventions of OpenTelemetry have for it, where they have one.
fn attribute(name: &'static str, value: &Value) -> KeyValue {
    let name = match name {
        "client" => "hallpass.client",
        "service" => "peer.service",
        "attempts" => "hallpass.attempts",
        name => name,
    };
    let value = match value {
        Value::Text(text) => SentValue::Text(text.clone()),
        Value::Flag(flag) => SentValue::Flag(*flag),
        Value::Whole(whole) => SentValue::Whole(*whole),
        Value::Number(number) => SentValue::Number(*number),
    };
    KeyValue::new(name, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_an_id_of_its_own_of_the_usual_form() {
        let ids: Vec<_> = (0..100).map(|_| instance_id()).collect();
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 100);
        for id in &ids {
            let parts: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
            assert_eq!(&id[14..15], "4", "{id}");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
        let names: Vec<_> = resource("orders").into_iter().map(|it| it.key).collect();
        assert_eq!(names[..2], ["service.name", "service.instance.id"]);
    }
}
