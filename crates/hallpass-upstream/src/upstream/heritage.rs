//! What an upstream hands on.

use std::sync::Arc;

use super::fleet::Fleet;
use super::instance_state::Common;
use crate::discovery::{Instance, Instances};

/// What an upstream knows, for the one that takes its place.
#[derive(Clone)]
pub(super) struct Heritage {
    pub(super) instances: Instances,
    pub(super) fleet: Arc<Fleet>,
    /// In nanoseconds.
    pub(super) confirmed_at: u64,
    pub(super) begin_with: Option<Instance>,
    pub(super) common: Arc<Common>,
}
