//! Server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as AxumBody;
use axum::response::{IntoResponse, Response as Answered};
use bytes::Bytes;
use futures_util::StreamExt;
use hallpass_feign::{Event, Events, FeignError, feign_client};
use http::{Response, StatusCode};
use serde::Deserialize;
use tokio::sync::Notify;

use crate::support::{Upstream, runtime};

#[derive(Debug, PartialEq, Deserialize)]
struct Moved {
    place: String,
}

#[feign_client(name = "service-a", identity = "none", deadline_ms = 300)]
trait Moves {
    #[get("/moves")]
    async fn moves(
        &self,
        #[header("Last-Event-ID")] last: Option<&str>,
    ) -> Result<Events<Moved>, FeignError>;

    #[get("/text")]
    async fn text(&self) -> Result<Response<Events>, FeignError>;
}

async fn answering(
    answer: impl Fn() -> Answered + Send + Sync + 'static,
) -> (Upstream, FeignMoves) {
    let upstream = Upstream::answering(move |_, _| answer()).await;
    let moves = FeignMoves::new(&runtime(&[&upstream]).build()).unwrap();
    (upstream, moves)
}

const EVENTS: [(&str, &str); 1] = [("content-type", "text/event-stream; charset=utf-8")];

/// The pieces, and then nothing any more, though the stream goes on.
fn endless(pieces: &'static [&'static [u8]]) -> Answered {
    let pieces = pieces
        .iter()
        .map(|piece| Ok::<_, Infallible>(Bytes::from_static(piece)));
    let pieces = futures_util::stream::iter(pieces).chain(futures_util::stream::pending());
    (EVENTS, AxumBody::from_stream(pieces)).into_response()
}

#[tokio::test]
async fn events_come_one_by_one_while_the_stream_goes_on_and_after_the_deadline() {
    let (upstream, moves) = answering(|| {
        endless(&[
            b"retry: 2000\nid: 1\nevent: moved\ndata: {\"place\":\"Z\xc3",
            b"\xbcrich\"}\n\ndata: {\"place\":\"Bern\"}\n\n",
        ])
    })
    .await;
    let mut stream = moves.moves(Some("0")).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!((&*first.name, first.id.as_deref()), ("moved", Some("1")));
    assert_eq!(first.data.place, "Z\u{fc}rich");
    // By the trait of futures as well.
    let second = StreamExt::next(&mut stream).await.unwrap().unwrap();
    assert_eq!((&*second.name, &*second.data.place), ("message", "Bern"));
    assert_eq!(stream.last_event_id(), Some("1"));
    assert_eq!(stream.retry(), Some(Duration::from_secs(2)));
    let later = tokio::time::timeout(Duration::from_millis(400), stream.next()).await;
    assert!(later.is_err(), "the deadline was over with the headers");
    let seen = upstream.only();
    assert_eq!(seen.header("last-event-id"), Some("0"));
    assert_eq!(seen.header("accept"), Some("text/event-stream"));
}

#[tokio::test]
async fn data_that_is_no_json_of_the_type_is_an_error_of_that_event_alone_and_is_not_told() {
    let (_upstream, moves) = answering(|| {
        let events = "data: hunter2\n\ndata: {\"place\":\"Bern\"}\n\ndata: cut off";
        (EVENTS, events).into_response()
    })
    .await;
    let mut stream = moves.moves(None).await.unwrap();
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.code(), "decode");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert_eq!(stream.next().await.unwrap().unwrap().data.place, "Bern");
    assert!(stream.next().await.is_none() && stream.next().await.is_none());
}

#[tokio::test]
async fn text_is_given_as_it_came_with_the_head_of_its_response() {
    let (_upstream, moves) =
        answering(|| (EVENTS, [("x-shard", "7")], "data: a\ndata: b\n\n").into_response()).await;
    let response = moves.text().await.unwrap();
    assert_eq!(response.headers()["x-shard"], "7");
    let mut stream = response.into_body();
    assert_eq!(stream.next().await.unwrap().unwrap().data, "a\nb");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn what_is_no_stream_of_events_is_an_error_and_no_content_is_the_end() {
    let (_upstream, moves) = answering(|| "data: {\"place\":\"Bern\"}\n\n".into_response()).await;
    let error = moves.moves(None).await.unwrap_err();
    assert_eq!(error.code(), "decode");
    assert!(error.to_string().contains("text/event-stream"), "{error}");
    let (_upstream, moves) = answering(|| StatusCode::FORBIDDEN.into_response()).await;
    assert_eq!(moves.moves(None).await.unwrap_err().code(), "client_error");
    let (_upstream, moves) = answering(|| StatusCode::NO_CONTENT.into_response()).await;
    assert!(moves.moves(None).await.unwrap().next().await.is_none());
}

#[tokio::test]
async fn a_stream_that_breaks_off_or_has_an_endless_event_ends_with_an_error() {
    let first_is_read = Arc::new(Notify::new());
    let break_off = Arc::clone(&first_is_read);
    let (_upstream, moves) = answering(move || {
        let break_off = Arc::clone(&break_off);
        let first = futures_util::stream::iter([Ok(Bytes::from("data: 1\n\ndata: 2"))]);
        let then = futures_util::stream::once(async move {
            break_off.notified().await;
            Err("gone")
        });
        (EVENTS, AxumBody::from_stream(first.chain(then))).into_response()
    })
    .await;
    let mut stream = moves.text().await.unwrap().into_body();
    let mut codes = Vec::new();
    while let Some(event) = stream.next().await {
        first_is_read.notify_one();
        codes.push(event.map(|event| event.data).map_err(|error| error.code()));
    }
    assert_eq!(codes, [Ok("1".to_owned()), Err("transport")]);
    let (_upstream, moves) = answering(|| {
        let pieces = futures_util::stream::repeat(Ok::<_, Infallible>(Bytes::from_static(
            b"data: and so on\n",
        )));
        (EVENTS, AxumBody::from_stream(pieces)).into_response()
    })
    .await;
    let mut stream = moves.text().await.unwrap().into_body();
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error, FeignError::TooLarge { limit: 1024 * 1024 });
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_mock_sends_events() {
    let mock = MockMoves::new().on_moves(|_| {
        let mut last = Event::new(Moved {
            place: "Bern".to_owned(),
        });
        last.id = Some("9".to_owned());
        let events = [Err(FeignError::NoIdentity), Ok(last)];
        Ok(Events::from_stream(futures_util::stream::iter(events)))
    });
    let mut stream = BoxMoves::new(mock).moves(None).await.unwrap();
    assert_eq!(
        stream.next().await.unwrap().unwrap_err(),
        FeignError::NoIdentity
    );
    assert_eq!(stream.next().await.unwrap().unwrap().data.place, "Bern");
    assert_eq!(stream.last_event_id(), Some("9"));
    assert!(stream.next().await.is_none());
}
