//! Sends spans to a collector, in a task of its own.

use std::sync::Arc;
use std::time::Duration;

use hallpass_upstream::{
    Body, CarriesNoSecret, HttpTransport, TransportError, asked_wait, random_fraction,
};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
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
/// How often one message is sent that the collector has not taken for certain.
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
    /// It was not taken and may be later: after the wait that the collector asks for.
    Later(String, Option<Duration>),
    /// It went out and no response came. It may have been taken, so it is not sent again: a collector that is slow would store it each time.
    Unanswered(String),
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
            if line.is_away() {
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
                let lost = match line.is_stopping() {
                    true => Lost::Stopped,
                    false => Lost::Unreachable,
                };
                return self.settle(batch, &sent, lost);
            };
            if tries == MAX_TRIES {
                return self.settle(batch, &sent, Lost::Unreachable);
            }
            let waits = pause(wait, *asked, random_fraction());
            self.say(&sent);
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
        match self.call(request).await {
            Ok(sent) | Err(sent) => sent,
        }
    }

    /// What the collector says, or why it says nothing.
    async fn call(&mut self, request: Request<Body>) -> Result<Sent, Sent> {
        let until = Instant::now() + self.settings.timeout;
        let unanswered = |why: &str| Sent::Unanswered(why.to_owned());
        let response = tokio::select! {
            called = timeout_at(until, self.transport.call(request)) => called
                .map_err(|_| unanswered("no response in time"))?
                .map_err(|error| without_response(&error))?,
            () = self.line.given_up() => return Err(unanswered("the process ends")),
        };
        let (head, body) = response.into_parts();
        // The status says what became of the message: of a body that is too long, or does not end, nothing counts.
        let body = tokio::select! {
            body = timeout_at(until, body.collect_within(MAX_RESPONSE_BYTES)) => body.ok().and_then(Result::ok),
            () = self.line.given_up() => None,
        };
        let response = Response::from_parts(head, body.unwrap_or_default());
        Ok(read(&response))
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
            Sent::Later(..) | Sent::Unanswered(_) => metrics.lost(lost, all),
        }
        self.say(sent);
    }

    /// Tells the log what has changed, not every message that failed.
    fn say(&self, sent: &Sent) {
        let endpoint = &self.settings.endpoint;
        let is_away = matches!(sent, Sent::Later(..) | Sent::Unanswered(_));
        self.line.note_away(is_away);
        match sent {
            Sent::Taken { .. } if self.line.note(false) => {
                tracing::info!(%endpoint, "the collector takes spans again");
            }
            Sent::Taken { .. } => {}
            Sent::Refused(error) | Sent::Later(error, _) | Sent::Unanswered(error) => {
                if self.line.note(true) {
                    tracing::warn!(%endpoint, error, "the collector takes no spans; they are counted in hallpass_otlp_dropped_total once they are lost");
                }
            }
        }
    }
}

/// How long a message waits: not all at once, where many processes have lost the same collector, and no shorter than that has asked for.
/// `chance` is from 0 to 1.
fn pause(wait: Duration, asked: Option<Duration>, chance: f64) -> Duration {
    let own = wait.min(MAX_WAIT).mul_f64(0.5 + chance / 2.0);
    let asked = asked.unwrap_or_default().min(MAX_WAIT);
    own.max(asked.mul_f64(1.0 + chance / 10.0))
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

/// What is certain not to have gone out may be sent again.
fn without_response(error: &TransportError) -> Sent {
    match error.is_unsent() {
        true => Sent::Later(error.to_string(), None),
        false => Sent::Unanswered(error.to_string()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_waits_no_shorter_than_the_collector_asks() {
        let second = Duration::from_secs(1);
        let paused = |asked| [0.0, 1.0].map(|chance| pause(second * 4, asked, chance));
        assert_eq!(paused(None), [second * 2, second * 4]);
        assert_eq!(paused(Some(Duration::ZERO)), [second * 2, second * 4]);
        assert_eq!(paused(Some(second * 10)), [second * 10, second * 11]);
        assert_eq!(paused(Some(second * 3_600)), [second * 30, second * 33]);
    }
}
