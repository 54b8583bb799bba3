//! The fuzz target without a fuzzer: connections, and what small damage makes of them.

use crate::damage::Damage;
use crate::entry;

const HEAD: &str = "POST /a HTTP/1.1\r\nhost: x\r\n";

#[test]
fn the_target_for_framing_runs() {
    let damage = Damage::new(&[
        b"\r\n",
        b"\n",
        b"\r",
        b"content-length: 3\r\n",
        b"content-length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"transfer-encoding: gzip, chunked\r\n",
        b"0\r\n\r\n",
        b"3\r\nabc\r\n",
        b";",
        b" ",
        b",",
        b":",
        b"GET /b HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\r\n\r\n",
        b"\0",
    ]);
    let chunked = "transfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n";
    let counted = "content-length: 3\r\n\r\nabc";
    let both = "content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let twice = "content-length: 3\r\ncontent-length: 3\r\n\r\nabc";
    let listed = "transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    let lines = "GET /a HTTP/1.1\nhost: x\n\n";
    // How many requests each connection brings to a service.
    let connections = [
        (format!("s{HEAD}{counted}{HEAD}{chunked}{HEAD}\r\n"), 3),
        (format!("s{HEAD}{chunked}{HEAD}{both}{HEAD}\r\n"), 1),
        (format!("s{HEAD}{counted}{HEAD}{twice}{HEAD}\r\n"), 1),
        (format!("s{HEAD}{listed}{HEAD}\r\n"), 0),
        (format!("s{HEAD}\r\n{lines}"), 1),
        (format!("l{HEAD}\r\n{lines}{lines}"), 3),
    ];
    for (connection, served) in &connections {
        assert_eq!(
            entry::served(connection.as_bytes()),
            *served,
            "{connection}"
        );
    }
    let seeds: Vec<Vec<u8>> = connections
        .into_iter()
        .map(|(connection, _)| connection.into_bytes())
        .collect();
    let seeds_in = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/framing");
    damage.run(entry::framing, &seeds, seeds_in);
}
