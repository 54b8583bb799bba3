//! What is seen from outside: routes, addresses, and the documents that are read with GET.

pub(crate) mod documents;
pub(crate) mod metadata;
pub(crate) mod public_urls;
pub(crate) mod router;
