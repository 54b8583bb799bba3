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
    }) = request.credentials
    else {
        panic!("a secret")
    };
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
        let Credentials::Secret(credentials) = request.credentials else {
            panic!("a secret")
        };
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

/// The assertion and the client id that come of `query`.
fn assertion(authorization: &[&str], query: &str) -> Result<(String, Option<String>), Refusal> {
    let body = format!("grant_type=x{query}");
    let headers = headers(authorization);
    let request = TokenRequest::parse(&headers, body.as_bytes())?;
    let Credentials::Assertion(credentials) = request.credentials else {
        panic!("an assertion")
    };
    let client_id = credentials.unverified_client_id.map(Cow::into_owned);
    Ok((credentials.assertion.into_owned(), client_id))
}

#[test]
fn an_assertion_is_read_with_or_without_a_client_id_and_only_by_a_known_type() {
    let typed = format!("&client_assertion_type={JWT_BEARER_ASSERTION}");
    assert_eq!(
        assertion(&[], &format!("{typed}&client_assertion=a.b.c")),
        Ok(("a.b.c".to_owned(), None))
    );
    assert_eq!(
        assertion(&[], &format!("{typed}&client_assertion=a.b.c&client_id=x")),
        Ok(("a.b.c".to_owned(), Some("x".to_owned())))
    );
    for unknown in [
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        "JWT",
    ] {
        let query = format!("&client_assertion=a.b.c&client_assertion_type={unknown}");
        assert_eq!(
            assertion(&[], &query),
            Err(Refusal::Assertion(AssertionRefusal::UnsupportedType))
        );
    }
}

#[test]
fn half_an_assertion_is_never_taken_for_another_way_to_authenticate() {
    let secret = "&client_id=a&client_secret=s";
    let typed = format!("&client_assertion_type={JWT_BEARER_ASSERTION}");
    for half in [
        "&client_assertion=a.b.c",
        "&client_assertion=",
        &typed,
        "&client_assertion_type",
    ] {
        for with in ["", secret] {
            let refused = assertion(&[], &format!("{half}{with}"));
            assert_eq!(
                refused,
                Err(Refusal::Assertion(AssertionRefusal::Incomplete)),
                "{half}{with}"
            );
        }
        let refused = assertion(&[&basic_header("a:s")], half);
        assert_eq!(
            refused,
            Err(Refusal::Assertion(AssertionRefusal::Incomplete)),
            "{half}"
        );
    }
    for empty in [
        format!("{typed}&client_assertion="),
        "&client_assertion=a.b.c&client_assertion_type=".to_owned(),
    ] {
        assert_eq!(
            assertion(&[], &empty),
            Err(Refusal::Assertion(AssertionRefusal::Incomplete))
        );
    }
}

#[test]
fn an_assertion_beside_a_secret_is_two_ways_at_once() {
    let whole = format!("&client_assertion=a.b.c&client_assertion_type={JWT_BEARER_ASSERTION}");
    let two = Err(Refusal::TwoCredentials);
    assert_eq!(assertion(&[], &format!("{whole}&client_secret=s")), two);
    for header in [&basic_header("a:s"), "Bearer x", ""] {
        assert_eq!(assertion(&[header], &whole), two, "{header}");
    }
    let twice = format!("{whole}&client_assertion=a.b.c");
    assert_eq!(assertion(&[], &twice), Err(Refusal::DuplicateParameter));
}
