//! actix-web and poem, each behind the plain function, as `examples/other-frameworks` shows it.

use std::net::SocketAddr;

use hallpass::resource::{ResourceServer, Rule};
use poem::listener::{Acceptor as _, Listener as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::Rig;

fn server(rig: &Rig) -> ResourceServer {
    let server = rig.server().route_any("/whoami", Rule::Authenticated);
    server.route_any("/open", Rule::Anonymous).build().unwrap()
}

async fn get(address: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let status = response.split(' ').nth(1).unwrap().parse().unwrap();
    (status, response)
}

async fn holds(rig: &Rig, address: SocketAddr) {
    let token = rig.token("alice", "");
    let bearer = format!("authorization: Bearer {token}\r\n");
    let (status, response) = get(address, "/whoami", &bearer).await;
    assert_eq!(status, 200, "{response}");
    assert!(response.ends_with("alice Some(\"alice\")"), "{response}");
    let (status, response) = get(address, "/open", "").await;
    assert!(status == 200 && response.ends_with("open"), "{response}");
    let twice = format!("{bearer}{bearer}");
    let stranger = Rig::new().token("alice", "");
    let stranger = format!("authorization: Bearer {stranger}\r\n");
    for (path, headers, refused, says) in [
        ("/whoami", "", 401, "missing_token"),
        ("/whoami", "x-user-id: alice\r\n", 401, "missing_token"),
        ("/whoami", stranger.as_str(), 401, "invalid_token"),
        ("/whoami", twice.as_str(), 400, "invalid_request"),
        ("/open/../whoami", bearer.as_str(), 400, "ambiguous_path"),
        (
            "/open%2f..%2fwhoami",
            bearer.as_str(),
            400,
            "ambiguous_path",
        ),
        ("/elsewhere", bearer.as_str(), 403, "insufficient_scope"),
    ] {
        let (status, response) = get(address, path, headers).await;
        assert_eq!(status, refused, "{path}: {response}");
        assert!(response.contains(says), "{path}: {response}");
        let challenged = response.to_lowercase().contains("www-authenticate: bearer");
        assert_eq!(challenged, says != "ambiguous_path", "{path}: {response}");
    }
}

#[tokio::test]
async fn actix_web_serves_verified_callers_and_nobody_else() {
    let rig = Rig::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = other_frameworks::actix::serve(server(&rig), listener).unwrap();
    let handle = serving.handle();
    let serving = tokio::spawn(serving);
    holds(&rig, address).await;
    handle.stop(false).await;
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn poem_serves_verified_callers_and_nobody_else() {
    let rig = Rig::new();
    let listener = poem::listener::TcpListener::bind("127.0.0.1:0");
    let acceptor = listener.into_acceptor().await.unwrap();
    let address = acceptor.local_addr().remove(0);
    let address = *address.as_socket_addr().unwrap();
    let app = other_frameworks::poem::app(server(&rig));
    let serving = tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(app));
    holds(&rig, address).await;
    serving.abort();
}
