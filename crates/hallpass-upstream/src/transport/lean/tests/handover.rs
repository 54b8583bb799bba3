//! Connections that end at the moment when a request takes them, and what may be sent again then (RFC 9112 section 9.3.1): that of which the
//! server cannot have seen anything.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::client::conn::http1::Builder;
use hyper::rt::{Read, ReadBufCursor, Write};

use super::super::keeper::Bell;
use super::super::link::{Answer, Link};
use super::*;

/// A connection that takes so many bytes, and ends then, in both directions.
struct EndsAfter {
    takes: usize,
    taken: Arc<AtomicUsize>,
}

impl EndsAfter {
    fn left(&self) -> usize {
        self.takes - self.taken.load(Ordering::SeqCst)
    }
}

impl Read for EndsAfter {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        _: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left() > 0 {
            // It is looked at again after the next write.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for EndsAfter {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.left().min(bytes.len()) {
            0 => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            taken => {
                self.taken.fetch_add(taken, Ordering::SeqCst);
                Poll::Ready(Ok(taken))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_request_of_which_one_byte_was_written_does_not_come_back() {
    // The request is longer.
    for takes in 0..46 {
        let taken = Arc::new(AtomicUsize::new(0));
        let io = EndsAfter {
            takes,
            taken: Arc::clone(&taken),
        };
        let bell = Arc::<Bell>::default();
        let mut link = Link::over(io, &Builder::new(), &bell).await.unwrap();
        link.ask(Request::post("/path").body(Body::from("body")).unwrap());
        let answer = std::future::poll_fn(|context| link.poll_answer(context)).await;
        let taken = taken.load(Ordering::SeqCst);
        match answer {
            Answer::Unsent(..) => assert_eq!(taken, 0, "so much was seen"),
            // Whoever reads that nothing more comes, and has written nothing, knows that nothing was seen.
            Answer::Failed(_) => assert!(taken > 0),
            Answer::Response(response) => panic!("{response:?}"),
        }
    }
}

#[tokio::test]
async fn a_post_that_a_new_connection_ends_under_is_not_sent_again() {
    /// What the server does with a first request before it closes.
    #[derive(Clone, Copy)]
    enum Does {
        ReadsAll,
        ReadsItsHead,
        BeginsToAnswer,
    }
    for does in [Does::ReadsAll, Does::ReadsItsHead, Does::BeginsToAnswer] {
        let server = Server::start(move |_, mut peer| async move {
            // What is not read is there all the same, and the connection ends by a reset.
            match does {
                Does::ReadsAll => _ = peer.request().await,
                Does::ReadsItsHead => _ = peer.head().await,
                Does::BeginsToAnswer => {
                    peer.request().await;
                    peer.say("HTTP/1.1 200").await;
                }
            }
        })
        .await;
        let transport = HttpTransport::new().unwrap();
        let body = "x".repeat(100_000);
        let error = call(&transport, server.post(body)).await.unwrap_err();
        assert!(!error.is_unsent(), "{error:?}");
        assert_eq!(server.connections(), 1);
    }
}

/// A server that closes each new connection at once: whoever has written by then may have been heard, and who has not tells that. Neither tries for ever.
#[tokio::test]
async fn a_server_that_closes_each_new_connection_is_asked_once() {
    let server = Server::start(|_, peer| async move { drop(peer) }).await;
    let transport = HttpTransport::new().unwrap();
    for connections in 1..=50 {
        let error = call(&transport, server.post("once")).await.unwrap_err();
        let closed = [TransportErrorKind::Closed, TransportErrorKind::Broken];
        assert!(closed.contains(&error.kind()), "{error:?}");
        assert_eq!(server.connections(), connections);
    }
}

/// How often each request was seen.
type Seen = Arc<Mutex<HashMap<String, usize>>>;

/// Requests of many threads take connections that the server closes after a response, some of them at the moment when they are taken: each is seen once if it
/// was answered, never twice, and not at all where it is said that it was not sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_post_is_seen_once_at_most_however_connections_end_under_it() {
    const CALLERS: usize = 16;
    const TURNS: usize = 100;
    let seen = Seen::default();
    let (noting, length) = (Arc::clone(&seen), 4);
    let server = Server::start(move |number, mut peer| {
        let seen = Arc::clone(&noting);
        async move {
            // Each connection serves a few requests, and ends a little later each time.
            for turn in 0..=number % 3 {
                let Some(head) = peer.request().await else {
                    return;
                };
                let path = head.split(' ').nth(1).unwrap().to_owned();
                *seen.lock().unwrap().entry(path).or_default() += 1;
                let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\nbody");
                peer.say(&response).await;
                for _ in 0..(number + turn) % 7 {
                    tokio::task::yield_now().await;
                }
            }
        }
    })
    .await;
    let (server, transport) = (Arc::new(server), HttpTransport::new().unwrap());
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (server, transport) = (Arc::clone(&server), transport.clone());
        callers.spawn(async move {
            let mut ends = Vec::new();
            for turn in 0..TURNS {
                let path = format!("/{caller}/{turn}");
                let request = Request::post(server.uri(&path)).body(Body::from("body"));
                let response = call(&transport, request.unwrap()).await;
                let unsent = response.as_ref().err().map(TransportError::is_unsent);
                ends.push((path, unsent));
                if let Ok(response) = response {
                    // Its connection goes back.
                    _ = response.into_body().collect_within(length).await;
                }
            }
            ends
        });
    }
    let mut answered = 0;
    while let Some(ends) = callers.join_next().await {
        for (path, unsent) in ends.unwrap() {
            let times = seen.lock().unwrap().get(&path).copied().unwrap_or(0);
            match unsent {
                None => assert_eq!(times, 1, "{path}"),
                Some(true) => assert_eq!(times, 0, "{path}"),
                Some(false) => assert!(times <= 1, "{path}"),
            }
            answered += usize::from(unsent.is_none());
        }
    }
    assert!(answered > 0);
}
