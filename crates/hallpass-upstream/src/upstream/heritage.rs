//! What an upstream hands on.

use std::sync::Arc;
use std::time::Duration;

use super::fleet::Fleet;
use super::instance_state::Common;
use crate::discovery::{Instance, Instances};

/// What an upstream knows, for the one that takes its place.
#[derive(Clone)]
pub(super) struct Heritage {
    pub(super) instances: Instances,
    pub(super) fleet: Arc<Fleet>,
    pub(super) confirmed_at: Duration,
    pub(super) begin_with: Option<Instance>,
    pub(super) common: Arc<Common>,
}
