use super::*;

type Read = Result<Option<SocketAddr>, HeaderFault>;

fn source(text: &str) -> Read {
    Ok(Some(text.parse().unwrap()))
}

/// A header of version 2.
fn block_of(version_and_command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    let head = [version_and_command, family, length[0], length[1]];
    [&SIGNATURE[..], &head, rest].concat()
}

const V4: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x34, 0x01, 0xbb];

fn v6() -> Vec<u8> {
    let address: Ipv6Addr = "2001:db8::7".parse().unwrap();
    [&address.octets()[..], &[0; 16], &[0x12, 0x34, 0, 80]].concat()
}

/// What is read of bytes that come piece by piece, and what is left for whoever reads next.
async fn read_of(pieces: &[&[u8]]) -> (Read, Vec<u8>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut sender = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    let pieces: Vec<_> = pieces.iter().map(|piece| piece.to_vec()).collect();
    let sending = tokio::spawn(async move {
        for piece in pieces {
            let _refused = tokio::io::AsyncWriteExt::write_all(&mut sender, &piece).await;
            tokio::task::yield_now().await;
        }
    });
    let read = read(&mut stream).await;
    sending.await.unwrap();
    let mut left = Vec::new();
    let _reset = stream.read_to_end(&mut left).await;
    (read, left)
}

#[tokio::test]
async fn a_header_of_either_version_names_the_source_and_nothing_behind_it_is_read() {
    let tail = b"GET / HTTP/1.1\r\n\r\n";
    let with_more = [&V4[..], &[0x04, 0, 3, 1, 2, 3]].concat();
    for (header, expected) in [
        (
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4660 443\r\n".to_vec(),
            source("192.0.2.1:4660"),
        ),
        (
            b"PROXY TCP6 2001:db8::7 ::1 65535 0\r\n".to_vec(),
            source("[2001:db8::7]:65535"),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), Ok(None)),
        (b"PROXY UNKNOWN ffff::1 what ever\r\n".to_vec(), Ok(None)),
        (block_of(0x21, 0x11, &V4), source("192.0.2.1:4660")),
        (block_of(0x21, 0x11, &with_more), source("192.0.2.1:4660")),
        (block_of(0x21, 0x21, &v6()), source("[2001:db8::7]:4660")),
        (block_of(0x21, 0x31, &[7; UNIX_BYTES]), Ok(None)),
        (block_of(0x21, 0x32, &[7; UNIX_BYTES]), Ok(None)),
        (block_of(0x21, 0x00, &[]), Ok(None)),
        (block_of(0x21, 0x12, &V4), Ok(None)),
        (block_of(0x20, 0x00, &[]), Ok(None)),
        // A proxy's own: nothing of it counts.
        (block_of(0x20, 0x11, &V4), Ok(None)),
        (block_of(0x20, 0x77, &[1, 2]), Ok(None)),
        (
            block_of(0x21, 0x11, &[&V4[..], &[0; 2_000]].concat()),
            source("192.0.2.1:4660"),
        ),
    ] {
        let whole = [&header[..], tail].concat();
        assert_eq!(read_of(&[&whole]).await, (expected, tail.to_vec()));
        // Wherever it is split.
        for place in [
            1,
            5,
            6,
            11,
            12,
            13,
            14,
            15,
            16,
            header.len() - 1,
            header.len(),
        ] {
            let (first, second) = whole.split_at(place.min(whole.len()));
            let (read, left) = read_of(&[first, second]).await;
            assert_eq!((read, &left[..]), (expected, &tail[..]), "{place}");
        }
    }
}

#[tokio::test]
async fn what_is_no_header_is_refused() {
    let long = format!("PROXY UNKNOWN {}\r\n", "a".repeat(MAX_LINE_BYTES));
    let huge = block_of(0x21, 0x11, &[0; MAX_BLOCK_BYTES + 1]);
    for (sent, fault) in [
        (&b""[..], HeaderFault::Closed),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", HeaderFault::Missing),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HeaderFault::Missing),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00",
            HeaderFault::Missing,
        ),
        (
            b"proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
            HeaderFault::Missing,
        ),
        (b"\r\n\r\n\0\r\nQUIX\n", HeaderFault::Missing),
        (b"P", HeaderFault::Malformed),
        (b"PROXY", HeaderFault::Malformed),
        (b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2", HeaderFault::Malformed),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11", HeaderFault::Malformed),
        (&block_of(0x21, 0x11, &V4)[..27], HeaderFault::Malformed),
        (long.as_bytes(), HeaderFault::TooLong),
        (&huge[..], HeaderFault::TooLong),
    ] {
        let (read, _) = read_of(&[sent]).await;
        assert_eq!(read, Err(fault), "{}", sent.escape_ascii());
    }
}

#[test]
fn a_line_that_is_not_word_for_word_one_is_malformed() {
    for line in [
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 \r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n",
        "PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY  TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY\tTCP4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.01 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 nowhere 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 65536 2\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 -2\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 +1 2\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1  2\r\n",
        "PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY \r\n",
        "PROXY TCP4 192.0.2.1\r 10.0.0.1 1 2\r\n",
    ] {
        let read = parse_line(line.as_bytes());
        assert_eq!(read, Err(HeaderFault::Malformed), "{line:?}");
    }
    assert_eq!(parse_line(b"PROXY \xff\r\n"), Err(HeaderFault::Malformed));
}

#[test]
fn of_all_first_bytes_of_a_block_those_of_the_protocol_count_and_no_others() {
    let rest = [0; UNIX_BYTES];
    for version_and_command in 0..=u8::MAX {
        for family in 0..=u8::MAX {
            let read = parse_block(version_and_command, family, &rest);
            let expected = match (version_and_command, family) {
                (0x20, _) | (0x21, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => Ok(None),
                (0x21, 0x11) => source("0.0.0.0:0"),
                (0x21, 0x21) => source("[::]:0"),
                _ => Err(HeaderFault::Malformed),
            };
            assert_eq!(read, expected, "{version_and_command:x} {family:x}");
        }
    }
    for (family, bytes) in [(0x11, INET_BYTES), (0x21, INET6_BYTES), (0x31, UNIX_BYTES)] {
        let read = |length: usize| parse_block(0x21, family, &rest[..length]);
        assert!(read(bytes).is_ok());
        assert_eq!(read(bytes - 1), Err(HeaderFault::Malformed), "{family:x}");
    }
}
