//! How it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

#[test]
fn a_stop_finishes_the_call_that_is_under_way() {
    let ((asked, _asked), (_, at_once)) = (mpsc::channel(), mpsc::channel());
    let token = r#"{"access_token":"opaque","token_type":"Bearer","expires_in":600}"#;
    let issuer = answer_once(token, asked, at_once);
    let ((called, arrived), (go, gate)) = (mpsc::channel(), mpsc::channel());
    let service = answer_once(r#"{"fine":true}"#, called, gate);
    let mut child = Command::new(env!("CARGO_BIN_EXE_caller"))
        .env_clear()
        .envs([
            ("TOKEN_URL", format!("http://{issuer}/oauth2/token")),
            ("CLIENT_ID", "orders".to_owned()),
            ("CLIENT_SECRET", "InternalSecret123!".to_owned()),
            ("AUDIENCE", "stock".to_owned()),
            ("RESOURCE_URL", format!("http://{service}/")),
            ("LISTEN", "127.0.0.1:0".to_owned()),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    arrived.recv().unwrap();
    let id = child.id().to_string();
    let sent = Command::new("sh")
        .args(["-c", r#"kill -s TERM "$0""#, &id])
        .status();
    assert!(sent.unwrap().success());
    // The stop has begun once nobody is let in any more.
    while TcpStream::connect(address).is_ok() {
        thread::yield_now();
    }
    go.send(()).unwrap();
    let mut response = String::new();
    let _reset = stream.read_to_string(&mut response);
    assert!(response.ends_with(r#"{"fine":true}"#), "{response}");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Reads one request, waits for `go`, answers. Says where it listens.
fn answer_once(body: &'static str, arrived: mpsc::Sender<()>, go: mpsc::Receiver<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _peer) = listener.accept().unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).unwrap() > 0);
        arrived.send(()).unwrap();
        let _at_once = go.recv();
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        write!(stream, "{head}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
    });
    address
}
