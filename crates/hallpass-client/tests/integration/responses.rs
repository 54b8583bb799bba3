//! What a token endpoint may respond, and what is made of it.

use std::time::Duration;

use hallpass_client::{DenialCode, ResponseFault, TokenError};
use serde_json::{Value, json};

use crate::scripted_issuer::{Mode, ScriptedIssuer};

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
    for member in ["access_token", "token_type", "expires_in"] {
        assert_eq!(
            fault(response_with(member, Value::Null)).await,
            ResponseFault::Missing(member)
        );
    }
    assert_eq!(fault("{}").await, ResponseFault::Missing("access_token"));
}

#[tokio::test(start_paused = true)]
async fn members_of_the_wrong_type_are_named() {
    for (member, value) in [
        ("access_token", json!([SECRET])),
        ("token_type", json!(7)),
        ("expires_in", json!("600")),
        ("expires_in", json!(-1)),
        ("expires_in", json!(600.5)),
        ("expires_in", json!(1e300)),
    ] {
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
        assert_eq!(
            fault(response_with("expires_in", json!(seconds))).await,
            ResponseFault::ExpiresIn
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
    ] {
        let error = outcome(status, kind, body).await.unwrap_err();
        assert_eq!(error, TokenError::Status { status });
        assert_eq!(error.is_retryable(), status >= 500);
    }
}
