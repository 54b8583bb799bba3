//! Connections that are open, have been used once, and say nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::measure::Failure;

pub(super) const COUNT: usize = 5_000;

/// Opens them, with one good request over each.
pub(super) fn open(port: u16, request: &str) -> Result<Vec<TcpStream>, Failure> {
    let mut open = Vec::with_capacity(COUNT);
    let mut buffer = [0; 4_096];
    for _ in 0..COUNT {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(request.as_bytes())?;
        let read = stream.read(&mut buffer)?;
        let answer = buffer.get(..read).unwrap_or_default();
        if !answer.starts_with(b"HTTP/1.1 200") {
            let answer = String::from_utf8_lossy(answer);
            return Err(format!("connection {} gets {answer:?}", open.len()).into());
        }
        open.push(stream);
    }
    Ok(open)
}
