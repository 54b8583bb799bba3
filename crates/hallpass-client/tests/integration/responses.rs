//! What a token endpoint may respond, and what is made of it.

use std::time::Duration;

use hallpass_client::{CacheLife, DenialCode, ResponseFault, TokenError};
use hallpass_clock::Clock as _;
use serde_json::{Value, json};

use crate::scripted_issuer::{Mode, ScriptedIssuer, credential, handle};

/// The limits of a response, as `docs/errors.md` and the crate tell them.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
const MAX_ACCESS_TOKEN_BYTES: usize = 16 * 1024;
const MAX_EXPIRES_IN: Duration = Duration::from_secs(366 * 24 * 60 * 60);

const JSON: &str = "application/json";
/// Is in every response; must be in no error.
const SECRET: &str = "eyJ-secret";

async fn outcome(
    status: u16,
    kind: &'static str,
    body: impl ToString,
) -> Result<String, TokenError> {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    issuer.set(Mode::Respond(status, kind, body.to_string()));
    let token = issuer.handle().token().await.inspect_err(|error| {
        let texts = format!("{error} {error:?}");
        assert!(
            !texts.contains("secret"),
            "an error quotes the response: {texts}"
        );
    })?;
    assert!(
        !format!("{token:?}").contains("secret"),
        "Debug shows the token"
    );
    assert!(
        !format!("{:?}", token.authorization()).contains("secret"),
        "Debug shows the header"
    );
    Ok(token.access_token().expose().to_owned())
}

async fn fault(body: impl ToString) -> ResponseFault {
    match outcome(200, JSON, body).await {
        Err(TokenError::Response(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

/// A good response with one member replaced; `null` takes it out.
fn response_with(member: &str, value: Value) -> Value {
    let mut response = json!({ "access_token": SECRET, "token_type": "Bearer", "expires_in": 600 });
    match value {
        Value::Null => _ = response.as_object_mut().unwrap().remove(member),
        value => response[member] = value,
    }
    response
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_is_taken_whatever_else_is_in_it() {
    for (kind, body) in [
        (JSON, response_with("scope", json!("internal-service"))),
        (
            "Application/JSON; charset=utf-8",
            response_with("token_type", json!("bearer")),
        ),
        (
            JSON,
            response_with("refresh_token", json!({ "any": ["thing"] })),
        ),
    ] {
        assert_eq!(outcome(200, kind, body).await.as_deref(), Ok(SECRET));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_answers_html_is_a_clear_error() {
    let html = format!("<html>{SECRET}</html>");
    for kind in [
        "text/html",
        "text/html; charset=utf-8",
        "",
        "application/jsonp",
        "text/json",
    ] {
        let error = outcome(200, kind, &html).await.unwrap_err();
        assert_eq!(
            error,
            TokenError::Response(ResponseFault::NotJson),
            "{kind}"
        );
        assert!(error.to_string().contains("not JSON"), "{error}");
    }
    assert_eq!(fault(html).await, ResponseFault::Malformed);
}

#[tokio::test(start_paused = true)]
async fn missing_members_are_named() {
    for member in ["access_token", "token_type"] {
        assert_eq!(
            fault(response_with(member, Value::Null)).await,
            ResponseFault::Missing(member)
        );
    }
    // Refused with 200, as some do.
    let refused = r#"{"error":"invalid_client"}"#;
    assert_eq!(fault(refused).await, ResponseFault::Missing("access_token"));
}

#[tokio::test(start_paused = true)]
async fn json_that_no_issuer_has_written_is_an_outage() {
    for text in ["{}", r#"{"code":503,"msg":"busy","data":null}"#] {
        assert_eq!(fault(text).await, ResponseFault::OtherJson);
    }
    assert!(TokenError::Response(ResponseFault::OtherJson).is_outage());
}

#[tokio::test(start_paused = true)]
async fn members_of_the_wrong_type_are_named() {
    for (member, value) in [("access_token", json!([SECRET])), ("token_type", json!(7))] {
        assert_eq!(
            fault(response_with(member, value)).await,
            ResponseFault::WrongType(member)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn another_token_type_is_refused() {
    for kind in ["DPoP", "mac", "", "Bearer "] {
        assert_eq!(
            fault(response_with("token_type", json!(kind))).await,
            ResponseFault::TokenType
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_absurd_life_is_refused() {
    let year = MAX_EXPIRES_IN.as_secs();
    for seconds in [0, year + 1, u64::MAX] {
        let sent = seconds.to_string().into();
        assert_eq!(
            fault(response_with("expires_in", json!(seconds))).await,
            ResponseFault::ExpiresIn { sent }
        );
    }
    assert!(
        outcome(200, JSON, response_with("expires_in", json!(year)))
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_stand_behind_bearer_is_no_token() {
    let long = "x".repeat(MAX_ACCESS_TOKEN_BYTES + 1);
    for token in [
        "",
        "=",
        "a b",
        "a\r\nx-injected: 1",
        "a,b",
        "tökén",
        "a=b",
        "\"a\"",
        &long,
    ] {
        assert_eq!(
            fault(response_with("access_token", json!(token))).await,
            ResponseFault::AccessToken,
            "{token:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn broken_json_and_doubled_members_are_refused() {
    let doubled = format!(
        r#"{{"access_token":"{SECRET}","access_token":"b","token_type":"Bearer","expires_in":600}}"#
    );
    let bodies = [
        "",
        "null",
        "[]",
        "\"secret\"",
        r#"{"access_token":"secret""#,
        &doubled,
        "{}{}",
    ];
    for body in bodies {
        assert_eq!(fault(body).await, ResponseFault::Malformed, "{body:?}");
    }
    let deep = "[".repeat(50_000);
    assert_eq!(fault(deep).await, ResponseFault::Malformed);
}

#[tokio::test(start_paused = true)]
async fn an_answer_beyond_the_limit_is_refused() {
    let mut body = response_with("scope", json!("x")).to_string();
    body.push_str(&" ".repeat(MAX_RESPONSE_BYTES));
    assert_eq!(fault(body).await, ResponseFault::TooLarge);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_keeps_its_standard_code_and_nothing_else() {
    let refusal = json!({ "error": "invalid_client", "error_description": SECRET });
    let error = outcome(401, JSON, refusal).await.unwrap_err();
    assert_eq!(
        error,
        TokenError::Denied {
            code: DenialCode::InvalidClient,
            status: 401
        }
    );
    assert!(!error.is_retryable());
    let invented = outcome(400, JSON, json!({ "error": SECRET })).await;
    assert_eq!(
        invented,
        Err(TokenError::Denied {
            code: DenialCode::Other,
            status: 400
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_status_without_an_oauth_error_is_reported_as_it_is() {
    for (status, kind, body) in [
        (401, "text/html", SECRET),
        (403, JSON, SECRET),
        (
            201,
            JSON,
            r#"{"access_token":"secret","token_type":"Bearer","expires_in":600}"#,
        ),
        (204, JSON, ""),
        (302, JSON, "{}"),
        (500, JSON, r#"{"error":"server_error"}"#),
        (503, "text/plain", "secret"),
        // A gateway's JSON is no denial of the client.
        (429, JSON, r#"{"error":"rate limit exceeded"}"#),
        (429, JSON, r#"{"error":"invalid_client"}"#),
    ] {
        let error = outcome(status, kind, body).await.unwrap_err();
        assert_eq!(error, TokenError::Status { status });
        assert_eq!(error.is_retryable(), status >= 500 || status == 429);
    }
}

/// How long a token is used that came with this `expires_in`; its own life is not limited by `cache-expire-seconds`.
async fn used_for(expires_in: Value, token: &str) -> Duration {
    let issuer = ScriptedIssuer::new(Duration::from_secs(600));
    let mut response = response_with("expires_in", expires_in);
    response["access_token"] = json!(token);
    issuer.set(Mode::Respond(200, JSON, response.to_string()));
    let life = CacheLife::new(Duration::from_secs(5_000), Duration::from_secs(60)).unwrap();
    let client = issuer.client_with(credential().with_cache_life(life));
    let token = handle(&client.build()).token().await.unwrap();
    let now = hallpass_token::UnixTime::from(issuer.clock().now());
    // The request took 5 ms, and the wall clock counts in seconds here.
    token.expires_at().duration_since(now)
}

fn jwt(claims: &Value) -> String {
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("e30.{payload}.c2ln")
}

#[tokio::test(start_paused = true)]
async fn a_life_in_digits_of_any_form_is_taken() {
    for sent in [
        json!(3_599),
        json!("3599"),
        json!(3_599.0),
        json!("3599.0"),
        json!(3.599e3),
        json!(" 3599 "),
    ] {
        let life = used_for(sent.clone(), SECRET).await;
        assert_eq!(life, Duration::from_secs(3_599), "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_life_the_end_that_a_jwt_names_counts_else_cache_expire_seconds() {
    let now = 1_767_225_600;
    for absent in [Value::Null, json!(null)] {
        let token = jwt(&json!({ "sub": "a", "exp": now + 900 }));
        let life = used_for(absent.clone(), &token).await;
        assert_eq!(life, Duration::from_secs(900));
        for opaque in [SECRET.to_owned(), jwt(&json!({ "exp": "soon" }))] {
            let life = used_for(absent.clone(), &opaque).await;
            assert_eq!(life, Duration::from_secs(5_000), "{opaque}");
        }
    }
    let ten_years = jwt(&json!({ "exp": now + 315_360_000 }));
    assert_eq!(used_for(Value::Null, &ten_years).await, MAX_EXPIRES_IN);
    let mut ended = response_with("expires_in", Value::Null);
    ended["access_token"] = json!(jwt(&json!({ "exp": now - 1 })));
    assert_eq!(fault(ended).await, ResponseFault::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_life_that_cannot_be_read_is_told_as_it_was_sent_and_no_token_with_it() {
    for (sent, told) in [
        (json!(-1), "-1"),
        (json!(600.5), "600.5"),
        (json!(1e300), "1e+300"),
        (json!("1h"), "the text \"1h\""),
        (json!(""), "a text of 0 bytes"),
        (json!("eyJ-secret"), "a text of 10 bytes"),
        (json!([600]), "a list"),
        (json!({ "seconds": 600 }), "an object"),
        (json!(true), "true or false"),
    ] {
        let fault = fault(response_with("expires_in", sent)).await;
        let text = fault.to_string();
        assert!(text.ends_with(&format!("but {told}")), "{text}");
        assert!(matches!(fault, ResponseFault::ExpiresIn { .. }));
    }
}
