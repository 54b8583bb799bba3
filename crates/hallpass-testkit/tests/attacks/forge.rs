//! Tokens that no honest issuer would make, with the signature of one.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use hallpass::token::{Algorithm, SigningKey};
use serde_json::{Value, json};

pub(crate) struct Forge {
    pub(crate) key: SigningKey,
    now: u64,
}

impl Forge {
    pub(crate) fn new(now: u64) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        Self { key, now }
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// The key as `hallpass key import` takes it.
    pub(crate) fn pem(&self) -> String {
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        for line in base64(&self.key.to_pkcs8().unwrap()).as_bytes().chunks(64) {
            pem.push_str(std::str::from_utf8(line).unwrap());
            pem.push('\n');
        }
        pem + "-----END PRIVATE KEY-----\n"
    }

    pub(crate) fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.key.key_id().as_str() })
    }

    /// Claims of a user's token that opens `/orders/7`.
    pub(crate) fn claims(&self) -> Value {
        json!({
            "iss": "internal", "aud": "service-system", "sub": "alice", "client_id": "order-service",
            "iat": self.now, "exp": self.now + 600, "jti": "7", "scope": "orders",
        })
    }

    pub(crate) fn signature(&self, input: &str) -> Vec<u8> {
        let pkcs8 = self.key.to_pkcs8().unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).unwrap();
        let signature = pair.sign(&SystemRandom::new(), input.as_bytes());
        signature.unwrap().as_ref().to_vec()
    }

    /// Signs whatever it is given.
    pub(crate) fn raw(&self, header: &str, claims: &str) -> String {
        let input = format!(
            "{}.{}",
            base64url(header.as_bytes()),
            base64url(claims.as_bytes())
        );
        let signature = self.signature(&input);
        format!("{input}.{}", base64url(&signature))
    }

    pub(crate) fn good(&self) -> String {
        self.raw(&self.header().to_string(), &self.claims().to_string())
    }

    /// A good token with one member of its header changed, or taken away by `None`.
    pub(crate) fn with_header(&self, name: &str, value: Option<Value>) -> String {
        let header = changed(self.header(), name, value);
        self.raw(&header.to_string(), &self.claims().to_string())
    }

    /// A good token with one claim changed, or taken away by `None`.
    pub(crate) fn with_claim(&self, name: &str, value: Option<Value>) -> String {
        let claims = changed(self.claims(), name, value);
        self.raw(&self.header().to_string(), &claims.to_string())
    }
}

fn changed(mut object: Value, name: &str, value: Option<Value>) -> Value {
    let members = object.as_object_mut().unwrap();
    match value {
        Some(value) => drop(members.insert(name.to_owned(), value)),
        None => drop(members.remove(name)),
    }
    object
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    let text = base64(bytes);
    text.trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

/// RFC 4648 section 4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for at in 0..4 {
            let index = usize::try_from((bits >> (18 - 6 * at)) & 63).unwrap();
            let is_there = usize::try_from(at).unwrap() <= chunk.len();
            text.push(if is_there {
                char::from(ALPHABET[index])
            } else {
                '='
            });
        }
    }
    text
}
