use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass_clock::{Clock as _, ManualClock};
use hallpass_token::{Algorithm, JwkSet, SigningKey, TokenClaims, UnixTime, sign};
use serde_json::{Value, json};

/// Makes good tokens of one issuer, and bad ones with a good signature.
#[derive(Debug)]
pub(crate) struct Forge {
    pub(crate) key: SigningKey,
    pub(crate) issuer: &'static str,
    pub(crate) clock: Arc<ManualClock>,
}

impl Forge {
    pub(crate) fn new(issuer: &'static str, clock: &Arc<ManualClock>) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        Self {
            key,
            issuer,
            clock: Arc::clone(clock),
        }
    }

    pub(crate) fn with_key_id(self, kid: &str) -> Self {
        Self {
            key: self.key.with_key_id(kid.parse().unwrap()),
            ..self
        }
    }

    pub(crate) fn keys(&self) -> JwkSet {
        JwkSet::new([self.key.public_jwk()])
    }

    /// Claims that verify: for the audience `shop`, ten minutes from now.
    pub(crate) fn claims(&self, subject: &str, scope: &str) -> TokenClaims {
        let end = UnixTime::from(self.clock.now()).saturating_add(Duration::from_secs(600));
        let issuer = self.issuer.parse().unwrap();
        let mut claims = TokenClaims::new(
            issuer,
            subject.parse().unwrap(),
            "shop".parse().unwrap(),
            end,
        );
        claims.client_id = Some("order-service".parse().unwrap());
        claims.scope = scope.parse().unwrap();
        claims
    }

    pub(crate) fn sign(&self, claims: &TokenClaims) -> String {
        sign(claims, &self.key, UnixTime::from(self.clock.now()))
            .unwrap()
            .expose()
            .to_owned()
    }

    /// A user's token.
    pub(crate) fn user(&self, scope: &str) -> String {
        self.sign(&self.claims("alice", scope))
    }

    /// A service's own token.
    pub(crate) fn service(&self, scope: &str) -> String {
        self.sign(&self.claims("order-service", scope))
    }

    /// The header and claims of a good token, for changing them.
    pub(crate) fn good_parts(&self) -> (Value, Value) {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.key.key_id().as_str() });
        (
            header,
            serde_json::to_value(self.claims("alice", "orders")).unwrap(),
        )
    }

    /// Signs whatever it is given, as no honest issuer would.
    pub(crate) fn raw(&self, header: &str, claims: &str) -> String {
        let input = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let pkcs8 = self.key.to_pkcs8().unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).unwrap();
        let signature = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A good token with one change to its header or claims, correctly signed.
    pub(crate) fn changed(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let (mut header, mut claims) = self.good_parts();
        change(&mut header, &mut claims);
        self.raw(&header.to_string(), &claims.to_string())
    }
}
