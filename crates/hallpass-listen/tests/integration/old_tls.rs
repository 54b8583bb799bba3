//! A caller that speaks only older versions of TLS than the listener: written by hand, since the library speaks none.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::tls::{Asks, start};

/// A TLS record with the greeting of a caller that offers `version` at most, and suites and curves that the server has.
fn greeting(version: [u8; 2]) -> Vec<u8> {
    // ECDHE with ECDSA and with RSA, AES-128-GCM, and their forerunners with CBC of TLS 1.0.
    let suites = [0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x09, 0xc0, 0x13];
    // Curves (P-256), the form of points, and signatures (ECDSA with P-256, RSA-PSS).
    let extensions = [
        &[0, 10, 0, 4, 0, 2, 0, 23][..],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4],
    ]
    .concat();
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap_or_default().to_be_bytes();
    let hello = [
        &version[..],
        &[7; 32],
        &[0],
        &length(&suites),
        &suites,
        &[1, 0],
        &length(&extensions),
        &extensions,
    ]
    .concat();
    let message = [&[1, 0][..], &length(&hello), &hello].concat();
    [&[22, 3, 1][..], &length(&message), &message].concat()
}

#[tokio::test]
async fn a_caller_that_speaks_no_newer_tls_than_1_1_is_refused() {
    const HANDSHAKE: u8 = 22;
    const FATAL_PROTOCOL_VERSION: [u8; 2] = [2, 70];

    let rig = start(Asks::Nobody).await;
    for (version, is_old) in [([3, 1], true), ([3, 2], true), ([3, 3], false)] {
        let mut stream = rig.connect().await;
        stream.write_all(&greeting(version)).await.unwrap();
        let mut record = [0; 7];
        stream.read_exact(&mut record).await.unwrap();
        if is_old {
            assert_eq!(record[5..], FATAL_PROTOCOL_VERSION, "{version:?}");
            let mut rest = Vec::new();
            let _read = stream.read_to_end(&mut rest).await;
            assert!(rest.is_empty(), "{rest:?}");
        } else {
            assert_eq!(record[0], HANDSHAKE, "the greeting is a good one otherwise");
        }
    }
}
