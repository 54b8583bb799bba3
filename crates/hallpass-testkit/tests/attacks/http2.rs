//! HTTP/2, frame by frame: fields that a request must not have, or have twice (RFC 9113 section 8.3).

use crate::case::{Case, Expected};
use crate::rig::Rig;

type Field<'a> = (&'a str, &'a str);

const METHOD: Field<'_> = (":method", "GET");
const SCHEME: Field<'_> = (":scheme", "http");
const PATH: Field<'_> = (":path", "/orders/7");
const HOST: Field<'_> = (":authority", "shop");

pub(crate) fn cases(rig: &Rig) -> Vec<Case> {
    let good = format!("Bearer {}", rig.forge.good());
    let usual = [METHOD, SCHEME, PATH, HOST, ("authorization", &good)];
    let mut cases = missing(&usual);
    cases.extend(changed(&usual));
    cases.extend(added(&usual));
    cases.extend(frames(&usual));
    cases
}

fn missing(usual: &[Field<'_>; 5]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, without) in [
        ("no method", 0),
        ("no scheme", 1),
        ("no path", 2),
        ("no host", 3),
        ("no token", 4),
    ] {
        let mut fields = usual.to_vec();
        fields.remove(without);
        cases.push(case(name, &fields));
    }
    cases
}

fn changed(usual: &[Field<'_>; 5]) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, at, field) in [
        ("an empty path", 2, (":path", "")),
        ("a path without its slash", 2, (":path", "orders/7")),
        (
            "a path that is an address",
            2,
            (":path", "http://shop/orders/7"),
        ),
        ("an ambiguous path", 2, (":path", "/orders//7")),
        ("a dot segment", 2, (":path", "/open/../orders/7")),
        ("a space in the path", 2, (":path", "/orders/7 HTTP/1.1")),
        ("a line end in the path", 2, (":path", "/orders/7\r\nx: y")),
        ("a star", 2, (":path", "*")),
        ("an empty method", 0, (":method", "")),
        ("a small method", 0, (":method", "get")),
        (
            "a space in the method",
            0,
            (":method", "GET /open HTTP/1.1\r\n"),
        ),
        ("CONNECT with a path", 0, (":method", "CONNECT")),
        ("TRACE", 0, (":method", "TRACE")),
        ("a user in the host", 3, (":authority", "alice@shop")),
        ("a path in the host", 3, (":authority", "shop/open")),
        ("a list of hosts", 3, (":authority", "shop,evil.example")),
        (
            "another scheme of credentials",
            4,
            ("authorization", "Basic YWxpY2U6c2VjcmV0"),
        ),
    ] {
        let mut fields = usual.to_vec();
        fields[at] = field;
        cases.push(case(name, &fields));
    }
    cases
}

fn added(usual: &[Field<'_>; 5]) -> Vec<Case> {
    let token = usual[4];
    let mut cases = Vec::new();
    for (name, field) in [
        ("two methods", (":method", "POST")),
        ("two paths", (":path", "/open")),
        ("two hosts", (":authority", "evil.example")),
        ("two schemes", (":scheme", "https")),
        ("another host beside it", ("host", "evil.example")),
        ("a status in a request", (":status", "200")),
        ("a protocol", (":protocol", "websocket")),
        ("a field of no name", ("", "x")),
        ("an unknown field of the protocol", (":admin", "true")),
        ("a name in capitals", ("X-User-Id", "admin")),
        ("the token in capitals too", ("Authorization", token.1)),
        ("two tokens", token),
        ("connection", ("connection", "close")),
        ("keep-alive", ("keep-alive", "timeout=5")),
        ("proxy-connection", ("proxy-connection", "close")),
        ("transfer-encoding", ("transfer-encoding", "chunked")),
        ("upgrade", ("upgrade", "websocket")),
        ("te", ("te", "gzip")),
        ("a space in a name", ("a b", "x")),
        ("a colon in a name", ("a:b", "x")),
        (
            "a line end in a value",
            ("a", "x\r\nauthorization: Bearer x"),
        ),
        ("a NUL in a value", ("a", "x\0y")),
        ("a length that is wrong", ("content-length", "7")),
        ("two lengths", ("content-length", "0, 7")),
    ] {
        let mut fields = usual.to_vec();
        fields.push(field);
        cases.push(case(name, &fields));
    }
    cases
}

fn frames(usual: &[Field<'_>; 5]) -> Vec<Case> {
    let token = usual[4];
    let mut cases = Vec::new();
    let late = [METHOD, SCHEME, token, PATH, HOST];
    cases.push(case("a field of the protocol behind others", &late));
    cases.push(raw("a frame of no stream", &frame(1, 5, 0, &block(usual))));
    cases.push(raw("an even stream", &frame(1, 5, 2, &block(usual))));
    cases.push(raw("data of no request", &frame(0, 1, 1, b"x")));
    cases.push(raw(
        "a head that goes on and does not",
        &[frame(1, 1, 1, &block(usual)), frame(6, 0, 0, &[0; 8])].concat(),
    ));
    cases.push(raw(
        "an index beyond the table",
        &frame(1, 5, 1, &[0xff, 0xff, 0xff, 0x0f]),
    ));
    cases.push(raw(
        "a length beyond the frame",
        &frame(1, 5, 1, &[0x00, 0x7f, 0xff, 0xff, 0x7f]),
    ));
    cases.push(raw(
        "a frame of 16 MiB",
        &[&[0xff, 0xff, 0xff, 1, 5, 0, 0, 0, 1][..], &[0; 100]].concat(),
    ));
    cases.push(raw(
        "a request in the words of HTTP/1.1",
        b"GET /orders/7 HTTP/1.1\r\nhost: shop\r\n\r\n",
    ));
    cases
}

fn case(name: &str, fields: &[Field<'_>]) -> Case {
    raw(name, &frame(1, 5, 1, &block(fields)))
}

/// The greeting, and then these frames.
fn raw(name: &str, frames: &[u8]) -> Case {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes.extend(frames);
    Case {
        is_http2: true,
        ..Case::new(name, bytes, Expected::AnyRefusal)
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// HPACK without compression.
fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            match text.len().checked_sub(127) {
                None => block.push(u8::try_from(text.len()).unwrap()),
                Some(rest) => {
                    let low = u8::try_from(rest % 128).unwrap() | 128;
                    block.extend([127, low, u8::try_from(rest / 128).unwrap()]);
                }
            }
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The same fields as the cases have, and nothing wrong: without it the others would prove nothing.
pub(crate) fn good(rig: &Rig) -> Vec<u8> {
    let good = format!("Bearer {}", rig.forge.good());
    case(
        "good",
        &[METHOD, SCHEME, PATH, HOST, ("authorization", &good)],
    )
    .bytes
}
