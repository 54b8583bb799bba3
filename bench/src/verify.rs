//! Signing and verification of tokens against the bare calls of the crypto library, in one run.
//!
//! Each round times both sides one after the other, so that a change of the machine's speed meets both. Keys are parsed
//! once on both sides; the bare side gets message and signature ready made and looks at nothing else.

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::token::{
    AccessToken, Algorithm, JwkSet, SigningKey, TokenClaims, UnixTime, VerifiedClaims,
    VerifyPolicy, sign, verify,
};
use serde_json::Value;

use crate::measure::{Outcome, Pair, Row, print_table};

/// What a round takes on each side, roughly: long against the clock's grain, short against the machine's moods.
const ROUND: Duration = Duration::from_millis(2);
const ROUNDS: usize = 400;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

/// Measures and prints a Markdown table. The budget for verification is a ratio of 1.15.
///
/// # Errors
/// When a key cannot be made or a token does not verify: then there is nothing to measure.
pub(crate) fn run() -> Outcome<()> {
    let mut rows = Vec::new();
    for algorithm in Algorithm::EVERY {
        let key = SigningKey::generate(algorithm)?;
        let claims = claims_from(NOW)?;
        let token = sign(&claims, &key, NOW)?;
        rows.push(measure_verify(&key, &token)?);
        rows.push(measure_sign(&key, &claims, &token)?);
    }
    print_table(&rows);
    Ok(())
}

/// What our issuer puts into a service token.
pub(crate) fn claims_from(now: UnixTime) -> Outcome<TokenClaims> {
    let end = now.saturating_add(Duration::from_secs(600));
    let mut claims = TokenClaims::new(
        "internal".parse()?,
        "internal-service-client".parse()?,
        "service-system".parse()?,
        end,
    );
    claims.client_id = Some("internal-service-client".parse()?);
    claims.scope = "internal-service".parse()?;
    claims.issued_at = Some(now);
    claims.not_before = Some(now);
    claims.token_id = Some("QkFTRTY0VVJMLW9mLTE2Qg".parse()?);
    Ok(claims)
}

/// The same after its way through a token.
pub(crate) fn verified_claims(now: UnixTime) -> Outcome<VerifiedClaims> {
    let key = SigningKey::generate(Algorithm::Es256)?;
    let token = sign(&claims_from(now)?, &key, now)?;
    let keys = JwkSet::new([key.public_jwk()]);
    Ok(verify(token.expose(), &keys, &policy()?, now)?)
}

fn policy() -> Outcome<VerifyPolicy> {
    Ok(VerifyPolicy::new(
        "internal".parse()?,
        "service-system".parse()?,
    ))
}

fn measure_verify(key: &SigningKey, token: &AccessToken) -> Outcome<Row> {
    let token = token.expose();
    let keys = JwkSet::new([key.public_jwk()]);
    let policy = policy()?;
    let (message, signature) = split(token)?;
    let bare = public_key(&key.public_jwk().to_json())?;
    bare.verify_sig(message, &signature)?;
    verify(token, &keys, &policy, NOW)?;
    let name = format!("{} verify ({} bytes)", key.algorithm(), token.len());
    Ok(compare(
        name,
        || bare.verify_sig(black_box(message), black_box(&signature)),
        || verify(black_box(token), &keys, &policy, NOW),
    ))
}

fn measure_sign(key: &SigningKey, claims: &TokenClaims, token: &AccessToken) -> Outcome<Row> {
    let (message, _) = split(token.expose())?;
    let der = key.to_pkcs8()?;
    let random = SystemRandom::new();
    let name = format!("{} sign", key.algorithm());
    let ours = || sign(black_box(claims), key, NOW);
    Ok(match key.algorithm() {
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)?;
            compare(name, || pair.sign(&random, black_box(message)), ours)
        }
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_pkcs8(&der)?;
            compare(name, || pair.try_sign(black_box(message)), ours)
        }
        _ => {
            let pair = RsaKeyPair::from_pkcs8(&der)?;
            let bare = || {
                let mut signature = [0; 256];
                let done = pair.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    black_box(message),
                    &mut signature,
                );
                (done, signature)
            };
            compare(name, bare, ours)
        }
    })
}

fn compare<A, B>(name: String, bare: impl Fn() -> A, ours: impl Fn() -> B) -> Row {
    Row::new(name, Pair::measure((ROUNDS, ROUND), bare, ours))
}

/// What is signed, and the signature.
pub(crate) fn split(token: &str) -> Outcome<(&[u8], Vec<u8>)> {
    let (message, signature) = token.rsplit_once('.').ok_or("no token")?;
    Ok((message.as_bytes(), URL_SAFE_NO_PAD.decode(signature)?))
}

/// The bare key of a JWK.
pub(crate) fn public_key(jwk: &Value) -> Outcome<ParsedPublicKey> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let member = |name: &str| URL_SAFE_NO_PAD.decode(text(name).unwrap_or_default());
    Ok(match text("kty") {
        Some("EC") => {
            let point = [vec![4], member("x")?, member("y")?].concat(); // SEC 1, uncompressed
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)?
        }
        Some("OKP") => ParsedPublicKey::new(&ED25519, member("x")?)?,
        _ => PublicKeyComponents {
            n: member("n")?,
            e: member("e")?,
        }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?,
    })
}
