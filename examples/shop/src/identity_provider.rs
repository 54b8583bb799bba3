//! A stand-in for the customers' identity provider: it has its own name, its own key and its own JWK
//! set, and knows nothing of Hallpass. In a real estate this is Keycloak, Auth0, Entra ID...
//!
//! The one file of the examples that signs tokens.

use std::time::Duration;

use axum::{Json, Router, routing::get};
use hallpass::BoxError;
use hallpass::token::{AccessToken, Algorithm, JwkSet, SigningKey, TokenClaims, UnixTime, sign};

/// Its name, as it stands in `iss`.
pub const ISSUER: &str = "https://id.shop.example";
/// The audience of its tokens: the shop as a whole.
pub const AUDIENCE: &str = "shop";

/// Signs customers' tokens and publishes the key.
#[derive(Debug)]
pub struct IdentityProvider {
    key: SigningKey,
}

impl IdentityProvider {
    /// A provider with a new key.
    pub fn new() -> Result<Self, BoxError> {
        Ok(Self {
            key: SigningKey::generate(Algorithm::Es256)?,
        })
    }

    /// `GET /jwks`.
    pub fn router(&self) -> Router {
        let keys = JwkSet::new([self.key.public_jwk()]).to_json();
        Router::new().route("/jwks", get(async move || Json(keys)))
    }

    /// A token for `customer`, issued at `now` and good for `life`.
    pub fn token(
        &self,
        customer: &str,
        now: UnixTime,
        life: Duration,
    ) -> Result<AccessToken, BoxError> {
        let end = now.saturating_add(life);
        let mut claims =
            TokenClaims::new(ISSUER.parse()?, customer.parse()?, AUDIENCE.parse()?, end);
        // Without the client that the customer has logged in by, nothing tells a customer from a service.
        claims.client_id = Some("web-shop".parse()?);
        claims.scope = "orders:read".parse()?;
        claims.issued_at = Some(now);
        Ok(sign(&claims, &self.key, now)?)
    }
}
