//! The asynchronous runtime, for the commands that need one.

use std::future::Future;
use std::num::NonZero;
use std::thread::available_parallelism;

use tokio::runtime::Builder;

use crate::output::Failure;

/// Runs `future` to its end on a runtime with all drivers.
///
/// # Errors
/// When the system gives no threads or descriptors for one.
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    run(Builder::new_multi_thread(), future)
}

/// The same for a server. One that may use a single processor does so with a single thread: nobody is there to share work with, and what keeps threads from
/// each other's work costs a request more than its route.
///
/// # Errors
/// As [`block_on`].
pub(crate) fn serve<F: Future>(future: F) -> Result<F::Output, Failure> {
    match available_parallelism().map(NonZero::get) {
        Ok(1) => run(Builder::new_current_thread(), future),
        _ => block_on(future),
    }
}

fn run<F: Future>(mut builder: Builder, future: F) -> Result<F::Output, Failure> {
    let runtime = builder.enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format_args!("no runtime: {error}")))?;
    let output = runtime.block_on(future);
    // A thread that reads a file or hashes secrets for a future that is gone keeps no process alive.
    runtime.shutdown_background();
    Ok(output)
}
