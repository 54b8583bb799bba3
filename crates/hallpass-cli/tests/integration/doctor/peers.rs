//! Servers that do what no good one does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// The address of one that takes connections and never says anything, for as long as the test runs.
pub(super) fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut taken = Vec::new();
        for connection in listener.incoming() {
            taken.push(connection);
        }
    });
    address
}

/// The address of one that responds the same to everybody.
pub(super) fn saying(response: &str) -> String {
    let response =
        format!("HTTP/1.1 {response}\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello");
    serve(move |_request| response.clone().into_bytes())
}

/// The address of one that passes requests on to `upstream`, and changes the headers of its responses by `change`.
pub(super) fn changing(upstream: &str, change: fn(&str) -> String) -> String {
    let upstream = upstream.to_owned();
    serve(move |request| {
        let mut connection = TcpStream::connect(&upstream).unwrap();
        let request = request.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        connection.write_all(request.as_bytes()).unwrap();
        let mut response = Vec::new();
        connection.read_to_end(&mut response).unwrap();
        let text = String::from_utf8(response).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let keep = |line: &&str| !line.to_ascii_lowercase().starts_with("connection:");
        let head: Vec<_> = head.lines().filter(keep).map(change).collect();
        let head = head.into_iter().filter(|line| !line.is_empty());
        let head: Vec<_> = head.collect();
        format!("{}\r\nconnection: close\r\n\r\n{body}", head.join("\r\n")).into_bytes()
    })
}

fn serve(respond: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            // Who goes away in the middle has what it wanted.
            if let Some(request) = request(&connection) {
                let _gone = connection.write_all(&respond(&request));
            }
        }
    });
    address
}

/// Head and body; `None` when the other end leaves before.
fn request(connection: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(connection);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).ok()?)
}
