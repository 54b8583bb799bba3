//! The clients: each by its number.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Services that the clients call; each client may call two of them.
const SERVICES: u32 = 50;

/// As services are called: the numbers stand in no other name.
pub(super) fn name(number: u32) -> String {
    format!("client-{number:07}-a")
}

/// A secret of the generated shape.
pub(super) fn secret(number: u32) -> String {
    let bytes = digest(&SHA256, &number.to_be_bytes());
    format!("hallpass_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// `Authorization` of a client.
pub(super) fn authorization(number: u32) -> String {
    let pair = format!("{}:{}", name(number), secret(number));
    format!("Basic {}", STANDARD.encode(pair))
}

/// A service that the client may call.
pub(super) const fn audience(number: u32) -> u32 {
    number % SERVICES
}

/// Another one.
pub(super) const fn other_audience(number: u32) -> u32 {
    (number + 7) % SERVICES
}
