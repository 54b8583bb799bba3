//! Calls that go on while something changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hallpass::prelude::*;

use crate::service::{BoxSystem, FeignSystem, System};

const CALLERS: usize = 4;

/// Calls that go on until they are told to end.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    /// Of each caller.
    calls: Arc<[AtomicUsize; CALLERS]>,
    callers: tokio::task::JoinSet<Vec<String>>,
}

impl Load {
    pub(crate) fn start(hallpass: &Hallpass) -> Self {
        let mut load = Self {
            is_over: Arc::default(),
            calls: Arc::default(),
            callers: tokio::task::JoinSet::new(),
        };
        for caller in 0..CALLERS {
            let system = BoxSystem::new(FeignSystem::new(hallpass.feign()).unwrap());
            let (is_over, calls) = (Arc::clone(&load.is_over), Arc::clone(&load.calls));
            load.callers.spawn(async move {
                let mut failed = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let failure = system.report().await.err();
                    failed.extend(failure.map(|error| error.to_string()));
                    calls[caller].fetch_add(1, Ordering::Relaxed);
                }
                failed
            });
        }
        load
    }

    /// Until so many calls more were made.
    pub(crate) async fn go_on_for(&self, calls: usize) {
        let before = self.made().iter().sum::<usize>();
        while self.made().iter().sum::<usize>() < before + calls {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Until all calls that are under way have ended, and each caller has made another one since.
    pub(crate) async fn each_goes_on(&self) {
        let before = self.made();
        let has_gone_on = || (0..CALLERS).all(|it| self.made()[it] >= before[it] + 2);
        while !has_gone_on() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn made(&self) -> [usize; CALLERS] {
        std::array::from_fn(|caller| self.calls[caller].load(Ordering::Relaxed))
    }

    /// How many calls were made, and what was said of those that failed.
    pub(crate) async fn end(self) -> (usize, Vec<String>) {
        self.is_over.store(true, Ordering::Relaxed);
        let calls = Arc::clone(&self.calls);
        let failed = self.callers.join_all().await.into_iter().flatten();
        let failed = failed.collect();
        (
            calls.iter().map(|it| it.load(Ordering::Relaxed)).sum(),
            failed,
        )
    }
}
