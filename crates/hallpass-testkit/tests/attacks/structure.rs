//! What is no token at all, or another kind of one, or a good one that was damaged.

use serde_json::json;

use crate::case::{Case, Expected, with_token};
use crate::forge::{Forge, base64, base64url};
use crate::rig::Rig;

pub(crate) fn cases(rig: &Rig) -> Vec<Case> {
    let mut cases = segments(&rig.forge);
    cases.extend(signatures(&rig.forge));
    cases.extend(encodings(&rig.forge));
    cases.extend(payloads(&rig.forge));
    cases
}

pub(crate) fn segments(forge: &Forge) -> Vec<Case> {
    let good = forge.good();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("three segments");
    };
    let jwe = base64url(br#"{"alg":"dir","enc":"A256GCM"}"#);
    let jwe_zip = base64url(br#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","zip":"DEF","p2c":2147483647,"p2s":"AAAA"}"#);
    let tokens = [
        ("one segment", header.to_owned()),
        ("two segments", format!("{header}.{claims}")),
        ("four segments", format!("{good}.{signature}")),
        ("five segments", format!("{good}.{claims}.{signature}")),
        ("six segments", format!("{good}.{good}")),
        ("no segment", ".".to_owned()),
        ("three empty segments", "..".to_owned()),
        ("five empty segments", "....".to_owned()),
        ("a thousand dots", ".".repeat(1_000)),
        ("no header", format!(".{claims}.{signature}")),
        ("no claims", format!("{header}..{signature}")),
        ("no signature", format!("{header}.{claims}.")),
        ("a dot before", format!(".{good}")),
        ("a dot behind", format!("{good}.")),
        (
            "claims before the header",
            format!("{claims}.{header}.{signature}"),
        ),
        ("the header twice", format!("{header}.{header}.{signature}")),
        (
            "JWE",
            format!("{jwe}..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"),
        ),
        (
            "JWE with a costly key",
            format!("{jwe_zip}.AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"),
        ),
        (
            "JWE in three segments",
            format!("{jwe}.{claims}.{signature}"),
        ),
        ("opaque", "2YotnFZFEjr1zCsicMWpAA".to_owned()),
        ("a number", "1".to_owned()),
    ];
    tokens
        .map(|(name, token)| Case::bad_token(name, &token))
        .to_vec()
}

/// Of ES256: two numbers of 32 bytes.
pub(crate) fn signatures(forge: &Forge) -> Vec<Case> {
    let good = forge.good();
    let (input, _) = good.rsplit_once('.').unwrap();
    let signature = forge.signature(input);
    let order: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (r, s) = signature.split_at(32);
    let other = forge.signature("another text");
    let der = [&[0x30, 0x44, 0x02, 0x20][..], r, &[0x02, 0x20], s].concat();
    let mut bad = vec![
        ("r and s are 0".to_owned(), vec![0; 64]),
        ("r is 0".to_owned(), [&[0; 32][..], s].concat()),
        ("s is 0".to_owned(), [r, &[0; 32][..]].concat()),
        ("r and s are the order".to_owned(), [order, order].concat()),
        ("r is the order".to_owned(), [&order[..], s].concat()),
        ("s is the order".to_owned(), [r, &order[..]].concat()),
        ("all bits".to_owned(), vec![0xff; 64]),
        (
            "one".to_owned(),
            [[0; 31].as_slice(), &[1], &[0; 31], &[1]].concat(),
        ),
        ("s before r".to_owned(), [s, r].concat()),
        ("DER".to_owned(), der),
        ("a byte less".to_owned(), signature[..63].to_vec()),
        ("a byte less in front".to_owned(), signature[1..].to_vec()),
        ("a byte more".to_owned(), [&signature[..], &[0]].concat()),
        (
            "a byte more in front".to_owned(),
            [&[0], &signature[..]].concat(),
        ),
        ("half".to_owned(), r.to_vec()),
        (
            "twice".to_owned(),
            [&signature[..], &signature[..]].concat(),
        ),
        ("of another text".to_owned(), other),
        ("4 KiB".to_owned(), vec![7; 4_096]),
    ];
    for at in (0..64).step_by(8) {
        let mut flipped = signature.clone();
        flipped[at] ^= 1;
        bad.push((format!("a bit of byte {at}"), flipped));
    }
    let case = |(name, signature): (String, Vec<u8>)| {
        let token = format!("{input}.{}", base64url(&signature));
        Case::bad_token(format!("signature: {name}"), &token)
    };
    bad.into_iter().map(case).collect()
}

/// The same bytes written otherwise: one token would have many names, in a deny-list too.
pub(crate) fn encodings(forge: &Forge) -> Vec<Case> {
    let good = forge.good();
    let (input, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    let standard = |text: &str| text.replace('-', "+").replace('_', "/");
    // The last character of 86 for 64 bytes has four bits of no meaning, which must be 0.
    let last = signature.chars().last().unwrap();
    let next = char::from(u8::try_from(u32::from(last)).unwrap() + 1);
    let loose = format!("{input}.{}{next}", &signature[..signature.len() - 1]);
    let padded_header = base64(forge.header().to_string().as_bytes());
    let mut cases = vec![Case::bad_token("bits of no meaning", &loose)];
    for (name, token) in [
        ("padding of the signature", format!("{good}==")),
        (
            "padding of the header",
            format!("{header}=.{claims}.{signature}"),
        ),
        (
            "standard base64 with padding",
            format!("{padded_header}=.{claims}.{signature}"),
        ),
        ("a space behind", format!("{good} x")),
        ("a space inside", good.replacen('.', ". ", 1)),
        ("a tab inside", good.replacen('.', ".\t", 1)),
        ("a comma inside", good.replacen('.', ".,", 1)),
        ("a quote before", format!("\"{good}\"")),
        ("a percent escape", good.replacen('.', "%2E", 1)),
        ("not ASCII", good.replacen('.', "\u{ff0e}", 1)),
    ] {
        let bytes = with_token("GET /orders/7", &token);
        cases.push(Case::new(name, bytes, Expected::AnyRefusal));
    }
    if standard(&good) != good {
        let bytes = with_token("GET /orders/7", &standard(&good));
        cases.push(Case::new("the other alphabet", bytes, Expected::AnyRefusal));
    }
    cases
}

/// Signed well: segments that are no objects of JSON.
pub(crate) fn payloads(forge: &Forge) -> Vec<Case> {
    let (header, claims) = (forge.header().to_string(), forge.claims().to_string());
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deep = claims.replacen('{', &format!("{{\"deep\":{},", nested(2_000)), 1);
    let payloads = [
        ("nothing", String::new()),
        ("null", "null".to_owned()),
        ("a list", format!("[{claims}]")),
        ("a text", json!(claims).to_string()),
        ("a number", "1".to_owned()),
        ("an empty object", "{}".to_owned()),
        ("something behind", format!("{claims}x")),
        ("another object behind", format!("{claims}{claims}")),
        ("no end", claims.trim_end_matches('}').to_owned()),
        ("a mark of byte order", format!("\u{feff}{claims}")),
        ("a comment", claims.replacen('{', "{/* */", 1)),
        ("single quotes", claims.replace('"', "'")),
        ("a comma too many", claims.replace('}', ",}")),
        ("2,000 lists", deep),
    ];
    let mut cases: Vec<_> = payloads
        .iter()
        .map(|(name, claims)| {
            Case::bad_token(format!("claims: {name}"), &forge.raw(&header, claims))
        })
        .collect();
    for (name, header) in &payloads[..13] {
        cases.push(Case::bad_token(
            format!("as a header: {name}"),
            &forge.raw(header, &claims),
        ));
    }
    let large = claims.replacen('{', &format!("{{\"pad\":\"{}\",", "x".repeat(10_000)), 1);
    let large = with_token("GET /orders/7", &forge.raw(&header, &large));
    cases.push(Case::new(
        "10 KB",
        large,
        Expected::Refused(431, "token_too_large"),
    ));
    let huge = with_token("GET /orders/7", &"x".repeat(100_000));
    cases.push(Case::new("100 KB", huge, Expected::NoRequest(431)));
    cases
}
