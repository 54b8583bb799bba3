//! Whose identity a call carries, by where in a request's work it is made.
//!
//! The point of the second seed: switch a circuit breaker on, and the call runs on another thread where
//! the token is lost. Each place where work can run has a test here, and so has each place where the
//! identity must *not* be found.

mod carried;
mod elsewhere;
mod found;
mod not_found;
pub(crate) mod rig;
