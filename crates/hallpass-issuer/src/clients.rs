//! Who may have which token: clients, their secrets, and where they come from.

pub(crate) mod first_client;
pub(crate) mod registry;
pub(crate) mod secret;
