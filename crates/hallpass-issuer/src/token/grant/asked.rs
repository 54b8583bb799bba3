//! What a grant decides by.

use std::sync::Arc;

use hallpass_token::{Issuer, RevocationList};

use crate::clients::registry::{Client, Registry};
use crate::keys::ring::Stage;
use crate::refresh::family::Family;
use crate::token::attempt::Attempt;
use crate::token::grant::brought::{ForeignToken, StandingKey};
use crate::token::possession::Possession;
use crate::token::request::TokenRequest;
use crate::trusted_issuers::TrustedIssuers;

/// One state of the issuer, one client and what it asks for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'c, 'r> {
    pub(crate) issuer: &'r Issuer,
    /// All clients, as they are registered now.
    pub(crate) registry: &'r Registry,
    /// The other issuers that are believed now.
    pub(crate) trusted: &'r TrustedIssuers,
    /// The token of one of them that came with the request.
    pub(crate) brought: Option<&'r ForeignToken>,
    /// Has proven who it is.
    pub(crate) client: &'c Arc<Client>,
    /// The key that it holds, if it has shown one.
    pub(crate) possession: Possession,
    pub(crate) request: &'r TokenRequest<'r>,
    pub(crate) attempt: Attempt,
    /// What the refresh token of the request stands for.
    pub(crate) family: Option<&'r Family>,
    /// The key behind it, where another issuer has signed what was exchanged.
    pub(crate) standing_key: Option<&'r StandingKey>,
}

/// What changes from moment to moment, and so is taken once nothing has to be waited for any more.
#[derive(Clone, Copy)]
pub(crate) struct Held<'r> {
    /// The keys that are published now.
    pub(crate) keys: &'r Stage,
    /// What counts no more.
    pub(crate) revoked: &'r RevocationList,
}
