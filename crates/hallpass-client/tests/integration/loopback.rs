//! Real servers on loopback, and what the transport makes of good and bad ones.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hallpass_client::{
    AuthTokenService, AuthTokenServiceBuilder, BearerLayer, CallError, Credential, Identity,
    ResponseFault, TokenError,
};
use hallpass_clock::SystemClock;
use hallpass_config::Secret;
use hallpass_upstream::EndpointUrl;
use hallpass_upstream::{Body, HttpTransport, TransportErrorKind};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;
use tower_layer::Layer;

use crate::scripted_issuer::handle;

/// Serves `handler` on loopback until the runtime ends.
pub(crate) async fn serve<H, F>(handler: H) -> SocketAddr
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let handler = handler.clone();
            let service = service_fn(move |request| {
                let answer = handler(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                // A client may go away; that is not an error here.
                _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// Writes `answer` to each client that sends a request, byte for byte, and keeps the connection open.
async fn serve_bytes(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            _ = stream.read(&mut request).await;
            _ = stream.write_all(answer).await;
            open.push(stream);
        }
    });
    address
}

/// A token endpoint that counts its requests and can hold them back.
#[derive(Clone)]
pub(crate) struct TokenServer {
    pub(crate) address: SocketAddr,
    requests: watch::Receiver<usize>,
    held: Arc<watch::Sender<bool>>,
}

/// Requests wait for as long as this lives.
pub(crate) struct Held(Arc<watch::Sender<bool>>);

impl TokenServer {
    pub(crate) async fn start() -> Self {
        let (count, requests) = watch::channel(0);
        let (count, held) = (Arc::new(count), Arc::new(watch::channel(false).0));
        let gate = held.subscribe();
        let address = serve(move |_| {
            let (count, mut gate) = (Arc::clone(&count), gate.clone());
            async move {
                count.send_modify(|requests| *requests += 1);
                let number = *count.borrow();
                gate.wait_for(|held| !held).await.unwrap();
                let body = format!(
                    r#"{{"access_token":"t{number}","token_type":"Bearer","expires_in":600}}"#
                );
                json(body)
            }
        });
        Self {
            address: address.await,
            requests,
            held,
        }
    }

    pub(crate) fn client(&self) -> AuthTokenServiceBuilder {
        client(&format!("http://{}/oauth2/token", self.address))
    }

    pub(crate) fn requests(&self) -> usize {
        *self.requests.borrow()
    }

    pub(crate) async fn wait_for_requests(&self, number: usize) {
        self.requests
            .clone()
            .wait_for(|requests| *requests >= number)
            .await
            .unwrap();
    }

    pub(crate) fn hold(&self) -> Held {
        self.held.send_replace(true);
        Held(Arc::clone(&self.held))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

pub(crate) fn json(body: String) -> Response<Body> {
    Response::builder()
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap()
}

pub(crate) fn client(endpoint: &str) -> AuthTokenServiceBuilder {
    let endpoint: EndpointUrl = endpoint.parse().unwrap();
    let credential = Credential::new(
        "c".parse().unwrap(),
        Secret::from("InternalSecret123!"),
        endpoint,
    );
    AuthTokenService::builder(credential, HttpTransport::new().unwrap())
}

async fn error_of(address: SocketAddr) -> TokenError {
    let service = client(&format!("http://{address}/oauth2/token"));
    let service = service.fetch_timeout(Duration::from_millis(500)).build();
    handle(&service).token().await.unwrap_err()
}

#[tokio::test]
async fn a_redirect_of_the_token_endpoint_is_not_followed() {
    let trap = TokenServer::start().await;
    let location = format!("http://{}/oauth2/token", trap.address);
    let address = serve(move |_| {
        let location = location.clone();
        async move {
            Response::builder()
                .status(307)
                .header("location", location)
                .body(Body::empty())
                .unwrap()
        }
    });
    assert_eq!(
        error_of(address.await).await,
        TokenError::Status { status: 307 }
    );
    assert_eq!(trap.requests(), 0);
}

#[tokio::test]
async fn a_connection_refused_is_told_from_a_broken_one_and_from_nonsense() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let kind = |error: TokenError| match error {
        TokenError::Unreachable(error) => error.kind(),
        error => panic!("{error:?}"),
    };
    assert_eq!(kind(error_of(nobody).await), TransportErrorKind::Connect);
    let nonsense = serve_bytes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    assert_eq!(kind(error_of(nonsense).await), TransportErrorKind::Protocol);
}

/// An issuer that restarts closes a connection or two.
#[tokio::test]
async fn a_connection_that_breaks_once_costs_no_token() {
    let server = TokenServer::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (first, _) = listener.accept().await.unwrap();
        drop(first);
        loop {
            let (mut from, _) = listener.accept().await.unwrap();
            let mut to = TcpStream::connect(server.address).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
        }
    });
    let service = client(&format!("http://{address}/oauth2/token")).build();
    assert!(handle(&service).token().await.is_ok());
}

#[tokio::test]
async fn an_answer_that_trickles_or_stops_ends_at_the_fetch_timeout() {
    let stalled = serve_bytes(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
    )
    .await;
    assert!(error_of(stalled).await.is_timeout());
    let silent = serve_bytes(b"").await;
    assert!(error_of(silent).await.is_timeout());
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let announced = serve_bytes(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n{",
    );
    assert_eq!(
        error_of(announced.await).await,
        TokenError::Response(ResponseFault::TooLarge)
    );
    let refusal = serve_bytes(
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 99999\r\n\r\n{",
    );
    assert_eq!(
        error_of(refusal.await).await,
        TokenError::Status { status: 400 }
    );
    let chunked = serve(|_| async {
        let mut response = json(String::new());
        let frames = futures_util::stream::repeat_with(|| {
            Ok::<_, Infallible>(http_body::Frame::data(bytes::Bytes::from_static(
                &[b' '; 8192],
            )))
        });
        *response.body_mut() = Body::wrap(http_body_util::StreamBody::new(frames));
        response
    });
    assert_eq!(
        error_of(chunked.await).await,
        TokenError::Response(ResponseFault::TooLarge)
    );
}

#[tokio::test]
async fn the_transport_does_not_follow_redirects() {
    let address = serve(|_| async {
        Response::builder()
            .status(302)
            .header("location", "http://127.0.0.1:1/")
            .body(Body::empty())
            .unwrap()
    });
    let request = Request::get(format!("http://{}/", address.await))
        .body(Body::empty())
        .unwrap();
    let response = HttpTransport::new()
        .unwrap()
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 302);
}

#[tokio::test]
async fn a_request_without_a_host_is_refused_by_the_transport() {
    let request = Request::get("/orders").body(Body::empty()).unwrap();
    let error = HttpTransport::new()
        .unwrap()
        .oneshot(request)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Request);
    assert!(error.is_unsent() && !error.is_retryable());
}

#[tokio::test]
async fn https_to_a_server_without_tls_is_a_connection_error() {
    let address = TokenServer::start().await.address;
    let request = Request::get(format!("https://{address}/"))
        .body(Body::empty())
        .unwrap();
    let error = HttpTransport::new()
        .unwrap()
        .oneshot(request)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), TransportErrorKind::Connect);
}

/// On Linux the address 0.0.0.0 reaches this machine and is not a loopback address.
#[tokio::test]
async fn over_plain_http_a_token_stays_on_this_machine_and_a_call_in_nobodys_name_may_leave() {
    let echo = serve(|request: Request<Incoming>| async move {
        let carried = request.headers().contains_key("authorization");
        Response::new(Body::from(carried.to_string()))
    });
    let port = echo.await.port();
    let issuer = TokenServer::start().await;
    let service = issuer.client().build();
    let clock = || Arc::new(SystemClock::new());
    let call = async |layer: BearerLayer, host: &str| {
        let uri = format!("http://{host}:{port}/");
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let sending = layer.layer(HttpTransport::new().unwrap()).oneshot(request);
        sending.await.map(|response| response.status())
    };
    let own = || BearerLayer::new("orders", Identity::Service, clock()).tokens(handle(&service));
    assert!(call(own(), "127.0.0.1").await.is_ok());
    let error = call(own(), "0.0.0.0").await.unwrap_err();
    let CallError::Transport(error) = error else {
        panic!("{error}");
    };
    assert_eq!(error.kind(), TransportErrorKind::PlainHttp);
    let nobody = BearerLayer::new("orders", Identity::None, clock());
    assert!(call(nobody, "0.0.0.0").await.is_ok());
}
