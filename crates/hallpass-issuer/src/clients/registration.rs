//! A client as it was registered, its secrets hashed; nothing is checked yet.

use std::time::Duration;

use crate::clients::grant_type::GrantTypes;
use crate::clients::secret::LiveSecret;

/// What the settings or the store say of one client.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) client_id: String,
    /// Scopes with single spaces between.
    pub(crate) scope: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) grants: GrantTypes,
    pub(crate) token_life: Duration,
    /// The current secret first.
    pub(crate) secrets: Vec<LiveSecret>,
}
