//! What becomes of a request that is not answered by an upstream: the one map from what went wrong to a response.

use std::time::Duration;

use bytes::Bytes;
use hallpass_resource::{DenialResponse, refusal_in_grpc};
use hallpass_token::BearerError;
use hallpass_upstream::{RateRefusal, Refusal, TransportErrorKind};
use http::header::{CONNECTION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use super::head::HeadFault;
use super::upload::UploadFault;
use super::upstream_error::UpstreamError;
use crate::problem::problem;

/// Why a request is not answered by an upstream.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It is none that is handed on.
    Head(HeadFault),
    /// `Connection` names a field that it cannot be without.
    Connection,
    /// Its path has no single meaning, or would choose another route by another reading.
    Path,
    /// It names a host that is none.
    Host,
    /// The resource server refuses it, or has answered it; or its token has ended while its body came.
    Decided(Box<Response<Bytes>>),
    /// The decision took too long.
    Undecided,
    /// No route is for it.
    NoRoute,
    /// Its caller has sent more than allowed, or that cannot be known.
    Rate(RateRefusal),
    /// As many requests of its caller are under way to the service as may be.
    TooMany,
    /// Its token was taken back here.
    LoggedOut,
    /// Nobody else could be told that its token was taken back.
    NotLoggedOut,
    /// There is no token that the upstream should get.
    NoToken,
    /// Its body.
    Upload(UploadFault),
    /// Its upstream.
    Upstream(UpstreamError),
    /// It, or its caller, has had all the time that there was.
    TooLong,
}

/// What is told of a trouble.
struct Told {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    /// For the metrics.
    by: &'static str,
}

const fn told(
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    by: &'static str,
) -> Told {
    Told {
        status,
        code,
        title,
        by,
    }
}

impl Trouble {
    /// Whether it is none: the resource server has answered the request itself.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Decided(response) if response.status().is_success())
    }

    /// What refuses, for the metrics.
    pub(crate) fn by(&self) -> &'static str {
        match self {
            Self::Decided(_) => "decision",
            _ => self.told().by,
        }
    }

    /// The response to the sender: in the words of gRPC where the request speaks it, by this media type.
    pub(crate) fn into_response(self, spoken_grpc: Option<HeaderValue>) -> Response<Bytes> {
        let (told, wait) = (self.told(), self.retry_after());
        let closes = self.ends_connection();
        let bearer_error = matches!(self, Self::LoggedOut).then_some(BearerError::InvalidToken);
        let response = match self {
            Self::Decided(response) => *response,
            _ => {
                let mut response = problem(told.status, told.code, told.title);
                response.extensions_mut().insert(DenialResponse {
                    status: told.status,
                    code: told.code,
                    bearer_error,
                    challenge: bearer_error.is_some(),
                    title: told.title,
                });
                if bearer_error.is_some() {
                    // As every other token that counts no more (RFC 6750 section 3.1).
                    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                }
                if let Some(wait) = wait {
                    // Rounded up: who comes back too early comes twice.
                    let seconds = wait.as_millis().div_ceil(1_000).max(1);
                    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
                    response
                        .headers_mut()
                        .insert(RETRY_AFTER, HeaderValue::from(seconds));
                }
                response
            }
        };
        let mut response = match spoken_grpc {
            Some(media_type) => refusal_in_grpc(response, media_type),
            None => response,
        };
        if closes {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    }

    /// Where the body of the request begins and ends is in doubt: nothing that follows on its connection is a request.
    fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::Head(HeadFault::TwoLengths | HeadFault::Coding) | Self::Connection
        )
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Undecided
            | Self::NoToken
            | Self::NotLoggedOut
            | Self::TooMany
            | Self::Rate(RateRefusal::Away) => Some(Duration::from_secs(1)),
            Self::Rate(RateRefusal::UsedUp(wait)) => Some(*wait),
            Self::Upstream(UpstreamError::Refused(refusal)) => match refusal {
                Refusal::BreakerOpen { retry_after, .. }
                | Refusal::RateLimited { retry_after, .. } => Some(*retry_after),
                Refusal::BulkheadFull { .. } | Refusal::NoInstance(_) => {
                    Some(Duration::from_secs(1))
                }
            },
            Self::Head(_)
            | Self::Connection
            | Self::Path
            | Self::Host
            | Self::Decided(_)
            | Self::NoRoute
            | Self::LoggedOut
            | Self::Upload(_)
            | Self::Upstream(_)
            | Self::TooLong => None,
        }
    }

    fn told(&self) -> Told {
        match self {
            Self::Head(fault) => of_head(*fault),
            Self::Connection => told(
                StatusCode::BAD_REQUEST,
                "bad_framing",
                "`Connection` names a header field that the request cannot be without.",
                "framing",
            ),
            Self::Path => told(
                StatusCode::BAD_REQUEST,
                "bad_path",
                "The path of the request could be read in several ways.",
                "path",
            ),
            Self::Host => told(
                StatusCode::BAD_REQUEST,
                "bad_host",
                "The request does not name one host.",
                "path",
            ),
            // Its own response says it.
            Self::Decided(_) | Self::Undecided => told(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Something that the decision needs is not available.",
                "timeout",
            ),
            Self::NoRoute => told(
                StatusCode::NOT_FOUND,
                "no_route",
                "No service is known for this request.",
                "route",
            ),
            Self::Rate(refusal) => of_rate(*refusal),
            Self::TooMany => told(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_in_flight",
                "As many requests of this caller are under way as may be at once.",
                "caller_bulkhead",
            ),
            Self::LoggedOut => told(
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                "The token was taken back.",
                "logout",
            ),
            Self::NotLoggedOut => told(
                StatusCode::SERVICE_UNAVAILABLE,
                "logout_failed",
                "The token is taken back here; others could not be told.",
                "logout",
            ),
            Self::NoToken => told(
                StatusCode::SERVICE_UNAVAILABLE,
                "no_token",
                "The identity that the service needs to see could not be had.",
                "token",
            ),
            Self::Upload(fault) => of_upload(*fault),
            Self::Upstream(error) => of_upstream(error),
            Self::TooLong => told(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "The time for this request is over.",
                "timeout",
            ),
        }
    }
}

fn of_rate(refusal: RateRefusal) -> Told {
    match refusal {
        RateRefusal::UsedUp(_) => told(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "More requests were sent than are allowed.",
            "rate",
        ),
        RateRefusal::Away => told(
            StatusCode::SERVICE_UNAVAILABLE,
            "rate_unknown",
            "How many requests were sent cannot be known at the moment.",
            "rate",
        ),
    }
}

fn of_head(fault: HeadFault) -> Told {
    match fault {
        HeadFault::Method => told(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This method is not handed on.",
            "framing",
        ),
        HeadFault::Target => told(
            StatusCode::BAD_REQUEST,
            "bad_path",
            "The request target is no path.",
            "path",
        ),
        HeadFault::TwoLengths => told(
            StatusCode::BAD_REQUEST,
            "bad_framing",
            "The length of the body is said in several ways.",
            "framing",
        ),
        HeadFault::Coding => told(
            StatusCode::NOT_IMPLEMENTED,
            "unknown_coding",
            "The body is coded in a way that is not known here.",
            "framing",
        ),
    }
}

fn of_upload(fault: UploadFault) -> Told {
    match fault {
        UploadFault::TooLarge => told(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "The body is larger than allowed.",
            "body",
        ),
        UploadFault::TooSlow => told(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            "The body came too slowly.",
            "body",
        ),
        UploadFault::Broken => told(
            StatusCode::BAD_REQUEST,
            "bad_framing",
            "The body ended before its end.",
            "body",
        ),
    }
}

fn of_upstream(error: &UpstreamError) -> Told {
    let busy = |by| {
        let title = "The service takes no further requests at the moment.";
        told(StatusCode::SERVICE_UNAVAILABLE, "upstream_busy", title, by)
    };
    let unreachable = told(
        StatusCode::BAD_GATEWAY,
        "upstream_unreachable",
        "The service cannot be reached.",
        "upstream",
    );
    let invalid = told(
        StatusCode::BAD_GATEWAY,
        "upstream_invalid",
        "The response of the service cannot be handed on.",
        "upstream",
    );
    match error {
        UpstreamError::Refused(refusal) => match refusal {
            Refusal::NoInstance(_) => unreachable,
            Refusal::BreakerOpen { .. } => busy("breaker"),
            Refusal::BulkheadFull { .. } => busy("bulkhead"),
            Refusal::RateLimited { .. } => busy("rate"),
        },
        UpstreamError::Transport(error) => match error.kind() {
            TransportErrorKind::Protocol => invalid,
            _ => unreachable,
        },
        UpstreamError::TimedOut => told(
            StatusCode::GATEWAY_TIMEOUT,
            "upstream_timeout",
            "The service did not respond in time.",
            "timeout",
        ),
        UpstreamError::Invalid(_) => invalid,
        UpstreamError::Switched => told(
            StatusCode::BAD_GATEWAY,
            "upgrade_refused",
            "The service has not taken the upgrade that was asked for.",
            "upstream",
        ),
    }
}

impl From<HeadFault> for Trouble {
    fn from(fault: HeadFault) -> Self {
        Self::Head(fault)
    }
}

impl From<UploadFault> for Trouble {
    fn from(fault: UploadFault) -> Self {
        Self::Upload(fault)
    }
}

impl From<UpstreamError> for Trouble {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_told_in_the_words_of_whoever_asked() {
        let trouble = || Trouble::Upstream(UpstreamError::TimedOut);
        assert_eq!(trouble().by(), "timeout");
        let response = trouble().into_response(None);
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        let text = String::from_utf8_lossy(response.body());
        assert!(text.contains("\"code\":\"upstream_timeout\""), "{text}");
        let media_type = HeaderValue::from_static("application/grpc");
        let response = trouble().into_response(Some(media_type));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "4");
        assert!(response.body().is_empty());
    }

    #[test]
    fn who_is_to_come_back_is_told_when_and_who_is_in_doubt_loses_the_connection() {
        let open = Refusal::BreakerOpen {
            service: "a".into(),
            retry_after: Duration::from_millis(1_200),
        };
        let response = Trouble::Upstream(open.into()).into_response(None);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert!(!response.headers().contains_key(CONNECTION));
        let response = Trouble::Head(HeadFault::TwoLengths).into_response(None);
        assert_eq!(response.headers()[CONNECTION], "close");
        assert_eq!(Trouble::NoRoute.into_response(None).status(), 404);
        let large = Trouble::Upload(UploadFault::TooLarge);
        assert_eq!(large.into_response(None).status(), 413);
    }
}
