//! No call takes longer than its deadline.

use crate::error::FeignError;
use crate::ongoing_call::OngoingCall;

/// Drops `call` when the deadline passes. What is dropped then counts as a failure of the instance; see `admission`.
pub(crate) async fn within<T>(
    ongoing: &OngoingCall,
    call: impl Future<Output = Result<T, FeignError>>,
) -> Result<T, FeignError> {
    match tokio::time::timeout_at(ongoing.deadline, call).await {
        Ok(result) => result,
        Err(_) => Err(FeignError::Deadline {
            limit: ongoing.limit,
        }),
    }
}
