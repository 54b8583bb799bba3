//! Whose key, and by which algorithm: what a header says must not decide it.

use aws_lc_rs::hmac;
use hallpass::token::JwkSet;
use serde_json::{Value, json};

use crate::case::Case;
use crate::forge::{Forge, base64, base64url};
use crate::rig::Rig;

pub(crate) fn cases(rig: &Rig) -> Vec<Case> {
    let mut cases = algorithms(&rig.forge);
    cases.extend(unsigned(&rig.forge));
    cases.extend(public_key_as_secret(&rig.forge));
    cases.extend(own_keys(rig));
    cases.extend(key_ids(rig));
    cases.extend(crit(&rig.forge));
    cases.extend(types(&rig.forge));
    cases
}

/// Signed well, and the header names another algorithm.
pub(crate) fn algorithms(forge: &Forge) -> Vec<Case> {
    let mut named: Vec<Option<Value>> = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "",
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES384",
        "ES512",
        "ES256K",
        "EdDSA",
        "Ed25519",
        "ES256 ",
        " ES256",
        "es256",
        "A128KW",
        "RSA-OAEP",
        "dir",
        "ES256\u{0}",
    ]
    .map(|name| Some(json!(name)))
    .to_vec();
    named.extend([
        None,
        Some(json!(null)),
        Some(json!(1)),
        Some(json!(["ES256"])),
        Some(json!({})),
    ]);
    let case = |alg: Option<Value>| {
        Case::bad_token(format!("alg {alg:?}"), &forge.with_header("alg", alg))
    };
    named.into_iter().map(case).collect()
}

pub(crate) fn unsigned(forge: &Forge) -> Vec<Case> {
    let claims = base64url(forge.claims().to_string().as_bytes());
    let mut cases = Vec::new();
    for alg in ["none", "None", "NONE", "nOnE", "ES256"] {
        let header = base64url(
            json!({ "alg": alg, "typ": "at+jwt" })
                .to_string()
                .as_bytes(),
        );
        for (what, signature) in [
            ("none at all", ""),
            ("a byte", "AA"),
            ("of another", "c2lnbmVk"),
        ] {
            let token = format!("{header}.{claims}.{signature}");
            cases.push(Case::bad_token(
                format!("alg {alg}, signature: {what}"),
                &token,
            ));
        }
    }
    cases
}

/// What everybody may read is no secret.
pub(crate) fn public_key_as_secret(forge: &Forge) -> Vec<Case> {
    let set = JwkSet::new([forge.key.public_jwk()]).to_json();
    let jwk = set["keys"][0].to_string();
    let x = set["keys"][0]["x"].as_str().unwrap().to_owned();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        base64(x.as_bytes())
    );
    let secrets = [
        ("the set", set.to_string()),
        ("the key", jwk),
        ("a coordinate", x),
        ("its kid", forge.key.key_id().as_str().to_owned()),
        ("a PEM", pem),
        ("nothing", String::new()),
        ("a word", "secret".to_owned()),
    ];
    let algorithms = [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
    ];
    let mut cases = Vec::new();
    for (alg, hash) in algorithms {
        for (what, secret) in &secrets {
            let mut header = forge.header();
            header["alg"] = json!(alg);
            let input = [header.to_string(), forge.claims().to_string()]
                .map(|part| base64url(part.as_bytes()));
            let input = input.join(".");
            let tag = hmac::sign(&hmac::Key::new(hash, secret.as_bytes()), input.as_bytes());
            let token = format!("{input}.{}", base64url(tag.as_ref()));
            cases.push(Case::bad_token(format!("{alg} with {what}"), &token));
        }
    }
    cases
}

/// Signed by a stranger, who brings the key along.
pub(crate) fn own_keys(rig: &Rig) -> Vec<Case> {
    let jwk = JwkSet::new([rig.stranger.key.public_jwk()]).to_json()["keys"][0].clone();
    let certificate = base64(&[0x30, 0x03, 0x02, 0x01, 0x01]);
    let kid = rig.forge.key.key_id().as_str();
    let mut cases = vec![
        Case::bad_token("a stranger's key", &rig.stranger.good()),
        Case::bad_token(
            "a stranger's key under our kid",
            &rig.stranger.with_header("kid", Some(json!(kid))),
        ),
    ];
    for (name, value) in [
        ("jwk", jwk.clone()),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("jku", json!("https://evil.example/keys")),
        ("jku", json!("file:///etc/passwd")),
        ("x5u", json!("https://evil.example/chain.pem")),
        ("x5c", json!([certificate])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
    ] {
        let mut header = rig.stranger.header();
        header["kid"] = json!(kid);
        header[name] = value;
        let token = rig
            .stranger
            .raw(&header.to_string(), &rig.stranger.claims().to_string());
        cases.push(Case::bad_token(
            format!("a key by {name}: {}", header[name]),
            &token,
        ));
        header.as_object_mut().unwrap().remove("kid");
        let token = rig
            .stranger
            .raw(&header.to_string(), &rig.stranger.claims().to_string());
        cases.push(Case::bad_token(
            format!("a key by {name} without kid"),
            &token,
        ));
    }
    cases
}

pub(crate) fn key_ids(rig: &Rig) -> Vec<Case> {
    let values = [
        json!("nobody"),
        json!(""),
        json!("../../../../dev/null"),
        json!("' OR '1'='1"),
        json!("http://evil.example/"),
        json!("a\u{0}b"),
        json!("x".repeat(2_000)),
        json!(7),
        json!(null),
        json!([rig.forge.key.key_id().as_str()]),
        json!({}),
    ];
    let case = |kid: Value| {
        let name = format!(
            "kid {}",
            kid.to_string().chars().take(40).collect::<String>()
        );
        Case::bad_token(name, &rig.stranger.with_header("kid", Some(kid)))
    };
    values.into_iter().map(case).collect()
}

/// Signed well: what must be understood is not understood (RFC 7515 section 4.1.11).
pub(crate) fn crit(forge: &Forge) -> Vec<Case> {
    let values = [
        json!(["exp"]),
        json!(["b64"]),
        json!(["alg"]),
        json!(["http://example.com/UNDEFINED"]),
        json!([]),
        json!("exp"),
        json!(null),
        json!([1]),
        json!({}),
        json!(true),
    ];
    let case = |crit: Value| {
        Case::bad_token(
            format!("crit {crit}"),
            &forge.with_header("crit", Some(crit)),
        )
    };
    let mut cases: Vec<_> = values.into_iter().map(case).collect();
    let mut header = forge.header();
    header["b64"] = json!(false);
    header["crit"] = json!(["b64"]);
    let token = forge.raw(&header.to_string(), &forge.claims().to_string());
    cases.push(Case::bad_token("crit b64 with b64 false", &token));
    cases
}

/// Signed well, for something else than access (RFC 8725 section 3.11).
pub(crate) fn types(forge: &Forge) -> Vec<Case> {
    let values = [
        None,
        Some(json!("JWT")),
        Some(json!("jwt")),
        Some(json!("id_token+jwt")),
        Some(json!("dpop+jwt")),
        Some(json!("logout+jwt")),
        Some(json!("secevent+jwt")),
        Some(json!("txntoken+jwt")),
        Some(json!("wit+jwt")),
        Some(json!("token-introspection+jwt")),
        Some(json!("application/jwt")),
        Some(json!("at+jwt ")),
        Some(json!("at+jwts")),
        Some(json!("at")),
        Some(json!("")),
        Some(json!(1)),
        Some(json!(null)),
        Some(json!(["at+jwt"])),
    ];
    let case = |typ: Option<Value>| {
        Case::bad_token(format!("typ {typ:?}"), &forge.with_header("typ", typ))
    };
    values.into_iter().map(case).collect()
}
