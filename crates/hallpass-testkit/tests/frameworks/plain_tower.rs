//! A tower service without axum, on hyper's own server, with bodies of its own.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hallpass::resource::Rule;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower::Layer as _;

use crate::rig::Rig;

/// A body that is neither axum's nor ours, and whose errors are of another type.
type OwnBody = BoxBody<Bytes, io::Error>;

/// Says who calls: once in the handler, then while its body is polled.
async fn whoami(request: Request<Incoming>) -> Result<Response<OwnBody>, Infallible> {
    let subject = || hallpass::current().map(|caller| caller.subject().to_string());
    let first = format!("{:?} {}", subject(), request.uri().path());
    let parts = stream::iter([Some(first), None]).map(move |part| {
        let part = part.unwrap_or_else(|| format!(" {:?}", subject()));
        Ok(Frame::data(Bytes::from(part)))
    });
    Ok(Response::new(BoxBody::new(StreamBody::new(parts))))
}

async fn start(rig: &Rig, calls: Arc<AtomicUsize>) -> SocketAddr {
    let server = rig.server();
    let server = server.route_any("/whoami", Rule::Authenticated);
    let server = server.route_any("/open", Rule::Anonymous).build().unwrap();
    let service = tower::service_fn(move |request| {
        calls.fetch_add(1, Ordering::SeqCst);
        whoami(request)
    });
    let service = TowerToHyperService::new(server.layer().layer(service));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(TokioIo::new(stream), service.clone()));
        }
    });
    address
}

async fn get(address: SocketAddr, path: &str, token: Option<&str>) -> (StatusCode, String) {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::get(path).header("host", "shop");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_service_with_bodies_of_its_own_sees_the_caller_while_it_runs_and_while_it_streams() {
    let rig = Rig::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let address = start(&rig, Arc::clone(&calls)).await;
    let alice = rig.token("alice", "");
    let (status, body) = get(address, "/whoami", Some(&alice)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body, "Some(\"alice\") /whoami Some(\"alice\")");
    let (status, body) = get(address, "/open", None).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "None /open None"));
    for (path, token, refused) in [
        ("/whoami", None, 401),
        ("/whoami", Some("x.y.z"), 401),
        ("/elsewhere", Some(alice.as_str()), 403),
        ("/open/../whoami", Some(alice.as_str()), 400),
    ] {
        let (status, body) = get(address, path, token).await;
        assert_eq!(status.as_u16(), refused, "{path}: {body}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}
