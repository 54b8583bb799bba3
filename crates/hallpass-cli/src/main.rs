//! The `hallpass` executable.
fn main() {}
