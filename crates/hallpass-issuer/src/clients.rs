//! Who may have which token: clients, their secrets and grants, and where they come from.
//!
//! A [`registration`] comes from the settings ([`configured`]) or from the store, and becomes a client of the
//! [`registry`], the snapshot that requests read.

pub(crate) mod argon2id;
pub(crate) mod assertion_rule;
pub(crate) mod authentication;
pub(crate) mod certificate_names;
pub(crate) mod client_document;
pub(crate) mod client_fault;
pub(crate) mod client_keys;
pub(crate) mod configured;
pub(crate) mod exchange_rule;
pub(crate) mod first_client;
pub(crate) mod key_network;
pub(crate) mod moment;
pub(crate) mod profile;
pub(crate) mod registration;
pub(crate) mod registry;
pub(crate) mod revision;
pub(crate) mod secret;
pub(crate) mod secret_digest;
pub(crate) mod secret_mark;
pub(crate) mod stored_registration;
