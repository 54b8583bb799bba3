//! Calls that go on while something changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hallpass::prelude::*;

use crate::service::{BoxSystem, FeignSystem, System};

/// Calls that go on until they are told to end.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    callers: tokio::task::JoinSet<Vec<String>>,
}

impl Load {
    pub(crate) fn start(hallpass: &Hallpass) -> Self {
        let mut load = Self {
            is_over: Arc::default(),
            calls: Arc::default(),
            callers: tokio::task::JoinSet::new(),
        };
        for _ in 0..4 {
            let system = BoxSystem::new(FeignSystem::new(hallpass.feign()).unwrap());
            let (is_over, calls) = (Arc::clone(&load.is_over), Arc::clone(&load.calls));
            load.callers.spawn(async move {
                let mut failed = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let failure = system.report().await.err();
                    failed.extend(failure.map(|error| error.to_string()));
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                failed
            });
        }
        load
    }

    /// Until so many calls more were made.
    pub(crate) async fn go_on_for(&self, calls: usize) {
        let before = self.calls.load(Ordering::Relaxed);
        while self.calls.load(Ordering::Relaxed) < before + calls {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// How many calls were made, and what was said of those that failed.
    pub(crate) async fn end(self) -> (usize, Vec<String>) {
        self.is_over.store(true, Ordering::Relaxed);
        let failed = self.callers.join_all().await.into_iter().flatten();
        (self.calls.load(Ordering::Relaxed), failed.collect())
    }
}
