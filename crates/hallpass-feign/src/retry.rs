//! How often and how fast a call may be sent again; the layer that does it is `layers::retry`.

pub(crate) mod backoff;
pub(crate) mod budget;
