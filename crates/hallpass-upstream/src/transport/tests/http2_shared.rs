//! What requests on one connection of HTTP/2 do to each other.

use std::future::poll_fn;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use http::Response;
use tokio::time::{Instant, timeout};

use super::http2::Server;
use super::*;

fn respond(mut respond: SendResponse<Bytes>, body: &'static [u8]) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(Bytes::from_static(body), true).unwrap();
}

#[tokio::test]
async fn responses_that_nobody_reads_stop_no_other_one() {
    static LONG: [u8; 1024 * 1024] = [7; 1024 * 1024];
    const UNREAD: u32 = 300;
    let server = Server::start(|number, stream| match number {
        0..=UNREAD => respond(stream, &LONG),
        _ => respond(stream, &LONG[..1024]),
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let mut unread = Vec::new();
    for _ in 0..UNREAD {
        let call = transport.clone().call(server.request(Http2::Always));
        unread.push(call.await.unwrap());
    }
    let read = async {
        let call = transport.clone().call(server.request(Http2::Always));
        let body = call.await.unwrap().into_body();
        body.collect_within(2048).await.unwrap().len()
    };
    assert_eq!(timeout(Duration::from_secs(5), read).await, Ok(1024));
    // And each of the others can still be read, all of it.
    let body = unread.pop().unwrap().into_body();
    let all = body.collect_within(LONG.len()).await.unwrap();
    assert_eq!(all.len(), LONG.len());
    assert_eq!(server.streams(), [UNREAD + 1]);
}

/// What becomes of a request when so many others on its connection are given up just before their answers are read.
async fn beside(given_up: usize) -> Result<Bytes, TransportError> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (have_all, all_are_there) = tokio::sync::oneshot::channel();
    let (go, wait_for_go) = mpsc::channel::<()>();
    let (say_written, written) = mpsc::channel();
    // On a thread of its own, so that it writes while the client stands still.
    let serve = async move {
        let listener = TcpListener::from_std(listener).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (_, first) = connection.accept().await.unwrap().unwrap();
        respond(first, b"x");
        let mut streams = Vec::new();
        while streams.len() <= given_up {
            streams.push(connection.accept().await.unwrap().unwrap().1);
        }
        have_all.send(()).unwrap();
        wait_for_go.recv().unwrap();
        // Those that are given up first.
        let last = streams.remove(0);
        streams.into_iter().for_each(|stream| respond(stream, b"x"));
        respond(last, b"x");
        poll_fn(|context| {
            let _none = connection.poll_accept(context);
            Poll::Ready(())
        })
        .await;
        say_written.send(()).unwrap();
        while connection.accept().await.is_some() {}
    };
    std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(serve);
    });
    let transport = HttpTransport::new().unwrap();
    let request = || {
        let mut request = get(format!("http://127.0.0.1:{port}/"));
        request.extensions_mut().insert(Http2::Always);
        Box::pin(transport.clone().call(request))
    };
    // Makes the connection.
    request().await?;
    let mut last = request();
    let mut others: Vec<_> = (0..given_up).map(|_| request()).collect();
    poll_fn(|context| {
        for call in [&mut last].into_iter().chain(&mut others) {
            assert!(call.as_mut().poll(context).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    all_are_there.await.unwrap();
    go.send(()).unwrap();
    // The whole runtime stands still, so that the answers come after the requests were given up.
    written.recv().unwrap();
    drop(others);
    let response = timeout(Duration::from_secs(20), last).await.unwrap()?;
    // As whoever reads it does.
    let body = response.into_body().collect_within(1).await;
    body.map_err(|error| TransportError::new(TransportErrorKind::Broken, error))
}

#[tokio::test]
async fn late_answers_to_requests_that_were_given_up_end_no_connection() {
    assert_eq!(beside(2_000).await.unwrap(), "x");
}

#[tokio::test]
async fn a_connection_that_this_side_ends_says_nothing_against_its_instance() {
    use crate::outcome::{Outcome, RetryAdvice};
    // 4,096 are remembered; two frames of each other one are too many then.
    let error = beside(13_000).await.unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Broken);
    assert_eq!(error.retry_advice(), RetryAdvice::MayHaveActed);
    assert_eq!(error.instance_failed(), None, "{error:?}");
    // One that the server sends is the server's.
    let sent = h2::Error::from(h2::Reason::ENHANCE_YOUR_CALM);
    let error = TransportError::new(TransportErrorKind::Broken, sent);
    assert_eq!(error.instance_failed(), Some(true));
}

/// Answers the first request of its first connection, and then stands still without closing it; answers all of every other one.
async fn freezing() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            number += 1;
            let is_first = number == 1;
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                let mut answered = 0;
                while let Some(Ok((_, mut stream))) = connection.accept().await {
                    if is_first && answered == 1 {
                        std::future::pending::<()>().await;
                    }
                    answered += 1;
                    stream.send_response(Response::new(()), true).unwrap();
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_connection_that_says_nothing_gets_no_further_requests_after_a_second() {
    for is_given_up in [true, false] {
        let port = freezing().await;
        let transport = HttpTransport::new().unwrap();
        let request = || {
            let mut request = get(format!("http://127.0.0.1:{port}/"));
            request.extensions_mut().insert(Http2::Always);
            transport.clone().call(request)
        };
        request().await.unwrap();
        let begun = Instant::now();
        let mut waiting = Box::pin(request());
        let wait = Duration::from_millis(1_100);
        timeout(wait, &mut waiting).await.unwrap_err();
        if is_given_up {
            drop(waiting);
        } else {
            // One that comes meanwhile finds out, and is lost with the other.
            timeout(wait / 10, request()).await.unwrap_err();
        }
        let response = timeout(wait, request()).await;
        assert_eq!(response.unwrap().unwrap().status(), 200);
        assert!(begun.elapsed() < Duration::from_secs(4));
    }
}

#[tokio::test]
async fn a_connection_on_which_others_are_answered_is_kept_though_one_request_hangs() {
    let server = Server::start(|number, mut stream| match number {
        1 => std::mem::forget(stream),
        _ => drop(stream.send_response(Response::new(()), true).unwrap()),
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let request = || transport.clone().call(server.request(Http2::Always));
    let mut hanging = Box::pin(request());
    let wait = Duration::from_millis(300);
    for _ in 0..4 {
        timeout(wait, &mut hanging).await.unwrap_err();
        request().await.unwrap();
    }
    drop(hanging);
    request().await.unwrap();
    assert_eq!(server.streams(), [6], "one connection");
}
