//! An error that has read what the callee says about its refusal.

use std::fmt;

use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::error::{ErrorHeaders, FeignError};

/// The error of a method whose callee says in JSON why it refuses: `Result<T, TypedError<P>>`.
///
/// It is made of the [`FeignError`] of the call once it has ended, so retries, circuit breakers, metrics and the fallback see that
/// one as ever. Any other type that is made `From<FeignError>` may be the error of a method in the same way.
///
/// ```
/// use hallpass_feign::{TypedError, feign_client};
///
/// /// What the service says, by RFC 9457.
/// #[derive(Debug, serde::Deserialize)]
/// struct Problem {
///     title: String,
/// }
///
/// #[feign_client(name = "logistics-service")]
/// trait Logistics {
///     #[post("/orders/{order_id}/shipments")]
///     async fn ship(&self, order_id: u64) -> Result<(), TypedError<Problem>>;
/// }
///
/// # async fn example(logistics: impl Logistics) {
/// match logistics.ship(7).await {
///     Ok(()) => println!("on its way"),
///     Err(TypedError::Refused { status, problem, .. }) => println!("{status}: {}", problem.title),
///     Err(error) => println!("{error}"),
/// }
/// # }
/// ```
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TypedError<P> {
    /// The callee responded with a status that is not a success, and its body is a `P` in JSON, whatever its media type says.
    #[error("the callee refused with {status}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// The headers of the response; hidden in `Debug`.
        headers: ErrorHeaders,
        /// What it said. Not a part of the error's text, which may be logged, and hidden in `Debug`.
        problem: P,
    },
    /// Everything else: no response, or one whose body is no `P`.
    #[error(transparent)]
    Failed(FeignError),
}

impl<P: DeserializeOwned> From<FeignError> for TypedError<P> {
    fn from(error: FeignError) -> Self {
        let FeignError::Status {
            status,
            headers,
            body,
        } = &error
        else {
            return Self::Failed(error);
        };
        match body.json() {
            Ok(problem) => Self::Refused {
                status: *status,
                headers: headers.clone(),
                problem,
            },
            Err(_) => Self::Failed(error),
        }
    }
}

impl<P> fmt::Debug for TypedError<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused {
                status, headers, ..
            } => f
                .debug_struct("Refused")
                .field("status", status)
                .field("headers", headers)
                .finish_non_exhaustive(),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<P> TypedError<P> {
    /// The status of the response, if there was one.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } | Self::Failed(FeignError::Status { status, .. }) => {
                Some(*status)
            }
            Self::Failed(_) => None,
        }
    }

    /// The header `name` of the response, if there was one and it has such a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        match self {
            Self::Refused { headers, .. } => headers.get(name),
            Self::Failed(error) => error.header(name),
        }
    }
}
