//! Who would be denied, as the metrics of services say.

mod advice;
mod exposition;
mod fetch;
mod report;

pub(crate) use fetch::{MAX_METRICS_BYTES, fetch};
pub(crate) use report::{Route, Service, Terms};
