//! What becomes of streams whose token has ended.

use std::time::Duration;

use hallpass_config::Section;

/// What becomes of streams whose token has ended: responses and requests that take longer than it, and connections that were upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// `streams-end-with-token`: whether they end, then and when the token is taken back.
    pub ends: bool,
    /// `stream-grace-seconds`: how long after the end of the token, leeway included, they go on.
    pub grace: Duration,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            ends: true,
            grace: Duration::from_secs(30),
        }
    }
}

impl StreamSettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let ends = section.flag("streams-end-with-token");
        let grace = section.seconds("stream-grace-seconds");
        Some(Self {
            ends: ends?,
            grace: grace?,
        })
    }
}
