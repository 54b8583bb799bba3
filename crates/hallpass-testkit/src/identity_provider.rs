//! A stand-in for the users' identity provider.

use std::io;
use std::time::Duration;

use axum::{Json, Router, routing::get};
use hallpass::BoxError;
use hallpass::token::{AccessToken, Algorithm, JwkSet, SigningKey, TokenClaims, UnixTime, sign};

use crate::server::TestServer;

/// Signs users' tokens and serves its key set; it knows nothing of the issuer.
#[derive(Debug)]
pub struct TestIdentityProvider {
    key: SigningKey,
    server: TestServer,
}

impl TestIdentityProvider {
    /// Its name in `iss`.
    pub const ISSUER: &str = "https://id.test.example";
    /// The audience of its tokens.
    pub const AUDIENCE: &str = "shop";

    /// A provider with a new `ES256` key on a free port.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> Result<Self, BoxError> {
        let key = SigningKey::generate(Algorithm::Es256)?;
        let server = serve(&key).await?;
        Ok(Self { key, server })
    }

    /// The key set.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        self.server.url("/jwks")
    }

    pub(crate) const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// A token for `user` with the scope `orders:read`, issued at `now` for an hour.
    ///
    /// # Errors
    /// When `user` cannot be a subject.
    pub fn token(&self, user: &str, now: UnixTime) -> Result<AccessToken, BoxError> {
        let mut claims = TokenClaims::new(
            Self::ISSUER.parse()?,
            user.parse()?,
            Self::AUDIENCE.parse()?,
            now.saturating_add(Duration::from_secs(3600)),
        );
        claims.client_id = Some("web-shop".parse()?);
        claims.scope = "orders:read".parse()?;
        claims.issued_at = Some(now);
        self.sign(&claims, now)
    }

    /// Signs these claims.
    ///
    /// # Errors
    /// When they cannot be a token, for example because they have expired at `now`.
    pub fn sign(&self, claims: &TokenClaims, now: UnixTime) -> Result<AccessToken, BoxError> {
        Ok(sign(claims, &self.key, now)?)
    }
}

async fn serve(key: &SigningKey) -> io::Result<TestServer> {
    let keys = JwkSet::new([key.public_jwk()]).to_json();
    TestServer::start(Router::new().route("/jwks", get(async move || Json(keys)))).await
}
