//! Over HTTP/2 the same is served and refused as over HTTP/1.1.

use bytes::Bytes;
use h2::client::SendRequest;
use http::request::Builder;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::Rig;

/// A connection, and what requests are for on it.
struct Peer {
    sender: SendRequest<Bytes>,
    at: String,
    token: String,
}

impl Peer {
    async fn connect(rig: &Rig) -> Self {
        let stream = TcpStream::connect(rig.address()).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self {
            sender,
            at: format!("http://{}", rig.address()),
            token: format!("Bearer {}", rig.ops().await),
        }
    }

    fn request(&self, method: &str, path: &str) -> Builder {
        let uri = format!("{}{path}", self.at);
        Request::builder().method(method).uri(uri)
    }

    fn by_ops(&self, method: &str, path: &str) -> Builder {
        let request = self.request(method, path);
        request
            .header("authorization", &self.token)
            .header("content-type", "application/json")
    }

    async fn send(&self, request: Builder, body: &[u8]) -> Response<Value> {
        let mut sender = self.sender.clone().ready().await.unwrap();
        let request = request.body(()).unwrap();
        let (response, mut stream) = sender.send_request(request, body.is_empty()).unwrap();
        if !body.is_empty() {
            // Who was refused by then does not read it.
            let _refused = stream.send_data(Bytes::copy_from_slice(body), true);
        }
        let (parts, mut body) = response.await.unwrap().into_parts();
        let mut all = Vec::new();
        while let Some(piece) = body.data().await {
            let piece = piece.unwrap();
            let read = body.flow_control().release_capacity(piece.len());
            read.unwrap();
            all.extend_from_slice(&piece);
        }
        Response::from_parts(parts, serde_json::from_slice(&all).unwrap_or_default())
    }

    /// Status and code.
    async fn refused(&self, request: Builder, body: &[u8]) -> (u16, String) {
        let response = self.send(request, body).await;
        let code = response.body()["code"].as_str().unwrap_or_default();
        (response.status().as_u16(), code.to_owned())
    }
}

#[tokio::test]
async fn over_http_2_the_same_is_served_and_the_same_is_refused() {
    let rig = Rig::start().await;
    let peer = Peer::connect(&rig).await;
    let (status, rotation) = ("/admin/v1/status", "/admin/v1/keys/rotation");
    let nobody = peer.send(peer.request("GET", status), b"").await;
    assert_eq!(nobody.status(), 401);
    let challenge = &nobody.headers()["www-authenticate"];
    assert_eq!(challenge, "Bearer realm=\"hallpass-admin\"");
    assert_eq!(nobody.headers()["cache-control"], "no-store");

    let shown = peer.send(peer.by_ops("GET", status), b"").await;
    assert_eq!(shown.status(), 200, "{shown:?}");
    let body = json!({"take_over": "now"}).to_string();
    let rotated = peer.send(peer.by_ops("POST", rotation), body.as_bytes());
    let rotated = rotated.await;
    assert_eq!(rotated.status(), 200, "{rotated:?}");
    assert_eq!(rotated.body()["state"], "signing");

    let foreign = Request::get(format!("http://evil.example{status}"));
    let foreign = foreign.header("authorization", &peer.token);
    let page = peer.by_ops("POST", rotation).header("origin", "https://x");
    let large = " ".repeat(64 * 1_024 + 1);
    let twice = peer.by_ops("GET", status);
    let twice = twice.header("authorization", &peer.token);
    for (request, body, expected) in [
        (foreign, "", (421, "unknown_host")),
        (page, "{}", (403, "page_not_allowed")),
        (
            peer.by_ops("POST", rotation),
            &*large,
            (413, "body_too_large"),
        ),
        (twice, "", (400, "malformed_credentials")),
        (peer.by_ops("GET", "/admin/v1/x"), "", (404, "not_found")),
    ] {
        let (status, code) = expected;
        let refused = peer.refused(request, body.as_bytes()).await;
        assert_eq!(refused, (status, code.to_owned()));
    }
    // Many at once on one connection.
    let asked = (0..64).map(|_| peer.send(peer.by_ops("GET", status), b""));
    let all = futures_util::future::join_all(asked).await;
    assert!(all.iter().all(|response| response.status() == 200));
}
