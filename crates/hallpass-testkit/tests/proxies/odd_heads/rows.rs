//! What is sent, and who lets it on.

/// Who lets the request on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Both,
    Neither,
    /// And why ours does not.
    NginxAlone(&'static str),
    /// And why that is as good.
    OursAlone(&'static str),
}

const CHUNKS: &str = "2\r\nab\r\n0\r\n\r\n";

use By::{Both, Neither, NginxAlone, OursAlone};

const LF: &str =
    "a bare LF ends no line where lines are strict: others read on (RFC 9112 section 2.2)";
const NOT_A_FIELD: &str = "nginx passes over a line that is no field, others do not";
const TAB: &str =
    "a tab is white space around a value (RFC 9110 section 5.6.3), and is not handed on";
const CR: &str = "nginx passes over a CR before the end of a line";
const ODD_LINE: &str = "a request line has one form (RFC 9112 section 3)";

/// Fields behind `POST /odd HTTP/1.1` and a host, then the body.
const FIELDS: [(&str, &str, &str, By); 41] = [
    ("a length", "content-length: 2\r\n", "ab", Both),
    ("a length of nothing", "Content-Length: 0\r\n", "", Both),
    (
        "a length with spaces",
        "content-length:   2  \r\n",
        "ab",
        Both,
    ),
    (
        "a length with tabs",
        "content-length: \t2\t\r\n",
        "ab",
        OursAlone(TAB),
    ),
    ("chunks", "transfer-encoding: chunked\r\n", CHUNKS, Both),
    (
        "chunks in capitals",
        "TRANSFER-ENCODING: CHUNKED\r\n",
        CHUNKS,
        Both,
    ),
    (
        "length and chunks",
        "content-length: 2\r\ntransfer-encoding: chunked\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "chunks and length",
        "transfer-encoding: chunked\r\ncontent-length: 2\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "length 0 and chunks",
        "content-length: 0\r\ntransfer-encoding: chunked\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "a length twice",
        "content-length: 2\r\ncontent-length: 2\r\n",
        "ab",
        Neither,
    ),
    (
        "two lengths",
        "content-length: 2\r\ncontent-length: 3\r\n",
        "ab",
        Neither,
    ),
    (
        "a list of lengths",
        "content-length: 2, 2\r\n",
        "ab",
        Neither,
    ),
    (
        "a length with a sign",
        "content-length: +2\r\n",
        "ab",
        Neither,
    ),
    ("a negative length", "content-length: -2\r\n", "ab", Neither),
    (
        "a length in hexadecimal",
        "content-length: 0x2\r\n",
        "ab",
        Neither,
    ),
    (
        "no length behind its name",
        "content-length:\r\n",
        "ab",
        Neither,
    ),
    (
        "a length beyond 64 bits",
        "content-length: 18446744073709551618\r\n",
        "ab",
        Neither,
    ),
    (
        "a length of two numbers",
        "content-length: 2 2\r\n",
        "ab",
        Neither,
    ),
    (
        "a length in other digits",
        "content-length: \u{ff12}\r\n",
        "ab",
        Neither,
    ),
    (
        "a length on the next line",
        "content-length:\r\n 2\r\n",
        "ab",
        Neither,
    ),
    (
        "chunks twice",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "gzip before chunks",
        "transfer-encoding: gzip, chunked\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "chunks of chunks",
        "transfer-encoding: chunked, chunked\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "gzip in a field before",
        "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "identity behind",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "identity",
        "transfer-encoding: identity\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "no coding behind its name",
        "transfer-encoding:\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "a coding that is none",
        "transfer-encoding: xchunked\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "a coding with a parameter",
        "transfer-encoding: chunked;a=b\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "a coding in quotes",
        "transfer-encoding: \"chunked\"\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "a coding behind a control character",
        "transfer-encoding: \u{b}chunked\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "a NUL behind a coding",
        "transfer-encoding: chunked\0\r\n",
        CHUNKS,
        Neither,
    ),
    (
        "CR behind a coding",
        "transfer-encoding: chunked\r\r\n",
        CHUNKS,
        NginxAlone(CR),
    ),
    ("a NUL in a value", "a: x\0y\r\n", "", Neither),
    ("CR in a value", "a: x\ry\r\n", "", Neither),
    (
        "a name with a space behind",
        "content-length : 2\r\n",
        "ab",
        Neither,
    ),
    (
        "a coding with a space before its colon",
        "transfer-encoding : chunked\r\n",
        CHUNKS,
        Neither,
    ),
    ("an underscore in a name", "content_length: 7\r\n", "", Both),
    (
        "a line without a colon",
        "nothing\r\n",
        "",
        NginxAlone(NOT_A_FIELD),
    ),
    ("a space in a name", "a b: x\r\n", "", Neither),
    (
        "LF behind a field",
        "content-length: 2\n",
        "ab",
        NginxAlone(LF),
    ),
];

/// Chunked bodies.
const BODIES: [(&str, &str, By); 14] = [
    ("an extension", "2;a=b\r\nab\r\n0;c\r\n\r\n", Both),
    ("a space behind a size", "2 \r\nab\r\n0\r\n\r\n", Both),
    ("a trailer", "2\r\nab\r\n0\r\nx: y\r\n\r\n", Both),
    ("zeros before a size", "0002\r\nab\r\n000\r\n\r\n", Both),
    ("a size of letters", "zz\r\nab\r\n0\r\n\r\n", Neither),
    ("a size with a sign", "+2\r\nab\r\n0\r\n\r\n", Neither),
    (
        "a size in hexadecimal notation",
        "0x2\r\nab\r\n0\r\n\r\n",
        Neither,
    ),
    (
        "a size beyond 64 bits",
        "10000000000000002\r\nab\r\n0\r\n\r\n",
        Neither,
    ),
    ("no size", "\r\nab\r\n0\r\n\r\n", Neither),
    ("a space before a size", " 2\r\nab\r\n0\r\n\r\n", Neither),
    ("a chunk that is longer", "2\r\nabc\r\n0\r\n\r\n", Neither),
    ("LF behind a size", "2\nab\r\n0\r\n\r\n", NginxAlone(LF)),
    ("LF behind a chunk", "2\r\nab\n0\r\n\r\n", NginxAlone(LF)),
    ("LF in an extension", "2;a\nab\r\n0\r\n\r\n", NginxAlone(LF)),
];

/// Whole heads.
const HEADS: [(&str, &str, By); 20] = [
    (
        "an empty line before",
        "\r\nGET /odd HTTP/1.1\r\nhost: x\r\n\r\n",
        Both,
    ),
    (
        "HTTP/1.0 that stays",
        "GET /odd HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\n\r\n",
        Both,
    ),
    (
        "HTTP/1.0 with chunks",
        "POST /odd HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        Neither,
    ),
    ("no host", "GET /odd HTTP/1.1\r\n\r\n", Neither),
    (
        "two hosts",
        "GET /odd HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        Neither,
    ),
    (
        "the same host twice",
        "GET /odd HTTP/1.1\r\nhost: x\r\nhost: x\r\n\r\n",
        Neither,
    ),
    (
        "a path in the host",
        "GET /odd HTTP/1.1\r\nhost: x/y\r\n\r\n",
        Neither,
    ),
    (
        "HTTP/2.0 in a line",
        "GET /odd HTTP/2.0\r\nhost: x\r\n\r\n",
        Neither,
    ),
    (
        "a small version",
        "GET /odd http/1.1\r\nhost: x\r\n\r\n",
        Neither,
    ),
    (
        "something behind the version",
        "GET /odd HTTP/1.1 x\r\nhost: x\r\n\r\n",
        Neither,
    ),
    (
        "tabs in the line",
        "GET\t/odd\tHTTP/1.1\r\nhost: x\r\n\r\n",
        Neither,
    ),
    (
        "a space in the target",
        "GET /odd d HTTP/1.1\r\nhost: x\r\n\r\n",
        Neither,
    ),
    (
        "a control character in the target",
        "GET /odd\u{1} HTTP/1.1\r\nhost: x\r\n\r\n",
        Neither,
    ),
    (
        "a name that is not ASCII",
        "GET /odd HTTP/1.1\r\nhost: x\r\n\u{e9}: x\r\n\r\n",
        NginxAlone(NOT_A_FIELD),
    ),
    (
        "a space before the first name",
        "GET /odd HTTP/1.1\r\n a: b\r\nhost: x\r\n\r\n",
        Neither,
    ),
    (
        "LF everywhere",
        "GET /odd HTTP/1.1\nhost: x\n\n",
        NginxAlone(LF),
    ),
    (
        "LF at the end of the head",
        "GET /odd HTTP/1.1\r\nhost: x\r\n\n",
        NginxAlone(LF),
    ),
    (
        "LF before",
        "\nGET /odd HTTP/1.1\r\nhost: x\r\n\r\n",
        NginxAlone(LF),
    ),
    (
        "two spaces in the line",
        "GET  /odd HTTP/1.1\r\nhost: x\r\n\r\n",
        NginxAlone(ODD_LINE),
    ),
    (
        "a method in small letters",
        "get /odd HTTP/1.1\r\nhost: x\r\n\r\n",
        OursAlone("a method is any word, and no route has that one"),
    ),
];

/// Every row as bytes, with what comes of it.
pub(super) fn rows() -> Vec<(&'static str, String, By)> {
    const HEAD: &str = "POST /odd HTTP/1.1\r\nhost: x\r\n";
    let mut rows = Vec::new();
    for (name, fields, body, by) in FIELDS {
        rows.push((name, format!("{HEAD}{fields}\r\n{body}"), by));
    }
    for (name, body, by) in BODIES {
        let text = format!("{HEAD}transfer-encoding: chunked\r\n\r\n{body}");
        rows.push((name, text, by));
    }
    rows.extend(HEADS.map(|(name, text, by)| (name, text.to_owned(), by)));
    rows
}
