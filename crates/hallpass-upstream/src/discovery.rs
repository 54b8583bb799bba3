//! From a service name (`lb://service-auth`) to the addresses that answer for it.

mod discover;
mod fixed;
mod instance;
mod instances;
mod member;
mod outage_memory;
mod place;

pub(crate) use discover::DEFAULT_OUTAGE_MEMORY;
pub use discover::{Discover, DiscoverError};
pub use fixed::StaticDiscovery;
pub use instance::{Instance, InvalidInstance};
pub use instances::Instances;
pub use member::Member;
pub use outage_memory::OutageMemory;
pub use place::Place;

#[cfg(test)]
mod tests;
