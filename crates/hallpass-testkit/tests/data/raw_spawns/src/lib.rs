//! Each line with the mark at its end is found by clippy, and no other line.

use std::thread;
use std::time::Duration;

use rayon::prelude::*;
use tokio::runtime::{Handle, Runtime};
use tokio::task::{JoinSet, LocalSet};

pub async fn tasks() {
    tokio::spawn(async {}); // caught
    tokio::task::spawn(async {}); // caught
    tokio::task::spawn_blocking(|| ()); // caught
    tokio::task::spawn_local(async {}); // caught
    let mut set = JoinSet::new();
    set.spawn(async {}); // caught
    set.spawn_on(async {}, &Handle::current()); // caught
    set.spawn_local(async {}); // caught
    set.spawn_blocking(|| ()); // caught
    set.spawn_blocking_on(|| (), &Handle::current()); // caught
    LocalSet::new().spawn_local(async {}); // caught
    while set.join_next().await.is_some() {}
}

pub fn runtimes(runtime: &Runtime) {
    runtime.spawn(async {}); // caught
    runtime.spawn_blocking(|| ()); // caught
    Handle::current().spawn(async {}); // caught
    Handle::current().spawn_blocking(|| ()); // caught
    runtime.block_on(async {});
}

pub fn threads() {
    thread::spawn(|| ()); // caught
    let _ = thread::Builder::new().spawn(|| ()); // caught
    thread::scope(|scope| {
        scope.spawn(|| ()); // caught
    });
}

pub fn jobs(pool: &rayon::ThreadPool, mut numbers: Vec<u64>) {
    rayon::spawn(|| ()); // caught
    rayon::spawn_fifo(|| ()); // caught
    rayon::spawn_broadcast(|_| ()); // caught
    rayon::broadcast(|_| ()); // caught
    rayon::join(|| (), || ()); // caught
    rayon::scope(|_| ()); // caught
    rayon::scope_fifo(|_| ()); // caught
    rayon::in_place_scope(|_| ()); // caught
    pool.spawn(|| ()); // caught
    pool.spawn_fifo(|| ()); // caught
    pool.install(|| ()); // caught
    pool.join(|| (), || ()); // caught
    pool.scope(|_| ()); // caught
    numbers.par_iter().for_each(|_| ()); // caught
    numbers.par_iter_mut().for_each(|_| ()); // caught
    numbers.iter().par_bridge().for_each(|_| ()); // caught
    numbers.into_par_iter().for_each(|_| ()); // caught
}

pub async fn what_stays_in_its_task() {
    let _ = tokio::time::timeout(Duration::from_secs(1), async {}).await;
    LocalSet::new().run_until(async {}).await;
    tokio::task::yield_now().await;
    thread::yield_now();
}
