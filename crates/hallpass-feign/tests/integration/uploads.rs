//! Bodies that are no JSON.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use hallpass_client::context;
use hallpass_feign::{ArgumentProblem, FeignError, Multipart, Part, feign_client};
use hallpass_upstream::Body;
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;

use crate::support::{Upstream, caller, runtime};

#[feign_client(name = "service-a", identity = "none")]
trait Files {
    #[put("/bytes")]
    async fn bytes(&self, #[bytes] file: Bytes) -> Result<(), FeignError>;

    #[put("/text")]
    async fn text(&self, #[bytes("text/csv; charset=utf-8")] file: &str) -> Result<(), FeignError>;

    #[put("/cow")]
    async fn cow(&self, #[bytes] file: Cow<'_, [u8]>) -> Result<(), FeignError>;

    #[put("/vec")]
    async fn vec(&self, #[bytes] file: Vec<u8>) -> Result<(), FeignError>;

    #[put("/stream/{name}")]
    async fn stream(&self, name: &str, #[stream("image/png")] file: Body)
    -> Result<(), FeignError>;

    #[put("/form")]
    async fn form(&self, #[multipart] form: Multipart) -> Result<(), FeignError>;
}

async fn files(status: StatusCode) -> (Upstream, FeignFiles) {
    let upstream = Upstream::answering(move |_, _| status).await;
    let files = FeignFiles::new(&runtime(&[&upstream]).build()).unwrap();
    (upstream, files)
}

/// A body that comes in pieces, which ask each for whom they are polled.
fn stream(pieces: &'static [&'static str], seen: Arc<Mutex<Vec<Option<String>>>>) -> Body {
    let pieces = futures_util::stream::iter(pieces).map(move |piece| {
        let name = context::current().map(|caller| caller.subject().to_string());
        seen.lock().unwrap().push(name);
        Ok::<_, Infallible>(Frame::data(Bytes::from(*piece)))
    });
    Body::wrap(StreamBody::new(pieces))
}

#[tokio::test]
async fn bytes_go_up_as_they_are_and_with_their_media_type() {
    let (upstream, files) = files(StatusCode::OK).await;
    files.bytes(Bytes::from_static(b"a\0b")).await.unwrap();
    files.text("x,y").await.unwrap();
    files.cow(Cow::Borrowed(b"cow")).await.unwrap();
    files.vec(b"vec".to_vec()).await.unwrap();
    let seen = upstream.seen();
    let bodies: Vec<_> = seen
        .iter()
        .map(|seen| (&*seen.body, seen.header("content-type").unwrap()))
        .collect();
    let plain = "application/octet-stream";
    let expected = [
        ("a\0b", plain),
        ("x,y", "text/csv; charset=utf-8"),
        ("cow", plain),
        ("vec", plain),
    ];
    assert_eq!(bodies, expected);
}

#[tokio::test]
async fn bytes_are_sent_again_when_an_attempt_fails() {
    let (upstream, files) = files(StatusCode::SERVICE_UNAVAILABLE).await;
    files.vec(b"vec".to_vec()).await.unwrap_err();
    let seen = upstream.seen();
    assert!(seen.len() > 1 && seen.iter().all(|seen| seen.body == "vec"));
}

#[tokio::test]
async fn a_stream_goes_up_piece_by_piece_and_only_once_though_the_verb_may_be_repeated() {
    let (upstream, files) = files(StatusCode::SERVICE_UNAVAILABLE).await;
    let body = stream(&["one ", "two"], Arc::default());
    assert_eq!(
        files.stream("a", body).await.unwrap_err().code(),
        "server_error"
    );
    let only = upstream.only();
    assert_eq!(
        (&*only.body, only.header("content-type")),
        ("one two", Some("image/png"))
    );
    assert_eq!(only.header("transfer-encoding"), Some("chunked"));
}

#[tokio::test]
async fn while_the_request_body_streams_the_caller_is_still_there() {
    let (_upstream, files) = files(StatusCode::OK).await;
    let seen = Arc::default();
    let body = stream(&["one", "two"], Arc::clone(&seen));
    context::scope(caller("anna"), files.stream("a", body))
        .await
        .unwrap();
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen, vec![Some("anna".to_owned()); 2]);
}

#[tokio::test]
async fn a_fallback_gets_what_was_sent_and_of_a_stream_an_empty_one() {
    let upstream = Upstream::answering(|_, _| StatusCode::INTERNAL_SERVER_ERROR).await;
    let got = Arc::new(Mutex::new(Vec::new()));
    let (of_bytes, of_stream) = (Arc::clone(&got), Arc::clone(&got));
    let fallback = MockFiles::new()
        .on_bytes(move |file| {
            of_bytes.lock().unwrap().push(format!("{file:?}"));
            Ok(())
        })
        .on_stream(move |name, file| {
            of_stream.lock().unwrap().push(format!("{name} {file:?}"));
            Ok(())
        });
    let files = FeignFiles::builder(&runtime(&[&upstream]).build())
        .fallback(BoxFiles::new(fallback))
        .build()
        .unwrap();
    files.bytes(Bytes::from_static(b"x")).await.unwrap();
    files
        .stream("a", stream(&["one"], Arc::default()))
        .await
        .unwrap();
    assert_eq!(*got.lock().unwrap(), ["b\"x\"", "a Body(empty)"]);
}

#[tokio::test]
async fn a_form_of_several_parts_is_sent_again_when_it_is_in_memory() {
    let (upstream, files) = files(StatusCode::SERVICE_UNAVAILABLE).await;
    let form = Multipart::new()
        .text("title", "Note")
        .part("file", Part::bytes("scan").file_name("a\"b.png"));
    files.form(form).await.unwrap_err();
    let seen = upstream.seen();
    assert!(seen.len() > 1);
    for seen in seen {
        let media_type = seen.header("content-type").unwrap();
        let boundary = media_type.strip_prefix("multipart/form-data; boundary=");
        let parts = seen.body.split(boundary.unwrap()).count();
        assert_eq!(parts, 4, "{seen:?}");
        assert!(seen.body.contains("filename=\"a%22b.png\"\r\n\r\nscan\r\n"));
        assert_eq!(seen.header("transfer-encoding"), None);
    }
}

#[tokio::test]
async fn a_form_with_a_stream_is_sent_once_as_it_comes_and_for_its_caller() {
    let (upstream, files) = files(StatusCode::SERVICE_UNAVAILABLE).await;
    let seen = Arc::default();
    let body = stream(&["one", "two"], Arc::clone(&seen));
    let form = Multipart::new()
        .part("film", Part::stream(body).media_type("video/mp4"))
        .text("title", "Note");
    let call = context::scope(caller("anna"), files.form(form));
    assert_eq!(call.await.unwrap_err().code(), "server_error");
    let only = upstream.only();
    assert!(
        only.body
            .contains("Content-Type: video/mp4\r\n\r\nonetwo\r\n--")
    );
    assert_eq!(*seen.lock().unwrap(), vec![Some("anna".to_owned()); 2]);
}

#[tokio::test]
async fn a_part_with_a_media_type_that_ends_its_line_is_refused_before_anything_is_sent() {
    let (upstream, files) = files(StatusCode::OK).await;
    let part = Part::text("x").media_type("a/b\r\nX-Admin: 1");
    let expected = FeignError::InvalidArgument {
        argument: "form",
        problem: ArgumentProblem::HeaderText,
    };
    let form = Multipart::new().part("a", part);
    assert_eq!(files.form(form).await.unwrap_err(), expected);
    assert!(upstream.seen().is_empty());
}
