//! Sends spans to a collector, in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use hallpass_upstream::{Body, CarriesNoSecret, HttpTransport, asked_wait, random_fraction};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tower_service::Service;

use super::line::Line;
use super::message::request;
use super::messages::{ExportResponse, KeyValue};
use super::metrics::Lost;
use super::open_span::FinishedSpan;
use super::settings::OtlpSettings;

/// Spans of one message.
const MAX_SPANS: usize = 512;
/// Longest response that is looked at, in bytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
/// How often one message is sent.
const MAX_TRIES: u32 = 5;
/// The wait after a first failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait, also when the collector asks for a longer one.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// What sends.
pub(super) struct Exporter {
    pub(super) line: Arc<Line>,
    pub(super) settings: OtlpSettings,
    pub(super) transport: HttpTransport,
    /// What all spans of this process have in common.
    pub(super) resource: Vec<KeyValue>,
}

/// What became of a message.
enum Sent {
    /// It was taken, but for so many of its spans.
    Taken { refused: u64 },
    /// The collector does not want it.
    Refused(String),
    /// It may be taken later: after the wait that the collector asks for.
    Later(String, Option<Duration>),
}

impl Exporter {
    /// Sends what comes through `spans`, until the line is stopped; then what waits there, each message once.
    pub(super) async fn run(mut self, mut spans: mpsc::Receiver<FinishedSpan>) {
        let line = Arc::clone(&self.line);
        while let Some(batch) = gather(&line, &mut spans, self.settings.interval).await {
            self.send_until_taken(&batch).await;
        }
        // Who still ends spans is told that nobody takes them.
        spans.close();
        loop {
            let mut batch = Vec::new();
            while batch.len() < MAX_SPANS
                && let Ok(span) = spans.try_recv()
            {
                batch.push(span);
            }
            if batch.is_empty() {
                break;
            }
            // A collector that was not there a moment ago holds up no end.
            if line.is_failing() {
                line.metrics.lost(Lost::Stopped, count(batch.len()));
                continue;
            }
            let sent = self.send(&batch).await;
            self.settle(&batch, &sent, Lost::Stopped);
        }
        line.end();
    }

    /// Sends one message as often as may be.
    async fn send_until_taken(&mut self, batch: &[FinishedSpan]) {
        let line = Arc::clone(&self.line);
        let mut wait = FIRST_WAIT;
        for tries in 1..=MAX_TRIES {
            let sent = self.send(batch).await;
            let Sent::Later(_, asked) = &sent else {
                return self.settle(batch, &sent, Lost::Unreachable);
            };
            if tries == MAX_TRIES {
                return self.settle(batch, &sent, Lost::Unreachable);
            }
            let waits = asked.unwrap_or(wait).min(MAX_WAIT);
            self.say(&sent);
            // Not all at once, where many processes have lost the same collector.
            let waits = waits.mul_f64(0.5 + random_fraction() / 2.0);
            tokio::select! {
                () = line.stopped() => return self.settle(batch, &sent, Lost::Stopped),
                () = sleep(waits) => wait *= 2,
            }
        }
    }

    async fn send(&mut self, batch: &[FinishedSpan]) -> Sent {
        let body = request(&self.resource, batch).encode_to_vec();
        let mut request = Request::post(self.settings.endpoint.clone()).body(Body::from(body));
        if let Ok(request) = &mut request {
            let headers = request.headers_mut();
            let protobuf = HeaderValue::from_static("application/x-protobuf");
            headers.insert(CONTENT_TYPE, protobuf);
            for (name, value) in &self.settings.headers {
                headers.insert(name, value.clone());
            }
            if self.settings.carries_no_secret() {
                request.extensions_mut().insert(CarriesNoSecret);
            }
        }
        let Ok(request) = request else {
            return Sent::Refused("the endpoint cannot be called".to_owned());
        };
        let calling = async {
            let response = self.transport.call(request).await;
            let response = response.map_err(|error| error.to_string())?;
            let (head, body) = response.into_parts();
            let body = body.collect_within(MAX_RESPONSE_BYTES).await;
            let body = body.map_err(|error| error.to_string())?;
            Ok(Response::from_parts(head, body))
        };
        let calling = timeout(self.settings.timeout, calling);
        let called: Result<_, String> = tokio::select! {
            called = calling => called.unwrap_or_else(|_| Err("no response in time".to_owned())),
            () = self.line.given_up() => Err("the process ends".to_owned()),
        };
        match called {
            Ok(response) => read(&response),
            Err(error) => Sent::Later(error, None),
        }
    }

    /// Counts what became of a message; `lost` is why, when the collector was not reached.
    fn settle(&self, batch: &[FinishedSpan], sent: &Sent, lost: Lost) {
        let metrics = &self.line.metrics;
        let all = count(batch.len());
        match sent {
            Sent::Taken { refused } => {
                let refused = (*refused).min(all);
                metrics.taken(all - refused);
                metrics.lost(Lost::Refused, refused);
            }
            Sent::Refused(_) => metrics.lost(Lost::Refused, all),
            Sent::Later(..) => metrics.lost(lost, all),
        }
        self.say(sent);
    }

    /// Tells the log what has changed, not every message that failed.
    fn say(&self, sent: &Sent) {
        let endpoint = &self.settings.endpoint;
        match sent {
            Sent::Taken { .. } if self.line.note(false) => {
                tracing::info!(%endpoint, "the collector takes spans again");
            }
            Sent::Taken { .. } => {}
            Sent::Refused(error) | Sent::Later(error, _) => {
                if self.line.note(true) {
                    tracing::warn!(%endpoint, error, "the collector takes no spans; they are counted in hallpass_otlp_dropped_total once they are lost");
                }
            }
        }
    }
}

/// The spans of the next message: those that come within `interval` of the first one. `None` once the line is stopped.
async fn gather(
    line: &Line,
    spans: &mut mpsc::Receiver<FinishedSpan>,
    interval: Duration,
) -> Option<Vec<FinishedSpan>> {
    let first = tokio::select! {
        biased;
        () = line.stopped() => return None,
        span = spans.recv() => span?,
    };
    let mut batch = vec![first];
    let until = Instant::now() + interval;
    while batch.len() < MAX_SPANS {
        let next = tokio::select! {
            () = line.stopped() => break,
            next = timeout_at(until, spans.recv()) => next,
        };
        match next {
            Ok(Some(span)) => batch.push(span),
            Ok(None) | Err(_) => break,
        }
    }
    Some(batch)
}

fn read(response: &Response<bytes::Bytes>) -> Sent {
    let status = response.status();
    if status.is_success() {
        // What cannot be read says nothing of spans that were refused.
        let response = ExportResponse::decode(response.body().clone()).unwrap_or_default();
        let refused = response.partial_success.map_or(0, |it| it.rejected_spans);
        let refused = u64::try_from(refused).unwrap_or(0);
        return Sent::Taken { refused };
    }
    let error = format!("status {status}");
    match status {
        // Those that the protocol has a sender try again.
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            let wait = asked_wait(status, response.headers());
            Sent::Later(error, wait)
        }
        _ => Sent::Refused(error),
    }
}

fn count(spans: usize) -> u64 {
    u64::try_from(spans).unwrap_or(u64::MAX)
}
