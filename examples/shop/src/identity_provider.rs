//! A stand-in for the customers' identity provider: it has its own name, its own key and its own JWK
//! set, and knows nothing of Hallpass. In a real estate this is Keycloak, Auth0, Entra ID...
//!
//! The one file of the examples that signs tokens.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use axum::{Json, Router, routing::get};
use hallpass::BoxError;
use hallpass::clock::{Clock, SystemClock};
use hallpass::token::{
    AccessToken, Algorithm, JwkSet, SigningKey, TokenClaims, UnixTime, VerifyPolicy, sign, verify,
};
use serde::{Deserialize, Serialize};

/// The name it is found by.
pub const NAME: &str = "identity-provider";
/// Its name, as it stands in `iss`.
pub const ISSUER: &str = "https://id.shop.example";
/// The audience of its tokens: the shop as a whole.
pub const AUDIENCE: &str = "shop";
/// What its tokens allow.
pub const SCOPE: &str = "orders:read profile";

/// Its customers: how they are called in tokens, and what they are called by friends.
const CUSTOMERS: [(&str, &str); 2] = [("alice", "Alice Liddell"), ("bob", "Bob Sawyer")];

/// What it tells of a customer to who shows her token.
#[derive(Debug, Deserialize, Serialize)]
pub struct Profile {
    /// Her name.
    pub name: String,
}

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

    /// `GET /jwks`, and `GET /userinfo` as in OpenID Connect Core section 5.3.
    pub fn router(&self) -> Result<Router, BoxError> {
        let keys = Arc::new(JwkSet::new([self.key.public_jwk()]));
        let published = keys.to_json();
        let policy = Arc::new(VerifyPolicy::new(ISSUER.parse()?, AUDIENCE.parse()?));
        let userinfo = async move |headers: HeaderMap| userinfo(&headers, &keys, &policy);
        Ok(Router::new()
            .route("/jwks", get(async move || Json(published)))
            .route("/userinfo", get(userinfo)))
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
        claims.scope = SCOPE.parse()?;
        claims.issued_at = Some(now);
        // By this name a single token can be taken back.
        let id = hallpass::upstream::random_id();
        claims.token_id = Some(format!("{id:032x}").parse()?);
        Ok(sign(&claims, &self.key, now)?)
    }
}

/// It knows its own tokens and no others: of whom a token is, it tells.
fn userinfo(
    headers: &HeaderMap,
    keys: &JwkSet,
    policy: &VerifyPolicy,
) -> Result<Json<Profile>, StatusCode> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or(StatusCode::UNAUTHORIZED)?;
    let now = SystemClock::new().now().into();
    let claims = verify(token, keys, policy, now).map_err(|_| StatusCode::UNAUTHORIZED)?;
    let hers = |customer: &&(&str, &str)| claims.subject == customer.0;
    let (_subject, name) = CUSTOMERS.iter().find(hers).ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(Profile {
        name: (*name).to_owned(),
    }))
}
