//! Attacks on the form of a token.

use super::{Row, check};
use crate::forge::{CLAIMS, Forge, HEADER, encode, policy, receive};
use hallpass_token::{UnixTime, UnverifiedToken, VerifyError, verify};

#[test]
fn a_token_is_three_parts_and_nothing_else() {
    let good = Forge::issuer().token(HEADER, CLAIMS);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let rows: Vec<Row<'_>> = vec![
        ("nothing", String::new(), "malformed_structure"),
        ("two dots", "..".to_owned(), "malformed_structure"),
        ("no dot", header.to_owned(), "malformed_structure"),
        ("one dot", signed.to_owned(), "malformed_structure"),
        ("three dots", format!("{good}."), "malformed_structure"),
        (
            "the five parts of a JWE",
            format!("{good}.AA.AA"),
            "malformed_structure",
        ),
        ("dots alone", ".".repeat(8000), "malformed_structure"),
        (
            "no header",
            format!(".{claims}.{signature}"),
            "malformed_structure",
        ),
        ("no signature", format!("{signed}."), "malformed_structure"),
        (
            "JSON instead",
            format!("{{\"payload\":\"{claims}\",\"signature\":\"{signature}\"}}"),
            "malformed_structure",
        ),
    ];
    check(&rows);
}

#[test]
fn each_part_is_strict_base64url() {
    let good = Forge::issuer().token(HEADER, CLAIMS);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let rows: Vec<Row<'_>> = vec![
        ("padding", format!("{good}="), "malformed_encoding"),
        (
            "white space before",
            format!(" {good}"),
            "malformed_encoding",
        ),
        (
            "a line feed behind",
            format!("{good}\n"),
            "malformed_encoding",
        ),
        (
            "a line feed within",
            format!("{header}\n.{claims}.{signature}"),
            "malformed_encoding",
        ),
        (
            "the other alphabet",
            format!("{header}.{claims}.{}+/", &signature[2..]),
            "malformed_encoding",
        ),
        (
            "a character too many",
            format!("{good}AAA"),
            "malformed_encoding",
        ),
        (
            "bits left over",
            format!("{}B", &good[..good.len() - 1]),
            "malformed_encoding",
        ),
        (
            "no ASCII",
            format!("{header}.{claims}é.{signature}"),
            "malformed_encoding",
        ),
        (
            "claims cut off",
            format!("{header}.{}.{signature}", &claims[..claims.len() - 4]),
            "signature",
        ),
        ("no claims", format!("{header}..{signature}"), "signature"),
    ];
    check(&rows);
}

#[test]
fn a_bit_that_is_left_over_must_be_zero_in_every_part() {
    // 44 bytes leave two bits over: every other last character says the same bytes.
    let signed = format!(
        "{}.{}",
        encode(HEADER.as_bytes()),
        encode(b"{\"a\":\"bcd\"}")
    );
    let token = Forge::issuer().append_signature(&signed);
    assert_eq!(encode(HEADER.as_bytes()).len() % 4, 3);
    let (header, rest) = token.split_once('.').unwrap();
    let last = header.chars().last().unwrap();
    let twin = char::from(u8::try_from(last).unwrap() + 1);
    let forged = format!("{}{twin}.{rest}", &header[..header.len() - 1]);
    assert_eq!(receive(&forged).unwrap_err().code(), "malformed_encoding");
}

#[test]
fn size_is_looked_at_before_anything_else() {
    let (keys, now) = (Forge::issuer().keys(), UnixTime::from_secs(0));
    let megabyte = "{".repeat(1 << 20);
    assert_eq!(
        verify(&megabyte, &keys, &policy(), now),
        Err(VerifyError::TooLarge)
    );
    let policy = policy().with_max_token_bytes(100);
    assert_eq!(
        verify(&".".repeat(101), &keys, &policy, now),
        Err(VerifyError::TooLarge)
    );
    assert_ne!(
        verify(&".".repeat(100), &keys, &policy, now),
        Err(VerifyError::TooLarge)
    );
    // A token that was taken apart under a laxer limit is still held against the policy's.
    let long = Forge::issuer().token(HEADER, CLAIMS);
    let parsed = UnverifiedToken::parse(&long, 4096).unwrap();
    assert_eq!(
        parsed.verify(&keys, &policy, now),
        Err(VerifyError::TooLarge)
    );
}

#[test]
fn bytes_that_are_no_utf8_are_refused_in_header_and_claims() {
    let issuer = Forge::issuer();
    let rows: Vec<Row<'_>> = vec![
        (
            "header",
            issuer.token_of_bytes(b"{\"alg\":\"EdDSA\xff\"}", CLAIMS.as_bytes()),
            "malformed_header",
        ),
        (
            "header behind a mark",
            issuer.token(&format!("\u{feff}{HEADER}"), CLAIMS),
            "malformed_header",
        ),
        (
            "claims",
            issuer.token_of_bytes(HEADER.as_bytes(), b"{\"iss\":\"internal\xff\"}"),
            "malformed_claims",
        ),
        (
            "claims behind a mark",
            issuer.token(HEADER, &format!("\u{feff}{CLAIMS}")),
            "malformed_claims",
        ),
        (
            "half a pair",
            issuer.token(HEADER, "{\"iss\":\"\\ud800\"}"),
            "malformed_claims",
        ),
    ];
    check(&rows);
}
