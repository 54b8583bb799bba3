//! Another issuer: a document, keys, and tokens, on loopback.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hallpass_token::{Algorithm, Issuer, SigningKey, TokenClaims, TokenType, UnixTime, sign_as};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(super) struct Authority {
    pub(super) key: SigningKey,
    address: SocketAddr,
    served: Arc<Mutex<Served>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Served {
    /// Bodies by path; a path that is not here is a 503.
    documents: BTreeMap<&'static str, String>,
    asked: usize,
    /// `Authorization` of the last request.
    bearer: Option<String>,
}

impl Authority {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new(Mutex::new(Served::default()));
        let authority = Self {
            key: SigningKey::generate(Algorithm::EdDsa).unwrap(),
            address,
            served: Arc::clone(&served),
            serving: tokio::spawn(serve(listener, served)),
        };
        let document = authority.document();
        authority.put(OPENID, &document);
        authority.put_keys(&[authority.key.public_jwk().to_json()]);
        authority
    }

    pub(super) fn issuer(&self) -> Issuer {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(super) fn document(&self) -> Value {
        let issuer = self.issuer();
        json!({ "issuer": issuer, "jwks_uri": format!("{issuer}{KEYS}") })
    }

    pub(super) fn put(&self, path: &'static str, document: &Value) {
        let mut served = self.served.lock().unwrap();
        served.documents.insert(path, document.to_string());
    }

    pub(super) fn put_keys(&self, keys: &[Value]) {
        self.put(KEYS, &json!({ "keys": keys }));
    }

    /// From now on it serves nothing.
    pub(super) fn fail(&self) {
        self.served.lock().unwrap().documents.clear();
    }

    /// How many requests there were.
    pub(super) fn asked(&self) -> usize {
        self.served.lock().unwrap().asked
    }

    /// What was sent along with the last request.
    pub(super) fn last_bearer(&self) -> Option<String> {
        self.served.lock().unwrap().bearer.clone()
    }

    pub(super) fn sign(&self, claims: &TokenClaims, typ: TokenType) -> String {
        let token = sign_as(claims, &self.key, typ, UnixTime::from_secs(1)).unwrap();
        token.expose().to_owned()
    }

    /// Signs claims that we would not write, as others do.
    pub(super) fn sign_anything(&self, claims: &impl serde::Serialize) -> String {
        let pair = Ed25519KeyPair::from_pkcs8(&self.key.to_pkcs8().unwrap()).unwrap();
        let header = json!({ "alg": "EdDSA", "kid": self.key.key_id().as_str() });
        let claims = serde_json::to_string(claims).unwrap();
        let text = format!(
            "{}.{}",
            BASE64URL.encode(header.to_string()),
            BASE64URL.encode(claims)
        );
        let signature = pair.sign(text.as_bytes());
        format!("{text}.{}", BASE64URL.encode(signature))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub(super) const OPENID: &str = "/.well-known/openid-configuration";
pub(super) const KEYS: &str = "/keys";

async fn serve(listener: TcpListener, served: Arc<Mutex<Served>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, Arc::clone(&served)));
    }
}

async fn answer(mut stream: TcpStream, served: Arc<Mutex<Served>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let body = {
        let mut served = served.lock().unwrap();
        served.asked += 1;
        let line = head
            .lines()
            .find(|line| line.to_lowercase().starts_with("authorization: "));
        served.bearer = line
            .and_then(|line| line.split_once(": "))
            .map(|(_, value)| value.to_owned());
        served.documents.get(path.as_str()).cloned()
    };
    let (status, body) = match body {
        Some(body) => ("200 OK", body),
        None => ("503 Service Unavailable", String::new()),
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(response.as_bytes()).await;
}
