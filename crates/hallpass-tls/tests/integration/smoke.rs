//! The fuzz target without a fuzzer: requests of `openssl req`, and what small damage makes of them.

use crate::csr;
use crate::damage::Damage;
use crate::entry;

#[test]
fn damaged_requests_are_refused_or_have_the_key_that_signed_them() {
    let damage = Damage::new(&[
        b"\x30",
        b"\x30\x80",
        b"\x82\x00\x01",
        b"\xa0\x00",
        b"\x02\x01\x00",
        b"\x03\x01\x00",
        b"\xff",
        b"\0",
        b"A",
        b"=",
        b"\n",
        b"-----BEGIN CERTIFICATE REQUEST-----",
        b"-----END CERTIFICATE REQUEST-----",
        b" NEW",
    ]);
    let seeds = [csr::P256, csr::P384, csr::ED25519, csr::RSA].map(<[u8]>::to_vec);
    let seeds_in = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/csr");
    damage.run(entry::csr, &seeds, seeds_in);
}
