//! A run from its first call to the last response.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use hallpass::listen::{StopSignals, raise_descriptor_limit};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::arguments::LoadArguments;
use super::dispatcher::Run;
use super::ended::Ended;
use super::measured::Measured;
use super::report::Report;
use crate::output::{self, Exit, Failure};

/// For how long calls under way are waited for when somebody ends the run early.
const HURRY: Duration = Duration::from_secs(1);
/// Beyond the limit of a call: until its end is noted.
const SLACK: Duration = Duration::from_secs(1);

/// Makes calls to `target` as `load` says, and shows what became of them. SIGINT and SIGTERM end it early.
///
/// # Errors
/// A failure when there is no signal handler, when nothing was measured, or when standard output cannot be written.
pub(crate) async fn run<C, F>(load: &LoadArguments, target: &str, call: C) -> Result<Exit, Failure>
where
    C: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Ended> + Send + 'static,
{
    raise_descriptor_limit();
    let mut signals = StopSignals::install()
        .map_err(|error| Failure::failed(format_args!("no signal handler: {error}")))?;
    output::complain(&load.warning(target));
    let measured = measure(load, call, &mut signals).await?;
    if measured.planned == 0 {
        return Err(Failure::failed("it was ended before anything was measured"));
    }
    let report = Report::new(target, load, &measured);
    match load.json {
        true => output::print_json(&report)?,
        false => output::print_line(&report.text())?,
    }
    Ok(if report.is_sound() {
        Exit::Ok
    } else {
        Exit::Failed
    })
}

async fn measure<C, F>(
    load: &LoadArguments,
    call: C,
    signals: &mut StopSignals,
) -> Result<Measured, Failure>
where
    C: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Ended> + Send + 'static,
{
    let run = Run::new(load, Measured::new()?);
    let (stop, stopped) = mpsc::channel();
    let (own, tasks, call) = (run.clone(), Handle::current(), Arc::new(call));
    let mut dispatched = tokio::task::spawn_blocking(move || own.dispatch(&call, &tasks, &stopped));
    let mut is_interrupted = tokio::select! {
        ended = &mut dispatched => {
            ended.map_err(Failure::failed)?;
            false
        }
        _ = signals.received() => true,
    };
    drop(stop);
    if is_interrupted {
        dispatched.await.map_err(Failure::failed)?;
    }
    let patience = if is_interrupted {
        HURRY
    } else {
        load.timeout + SLACK
    };
    tokio::select! {
        _ = timeout(patience, run.places.acquire_many(load.concurrency)) => {}
        _ = signals.received() => is_interrupted = true,
    }
    let mut measured = run.measured();
    measured.is_interrupted = is_interrupted;
    if !is_interrupted {
        // The last call may have ended before its time was over.
        measured.took = measured.took.max(load.duration);
    }
    Ok(measured)
}
