//! No call takes longer than its deadline.

use crate::error::FeignError;
use crate::facts::Facts;

/// Drops `call` when the deadline passes. What is dropped then counts as a failure of the instance; see `admission`.
pub(crate) async fn within<T>(
    facts: &Facts,
    call: impl Future<Output = Result<T, FeignError>>,
) -> Result<T, FeignError> {
    match tokio::time::timeout_at(facts.deadline, call).await {
        Ok(result) => result,
        Err(_) => Err(FeignError::Deadline { limit: facts.limit }),
    }
}
