//! Another result when the service cannot give one.

use std::future::Future;
use std::pin::pin;

use crate::client::{Client, Method};
use crate::error::FeignError;
use crate::ongoing_call::OngoingCall;

pub(crate) mod metrics;
mod source;

pub use source::Fallback;

tokio::task_local! {
    static CAUSE: FeignError;
}

/// Inside a fallback: why it was asked. `None` everywhere else.
///
/// Read it before spawning: like the caller's identity, it belongs to the task that the fallback runs on.
///
/// ```
/// use hallpass_feign::{FeignError, fallback_cause, feign_client};
///
/// #[feign_client(name = "logistics-service", fallback = Unknown)]
/// trait Logistics {
///     #[get("/orders/{order_id}/status")]
///     async fn status(&self, order_id: u64) -> Result<String, FeignError>;
/// }
///
/// #[derive(Default)]
/// struct Unknown;
///
/// impl Logistics for Unknown {
///     async fn status(&self, _: u64) -> Result<String, FeignError> {
///         let why = fallback_cause().map_or("none", |cause| cause.code());
///         Ok(format!("unknown for now ({why})"))
///     }
/// }
/// ```
#[must_use]
pub fn fallback_cause() -> Option<FeignError> {
    CAUSE.try_with(Clone::clone).ok()
}

/// Runs `call`; when it fails for a reason that a fallback may hide, the fallback's result is the result.
///
/// The fallback runs in the caller's task, so the caller's identity is found in it. The deadline was the call's and
/// does not limit it.
pub(crate) async fn or_else<T, C, F, Fut>(
    client: &Client,
    method: &Method,
    ongoing: &OngoingCall,
    (fallback, call): (Option<F>, impl FnOnce() -> C),
) -> Result<T, FeignError>
where
    C: Future<Output = Result<T, FeignError>>,
    F: FnOnce(&FeignError) -> Fut,
    Fut: Future<Output = Result<T, FeignError>>,
{
    let result = pin!(call()).await;
    let (Err(cause), Some(fallback)) = (&result, fallback) else {
        return result;
    };
    if !cause.reaches_fallback() {
        return result;
    }
    // Logged here because it is handled here: the caller will not see this error. Not each time: there may be thousands a second.
    let (name, path, code) = (client.name(), method.spec.template, cause.code());
    if let Some(times) = method.said.times(code) {
        tracing::warn!(client = name, path, code, error = %cause, times, "the fallback answers");
    } else {
        tracing::debug!(client = name, path, code, error = %cause, "the fallback answers");
    }
    client
        .metrics()
        .fallbacks
        .asked(name, method.spec, cause.code());
    ongoing.fall_back();
    // A factory runs here as well, so that it knows the cause in both ways.
    CAUSE
        .scope(cause.clone(), async move { fallback(cause).await })
        .await
}
