use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An response as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct RawResponse {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl RawResponse {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The code of the problem body.
    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).expect(&self.body);
        body["code"].as_str().unwrap().to_owned()
    }

    /// Status and problem code.
    pub(crate) fn refusal(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        (self.status, self.code())
    }
}

/// Sends exactly these bytes as a request and reads the response to its end. Nothing is corrected on the way, so that
/// paths and headers arrive as an attacker would write them.
pub(crate) async fn send(
    address: SocketAddr,
    request_line: &[u8],
    headers: &[(&str, &[u8])],
) -> RawResponse {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let mut request = request_line.to_vec();
    request.extend_from_slice(b" HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.extend_from_slice(name.as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    // A server may response and close before it has read everything.
    let _ = connection.write_all(&request).await;
    let mut response = Vec::new();
    let _ = connection.read_to_end(&mut response).await;
    let response = String::from_utf8_lossy(&response);
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    RawResponse {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// A GET with a bearer token, or without.
pub(crate) async fn get(address: SocketAddr, path: &str, token: Option<&str>) -> RawResponse {
    let line = format!("GET {path}");
    match token {
        None => send(address, line.as_bytes(), &[]).await,
        Some(token) => {
            let value = format!("Bearer {token}");
            send(
                address,
                line.as_bytes(),
                &[("authorization", value.as_bytes())],
            )
            .await
        }
    }
}
