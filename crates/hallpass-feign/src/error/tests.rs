use std::sync::Arc;
use std::time::Duration;

use hallpass_client::{CallError, HostRefusal, TokenError};
use hallpass_upstream::{DiscoverError, TransportError, TransportErrorKind};
use http::StatusCode;

use super::{ArgumentProblem, DecodeError, FeignError};

fn decode_error(answer: &str) -> DecodeError {
    DecodeError::new::<u8>(&serde_json::from_str::<u8>(answer).unwrap_err())
}

/// An error, its code, whether it is retryable and whether it reaches the fallback.
type Row = (FeignError, &'static str, bool, bool);

fn own_and_identity_faults() -> Vec<Row> {
    let argument = FeignError::InvalidArgument {
        argument: "id",
        problem: ArgumentProblem::Empty,
    };
    let method = "Logistics::order";
    let stopped = CallError::ExchangeNotOffered;
    let refused = FeignError::HostRefused(HostRefusal::OtherAuthority);
    let lost = FeignError::Token(TokenError::Lost);
    let disabled = FeignError::Token(TokenError::Disabled);
    let exchange = FeignError::ExchangeNotOffered;
    vec![
        (argument, "invalid_argument", false, false),
        (FeignError::MockUnset { method }, "mock_unset", false, false),
        (FeignError::NoIdentity, "no_identity", false, false),
        (
            FeignError::IdentityExpired,
            "identity_expired",
            false,
            false,
        ),
        (FeignError::IdentityBound, "identity_bound", false, false),
        (exchange, "exchange_not_offered", false, false),
        (FeignError::NoTokenService, "no_token_service", false, false),
        (disabled, "token", false, false),
        (lost, "token", true, true),
        (refused, "host_refused", false, false),
        (FeignError::Stopped(stopped), "stopped", false, false),
    ]
}

fn outages() -> Vec<Row> {
    let service: Arc<str> = "logistics-service".into();
    let limit = Duration::from_secs(1);
    let broken = TransportError::new(TransportErrorKind::Broken, "reset");
    let nowhere = FeignError::NoInstance(DiscoverError::no_instance("x"));
    let full = FeignError::BulkheadFull {
        service: service.clone(),
    };
    let limited = FeignError::RateLimited {
        service: service.clone(),
        retry_after: limit,
    };
    let open = FeignError::BreakerOpen {
        service,
        retry_after: limit,
    };
    vec![
        (open, "breaker_open", true, true),
        (full, "bulkhead_full", true, true),
        (limited, "rate_limited", true, true),
        (nowhere, "no_instance", true, true),
        (FeignError::Deadline { limit }, "deadline", true, true),
        (FeignError::Transport(broken), "transport", true, true),
        (FeignError::Interrupted, "interrupted", true, true),
    ]
}

fn answers() -> Vec<Row> {
    let status = |status: u16| FeignError::status(StatusCode::from_u16(status).unwrap(), "");
    let decode = FeignError::Decode(decode_error("x"));
    vec![
        (status(500), "server_error", false, true),
        (status(503), "server_error", true, true),
        (status(302), "redirect", false, false),
        (status(401), "client_error", false, false),
        (status(403), "client_error", false, false),
        (status(404), "client_error", false, false),
        (status(429), "client_error", true, false),
        (FeignError::TooLarge { limit: 1 }, "too_large", false, false),
        (decode, "decode", false, false),
    ]
}

fn table() -> Vec<Row> {
    [own_and_identity_faults(), outages(), answers()].concat()
}

#[test]
fn each_error_knows_its_code_and_where_it_goes() {
    for (error, code, retryable, fallback) in table() {
        assert_eq!(error.code(), code);
        assert_eq!(error.is_retryable(), retryable, "{error}");
        assert_eq!(error.reaches_fallback(), fallback, "{error}");
    }
}

#[test]
fn only_waits_that_ran_out_are_timeouts() {
    let codes: Vec<&str> = table()
        .iter()
        .filter(|row| row.0.is_timeout())
        .map(|row| row.1)
        .collect();
    assert_eq!(codes, ["deadline"]);
    assert!(FeignError::status(StatusCode::GATEWAY_TIMEOUT, "").is_timeout());
}

#[test]
fn no_text_of_an_error_repeats_what_the_callee_said() {
    let secret = "hunter2";
    let decode = decode_error("\"hunter2\"");
    let errors = [
        FeignError::status(StatusCode::BAD_REQUEST, secret),
        FeignError::Decode(decode),
    ];
    for error in errors {
        let texts = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
        assert!(!texts.contains(secret), "{texts}");
    }
}

#[test]
fn an_error_body_can_be_read_as_json() {
    let FeignError::Status { body, .. } = FeignError::status(StatusCode::CONFLICT, "{\"code\":7}")
    else {
        panic!("a status");
    };
    let problem: std::collections::BTreeMap<String, u8> = body.json().unwrap();
    assert_eq!(problem["code"], 7);
    let error = body.json::<u8>().unwrap_err();
    assert_eq!((error.line(), error.column()), (1, 0));
}

/// The rows of the section about calls in `docs/errors.md`: code, retryable, fallback.
fn documented() -> Vec<(&'static str, &'static str, &'static str)> {
    let page = include_str!("../../../../docs/errors.md");
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with("Calls"))
        .unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        (cells[0].trim_matches('`'), cells[2], cells[3])
    })
    .collect()
}

#[test]
fn the_documentation_lists_every_code_and_where_it_goes() {
    let documented = documented();
    for (error, code, retryable, fallback) in table() {
        let row = documented.iter().find(|row| row.0 == code);
        let (_, says_retryable, says_fallback) = row.unwrap_or_else(|| panic!("{code} is missing"));
        // Other words than yes and no: it depends, and the words say on what.
        match *says_fallback {
            "yes" => assert!(fallback, "{error}"),
            "no" => assert!(!fallback, "{error}"),
            _ => {}
        }
        match *says_retryable {
            "yes" => assert!(retryable, "{error}"),
            "no" => assert!(!retryable, "{error}"),
            _ => {}
        }
    }
    for (code, ..) in documented {
        assert!(
            table().iter().any(|row| row.1 == code),
            "{code} is not a code"
        );
    }
}
