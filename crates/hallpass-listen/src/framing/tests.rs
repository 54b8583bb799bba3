//! The guard alone: what it says of requests, whole and in pieces.

use proptest::prelude::*;

use super::{Fault, Framing};

const HEAD: &str = "POST /a HTTP/1.1\r\nhost: x\r\n";
const CHUNKS: &str = "\r\n\r\n2\r\nab\r\n0\r\n\r\n";

/// Heads of requests without a fault, and the fault behind them.
fn seen(parts: &[&[u8]], strict_lines: bool) -> (u64, Option<Fault>) {
    let (mut framing, noted) = Framing::new(strict_lines);
    for part in parts {
        framing.see(part);
    }
    let mut served = 0;
    while served < framing.heads {
        assert_eq!(noted.next_request(), None);
        served += 1;
    }
    (served, noted.next_request())
}

/// Fields behind [`HEAD`], by what nginx 1.22.1 says of them; what follows the fields is chunked unless it stands there.
const AS_NGINX: [(Option<Fault>, &[&str]); 4] = [
    (
        None,
        &[
            "content-length: 2\r\n\r\nab",
            "Content-Length:2 \t\r\n\r\nab",
            "content-length: 0\r\n\r\n",
            "content-lengths: 1\r\ncontent-length: 0\r\n\r\n",
            "x: transfer-encoding: gzip\r\n\r\n",
            "transfer-encoding: Chunked",
            "TRANSFER-ENCODING:chunked  ",
        ],
    ),
    (
        Some(Fault::Lengths),
        &[
            "content-length: 2\r\ntransfer-encoding: chunked",
            "transfer-encoding: chunked\r\ncontent-length: 2",
            "content-length: 0\r\nX: y\r\ntransfer-encoding: chunked",
            "content-length: 2\r\ncontent-length: 2\r\n\r\nab",
            "content-length: 2\r\ncontent-length: 3\r\n\r\nabc",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "transfer-encoding: gzip\r\ntransfer-encoding: chunked",
        ],
    ),
    (
        Some(Fault::Unclear),
        &[
            "content-length: 2, 2\r\n\r\nab",
            "content-length: +2\r\n\r\nab",
            "content-length: 0x2\r\n\r\nab",
            "content-length:\r\n\r\n",
            "content-length: 99999999999999999999\r\n\r\n",
        ],
    ),
    (
        Some(Fault::Coding),
        &[
            "transfer-encoding: gzip, chunked",
            "transfer-encoding: chunked, chunked",
            "transfer-encoding: identity",
            "transfer-encoding: chunked;a=b",
            "transfer-encoding:",
            "transfer-encoding: gzip, chunked\r\ncontent-length: 2",
        ],
    ),
];

fn as_nginx() -> impl Iterator<Item = (String, Option<Fault>)> {
    AS_NGINX.into_iter().flat_map(|(fault, all)| {
        all.iter().map(move |fields| {
            let has_body = fields.contains("\r\n\r\n");
            let body = if has_body { "" } else { CHUNKS };
            (format!("{HEAD}{fields}{body}"), fault)
        })
    })
}

#[test]
fn what_nginx_refuses_for_its_framing_is_a_fault_and_nothing_else() {
    for (request, fault) in as_nginx() {
        // A second request shows that the end of the first was found.
        let pipelined = format!("{request}GET /b HTTP/1.1\r\nhost: x\r\n\r\n");
        let heads = if fault.is_some() { 0 } else { 2 };
        let found = seen(&[pipelined.as_bytes()], true);
        assert_eq!(found, (heads, fault), "{request}");
    }
}

#[test]
fn the_same_is_seen_wherever_the_bytes_are_split() {
    for (request, fault) in as_nginx() {
        let text = format!("{request}{HEAD}content-length: 1\r\ncontent-length: 1\r\n\r\n");
        let bytes = text.as_bytes();
        let whole = seen(&[bytes], false);
        assert!(whole.1.is_some(), "{text}");
        assert_eq!(whole.0, u64::from(fault.is_none()));
        for at in 0..bytes.len() {
            let (begin, end) = bytes.split_at(at);
            assert_eq!(seen(&[begin, end], false), whole, "{text} at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(seen(&single, false), whole, "{text}");
    }
}

#[test]
fn a_bare_lf_ends_a_line_and_is_a_fault_where_lines_are_strict() {
    for text in [
        "POST /a HTTP/1.1\nhost: x\ncontent-length: 2\n\nab",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\nab",
        "\nPOST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab",
    ] {
        for part in [1, text.len()] {
            let parts: Vec<&[u8]> = text.as_bytes().chunks(part).collect();
            assert_eq!(seen(&parts, false), (1, None), "{text}");
            assert_eq!(seen(&parts, true), (0, Some(Fault::Lines)), "{text}");
        }
    }
    let two = "POST /a HTTP/1.1\ntransfer-encoding: chunked\ncontent-length: 2\n\n0\r\n\r\n";
    let found = seen(&[two.as_bytes()], false);
    assert_eq!(found, (0, Some(Fault::Lengths)));
}

#[test]
fn a_chunked_body_that_others_may_end_elsewhere_is_a_fault_of_what_follows() {
    let after = "GET /b HTTP/1.1\r\nhost: x\r\n\r\n";
    for (body, fault) in [
        ("2\r\nab\r\n0\r\n\r\n", None),
        ("2 \t;a=b\r\nab\r\n00;c\r\nx: y\r\nz: y\r\n\r\n", None),
        ("A\r\n0\r\n\r\nabcde\r\n0\r\n\r\n", None),
        ("0\r\nx: y\n\r\n", Some(Fault::Lines)),
        ("0\r\n\n", Some(Fault::Lines)),
        ("2;a\nab\r\n0\r\n\r\n", Some(Fault::Lines)),
        ("2\nab\r\n0\r\n\r\n", Some(Fault::Unclear)),
        ("2\r\nabc\r\n0\r\n\r\n", Some(Fault::Unclear)),
        ("2\r\nab\n0\r\n\r\n", Some(Fault::Unclear)),
        ("0x2\r\nab\r\n0\r\n\r\n", Some(Fault::Unclear)),
        (" 2\r\nab\r\n0\r\n\r\n", Some(Fault::Unclear)),
        ("2 2\r\nab\r\n0\r\n\r\n", Some(Fault::Unclear)),
        ("10000000000000002\r\nab\r\n0\r\n\r\n", Some(Fault::Unclear)),
        ("\r\n", Some(Fault::Unclear)),
    ] {
        let text = format!("{HEAD}transfer-encoding: chunked\r\n\r\n{body}{after}");
        let heads = if fault.is_some() { 1 } else { 2 };
        for part in [1, 7, text.len()] {
            let parts: Vec<&[u8]> = text.as_bytes().chunks(part).collect();
            assert_eq!(seen(&parts, false), (heads, fault), "{body}");
        }
    }
}

#[test]
fn a_length_that_is_padded_beyond_the_limit_is_a_fault_however_it_comes() {
    let spaces = " ".repeat(64);
    for (field, value, fault) in [
        ("content-length", "2", Fault::Unclear),
        ("transfer-encoding", "chunked", Fault::Coding),
    ] {
        let text = format!("{HEAD}{field}:{spaces}{value}\r\n\r\n");
        for part in [1, 50, text.len()] {
            let parts: Vec<&[u8]> = text.as_bytes().chunks(part).collect();
            assert_eq!(seen(&parts, false), (0, Some(fault)), "{field}");
        }
    }
}

#[test]
fn after_http_nothing_is_read_and_nothing_served() {
    let (mut framing, noted) = Framing::new(true);
    framing.see(b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: echo\r\n\r\n");
    assert_eq!(noted.next_request(), None);
    noted.http_is_over();
    framing.see(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(framing.heads, 1);
    assert_eq!(noted.next_request(), Some(Fault::Unclear));
}

/// A request that everybody reads as one.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let field = prop_oneof![
        "[a-z]{1,12}: [ -~]{0,90}",
        Just("Content-Type: text/plain".to_owned()),
        Just("transfer-encodings: gzip".to_owned()),
        Just("content-lengt: 7".to_owned()),
    ];
    let fields = prop::collection::vec(field, 0..6);
    let data = prop::collection::vec(any::<u8>(), 0..80);
    let body = prop_oneof![
        Just(b"\r\n".to_vec()),
        data.clone().prop_map(|data| {
            let head = format!("Content-Length: {}\r\n\r\n", data.len());
            [head.as_bytes(), &data].concat()
        }),
        prop::collection::vec(data, 0..4).prop_map(|chunks| {
            let mut body = b"Transfer-Encoding: chunked\r\n\r\n".to_vec();
            for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
                body.extend(format!("{:X}\r\n", chunk.len()).bytes());
                body.extend(chunk);
                body.extend(b"\r\n");
            }
            body.extend(b"0\r\n\r\n");
            body
        }),
    ];
    (any::<bool>(), fields, body).prop_map(|(has_empty_line, fields, body)| {
        let mut bytes = Vec::new();
        if has_empty_line {
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"POST /content-length:5 HTTP/1.1\r\nhost: x\r\n");
        for field in fields {
            bytes.extend(field.bytes());
            bytes.extend(b"\r\n");
        }
        bytes.extend(body);
        bytes
    })
}

proptest! {
    #[test]
    fn every_head_of_a_valid_pipeline_is_seen_and_none_has_a_fault(
        requests in prop::collection::vec(request(), 0..6),
        part in 1_usize..200,
    ) {
        let bytes = requests.concat();
        let parts: Vec<&[u8]> = bytes.chunks(part).collect();
        let count = u64::try_from(requests.len()).unwrap();
        prop_assert_eq!(seen(&parts, true), (count, None));
    }

    #[test]
    fn no_bytes_make_the_guard_panic_or_differ_by_their_pieces(
        bytes in prop::collection::vec(prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            Just(b"\r\n".to_vec()),
            Just(b"GET / HTTP/1.1\r\n".to_vec()),
            Just(b"content-length: 3\r\n".to_vec()),
            Just(b"transfer-encoding: chunked\r\n".to_vec()),
            Just(b"0\r\n\r\n".to_vec()),
        ], 0..40),
        part in 1_usize..40,
    ) {
        let bytes = bytes.concat();
        let parts: Vec<&[u8]> = bytes.chunks(part).collect();
        prop_assert_eq!(seen(&parts, false), seen(&[&bytes], false));
    }
}

/// `cargo test --release -p hallpass-listen --lib figures_of -- --ignored --nocapture`
#[test]
#[ignore = "figures: in a release build"]
fn figures_of_the_guard() {
    use hallpass_clock::{Clock as _, SystemClock};
    use std::hint::black_box;
    use std::io::Write as _;

    let mut head = String::from(
        "GET /orders/7 HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
         Accept: application/json\r\nAccept-Language: en-GB,en;q=0.5\r\nX-Request-Id: 5f0c1b1e2d3a4f5e\r\nAuthorization: Bearer ",
    );
    while head.len() < 396 {
        head.push('a');
    }
    head.push_str("\r\n\r\n");
    let clock = SystemClock::new();
    let mut rounds: Vec<_> = (0..200)
        .map(|_| {
            let (mut framing, _noted) = Framing::new(true);
            let began = clock.monotonic();
            for _ in 0..10_000 {
                framing.see(black_box(head.as_bytes()));
            }
            let took = (clock.monotonic() - began).as_secs_f64() / 10_000.0 * 1e9;
            assert_eq!(framing.heads, 10_000);
            took
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let _unheard = writeln!(
        std::io::stderr(),
        "a head of {} bytes in 7 lines: median {:.0} ns, p99 {:.0} ns",
        head.len(),
        rounds[100],
        rounds[197]
    );
}
