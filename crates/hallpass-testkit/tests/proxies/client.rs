//! A client that sends what it is told, byte for byte: those of libraries mend paths before they send them.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than any proxy waits here for whom it asks.
const PATIENCE: Duration = Duration::from_secs(60);
/// The host that the rules are for.
pub(crate) const HOST: &str = "shop.example";

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Head and body as they came.
    pub(crate) text: String,
}

impl Response {
    /// The values of the headers with this name.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.lines()
            .filter_map(|line| {
                let (found, value) = line.split_once(':')?;
                found.eq_ignore_ascii_case(name).then(|| value.trim())
            })
            .collect()
    }
}

/// A request to be sent to a proxy.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: &'static str,
    target: String,
    host: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask {
    pub(crate) fn get(target: &str) -> Self {
        Self {
            method: "GET",
            target: target.to_owned(),
            host: HOST.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn post(target: &str, body: Vec<u8>) -> Self {
        Self {
            method: "POST",
            body,
            ..Self::get(target)
        }
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sends it to this port here and reads until the connection ends.
    pub(crate) async fn send(&self, port: u16) -> Response {
        let sent = tokio::time::timeout(PATIENCE, self.exchange(port));
        let bytes = sent.await.expect("a response in time");
        // Bytes above ASCII are looked at in no response.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let status = text.get(9..12).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{self:?}: no response: {text:?}"));
        Response { status, text }
    }

    async fn exchange(&self, port: u16) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        // A proxy that refuses the head may not read the rest.
        let _unread = stream.write_all(&self.bytes("close")).await;
        let mut response = Vec::new();
        // Some proxies leave the connection open for a while after a response that refuses.
        while !is_whole(&response) {
            match stream.read_buf(&mut response).await {
                Ok(0) | Err(_) => break,
                Ok(_more) => {}
            }
        }
        response
    }

    /// Sends it and leaves the connection open, for what comes bit by bit.
    pub(crate) async fn open(&self, port: u16, connection: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&self.bytes(connection)).await.unwrap();
        stream
    }

    fn bytes(&self, connection: &str) -> Vec<u8> {
        let Self {
            method,
            target,
            host,
            ..
        } = self;
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        let own = self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("connection"));
        if !own {
            head += &format!("Connection: {connection}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !self.body.is_empty() {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        head += "\r\n";
        [head.into_bytes(), self.body.clone()].concat()
    }
}

/// Whether a response is there to its end, as far as its head says where that is.
fn is_whole(response: &[u8]) -> bool {
    let text = String::from_utf8_lossy(response).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    if head.contains("\r\ntransfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head.split("\r\ncontent-length: ").nth(1);
    let length = length.and_then(|rest| rest.lines().next()?.trim().parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

/// Reads until `end` has come; the time is limited.
pub(crate) async fn read_until(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let reading = async {
        let mut read = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&read).into_owned();
            if text.contains(end) {
                return text;
            }
            let more = stream.read_buf(&mut read).await.unwrap();
            assert!(more > 0, "ended before {end:?}: {text:?}");
        }
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .unwrap_or_else(|_| panic!("{end:?} does not come"))
}
