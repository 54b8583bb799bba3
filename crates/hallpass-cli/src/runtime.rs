//! The asynchronous runtime, for the commands that need one.

use std::future::Future;

use tokio::runtime::Builder;

use crate::output::Failure;

/// Runs `future` to its end on a runtime with all drivers.
///
/// # Errors
/// When the system gives no threads or descriptors for one.
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format_args!("no runtime: {error}")))?;
    let output = runtime.block_on(future);
    // A thread that reads a file or hashes secrets for a future that is gone keeps no process alive.
    runtime.shutdown_background();
    Ok(output)
}
