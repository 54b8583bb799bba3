//! Ed25519 keys that verify what nobody signed.
//!
//! The library takes any 32 bytes for a key. Points of small order are keys for which signatures can be made without
//! a private key; no honest generator ever makes one.

/// The `y` coordinates of the points of order 1, 2, 4 and 8, little endian, without the sign of `x`.
const SMALL_ORDER: [[u8; 32]; 5] = [
    with_ends(0, 0, 0),
    with_ends(1, 0, 0),
    with_ends(0xec, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

const fn with_ends(first: u8, between: u8, last: u8) -> [u8; 32] {
    let mut bytes = [between; 32];
    let [lowest, .., highest] = &mut bytes;
    *lowest = first;
    *highest = last;
    bytes
}

/// Whether a public key is of small order, or a number that RFC 8032 section 5.1.3 does not decode (2^255 - 19 and up).
///
/// A `y` that belongs to no point is not found here; such a key verifies nothing.
pub(super) fn is_weak(key: &[u8; 32]) -> bool {
    let mut y = *key;
    let [lowest, between @ .., highest] = &mut y;
    *highest &= 0x7f;
    let too_large = *lowest >= 0xed && *highest == 0x7f && between.iter().all(|byte| *byte == 0xff);
    too_large || SMALL_ORDER.contains(&y)
}

#[cfg(test)]
mod tests {
    use super::{is_weak, with_ends};

    #[test]
    fn numbers_from_the_fields_prime_up_are_weak_and_those_beside_them_are_not() {
        for weak in [0xed, 0xee, 0xff] {
            assert!(is_weak(&with_ends(weak, 0xff, 0x7f)));
            assert!(
                is_weak(&with_ends(weak, 0xff, 0xff)),
                "whatever the sign of x"
            );
        }
        for sound in [
            with_ends(0xeb, 0xff, 0x7f),
            with_ends(0xed, 0xff, 0x7e),
            with_ends(0xed, 0xfe, 0x7f),
            with_ends(0x05, 0x00, 0x7f),
        ] {
            assert!(!is_weak(&sound), "{sound:02x?}");
        }
    }
}
