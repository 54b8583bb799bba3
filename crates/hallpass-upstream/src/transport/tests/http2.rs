//! HTTP/2, against servers that speak it by hand.

use std::sync::Mutex;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::{Response, StatusCode, Version};
use hyper_util::rt::TokioIo;

use super::*;
use crate::outcome::{Outcome, RetryAdvice};

/// How a server answers the n-th stream (from 1) of a connection.
pub(super) type Script = fn(u32, SendResponse<Bytes>);

pub(super) struct Server {
    port: u16,
    /// Streams of each connection.
    streams: Arc<Mutex<Vec<u32>>>,
}

impl Server {
    pub(super) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let streams: Arc<Mutex<Vec<u32>>> = Arc::default();
        let counted = Arc::clone(&streams);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.lock().unwrap().len();
                counted.lock().unwrap().push(0);
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else {
                        return;
                    };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        assert_eq!(request.version(), Version::HTTP_2);
                        let stream = {
                            let mut all = counted.lock().unwrap();
                            all[number] += 1;
                            all[number]
                        };
                        script(stream, respond);
                    }
                });
            }
        });
        Self { port, streams }
    }

    pub(super) fn request(&self, http2: Http2) -> Request<Body> {
        let mut request = get(format!("http://127.0.0.1:{}/", self.port));
        request.extensions_mut().insert(http2);
        request
    }

    pub(super) fn streams(&self) -> Vec<u32> {
        self.streams.lock().unwrap().clone()
    }
}

fn fine(_: u32, mut respond: SendResponse<Bytes>) {
    respond.send_response(Response::new(()), true).unwrap();
}

#[tokio::test]
async fn many_requests_share_one_connection_of_http2() {
    let server = Server::start(fine).await;
    let transport = HttpTransport::new().unwrap();
    // The first one makes the connection.
    assert_eq!(send(&transport, server.request(Http2::Always)).await, OK);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let transport = transport.clone();
        let request = server.request(Http2::Always);
        tasks.spawn(async move { send(&transport, request).await });
    }
    while let Some(result) = tasks.join_next().await {
        assert_eq!(result.unwrap(), OK);
    }
    assert_eq!(server.streams(), [21]);
}

#[tokio::test]
async fn a_plain_connection_is_http1_unless_the_server_is_known_to_speak_http2() {
    let (port, connections) = server().await;
    let transport = HttpTransport::new().unwrap();
    for http2 in [Http2::Never, Http2::Auto] {
        let mut request = get(format!("http://127.0.0.1:{port}/"));
        request.extensions_mut().insert(http2);
        assert_eq!(send(&transport, request).await, OK, "{http2:?}");
    }
    // They share no connection.
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 2);
    let mut request = get(format!("http://127.0.0.1:{port}/"));
    request.extensions_mut().insert(Http2::Always);
    let error = send(&transport, request).await.unwrap_err();
    assert!(
        !TransportError::new(error, "").is_unsent(),
        "{error:?}: nobody knows what it made of it"
    );
}

#[tokio::test]
async fn http2_over_plain_http_leaves_for_loopback_addresses_only() {
    let server = Server::start(fine).await;
    let transport = HttpTransport::new().unwrap();
    // Linux takes 0.0.0.0 for this machine, so the connection would be made.
    let elsewhere = || {
        let mut request = get(format!("http://0.0.0.0:{}/", server.port));
        request.extensions_mut().insert(Http2::Always);
        request
    };
    assert_eq!(send(&transport, elsewhere()).await, REFUSED);
    let mut harmless = elsewhere();
    harmless.extensions_mut().insert(CarriesNoSecret);
    assert_eq!(send(&transport, harmless).await, OK);
    // The connection of the harmless one is not there for what may be secret.
    assert_eq!(send(&transport, elsewhere()).await, REFUSED);
    assert_eq!(server.streams(), [1]);
}

#[tokio::test]
async fn a_stream_that_the_server_refused_was_not_looked_at() {
    let server = Server::start(|number, mut respond| match number {
        1 => respond.send_reset(Reason::REFUSED_STREAM),
        2 => respond.send_reset(Reason::INTERNAL_ERROR),
        _ => fine(number, respond),
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let advice = async || {
        let result = transport.clone().call(server.request(Http2::Always)).await;
        result.map(|_| ()).map_err(|error| error.retry_advice())
    };
    assert_eq!(advice().await, Err(RetryAdvice::Unsent));
    assert_eq!(advice().await, Err(RetryAdvice::MayHaveActed));
    assert_eq!(advice().await, Ok(()), "the connection is still good");
    assert_eq!(server.streams(), [3]);
}

#[tokio::test]
async fn a_server_that_goes_away_loses_no_request_that_it_did_not_look_at() {
    // The connection answers one stream, and says that it takes no more.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                if let Some(Ok((_, respond))) = connection.accept().await {
                    fine(1, respond);
                    connection.graceful_shutdown();
                }
                while connection.accept().await.is_some() {}
            });
        }
    });
    let transport = HttpTransport::new().unwrap();
    for _ in 0..20 {
        let mut request = get(format!("http://127.0.0.1:{port}/"));
        request.extensions_mut().insert(Http2::Always);
        match transport.clone().call(request).await {
            Ok(response) => assert_eq!(response.status(), StatusCode::OK),
            Err(error) => assert_eq!(error.retry_advice(), RetryAdvice::Unsent, "{error:?}"),
        }
    }
}

#[tokio::test]
async fn a_response_with_headers_beyond_the_limit_is_refused() {
    let server = Server::start(|number, mut respond| {
        let mut response = Response::new(());
        if number == 1 {
            for index in 0..80 {
                let name = http::HeaderName::try_from(format!("x-{index}")).unwrap();
                let value = HeaderValue::try_from("v".repeat(1024)).unwrap();
                response.headers_mut().insert(name, value);
            }
        }
        let _sent = respond.send_response(response, true);
    })
    .await;
    let transport = HttpTransport::new().unwrap();
    let error = send(&transport, server.request(Http2::Always)).await;
    assert!(error.is_err(), "{error:?}");
}

/// A body of what a test sends.
struct Sent(tokio::sync::mpsc::Receiver<Bytes>);

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let piece = self.0.poll_recv(cx);
        piece.map(|piece| piece.map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

#[tokio::test]
async fn a_stream_goes_up_and_comes_down_at_the_same_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let echo = hyper::service::service_fn(async |request: Request<hyper::body::Incoming>| {
            Ok::<_, std::convert::Infallible>(Response::new(request.into_body()))
        });
        let executor = hyper_util::rt::TokioExecutor::new();
        hyper::server::conn::http2::Builder::new(executor)
            .serve_connection(TokioIo::new(stream), echo)
            .await
            .unwrap();
    });
    let (sender, body) = tokio::sync::mpsc::channel(1);
    let mut request = get(format!("http://127.0.0.1:{port}/")).map(|_| Body::wrap(Sent(body)));
    *request.method_mut() = http::Method::POST;
    request.extensions_mut().insert(Http2::Always);
    sender.send(Bytes::from("one")).await.unwrap();
    let response = HttpTransport::new().unwrap().call(request).await.unwrap();
    let mut body = response.into_body();
    for expected in ["one", "two"] {
        let frame = http_body_util::BodyExt::frame(&mut body).await.unwrap();
        assert_eq!(frame.unwrap().into_data().unwrap(), expected);
        // Each comes back before the next one goes up.
        if expected == "one" {
            sender.send(Bytes::from("two")).await.unwrap();
        }
    }
}
