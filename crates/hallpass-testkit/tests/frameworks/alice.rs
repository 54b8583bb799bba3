//! A user, by a token that the issuers of these tests know, and services by their settings.

use std::path::Path;
use std::time::Duration;

use hallpass::Settings;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::token::{
    AccessToken, Issuer, SecurityContext, SigningKey, TokenClaims, UnixTime, VerifiedClaims, sign,
};

/// Which users' tokens are signed with (RFC 8037 appendix A.1).
pub(crate) const USERS_KEY: &str = r#"{ "kty": "OKP", "crv": "Ed25519", "kid": "users", "alg": "EdDSA",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }"#;

/// Alice, by a token for this service with this scope.
pub(crate) fn alice(audience: &str, scope: &str) -> SecurityContext {
    let now: UnixTime = SystemClock::new().now().into();
    let end = now.saturating_add(Duration::from_secs(300));
    let (user, audience) = ("alice".parse().unwrap(), audience.parse().unwrap());
    let mut claims = TokenClaims::new(Issuer::internal(), user, audience, end);
    claims.client_id = Some("web-shop".parse().unwrap());
    claims.scope = scope.parse().unwrap();
    claims.issued_at = Some(now);
    let key = SigningKey::from_jwk(&serde_json::from_str(USERS_KEY).unwrap()).unwrap();
    let token = sign(&claims, &key, now).unwrap().expose().to_owned();
    SecurityContext::new(
        VerifiedClaims::dangerous_unverified(claims),
        AccessToken::new(token),
    )
}

/// A service by these settings.
pub(crate) fn load(folder: &Path, yaml: &str) -> Hallpass {
    let file = folder.join("settings.yaml");
    std::fs::write(&file, yaml).unwrap();
    let loaded = Loader::new("hallpass").file(file).load::<Settings>();
    Hallpass::from_settings(&loaded.unwrap().into_settings()).unwrap()
}
