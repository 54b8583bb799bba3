//! The one reading of a request path that policy and handler share.
//!
//! A path that two programs could read differently is refused instead of repaired: a repaired path would be matched
//! by the policy and not be the one that the handler sees. Nothing is rewritten here.

mod escape;
mod fault;
mod loosest;
mod normal;
mod request;

pub use self::escape::EncodedCharacters;
pub use self::fault::PathFault;
pub use self::normal::NormalPath;
pub(crate) use self::request::RequestPath;
