//! What requests that pass bear: nothing that their sender says of who calls, before no decision, and for nobody else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use hallpass_listen::{HttpServer, RunningServer};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use crate::case::with_token;
use crate::forge::Forge;
use crate::rig::Rig;
use crate::smuggling::ORDER;

/// Names that some server takes for an identity header.
const SPELLINGS: [&str; 9] = [
    "X-User-Id",
    "x-user-id",
    "X_User_Id",
    "X.User.Id",
    "x-user_id",
    "X-Username",
    "X_Authorities",
    "X-Client-Id",
    "x_client-id",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_caller_says_of_itself_never_reaches_an_upstream() {
    let rig = Rig::start_behind_gateway().await;
    let good = rig.forge.good();
    let bearer = format!("authorization: Bearer {good}\r\n");
    for name in SPELLINGS {
        let open = format!(
            "GET /open HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{name}: mallory\r\n\r\n"
        );
        let mine = format!(
            "GET /orders/7 HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{bearer}{name}: mallory\r\n\r\n"
        );
        let named = format!(
            "GET /orders/7 HTTP/1.1\r\nhost: shop\r\nconnection: close, x-user-id, x-username\r\n{bearer}{name}: mallory\r\n\r\n"
        );
        let trailer = format!(
            "{ORDER}connection: close\r\nte: trailers\r\ntrailer: {name}\r\n{bearer}transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n{name}: mallory\r\n\r\n"
        );
        for text in [open, mine, named, trailer] {
            let answer = rig.all(text.as_bytes()).await;
            let seen = rig.upstream().take();
            assert_eq!(seen.len(), 1, "{name}: {answer}");
            let all = format!("{}{}", seen[0].head, seen[0].trailers.join("\n"));
            assert!(!all.contains("mallory"), "{all}");
            let has_token = text.contains(&bearer);
            assert_eq!(
                seen[0].values("x-user-id").len(),
                usize::from(has_token),
                "{all}"
            );
        }
    }
    assert!(rig.upstream().odd().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_behind_a_body_is_no_field_of_the_next_hop() {
    let rig = Rig::start_behind_gateway().await;
    let bearer = format!("authorization: Bearer {}\r\n", rig.forge.good());
    for trailer in [
        "content-length: 5",
        "transfer-encoding: chunked",
        "host: evil.example",
        "authorization: Bearer x",
        "cookie: a=b",
        "x-forwarded-for: 1.2.3.4",
        "connection: close",
    ] {
        let text = format!(
            "{ORDER}connection: close, te\r\nte: trailers\r\n{bearer}transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n{trailer}\r\n\r\n"
        );
        let answer = rig.all(text.as_bytes()).await;
        let seen = rig.upstream().take();
        assert_eq!(seen.len(), 1, "{trailer}: {answer}");
        assert_eq!(seen[0].trailers, [] as [String; 0], "{trailer}");
        assert_eq!(seen[0].body, b"ab");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_and_no_connection_opened_before_a_decision() {
    let rig = Rig::start_behind_gateway().await;
    for text in [
        format!("{ORDER}connection: close\r\ncontent-length: 2\r\n\r\nab"),
        format!(
            "{ORDER}connection: close\r\nauthorization: Bearer {}\r\ncontent-length: 2\r\n\r\nab",
            Forge::new(0).good()
        ),
        format!("{ORDER}connection: close\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"),
    ] {
        let answer = rig.all(text.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    assert_eq!(rig.upstream().connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_response_is_kept_for_another_caller() {
    let rig = Rig::start_behind_gateway().await;
    let subjects = ["alice", "bob", "alice"];
    for subject in subjects {
        let token = rig.forge.with_claim("sub", Some(subject.into()));
        let answer = rig.all(&with_token("GET /orders/7", &token)).await;
        assert!(answer.ends_with("upstream"), "{answer}");
    }
    let seen = rig.upstream().take();
    let who: Vec<_> = seen
        .iter()
        .map(|raw| raw.values("x-user-id").concat())
        .collect();
    assert_eq!(
        who, subjects,
        "each is asked for, whatever the response says of caches"
    );
}

/// One instance does not know what another has done, and need not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_serve_one_user_by_turns() {
    let rig = Rig::start_behind_gateway().await;
    let other = rig.another_gateway().await;
    let text = with_token("GET /orders/7", &rig.forge.good());
    for address in [
        rig.address(),
        other.address(),
        rig.address(),
        other.address(),
    ] {
        let answer = rig.all_of(address, &text).await;
        assert!(answer.ends_with("upstream"), "{answer}");
        let head = answer.to_ascii_lowercase();
        assert!(!head.contains("set-cookie"), "{head}");
    }
    let seen = rig.upstream().take();
    assert_eq!(seen.len(), 4);
    let users: Vec<_> = seen.iter().map(|raw| raw.values("x-user-id")).collect();
    assert!(users.windows(2).all(|two| two[0] == two[1]), "{users:?}");
}

/// What HTTP/2 has and HTTP/1.1 has not is said anew: no length, crumbs of cookies, trailers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_http_2_goes_to_the_upstream_as_one_of_http_1_1() {
    let rig = Rig::start_behind_gateway().await;
    post_by_http2(&rig, rig.address()).await;
    let seen = rig.upstream().take();
    assert_eq!(seen.len(), 1);
    let raw = &seen[0];
    assert_eq!(raw.line(), "POST /orders HTTP/1.1");
    assert_eq!(raw.body, b"ab");
    assert_eq!(raw.values("transfer-encoding"), ["chunked"]);
    assert_eq!(raw.values("content-length"), [] as [&str; 0]);
    assert_eq!(raw.values("cookie"), ["a=1; b=2"]);
    assert_eq!(raw.values("host").len(), 1);
    assert!(!format!("{raw:?}").contains("mallory"), "{raw:?}");
    assert!(rig.upstream().odd().is_empty());
}

/// A good order, in two crumbs of cookies and with trailers that say who calls.
async fn post_by_http2(rig: &Rig, address: SocketAddr) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let trailers = async {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-user-id", HeaderValue::from_static("mallory"));
        trailers.insert("x_username", HeaderValue::from_static("mallory"));
        trailers.insert("content-length", HeaderValue::from_static("9"));
        trailers.insert("x-checksum", HeaderValue::from_static("7"));
        Some(Ok(trailers))
    };
    let body = Full::new(Bytes::from_static(b"ab")).with_trailers(Box::pin(trailers));
    let request = Request::post("http://shop/orders")
        .header("authorization", format!("Bearer {}", rig.forge.good()))
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .header("x-user-id", "mallory")
        // So that nobody knows how long it is.
        .body(StreamOf(body))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
}

/// An upstream that speaks HTTP/2, and what trailers it got.
async fn http2_upstream() -> (RunningServer, Arc<Mutex<Vec<HeaderMap>>>) {
    let seen = Arc::<Mutex<Vec<HeaderMap>>>::default();
    let notes = Arc::clone(&seen);
    let server = HttpServer::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let server = server.serve(move |_gateway| {
        let notes = Arc::clone(&notes);
        tower::service_fn(move |request: Request<Incoming>| {
            let notes = Arc::clone(&notes);
            async move {
                assert_eq!(request.version(), Version::HTTP_2);
                let body = request.into_body().collect().await.unwrap();
                let trailers = body.trailers().cloned().unwrap_or_default();
                notes.lock().unwrap().push(trailers);
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        })
    });
    (server.unwrap(), seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_trailers_an_upstream_of_http_2_gets_those_that_say_nothing_of_the_caller() {
    let rig = Rig::start_behind_gateway().await;
    let (upstream, seen) = http2_upstream().await;
    let gateway = rig
        .another_gateway_by("always", upstream.local_addr())
        .await;
    post_by_http2(&rig, gateway.address()).await;
    let seen = seen.lock().unwrap();
    let names: Vec<_> = seen[0].keys().map(HeaderName::as_str).collect();
    assert_eq!((seen.len(), &names[..]), (1, &["x-checksum"][..]));
}

/// A body that does not say how long it is.
struct StreamOf<B>(B);

impl<B: Body + Unpin> Body for StreamOf<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }
}
