//! A client that means harm: guesses, forgeries, nonsense, and connections that hold their places.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::load::Counts;

/// Between two requests of one kind.
const PAUSE: Duration = Duration::from_millis(10);
/// Connections that are held without being read.
const HELD: usize = 64;
/// No attack waits longer for its response.
const PATIENCE: Duration = Duration::from_secs(5);

/// Begins every kind of attack.
pub(super) fn start(
    work: &mut JoinSet<()>,
    issuer: SocketAddr,
    orders: SocketAddr,
    counts: &Arc<Counts>,
) {
    for attack in [wrong_secret, unknown_client, nonsense, huge_head] {
        work.spawn(repeat(issuer, attack, Arc::clone(counts)));
    }
    for attack in [no_token, forged_token, unknown_key, hidden_path] {
        work.spawn(repeat(orders, attack, Arc::clone(counts)));
    }
    for target in [issuer, orders] {
        work.spawn(hold(target, Arc::clone(counts)));
    }
}

async fn repeat(target: SocketAddr, attack: fn(u64) -> String, counts: Arc<Counts>) {
    for number in 0.. {
        // A target that restarts refuses connections for a moment.
        if let Ok(Ok(response)) =
            tokio::time::timeout(PATIENCE, send(target, &attack(number))).await
            && response.starts_with("HTTP/1.1 200")
        {
            counts.let_in.fetch_add(1, Ordering::Relaxed);
        }
        counts.hostile.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}

/// From an address of its own, as a stranger has one.
async fn connect(target: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0)))?;
    socket.connect(target).await
}

async fn send(target: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = connect(target).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut response = vec![0; 1024];
    let length = stream.read(&mut response).await?;
    response.truncate(length);
    Ok(String::from_utf8_lossy(&response).into_owned())
}

/// Asks for much and reads nothing, over many connections, for ever.
async fn hold(target: SocketAddr, counts: Arc<Counts>) {
    let mut held: Vec<TcpStream> = Vec::new();
    loop {
        if held.len() >= HELD {
            held.drain(..HELD / 2);
        }
        if let Ok(mut stream) = connect(target).await {
            let requests = "GET /oauth2/jwks HTTP/1.1\r\nhost: a\r\n\r\n".repeat(200);
            let written = tokio::time::timeout(PAUSE, stream.write_all(requests.as_bytes()));
            // It may be cut off while it writes; that is the other side's right.
            let _written = written.await;
            held.push(stream);
        }
        counts.hostile.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE * 20).await;
    }
}

fn token_request(client: &str, secret: &str) -> String {
    let form = format!(
        "grant_type=client_credentials&client_id={client}&client_secret={secret}&audience=service-system"
    );
    format!(
        "POST /oauth2/token HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{form}",
        form.len()
    )
}

fn orders_request(authorization: &str) -> String {
    format!("GET /orders HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{authorization}\r\n")
}

fn wrong_secret(number: u64) -> String {
    token_request(
        "internal-service-client",
        &format!("InternalSecret{number}"),
    )
}

fn unknown_client(number: u64) -> String {
    token_request(&format!("client-{number}"), "x")
}

fn nonsense(number: u64) -> String {
    match number % 3 {
        0 => "POST /oauth2/token HTTP/1.1\r\nhost: a\r\ncontent-length: 16384\r\n\r\n".to_owned(),
        1 => "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(),
        _ => "POST /oauth2/token HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 3\r\n\r\n%zz".to_owned(),
    }
}

fn huge_head(number: u64) -> String {
    format!(
        "GET /health/live HTTP/1.1\r\nhost: a\r\nx-{number}: {}\r\n\r\n",
        "x".repeat(40_000)
    )
}

fn no_token(_: u64) -> String {
    orders_request("")
}

/// Three parts that look like a token; the signature is not one.
fn forged_token(number: u64) -> String {
    orders_request(&format!(
        "authorization: Bearer eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJpbnRlcm5hbCJ9.{number}\r\n"
    ))
}

/// Each names another key (`kid`), so that somebody looks for it.
fn unknown_key(number: u64) -> String {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let header = encode(&format!(
        r#"{{"alg":"ES256","typ":"at+jwt","kid":"bogus-{number}"}}"#
    ));
    let claims =
        encode(r#"{"iss":"https://id.shop.example","aud":"shop","sub":"alice","exp":4102444800}"#);
    orders_request(&format!(
        "authorization: Bearer {header}.{claims}.{}\r\n",
        "A".repeat(86)
    ))
}

fn hidden_path(_: u64) -> String {
    "GET /orders;x=1/..%2Fmetrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".to_owned()
}
