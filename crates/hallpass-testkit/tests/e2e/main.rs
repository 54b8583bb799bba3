//! The parts of Hallpass together, over real sockets.

// The lints that spare tests look for this attribute, also in a test binary.
#[cfg(test)]
mod child;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod identity;
