//! What a grant decides by.

use std::sync::Arc;

use hallpass_token::{Issuer, RevocationList};

use crate::clients::registry::{Client, Registry};
use crate::keys::ring::Stage;
use crate::token::attempt::Attempt;
use crate::token::possession::Possession;
use crate::token::request::TokenRequest;

/// One state of the issuer, one client and what it asks for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'c, 'r> {
    pub(crate) issuer: &'r Issuer,
    /// All clients, as they are registered now.
    pub(crate) registry: &'r Registry,
    /// The keys that are published now.
    pub(crate) keys: &'r Stage,
    /// What counts no more.
    pub(crate) revoked: &'r RevocationList,
    /// Has proven who it is.
    pub(crate) client: &'c Arc<Client>,
    /// The key that it holds, if it has shown one.
    pub(crate) possession: Possession,
    pub(crate) request: &'r TokenRequest<'r>,
    pub(crate) attempt: Attempt,
}
