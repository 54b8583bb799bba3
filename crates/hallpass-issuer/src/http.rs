//! What is seen from outside: routes, addresses, and the documents that are read with GET.
//!
//! [`router`] alone knows what requests share; the documents are functions of what they show.

pub(crate) mod health;
pub(crate) mod jwks;
pub(crate) mod metadata;
pub(crate) mod public_urls;
pub(crate) mod response;
pub(crate) mod router;
