//! Who would be denied, as the metrics of services say.

mod advice;
mod exposition;
mod fetch;
mod identity;
mod report;

pub(crate) use fetch::{MAX_METRICS_BYTES, fetch};
pub(crate) use identity::Identity;
pub(crate) use report::{Route, Service, Terms};
