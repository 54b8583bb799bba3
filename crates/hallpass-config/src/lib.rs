//! YAML, environment and files into checked settings: every problem at once, no secret echoed.

pub mod clock;
pub mod environment;
mod loader;
mod problem;
mod secret;
pub mod settings;

pub use clock::{Clock, SystemClock};
pub use loader::{Loaded, Loader};
pub use problem::{Problem, Problems};
pub use secret::Secret;
pub use settings::*;
