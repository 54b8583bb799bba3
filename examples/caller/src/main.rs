//! A token client configured by environment alone.
fn main() {}
