//! A question that does not come whole.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};

use super::wire::Answer;
use super::{CHECK, Question, framed};
use crate::estate::Estate;

/// The first half of a message; the other one never comes.
struct Half(Option<Bytes>);

impl Body for Half {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(half) => Poll::Ready(Some(Ok(Frame::data(half)))),
            None => Poll::Pending,
        }
    }
}

/// A proxy may have been told to let requests pass when a call fails.
#[tokio::test]
async fn half_a_question_is_refused_by_a_message_within_the_limit_and_no_failed_call() {
    let more = "    grpc-listen: 127.0.0.1:0\n    decision-timeout-ms: 300\n";
    let estate = Estate::start_with(more).await;
    let whole = framed(&Question::new("GET", "/public/a", &[]).message());
    let half = Bytes::copy_from_slice(&whole[..whole.len() / 2]);
    let asked = estate.post(CHECK, "application/grpc", Half(Some(half)));
    let limit = Duration::from_secs(20);
    let response = tokio::time::timeout(limit, asked).await.unwrap();
    let collected = response.into_body().collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    assert_eq!(trailers.get("grpc-status").unwrap(), "0");
    let answer = Answer::of(&collected.to_bytes()[5..]);
    assert_ne!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.status, Some(400), "{answer:?}");
    let fault = "hallpass_authz_faults_total{protocol=\"envoy_grpc\",fault=\"unreadable\"}";
    assert_eq!(estate.sample(fault), 1.0);
}
