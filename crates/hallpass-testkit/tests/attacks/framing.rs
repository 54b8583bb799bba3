//! Requests whose end two programs see at different places: a second one hides in the body of the first, with a good token.

use crate::case::{Case, Expected};
use crate::rig::Rig;

pub(crate) fn cases(rig: &Rig) -> Vec<Case> {
    let good = rig.forge.good();
    let mut cases = lengths(&good);
    cases.extend(chunks(&good));
    cases.extend(heads(&good));
    cases
}

/// What must never be handled: whoever sees the first request only has let in nothing of it.
fn hidden(good: &str) -> String {
    format!("GET /orders/7 HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {good}\r\n\r\n")
}

/// A request that nobody may make, with these lines about its body.
fn first(lines: &str) -> String {
    format!("POST /orders HTTP/1.1\r\nhost: shop\r\n{lines}\r\n")
}

fn with_hidden(name: &str, lines: &str, body: &str, good: &str) -> Case {
    let text = format!("{}{body}{}", first(lines), hidden(good));
    Case::new(name, text, Expected::AnyRefusal)
}

pub(crate) fn lengths(good: &str) -> Vec<Case> {
    let whole = hidden(good).len();
    let mut cases = Vec::new();
    for (name, lines) in [
        (
            "two lengths",
            format!("content-length: 0\r\ncontent-length: {whole}\r\n"),
        ),
        (
            "two lengths, the longer first",
            format!("content-length: {whole}\r\ncontent-length: 0\r\n"),
        ),
        (
            "a list of lengths",
            format!("content-length: 0, {whole}\r\n"),
        ),
        ("a negative length", "content-length: -1\r\n".to_owned()),
        ("a length with a sign", "content-length: +0\r\n".to_owned()),
        (
            "a length in hexadecimal",
            "content-length: 0x0\r\n".to_owned(),
        ),
        (
            "a length with a point",
            "content-length: 0.0\r\n".to_owned(),
        ),
        ("an empty length", "content-length:\r\n".to_owned()),
        ("a length of letters", "content-length: none\r\n".to_owned()),
        (
            "a length with a space inside",
            "content-length: 0 0\r\n".to_owned(),
        ),
        (
            "a length beyond 64 bits",
            "content-length: 18446744073709551616\r\n".to_owned(),
        ),
        (
            "a name with a space behind",
            "content-length : 0\r\n".to_owned(),
        ),
        (
            "a name with a tab behind",
            "content-length\t: 0\r\n".to_owned(),
        ),
        (
            "a line that goes on",
            "content-length:\r\n 0\r\n".to_owned(),
        ),
        (
            "a length in other digits",
            "content-length: \u{ff10}\r\n".to_owned(),
        ),
    ] {
        cases.push(with_hidden(name, &lines, "", good));
    }
    cases
}

pub(crate) fn chunks(good: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, lines) in [
        (
            "length and chunks",
            "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        ),
        (
            "chunks and length",
            "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        ),
        (
            "length 0 and chunks",
            "content-length: 0\r\ntransfer-encoding: chunked\r\n",
        ),
        (
            "chunked is not the last",
            "transfer-encoding: chunked, identity\r\n",
        ),
        ("another coding", "transfer-encoding: xchunked\r\n"),
        ("gzip alone", "transfer-encoding: gzip\r\n"),
        ("identity", "transfer-encoding: identity\r\n"),
        ("an empty coding", "transfer-encoding:\r\n"),
        ("a quoted coding", "transfer-encoding: \"chunked\"\r\n"),
        (
            "a coding with a parameter",
            "transfer-encoding: chunked;x=y\r\n",
        ),
        (
            "a name with a space behind",
            "transfer-encoding : chunked\r\n",
        ),
        (
            "a coding on the next line",
            "transfer-encoding:\r\n chunked\r\n",
        ),
        ("a control character", "transfer-encoding: \u{b}chunked\r\n"),
        ("a NUL", "transfer-encoding: chunked\0\r\n"),
        (
            "one after another",
            "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        ),
    ] {
        cases.push(with_hidden(name, lines, "0\r\n\r\n", good));
    }
    let chunked = "transfer-encoding: chunked\r\n";
    for (name, body) in [
        ("a size of letters", "zz\r\n"),
        ("a size with a sign", "+0\r\n\r\n"),
        ("a negative size", "-1\r\n\r\n"),
        ("a size in hexadecimal notation", "0x0\r\n\r\n"),
        ("a size beyond 64 bits", "10000000000000000\r\n"),
        ("an empty size", "\r\n\r\n"),
        ("a size with a space before", " 0\r\n\r\n"),
        ("no end of line behind a chunk", "1\r\nAB\r\n0\r\n\r\n"),
        ("LF behind a size", "0\n\r\n"),
        ("CR behind a size", "0\r\r\n"),
        ("LF in an extension", "0;a\nb\r\n\r\n"),
    ] {
        cases.push(with_hidden(&format!("chunks: {name}"), chunked, body, good));
    }
    let long = format!("1;{}\r\nA\r\n0\r\n\r\n", "x".repeat(40_000));
    cases.push(with_hidden(
        "chunks: an extension of 40 KB",
        chunked,
        &long,
        good,
    ));
    cases
}

pub(crate) fn heads(good: &str) -> Vec<Case> {
    let mut cases = versions(good);
    cases.extend(fields(good));
    cases.extend(others(good));
    cases
}

fn case((name, text): (&str, String)) -> Case {
    Case::new(name, text, Expected::AnyRefusal)
}

/// Versions that are none, or not spoken.
fn versions(good: &str) -> Vec<Case> {
    let bearer = format!("authorization: Bearer {good}\r\n");
    let texts = [
        ("HTTP/0.9", "GET /orders/7\r\n\r\n".to_owned()),
        (
            "HTTP/0.9 with a version",
            format!("GET /orders/7 HTTP/0.9\r\nhost: shop\r\n{bearer}\r\n"),
        ),
        (
            "HTTP/1.2",
            format!("GET /orders/7 HTTP/1.2\r\nhost: shop\r\n{bearer}\r\n"),
        ),
        (
            "HTTP/2.0 in a line",
            format!("GET /orders/7 HTTP/2.0\r\nhost: shop\r\n{bearer}\r\n"),
        ),
        (
            "http/1.1",
            format!("GET /orders/7 http/1.1\r\nhost: shop\r\n{bearer}\r\n"),
        ),
        (
            "HTTP/1.1 with something behind",
            format!("GET /orders/7 HTTP/1.1 x\r\nhost: shop\r\n{bearer}\r\n"),
        ),
        (
            "no version",
            format!("GET /orders/7 \r\nhost: shop\r\n{bearer}\r\n"),
        ),
        (
            "HTTP/1.0 with chunks",
            format!(
                "POST /orders HTTP/1.0\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{}",
                hidden(good)
            ),
        ),
    ];
    texts.map(case).to_vec()
}

/// Fields that two programs read differently.
fn fields(good: &str) -> Vec<Case> {
    let bearer = format!("authorization: Bearer {good}\r\n");
    let texts = [
        (
            "a field without a colon",
            format!("GET /orders/7 HTTP/1.1\r\nhost: shop\r\n{bearer}nothing\r\n\r\n"),
        ),
        (
            "a field without a name",
            format!("GET /orders/7 HTTP/1.1\r\nhost: shop\r\n{bearer}: x\r\n\r\n"),
        ),
        (
            "a space in a name",
            format!("GET /orders/7 HTTP/1.1\r\nhost: shop\r\n{bearer}a b: x\r\n\r\n"),
        ),
        (
            "a space behind a name",
            format!(
                "GET /orders/7 HTTP/1.1\r\nhost: shop\r\nauthorization : Bearer {good}\r\n\r\n"
            ),
        ),
        (
            "a space before the first name",
            format!("GET /orders/7 HTTP/1.1\r\n host: shop\r\n{bearer}\r\n"),
        ),
        (
            "a name that is not ASCII",
            format!("GET /orders/7 HTTP/1.1\r\nhost: shop\r\n{bearer}\u{e9}: x\r\n\r\n"),
        ),
        (
            "a NUL in a value",
            format!("GET /orders/7 HTTP/1.1\r\nhost: shop\r\n{bearer}a: x\0y\r\n\r\n"),
        ),
        (
            "a CR in a value",
            format!("GET /orders/7 HTTP/1.1\r\nhost: shop\r\n{bearer}a: x\ry\r\n\r\n"),
        ),
        (
            "a value that goes on",
            format!(
                "GET /orders/7 HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer\r\n {good}\r\n\r\n"
            ),
        ),
    ];
    texts.map(case).to_vec()
}

/// Too much, too little, and other protocols.
fn others(good: &str) -> Vec<Case> {
    let bearer = format!("authorization: Bearer {good}\r\n");
    let many = "x: y\r\n".repeat(500);
    let large = format!("x: {}\r\n", "y".repeat(70_000));
    let texts = [
        (
            "500 fields",
            format!("GET /orders/7 HTTP/1.1\r\nhost: shop\r\n{bearer}{many}\r\n"),
        ),
        (
            "a field of 70 KB",
            format!("GET /orders/7 HTTP/1.1\r\nhost: shop\r\n{bearer}{large}\r\n"),
        ),
        (
            "a path of 70 KB",
            format!(
                "GET /{} HTTP/1.1\r\nhost: shop\r\n{bearer}\r\n",
                "x".repeat(70_000)
            ),
        ),
        (
            "half of a head",
            format!("GET /orders/7 HTTP/1.1\r\nhost: shop\r\n{bearer}"),
        ),
        ("TLS", "\u{16}\u{3}\u{1}\0\u{5}hello".to_owned()),
        ("SMTP", "EHLO evil.example\r\n".to_owned()),
        (
            "a PROXY line",
            format!("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n{}", hidden(good)),
        ),
        ("zeros", "\0".repeat(100)),
        ("half of a preface", "PRI * HTTP/2.0\r\n\r\nSM".to_owned()),
        (
            "a preface that is none",
            format!("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n{}", hidden(good)),
        ),
    ];
    texts.map(case).to_vec()
}
