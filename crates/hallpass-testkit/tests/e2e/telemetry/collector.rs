//! The end of OTLP that a collector has: it reads spans by the types that OpenTelemetry generates.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hallpass_testkit::TestServer;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::sync::watch;

/// Longer than any message takes here.
const PATIENCE: Duration = Duration::from_secs(20);

/// How it answers, by the number of the message.
pub(crate) type Answer = fn(usize) -> Option<Response>;

/// A collector that remembers what it was sent.
pub(crate) struct Collector {
    server: TestServer,
    shared: Arc<Shared>,
}

struct Shared {
    answer: Answer,
    messages: Mutex<Vec<(HeaderMap, Bytes)>>,
    count: watch::Sender<usize>,
}

/// A span, and the service that has sent it.
#[derive(Clone, Debug)]
pub(crate) struct Exported {
    pub(crate) service: String,
    pub(crate) span: Span,
}

/// Takes everything.
pub(crate) fn takes(_: usize) -> Option<Response> {
    Some(StatusCode::OK.into_response())
}

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::answering(takes).await
    }

    /// One that answers so; to `None` never.
    pub(crate) async fn answering(answer: Answer) -> Self {
        let shared = Arc::new(Shared {
            answer,
            messages: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&shared));
        let server = TestServer::start(router).await.unwrap();
        Self { server, shared }
    }

    /// What `telemetry.otlp.endpoint` says.
    pub(crate) fn endpoint(&self) -> String {
        self.server.url("")
    }

    /// Waits until so many messages came.
    pub(crate) async fn asked(&self, messages: usize) {
        let mut count = self.shared.count.subscribe();
        let came = count.wait_for(|count| *count >= messages);
        tokio::time::timeout(PATIENCE, came).await.unwrap().unwrap();
    }

    /// What was sent, head and body.
    pub(crate) fn messages(&self) -> Vec<(HeaderMap, Bytes)> {
        self.shared.messages.lock().unwrap().clone()
    }

    /// All spans, once there are so many.
    pub(crate) async fn spans(&self, least: usize) -> Vec<Exported> {
        let enough = async {
            for messages in 1.. {
                self.asked(messages).await;
                let spans = self.spans_so_far();
                if spans.len() >= least {
                    return spans;
                }
            }
            Vec::new()
        };
        let spans = tokio::time::timeout(PATIENCE, enough).await;
        spans.unwrap_or_else(|_| panic!("only {:?}", self.spans_so_far()))
    }

    pub(crate) fn spans_so_far(&self) -> Vec<Exported> {
        let messages = self.messages();
        messages.iter().flat_map(|(_, body)| read(body)).collect()
    }
}

async fn take(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let number = {
        let mut messages = shared.messages.lock().unwrap();
        messages.push((headers, body));
        messages.len()
    };
    shared.count.send_replace(number);
    match (shared.answer)(number) {
        Some(response) => response,
        None => std::future::pending().await,
    }
}

fn read(body: &Bytes) -> Vec<Exported> {
    let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
    let mut exported = Vec::new();
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.unwrap();
        let service = text_of(&resource.attributes, "service.name").unwrap();
        let spans = of_resource.scope_spans.into_iter().flat_map(|it| it.spans);
        exported.extend(spans.map(|span| Exported {
            service: service.clone(),
            span,
        }));
    }
    exported
}

impl Exported {
    /// The value of an attribute, as text.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        text_of(&self.span.attributes, name)
    }
}

fn text_of(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|it| it.key == name)?;
    match found.value.clone()? {
        AnyValue {
            value: Some(Value::StringValue(text)),
        } => Some(text),
        AnyValue {
            value: Some(Value::IntValue(whole)),
        } => Some(whole.to_string()),
        other => panic!("{other:?}"),
    }
}
