//! Each line with the mark at its end is found by clippy, and no other line.

use std::collections::HashMap;
use std::ops::Range;
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
        let _ = thread::Builder::new().spawn_scoped(scope, || ()); // caught
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

pub fn scopes(pool: &rayon::ThreadPool) {
    rayon::scope(|scope| { // caught
        scope.spawn(|_| ()); // caught
        scope.spawn_broadcast(|_, _| ()); // caught
    });
    rayon::scope_fifo(|scope| { // caught
        scope.spawn_fifo(|_| ()); // caught
        scope.spawn_broadcast(|_, _| ()); // caught
    });
    rayon::in_place_scope_fifo(|_| ()); // caught
    rayon::join_context(|_| (), |_| ()); // caught
    pool.broadcast(|_| ()); // caught
    pool.spawn_broadcast(|_| ()); // caught
    pool.scope_fifo(|_| ()); // caught
    pool.in_place_scope(|_| ()); // caught
    pool.in_place_scope_fifo(|_| ()); // caught
}

pub fn drained(mut numbers: Vec<u64>, mut named: HashMap<u64, u64>) {
    numbers.par_drain(..).for_each(|_| ()); // caught
    named.par_drain().for_each(|_| ()); // caught
    rayon::iter::split(0..9, |range: Range<u64>| (range, None)).for_each(|_| ()); // caught
    rayon::iter::walk_tree(0, |_| Vec::<u64>::new()).for_each(|_| ()); // caught
    rayon::iter::walk_tree_prefix(0, |_| Vec::<u64>::new()).for_each(|_| ()); // caught
    rayon::iter::walk_tree_postfix(0, |_| Vec::<u64>::new()).for_each(|_| ()); // caught
}

pub fn slices(numbers: &mut [u64]) {
    let is_odd = |it: &u64| it % 2 == 1;
    numbers.par_array_windows::<2>().for_each(|_| ()); // caught
    numbers.par_chunk_by(|a, b| a == b).for_each(|_| ()); // caught
    numbers.par_chunks(2).for_each(|_| ()); // caught
    numbers.par_chunks_exact(2).for_each(|_| ()); // caught
    numbers.par_rchunks(2).for_each(|_| ()); // caught
    numbers.par_rchunks_exact(2).for_each(|_| ()); // caught
    numbers.par_split(is_odd).for_each(|_| ()); // caught
    numbers.par_split_inclusive(is_odd).for_each(|_| ()); // caught
    numbers.par_windows(2).for_each(|_| ()); // caught
    numbers.par_chunk_by_mut(|a, b| a == b).for_each(|_| ()); // caught
    numbers.par_chunks_exact_mut(2).for_each(|_| ()); // caught
    numbers.par_chunks_mut(2).for_each(|_| ()); // caught
    numbers.par_rchunks_exact_mut(2).for_each(|_| ()); // caught
    numbers.par_rchunks_mut(2).for_each(|_| ()); // caught
    numbers.par_split_inclusive_mut(is_odd).for_each(|_| ()); // caught
    numbers.par_split_mut(is_odd).for_each(|_| ()); // caught
    numbers.par_sort(); // caught
    numbers.par_sort_by(|a, b| a.cmp(b)); // caught
    numbers.par_sort_by_cached_key(|it| *it); // caught
    numbers.par_sort_by_key(|it| *it); // caught
    numbers.par_sort_unstable(); // caught
    numbers.par_sort_unstable_by(|a, b| a.cmp(b)); // caught
    numbers.par_sort_unstable_by_key(|it| *it); // caught
}

pub fn texts(text: &str) {
    text.par_bytes().for_each(|_| ()); // caught
    text.par_char_indices().for_each(|_| ()); // caught
    text.par_chars().for_each(|_| ()); // caught
    text.par_encode_utf16().for_each(|_| ()); // caught
    text.par_lines().for_each(|_| ()); // caught
    text.par_match_indices(',').for_each(|_| ()); // caught
    text.par_matches(',').for_each(|_| ()); // caught
    text.par_split(',').for_each(|_| ()); // caught
    text.par_split_ascii_whitespace().for_each(|_| ()); // caught
    text.par_split_inclusive(',').for_each(|_| ()); // caught
    text.par_split_terminator(',').for_each(|_| ()); // caught
    text.par_split_whitespace().for_each(|_| ()); // caught
}

pub async fn what_stays_in_its_task() {
    let _ = tokio::time::timeout(Duration::from_secs(1), async {}).await;
    LocalSet::new().run_until(async {}).await;
    tokio::task::yield_now().await;
    thread::yield_now();
}
