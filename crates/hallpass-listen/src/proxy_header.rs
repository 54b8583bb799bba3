//! The header of the PROXY protocol, by which a proxy of connections says whom it has one from: version 1, a line, and version 2, a block.
//!
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>. Not a byte behind the header is read.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// What each header of version 2 begins with, and nothing else that anybody speaks.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// What each header of version 1 begins with.
const WORD: &[u8] = b"PROXY ";
/// Longest header of version 1, its end included (section 2.1).
const MAX_LINE_BYTES: usize = 107;
/// Most bytes behind the first 16 of version 2: the addresses, and what a proxy adds about the connection, which is not looked at.
const MAX_BLOCK_BYTES: usize = 4 * 1024;

/// Bytes of the addresses and ports of a block, by family.
const INET_BYTES: usize = 12;
const INET6_BYTES: usize = 36;
const UNIX_BYTES: usize = 216;

/// Why a connection has no source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HeaderFault {
    /// It ended without a byte, as probes do that only connect.
    Closed,
    /// It begins with something else.
    Missing,
    /// It is none of this protocol, or it breaks off.
    Malformed,
    /// It is longer than any that says something.
    TooLong,
    /// It took too long to come.
    Timeout,
}

impl HeaderFault {
    /// Its label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Timeout => "timeout",
        }
    }
}

/// Reads the header that `stream` begins with: the address and port of whoever has connected to the proxy; `None` when it is the proxy itself that
/// speaks (`LOCAL`, `UNKNOWN`), or somebody without an address of TCP.
pub(crate) async fn read(stream: &mut TcpStream) -> Result<Option<SocketAddr>, HeaderFault> {
    let mut begin = [0; SIGNATURE.len()];
    let mut filled = 0;
    while let Some(room) = begin.get_mut(filled..).filter(|room| !room.is_empty()) {
        match stream.read(room).await {
            Ok(0) | Err(_) if filled == 0 => return Err(HeaderFault::Closed),
            Ok(0) | Err(_) => return Err(HeaderFault::Malformed),
            Ok(count) => filled += count,
        }
        let begun = begin.get(..filled).unwrap_or_default();
        // As soon as it is clear: who speaks another protocol may wait for a response.
        if !may_begin(begun) {
            return Err(HeaderFault::Missing);
        }
    }
    if begin == SIGNATURE {
        return block(stream).await;
    }
    line(stream, begin.to_vec()).await
}

/// Whether a header of either version may begin so.
fn may_begin(bytes: &[u8]) -> bool {
    let has_word = |word: &[u8]| word.starts_with(bytes) || bytes.starts_with(word);
    has_word(&SIGNATURE) || has_word(WORD)
}

async fn block(stream: &mut TcpStream) -> Result<Option<SocketAddr>, HeaderFault> {
    let mut head = [0; 4];
    read_whole(stream, &mut head).await?;
    let [version_and_command, family, high, low] = head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_BLOCK_BYTES {
        return Err(HeaderFault::TooLong);
    }
    let mut rest = vec![0; length];
    read_whole(stream, &mut rest).await?;
    parse_block(version_and_command, family, &rest)
}

async fn line(
    stream: &mut TcpStream,
    mut line: Vec<u8>,
) -> Result<Option<SocketAddr>, HeaderFault> {
    while line.last() != Some(&b'\n') {
        let room = MAX_LINE_BYTES.saturating_sub(line.len());
        if room == 0 {
            return Err(HeaderFault::TooLong);
        }
        // Looked at before it is taken: what stands behind the line is not ours.
        let mut coming = [0; MAX_LINE_BYTES];
        let coming = coming.get_mut(..room).unwrap_or_default();
        let count = stream.peek(coming).await.map_err(broken)?;
        let coming = coming.get(..count).unwrap_or_default();
        let end = coming.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(count, |end| end + 1);
        if taken == 0 {
            return Err(HeaderFault::Malformed);
        }
        let begun = line.len();
        line.resize(begun + taken, 0);
        read_whole(stream, line.get_mut(begun..).unwrap_or_default()).await?;
    }
    parse_line(&line)
}

async fn read_whole(stream: &mut TcpStream, bytes: &mut [u8]) -> Result<(), HeaderFault> {
    stream.read_exact(bytes).await.map_err(broken)?;
    Ok(())
}

fn broken(_: io::Error) -> HeaderFault {
    HeaderFault::Malformed
}

/// Section 2.1.
fn parse_line(line: &[u8]) -> Result<Option<SocketAddr>, HeaderFault> {
    let text = line
        .strip_suffix(b"\r\n")
        .and_then(|line| line.strip_prefix(WORD));
    let text = text.and_then(|text| std::str::from_utf8(text).ok());
    let mut words = text.ok_or(HeaderFault::Malformed)?.split(' ');
    let family = words.next().unwrap_or_default();
    // What stands behind it is to be ignored.
    if family == "UNKNOWN" {
        return Ok(None);
    }
    let mut next = || words.next().ok_or(HeaderFault::Malformed);
    let source = address(family, next()?)?;
    // Where the proxy was called is of no use here.
    let _destination = address(family, next()?)?;
    let source_port = port(next()?)?;
    let _destination_port = port(next()?)?;
    match words.next() {
        None => Ok(Some(SocketAddr::new(source, source_port))),
        Some(_) => Err(HeaderFault::Malformed),
    }
}

fn address(family: &str, text: &str) -> Result<IpAddr, HeaderFault> {
    let address = match family {
        "TCP4" => text.parse().ok().map(IpAddr::V4),
        "TCP6" => text.parse().ok().map(IpAddr::V6),
        _ => None,
    };
    address.ok_or(HeaderFault::Malformed)
}

fn port(text: &str) -> Result<u16, HeaderFault> {
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    let port = text.parse().ok().filter(|_| is_plain);
    port.ok_or(HeaderFault::Malformed)
}

/// Section 2.2; `rest` is what stands behind the length.
fn parse_block(
    version_and_command: u8,
    family: u8,
    rest: &[u8],
) -> Result<Option<SocketAddr>, HeaderFault> {
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(HeaderFault::Malformed),
    };
    if is_local {
        // Whatever else it says is to be discarded, the family included.
        return Ok(None);
    }
    let addresses = |bytes: usize| rest.get(..bytes).ok_or(HeaderFault::Malformed);
    match family {
        // TCP over IPv4.
        0x11 => match addresses(INET_BYTES)? {
            [a, b, c, d, _, _, _, _, high, low, ..] => {
                let address = Ipv4Addr::new(*a, *b, *c, *d).into();
                Ok(Some(at(address, [*high, *low])))
            }
            _ => Err(HeaderFault::Malformed),
        },
        // TCP over IPv6.
        0x21 => {
            let addresses = addresses(INET6_BYTES)?;
            let (source, behind) = addresses
                .split_first_chunk::<16>()
                .ok_or(HeaderFault::Malformed)?;
            let ports = behind.get(16..18).and_then(|port| port.try_into().ok());
            let port = ports.ok_or(HeaderFault::Malformed)?;
            Ok(Some(at(Ipv6Addr::from(*source).into(), port)))
        }
        // A socket of the proxy's own machine.
        0x31 | 0x32 => addresses(UNIX_BYTES).map(|_| None),
        // Nobody knows, or UDP, which this connection is not.
        0x00 | 0x12 | 0x22 => Ok(None),
        _ => Err(HeaderFault::Malformed),
    }
}

fn at(address: IpAddr, port: [u8; 2]) -> SocketAddr {
    SocketAddr::new(address, u16::from_be_bytes(port))
}

#[cfg(test)]
mod tests;
