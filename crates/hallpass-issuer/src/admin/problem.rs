//! What is told to who is refused: a problem document (RFC 9457).

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema, openapi};

use super::fault::{AdminFault, Told};
use crate::clients::client_fault::ClientFault;
use crate::error::Error;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// In seconds, for what helps to wait for.
const COME_BACK: HeaderValue = HeaderValue::from_static("2");

/// A refusal with what is to be said of this one.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(super) fault: AdminFault,
    /// Never a token, a secret or the name of a file.
    detail: Option<String>,
    /// The scope that would do.
    scope: Option<&'static str>,
}

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument {
    /// `about:blank`: `code` says which problem it is.
    r#type: &'static str,
    /// What it is, for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// A stable name for programs.
    code: &'static str,
    /// What was wrong with this request, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Problem {
    /// With something to say of this one.
    pub(super) fn with(fault: AdminFault, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::from(fault)
        }
    }

    /// The token or certificate is good, and this scope is missing.
    pub(super) fn of_scope(scope: &'static str) -> Self {
        Self {
            scope: Some(scope),
            ..Self::from(AdminFault::InsufficientScope)
        }
    }

    fn of_client(fault: &ClientFault) -> Self {
        let (is, detail) = match fault {
            ClientFault::Unknown => (AdminFault::UnknownClient, None),
            ClientFault::Taken => (AdminFault::ClientExists, None),
            ClientFault::Changed => (AdminFault::ClientChanged, None),
            // Where it stands is for who sees the configuration: that names a file.
            ClientFault::OfConfiguration { .. } => (AdminFault::ClientOfConfiguration, None),
            ClientFault::NoSecret => (AdminFault::NoSecret, None),
            ClientFault::TwoSecrets { until } => {
                let until = format!("it counts until {until}, in seconds since 1970");
                (AdminFault::TwoSecrets, Some(until))
            }
            ClientFault::TooMany { most } => {
                (AdminFault::TooManyClients, Some(format!("that is {most}")))
            }
        };
        Self {
            detail,
            ..Self::from(is)
        }
    }

    /// The stable name.
    pub(super) const fn code(&self) -> &'static str {
        self.fault.told().code
    }

    fn challenge(&self) -> Option<HeaderValue> {
        let error = self.fault.bearer_error();
        if error.is_none() && self.fault != AdminFault::NoCredentials {
            return None;
        }
        let mut text = String::from("Bearer realm=\"hallpass-admin\"");
        for (name, value) in [("error", error), ("scope", self.scope)] {
            if let Some(value) = value {
                text.push_str(&format!(", {name}=\"{value}\""));
            }
        }
        HeaderValue::try_from(text).ok()
    }
}

/// How each operation describes that.
impl IntoResponses for Problem {
    fn responses() -> BTreeMap<String, RefOr<openapi::Response>> {
        let schema = Ref::from_schema_name("Problem");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new()
            .description("A problem (RFC 9457); `code` says which.")
            .content("application/problem+json", content)
            .build();
        BTreeMap::from([("default".to_owned(), response.into())])
    }
}

impl From<AdminFault> for Problem {
    fn from(fault: AdminFault) -> Self {
        Self {
            fault,
            detail: None,
            scope: None,
        }
    }
}

impl From<Error> for Problem {
    /// What the store says is for the log: it names files.
    fn from(error: Error) -> Self {
        let fault = AdminFault::from(&error);
        match fault {
            AdminFault::StoreUnavailable | AdminFault::OutcomeUnknown => {
                tracing::warn!(%error, "a request of an administrator did not get what it needs of the store");
            }
            AdminFault::Internal => tracing::error!(%error, "a request of an administrator failed"),
            _ => {}
        }
        let detail = match error {
            Error::Client { fault, .. } => return Self::of_client(&fault),
            Error::UnknownKey { known, .. } | Error::UnknownAuthority { known, .. } => {
                format!("the store has {}", known.join(", "))
            }
            Error::TooManyKeys { problem }
            | Error::Revocation { problem }
            | Error::Registration { problem, .. } => problem,
            Error::Clients { problems } => problems,
            _ => return fault.into(),
        };
        Self::with(fault, detail)
    }
}

/// Of commands, too: what an audit event says of how they ended.
impl From<&Error> for AdminFault {
    fn from(error: &Error) -> Self {
        match error {
            Error::UnknownKey { .. } => Self::UnknownKey,
            Error::TooManyKeys { .. } => Self::TooManyKeys,
            Error::NoAuthority => Self::NoAuthority,
            Error::UnknownAuthority { .. } => Self::UnknownAuthority,
            Error::Revocation { .. } => Self::InvalidRevocation,
            Error::Registration { .. } | Error::Clients { .. } => Self::InvalidClient,
            Error::Client { fault, .. } => Problem::of_client(fault).fault,
            Error::TooManyRevocations { .. } => Self::DenyListFull,
            Error::StoreBusy { .. }
            | Error::StoreReplaced { .. }
            | Error::StoreSlow { .. }
            | Error::StoreAway { .. }
            | Error::Store { .. }
            | Error::StoreTooNew { .. }
            | Error::StoreBehind { .. }
            | Error::StoreDamaged { .. } => Self::StoreUnavailable,
            Error::StoreOutcomeUnknown { .. } => Self::OutcomeUnknown,
            Error::IssuerName { .. }
            | Error::TrustedIssuer { .. }
            | Error::ClientKeys { .. }
            | Error::NoReplayStore
            | Error::SealingKeyTooShort { .. }
            | Error::Tls(_)
            | Error::AdminTls(_)
            | Error::SealingKeyMissing { .. }
            | Error::SealingKeyFile { .. }
            | Error::WrongSealingKey { .. }
            | Error::File { .. }
            | Error::IssuerOnOtherFile { .. }
            | Error::NoSealingKey
            | Error::Migration { .. }
            | Error::StoreNotEmpty { .. }
            | Error::Backup { .. }
            | Error::StoreMissing { .. }
            | Error::Import { .. }
            | Error::KeyIdTaken { .. }
            | Error::FirstClientNotShown { .. }
            | Error::Listen { .. }
            | Error::TaskEnded { .. }
            | Error::Internal { .. } => Self::Internal,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Told {
            status,
            code,
            title,
        } = self.fault.told();
        let challenge = self.challenge();
        let document = ProblemDocument {
            r#type: "about:blank",
            title,
            status: status.as_u16(),
            code,
            detail: self.detail,
        };
        // Texts and numbers alone: writing them does not fail.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(CACHE_CONTROL, NO_STORE);
        if self.fault.is_passing() {
            headers.insert(RETRY_AFTER, COME_BACK);
        }
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_a_matter_of_time_and_its_place_is_told_to_nobody() {
        let away = Error::StoreAway {
            store: "postgres://db.example/hallpass".to_owned(),
            problem: "connection refused".to_owned(),
        };
        let problem = Problem::from(away);
        assert_eq!(problem.fault, AdminFault::StoreUnavailable);
        assert_eq!(problem.detail, None);
        let response = problem.into_response();
        assert_eq!(response.status().as_u16(), 503);
        assert!(response.headers().contains_key(RETRY_AFTER));
    }
}
