//! Requests whose bodies take their time, and responses that do not wait for them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::mpsc;

use super::*;

/// Sent in place of a chunk, it breaks the body.
const BROKEN: &str = "broken";

/// A body of what is sent to the other end.
fn upload() -> (mpsc::UnboundedSender<&'static str>, Body) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Body::wrap(StreamBody::new(Chunks(receiver))))
}

struct Chunks(mpsc::UnboundedReceiver<&'static str>);

impl Stream for Chunks {
    type Item = Result<Frame<Bytes>, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = |chunk| match chunk {
            BROKEN => Err(std::io::Error::other(chunk)),
            chunk => Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))),
        };
        self.0.poll_recv(context).map(|next| next.map(chunk))
    }
}

#[tokio::test]
async fn an_upload_goes_on_while_nobody_reads_the_response_that_has_begun() {
    let server = Server::start(|_, mut peer| async move {
        peer.head().await.unwrap();
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbe")
            .await;
        peer.read_to("0\r\n\r\n").await;
        peer.say("gun").await;
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let (sender, body) = upload();
    sender.send("first").unwrap();
    let response = call(&transport, server.post(body)).await.unwrap();
    sender.send("second").unwrap();
    // It ends only when all that was sent has been taken.
    let taken = sender.clone();
    drop(sender);
    tokio::task::yield_now().await;
    drop(taken);
    let body = response.into_body().collect_within(5);
    let body = tokio::time::timeout(SOON, body).await.unwrap();
    assert_eq!(body.unwrap(), "begun");
}

#[tokio::test]
async fn a_connection_whose_response_began_before_its_request_ended_is_not_used_again() {
    let server = Server::start(|number, mut peer| async move {
        if number == 0 {
            peer.head().await.unwrap();
            // One that has not read the body, and takes it for a request.
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly")
                .await;
            peer.read_to("0\r\n\r\n").await;
            while let Some(_next) = peer.request().await {
                peer.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
                    .await;
            }
            return;
        }
        peer.request().await.unwrap();
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nown")
            .await;
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let (sender, body) = upload();
    sender.send("first").unwrap();
    assert_eq!(ask(&transport, server.post(body)).await, ok("early"));
    sender
        .send("GET /evil HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    drop(sender);
    // The upload ends in a task of its own.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&transport, server.get("/")).await, ok("own"));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_is_used_again_after_an_upload_that_was_sent_before_its_response() {
    let server = Server::start(|_, mut peer| async move {
        for end in ["0\r\n\r\n", "first"] {
            peer.head().await.unwrap();
            peer.read_to(end).await;
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole")
                .await;
        }
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let (sender, body) = upload();
    sender.send("first").unwrap();
    drop(sender);
    assert_eq!(ask(&transport, server.post(body)).await, ok("whole"));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // One that says how long it is, and not that it has ended.
    let (sender, body) = upload();
    sender.send("first").unwrap();
    let body = Body::wrap(OfLength(body, 5));
    assert_eq!(ask(&transport, server.post(body)).await, ok("whole"));
    assert_eq!(server.connections(), 1);
    drop(sender);
}

/// With so many bytes.
struct OfLength(Body, u64);

impl http_body::Body for OfLength {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.1)
    }
}

#[tokio::test]
async fn an_upload_is_read_to_its_end_before_anybody_touches_the_response() {
    let (read, done) = (Signal::default(), Signal::default());
    let (reading, doing) = (read.clone(), done.clone());
    let server = Server::start(move |_, mut peer| {
        let (reading, doing) = (reading.clone(), doing.clone());
        async move {
            peer.head().await.unwrap();
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
                .await;
            peer.read_to("second\r\n").await;
            reading.give();
            doing.wait().await;
            peer.say("done").await;
        }
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let (sender, body) = upload();
    sender.send("first").unwrap();
    let response = call(&transport, server.post(body)).await.unwrap();
    sender.send("second").unwrap();
    read.wait().await;
    done.give();
    assert_eq!(
        response.into_body().collect_within(4).await.unwrap(),
        "done"
    );
}

#[tokio::test]
async fn a_connection_whose_upload_goes_on_is_not_used_for_another_request() {
    let server = Server::start(|number, mut peer| async move {
        if number == 0 {
            peer.head().await.unwrap();
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly")
                .await;
            peer.until_closed().await;
        }
        peer.request().await.unwrap();
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nown")
            .await;
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let (sender, body) = upload();
    sender.send("first").unwrap();
    assert_eq!(ask(&transport, server.post(body)).await, ok("early"));
    assert_eq!(ask(&transport, server.get("/")).await, ok("own"));
    assert_eq!(server.connections(), 2);
    sender.send("second").unwrap();
}

#[tokio::test]
async fn a_refusal_that_does_not_wait_for_the_body_reaches_the_caller() {
    let server = Server::start(|_, mut peer| async move {
        peer.head().await.unwrap();
        peer.say(
            "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig",
        )
        .await;
        peer.until_closed().await;
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let large = vec![b'x'; 16 << 20];
    let answer = ask(&transport, server.post(large)).await;
    assert_eq!(answer, Ok((413, "big".to_owned())));
}

#[tokio::test]
async fn a_body_that_breaks_ends_the_connection_before_the_server_takes_it_for_whole() {
    let (read, ended) = (Signal::default(), Signal::default());
    let (reading, ending) = (read.clone(), ended.clone());
    let server = Server::start(move |_, mut peer| {
        let (reading, ending) = (reading.clone(), ending.clone());
        async move {
            peer.head().await.unwrap();
            peer.read_to("part\r\n").await;
            reading.give();
            while peer.more().await.is_some() {}
            assert_eq!(peer.read, b"", "no last chunk");
            ending.give();
        }
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let (sender, body) = upload();
    sender.send("part").unwrap();
    let mut called = transport.clone().call(server.post(body));
    tokio::select! {
        _ = &mut called => panic!("there is no response"),
        () = read.wait() => {}
    }
    sender.send(BROKEN).unwrap();
    let error = called.await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Broken);
    ended.wait().await;
}

#[tokio::test]
async fn an_upload_that_nobody_reads_ends_some_time_after_its_response() {
    let closed = Signal::default();
    let closing = closed.clone();
    let server = Server::start(move |_, mut peer| {
        let closing = closing.clone();
        async move {
            peer.head().await.unwrap();
            peer.say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly")
                .await;
            // Nothing that could be read says that the client has gone.
            peer.until_closed().await;
            closing.give();
        }
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let (sender, body) = upload();
    let response = call(&transport, server.post(body)).await.unwrap();
    let read = response.into_body().collect_within(5).await.unwrap();
    assert_eq!(read, "early");
    let begun = tokio::time::Instant::now();
    // From here on nothing but a timer can happen.
    tokio::time::pause();
    tokio::time::timeout(Duration::from_secs(3_600), closed.0.notified())
        .await
        .expect("an end");
    assert!(begun.elapsed() >= Duration::from_secs(60));
    drop(sender);
}
