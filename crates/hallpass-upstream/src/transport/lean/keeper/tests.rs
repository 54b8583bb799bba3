use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::thread;

use super::*;

/// As a pool is to its keeper: so many connections, of which each look takes some.
#[derive(Default)]
struct Connections(AtomicUsize);

impl Kept for Connections {
    fn sweep(&self) -> Option<Duration> {
        let take = |left: usize| left.checked_sub(1);
        let taken = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        if taken.is_err() {
            // Now one comes back: the others get the time for it.
            thread::yield_now();
            return None;
        }
        // There may be more than the one that was taken.
        Some(Duration::ZERO)
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

/// One comes back, and whoever finds that nobody looks after them does so himself until the task may leave.
fn comes_back(kept: &Arc<Connections>, bell: &Bell) {
    kept.0.fetch_add(1, Ordering::SeqCst);
    if !bell.is_heard.load(Ordering::SeqCst) && bell.claims() {
        let kept = Arc::downgrade(kept);
        while look(&kept, bell).is_some() {}
    }
}

/// The task is about to leave since there was nothing, and one comes back at that moment: it sees that the task has left, or the task sees it. So none is
/// without anybody who looks after it, and there are no two who do.
#[test]
fn no_connection_that_comes_back_while_the_keeper_leaves_is_forgotten() {
    const ROUNDS: usize = 1_000;
    const THREADS: usize = 3;
    let (kept, bell) = (Arc::<Connections>::default(), Arc::<Bell>::default());
    let (begin, end) = (Barrier::new(THREADS), Barrier::new(THREADS));
    // Nobody panics while the others wait for him.
    let forgotten = AtomicUsize::new(0);
    let rounds = |is_first: bool| {
        for _ in 0..ROUNDS {
            begin.wait();
            comes_back(&kept, &bell);
            end.wait();
            if is_first {
                forgotten.fetch_add(kept.0.swap(0, Ordering::SeqCst), Ordering::SeqCst);
                let is_left = bell.is_heard.swap(false, Ordering::SeqCst);
                forgotten.fetch_add(usize::from(is_left), Ordering::SeqCst);
            }
        }
    };
    thread::scope(|scope| {
        let rounds = &rounds;
        for number in 0..THREADS {
            scope.spawn(move || rounds(number == 0));
        }
    });
    assert_eq!(forgotten.into_inner(), 0, "nobody looks after so many");
}
