//! A resource server configured by environment alone.
fn main() {}
