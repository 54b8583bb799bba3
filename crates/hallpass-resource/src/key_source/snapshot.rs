//! The keys of one moment.

use std::sync::Arc;

use hallpass_token::JwkSet;
use http::HeaderValue;

use super::freshness::Freshness;

/// The keys as they were at one moment. Never changes; a fetch makes a new one.
#[derive(Debug)]
pub struct KeySnapshot {
    pub(super) keys: Arc<JwkSet>,
    pub(super) etag: Option<HeaderValue>,
    pub(super) freshness: Freshness,
    pub(super) epoch: u64,
}

impl KeySnapshot {
    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &JwkSet {
        &self.keys
    }

    /// Grows by one whenever a key leaves the set (or changes), and not when keys are added: what was verified under
    /// an earlier epoch must be verified anew.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}
