//! Who serves a request learns where its connection comes from, if that is wanted.

use std::convert::Infallible;

use bytes::Bytes;
use hallpass_listen::{ConnectionPeer, HttpServer};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a server says that the request has of its peer, and where the connection came from.
async fn ask(shows: bool) -> (String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = HttpServer::new(listener);
    let server = match shows {
        true => server.show_peers(),
        false => server,
    };
    let running = server.serve(|_peer| {
        tower::service_fn(async |request: Request<Incoming>| {
            let peer = request.extensions().get::<ConnectionPeer>();
            let said = peer.map_or_else(|| "none".to_owned(), |ConnectionPeer(it)| it.to_string());
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(said))))
        })
    });
    let running = running.unwrap();
    let mut stream = TcpStream::connect(running.local_addr()).await.unwrap();
    let own = stream.local_addr().unwrap().to_string();
    let request =
        b"GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 10.0.0.1\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (_head, body) = response.split_once("\r\n\r\n").unwrap();
    (body.to_owned(), own)
}

#[tokio::test]
async fn a_request_says_where_its_connection_comes_from_only_where_that_is_wanted() {
    let (said, own) = ask(true).await;
    assert_eq!(said, own);
    let (said, _own) = ask(false).await;
    assert_eq!(said, "none");
}
