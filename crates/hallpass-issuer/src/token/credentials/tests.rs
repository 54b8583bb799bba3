use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::*;
use crate::token::request::TokenRequest;

const POST_BODY: &[u8] = b"grant_type=client_credentials&client_id=a&client_secret=s";

fn headers(authorization: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(CONTENT_TYPE, form);
    for value in authorization {
        headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn basic_header(joined: &str) -> String {
    format!("Basic {}", BASE64.encode(joined))
}

fn who(authorization: &[&str], body: &[u8]) -> Result<(String, String), Refusal> {
    let headers = headers(authorization);
    let request = TokenRequest::parse(&headers, body)?;
    let Credentials::Secret(SecretCredentials {
        unverified_client_id,
        secret,
        ..
    }) = request.credentials;
    Ok((unverified_client_id.into_owned(), secret.into_owned()))
}

fn pair(id: &str, secret: &str) -> Result<(String, String), Refusal> {
    Ok((id.to_owned(), secret.to_owned()))
}

#[test]
fn reads_basic_credentials_and_undoes_their_form_encoding() {
    let body = b"grant_type=client_credentials";
    assert_eq!(who(&[&basic_header("a:s")], body), pair("a", "s"));
    assert_eq!(
        who(&[&basic_header("a%3Ab:p+q%2Br%25:t")], body),
        pair("a:b", "p q+r%:t")
    );
    assert_eq!(
        who(&[&basic_header("a:s").replace("Basic ", "bASIC   ")], body),
        pair("a", "s")
    );
    assert_eq!(
        who(&[basic_header("ab:s").trim_end_matches('=')], body),
        pair("ab", "s")
    );
    assert_eq!(who(&[&basic_header("a:")], body), pair("a", ""));
}

#[test]
fn a_secret_that_was_not_form_encoded_is_read_as_it_stands_too() {
    let secrets = |joined: &str| {
        let headers = headers(&[&basic_header(joined)]);
        let request = TokenRequest::parse(&headers, b"grant_type=x").unwrap();
        let Credentials::Secret(credentials) = request.credentials;
        let secrets = credentials.secrets();
        secrets.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(secrets("a:s"), ["s"]);
    assert_eq!(secrets("a:p+q"), ["p q", "p+q"]);
    assert_eq!(secrets("a:p%2Bq"), ["p+q", "p%2Bq"]);
    assert_eq!(secrets("a:100%sure"), ["100%sure"]);
}

#[test]
fn reads_credentials_from_the_body() {
    assert_eq!(who(&[], POST_BODY), pair("a", "s"));
}

#[test]
fn refuses_two_ways_to_authenticate_at_once() {
    let basic = basic_header("a:s");
    assert_eq!(who(&[&basic], POST_BODY), Err(Refusal::TwoCredentials));
    assert_eq!(
        who(&[&basic, &basic], b"grant_type=x"),
        Err(Refusal::TwoCredentials)
    );
    assert_eq!(
        who(&[&basic], b"grant_type=x&client_id=b"),
        Err(Refusal::TwoCredentials)
    );
    assert_eq!(who(&[&basic], b"grant_type=x&client_id=a"), pair("a", "s"));
}

#[test]
fn refuses_missing_foreign_and_broken_credentials() {
    let body = b"grant_type=client_credentials";
    assert_eq!(who(&[], body), Err(Refusal::NoCredentials));
    assert_eq!(
        who(&[], b"grant_type=x&client_id=a"),
        Err(Refusal::NoCredentials)
    );
    assert_eq!(
        who(&[], b"grant_type=x&client_secret=s"),
        Err(Refusal::NoCredentials)
    );
    for foreign in ["Bearer abc", "Basic", "Digest x", ""] {
        assert_eq!(
            who(&[foreign], body),
            Err(Refusal::NoCredentials),
            "{foreign}"
        );
    }
    for broken in [
        "Basic ***",
        &basic_header("no colon"),
        &basic_header("a%zz:s"),
        "Basic /w==",
    ] {
        assert_eq!(
            who(&[broken], body),
            Err(Refusal::MalformedCredentials),
            "{broken}"
        );
    }
}
